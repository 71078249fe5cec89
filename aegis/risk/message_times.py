"""When our messages were sent: the memory of MAX_MSG_RATE.

Three rings in one array, each of as many times as may be sent within their window: of the new
orders that passed the gate, of the cancels, and of the new orders that left. The time at a head is
the one that is given up next, that of the Nth last message.

What passes leaves in the same moment, but for an order that the dispatcher holds back. That one
leaves when there is room among those that have left, and its time of passing moves to then: what is
decided afterwards must find it counted where it is.
"""

from typing import Any

from aegis.host.jit import kernel
from aegis.risk.checks import message_rate
from aegis.risk.gate_state import (
    CANCEL_COUNT,
    CANCEL_HEAD,
    LEFT_COUNT,
    LEFT_HEAD,
    LEFT_WINDOW_NS,
    MAX_RATE,
    RATE_COUNT,
    RATE_HEAD,
)

__all__ = [
    "held_order_may_leave",
    "note_cancel",
    "note_held_order_left",
    "note_order_left",
    "note_order_passed",
]


@kernel
def _note(words: Any, rates: Any, base: Any, count: Any, head: Any, rate_now_ns: Any) -> Any:
    if 0 < count <= MAX_RATE:
        rates[base + words[head] % count] = rate_now_ns
        words[head] = (words[head] + 1) % count


@kernel("void(i8[::1],i8[::1],i8)")
def note_order_passed(words: Any, rates: Any, rate_now_ns: Any) -> Any:
    """Count a new order that the gate lets pass, whether the rate binds it or not."""
    _note(words, rates, 0, words[RATE_COUNT], RATE_HEAD, rate_now_ns)


@kernel("void(i8[::1],i8[::1],i8)")
def note_cancel(words: Any, rates: Any, rate_now_ns: Any) -> Any:
    """Count a cancel that is sent. It is never refused; too many of them stop new orders."""
    _note(words, rates, MAX_RATE, words[CANCEL_COUNT], CANCEL_HEAD, rate_now_ns)


@kernel("void(i8[::1],i8[::1],i8)")
def note_order_left(words: Any, rates: Any, now_ns: Any) -> Any:
    """Count a new order whose bytes have left."""
    _note(words, rates, 2 * MAX_RATE, words[LEFT_COUNT], LEFT_HEAD, now_ns)


@kernel("b1(i8[::1],i8[::1],i8)")
def held_order_may_leave(words: Any, rates: Any, now_ns: Any) -> Any:
    """MAX_MSG_RATE of a new order that passed and had to wait: whether there is room for it now."""
    count = words[LEFT_COUNT]
    if not 0 < count <= MAX_RATE:
        return False
    nth_last_ns = rates[2 * MAX_RATE + words[LEFT_HEAD] % count]
    return message_rate(now_ns, nth_last_ns, words[LEFT_WINDOW_NS])


@kernel("void(i8[::1],i8[::1],i8,i8)")
def note_held_order_left(words: Any, rates: Any, passed_ns: Any, now_ns: Any) -> Any:
    """Count one that had to wait: it has left, and the time at which it passed becomes now."""
    note_order_left(words, rates, now_ns)
    count, head = words[RATE_COUNT], words[RATE_HEAD]
    if not 0 < count <= MAX_RATE:
        return
    back = 1
    while back <= count and rates[(head + count - back) % count] != passed_ns:
        back += 1
    if back > count:
        # Forgotten: as many have passed since.
        note_order_passed(words, rates, now_ns)
        return
    for newer in range(back, 1, -1):
        rates[(head + count - newer) % count] = rates[(head + count - newer + 1) % count]
    rates[(head + count - 1) % count] = now_ns

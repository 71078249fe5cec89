"""What the gate remembers of each instrument: our last prices, orders and executions.

One row of 64-bit words per instrument; a row of zeros remembers nothing. The gate writes it for
every order that adds risk and passes, execution's fills count executions in it, and the order table
keeps the heads of its lists of resting orders here. Memory is constant: a window is two buckets
(this one and the one before, so it covers between one and two times its length, never less), the
recent orders and executions are small rings.

Offsets in a row::

    0      worth of one lot at the last trusted mid, 1e-8 quote, rounded up; 0: never seen
    1..2   heads of the lists of our resting buys and sells (slot + 1; 0: none)
    4..    per side (buy, sell) 8 words: last price, its time; the window's begin, lowest, highest,
           and the lowest and highest of the bucket before (ticks; 0: none)
    20..   executions: side of the streak, head, count; then the times of the last 64
    96..   the last 16 orders: price, signed quantity, time
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel

__all__ = [
    "EXECUTIONS",
    "GUARD_WORDS",
    "HEADS",
    "LOT_E8",
    "forget_streaks",
    "last_same_order_ns",
    "note_execution",
    "remember_order",
    "window_bounds",
]

LOT_E8 = 0
HEADS = 1
SIDES, SIDE_WORDS = 4, 8
LAST_TICKS, LAST_NS, BEGUN_NS, LOWEST, HIGHEST, EARLIER_LOWEST, EARLIER_HIGHEST = range(7)
STREAK_SIDE, STREAK_HEAD, STREAK_COUNT = 20, 21, 22
STREAK_TIMES = 24
EXECUTIONS = 64
RECENT_HEAD = 92
RECENT = 96
RECENT_ORDERS, RECENT_WORDS = 16, 3
GUARD_WORDS = 144
assert SIDES + 2 * SIDE_WORDS <= STREAK_SIDE
assert STREAK_TIMES + EXECUTIONS <= RECENT_HEAD
assert RECENT + RECENT_ORDERS * RECENT_WORDS <= GUARD_WORDS


@kernel("i8(i8,i8)")
def side_base(instrument: Any, side: Any) -> Any:
    """Where the words of one side of an instrument begin."""
    return instrument * GUARD_WORDS + SIDES + (0 if side > 0 else SIDE_WORDS)


@kernel("void(i8[::1],i8,i8,i8)")
def _roll(guards: Any, base: Any, now_ns: Any, window_ns: Any) -> Any:
    """Begin a new bucket when the present one is as old as the window."""
    age_ns = float(now_ns) - float(guards[base + BEGUN_NS])
    if 0.0 <= age_ns < float(window_ns):
        return
    is_next = window_ns <= age_ns < 2.0 * float(window_ns)
    guards[base + EARLIER_LOWEST] = guards[base + LOWEST] if is_next else 0
    guards[base + EARLIER_HIGHEST] = guards[base + HIGHEST] if is_next else 0
    guards[base + BEGUN_NS] = now_ns
    guards[base + LOWEST] = 0
    guards[base + HIGHEST] = 0


@kernel("UniTuple(i8,3)(i8[::1],i8,i8,i8,i8,i8)")
def window_bounds(
    guards: Any, instrument: Any, side: Any, price_ticks: Any, now_ns: Any, window_ns: Any
) -> Any:
    """(last, lowest, highest) price of our orders of a side within the window.

    Each is `price_ticks` itself where there is none.
    """
    base = side_base(instrument, side)
    _roll(guards, base, now_ns, window_ns)
    lowest = guards[base + LOWEST]
    highest = guards[base + HIGHEST]
    earlier = guards[base + EARLIER_LOWEST]
    if earlier > 0 and (lowest == 0 or earlier < lowest):
        lowest = earlier
    highest = max(highest, guards[base + EARLIER_HIGHEST])
    last = price_ticks
    age_ns = float(now_ns) - float(guards[base + LAST_NS])
    if guards[base + LAST_TICKS] > 0 and age_ns <= float(window_ns):
        last = guards[base + LAST_TICKS]
    if lowest == 0:
        return last, price_ticks, price_ticks
    return last, lowest, highest


@kernel("i8(i8[::1],i8,i8,i8)")
def last_same_order_ns(guards: Any, instrument: Any, price_ticks: Any, signed_lots: Any) -> Any:
    """When the same order (side, price, quantity) was last let through; long ago if never."""
    base = instrument * GUARD_WORDS + RECENT
    newest = np.int64(-(1 << 60))
    for place in range(RECENT_ORDERS):
        at = base + place * RECENT_WORDS
        if guards[at] == price_ticks and guards[at + 1] == signed_lots:
            newest = max(newest, guards[at + 2])
    return newest


@kernel("void(i8[::1],i8,i8,i8,i8,i8)")
def remember_order(
    guards: Any, instrument: Any, side: Any, price_ticks: Any, qty_lots: Any, now_ns: Any
) -> Any:
    """An order that adds risk passed; a market order (price 0) leaves the price windows alone."""
    row = instrument * GUARD_WORDS
    at = row + RECENT + guards[row + RECENT_HEAD] * RECENT_WORDS
    guards[row + RECENT_HEAD] = (guards[row + RECENT_HEAD] + 1) % RECENT_ORDERS
    guards[at] = price_ticks
    guards[at + 1] = side * qty_lots
    guards[at + 2] = now_ns
    if price_ticks <= 0:
        return
    base = side_base(instrument, side)
    guards[base + LAST_TICKS] = price_ticks
    guards[base + LAST_NS] = now_ns
    if guards[base + LOWEST] == 0 or price_ticks < guards[base + LOWEST]:
        guards[base + LOWEST] = price_ticks
    guards[base + HIGHEST] = max(guards[base + HIGHEST], price_ticks)


@kernel("i8(i8[::1],i8,i8,b1,i8,i8)")
def note_execution(
    guards: Any, instrument: Any, side: Any, ends_streak: Any, now_ns: Any, limit: Any
) -> Any:
    """Count an order's first fill; returns the time of the `limit`th last of its streak.

    Long ago when the streak is shorter. A fill of the other side, with a profit, or that leaves the
    position flat (`ends_streak`) begins a new one.
    """
    row = instrument * GUARD_WORDS
    if ends_streak or guards[row + STREAK_SIDE] != side:
        guards[row + STREAK_SIDE] = side
        guards[row + STREAK_COUNT] = 0
        if ends_streak:
            return np.int64(-(1 << 60))
    head = guards[row + STREAK_HEAD]
    guards[row + STREAK_TIMES + head] = now_ns
    guards[row + STREAK_HEAD] = (head + 1) % EXECUTIONS
    guards[row + STREAK_COUNT] += 1
    if not 0 < limit <= guards[row + STREAK_COUNT]:
        return np.int64(-(1 << 60))
    back = min(limit, EXECUTIONS) - 1
    return guards[row + STREAK_TIMES + (head - back) % EXECUTIONS]


@kernel("void(i8[::1])")
def forget_streaks(guards: Any) -> Any:
    """A person has looked: executions are counted anew."""
    for row in range(0, guards.size, GUARD_WORDS):
        guards[row + STREAK_COUNT] = 0

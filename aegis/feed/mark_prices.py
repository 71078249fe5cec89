"""Mark prices as they come: which are believed, when they are of, and the funding they tell.

The part of the digest that handles `markPriceUpdate`, one a second and instrument, all of them in
one burst. The believed ones stand where trades, quotes and books are judged by them, and in shared
memory for the gate. A funding is told when the stream turns to the next funding time: the rate that
was paid is the last one that stood before. With INCOMPLETE in its flags the stream was silent just
then and the rate is the last known.
"""

from typing import Any

import numpy as np

from aegis.feed import layout
from aegis.feed.candles import take_time
from aegis.feed.emit import push_tick
from aegis.feed.layout import (
    EVENT_MS,
    FUNDING_MS,
    INSTRUMENT,
    NO_CLOCK,
    ROW_WORDS,
    cursors,
    floats,
    mark_states,
    words,
)
from aegis.host.jit import kernel
from aegis.shm.marks import mark_write
from aegis.shm.tick import FUNDING, INCOMPLETE, MARK

__all__ = ["take_mark"]

_MS = 1_000_000
# A mark price moves so far from one second to the next only if the one after it says the same.
_JUMP = 0.10
_TIME_SLACK_MS = 5_000
# Mark prices come every second: an older one may not have been the last before the funding.
_FRESH_MS = 5_000


@kernel
def _believed_event_ms(context: Any, event_ms: Any) -> Any:
    """The message's own time, or ours if the known clock speaks against it; notes its lead."""
    control = words(context, layout.CONTROL)
    recv_ns, lead_ns = control[layout.RECV_NS], control[layout.CLOCK_LEAD_NS]
    word = layout.CLOCK_AHEAD_NS
    ahead_ns = event_ms * _MS - recv_ns
    if lead_ns != NO_CLOCK:
        now_ms = (recv_ns + lead_ns) // _MS
        if abs(event_ms - now_ms) > _TIME_SLACK_MS:
            words(context, layout.TOTALS)[layout.TIMES_REFUSED] += 1
            word = layout.CLOCK_DOUBT_NS
            event_ms = now_ms
    control[word] = max(control[word], ahead_ns)
    return event_ms


@kernel
def _is_believed(context: Any, instrument: Any, mark: Any) -> Any:
    """Whether a mark price is near the last one, or the second of two that say the same."""
    known = floats(context, layout.MARKS)[instrument]
    state = mark_states(context, layout.MARK_STATES)
    before = state[instrument].newest
    state[instrument].newest = mark
    if known == 0.0 or abs(mark - known) <= _JUMP * known:
        return True
    return before > 0.0 and abs(mark - before) <= _JUMP * before


@kernel
def _tell_funding(context: Any, instrument: Any, event_ms: Any, mark: Any, rate: Any) -> Any:
    """FUNDING when the funding time of the message before has passed; keeps this one's."""
    state = mark_states(context, layout.MARK_STATES)
    next_ms = words(context, layout.INTEGERS)[FUNDING_MS]
    due_ms, paid = state[instrument].funding_ms, state[instrument].rate
    if 0 < due_ms <= event_ms and next_ms > due_ms:
        is_stale = due_ms - state[instrument].event_ms > _FRESH_MS
        push_tick(
            context, instrument, np.int64(FUNDING), np.int64(INCOMPLETE if is_stale else 0),
            event_ms * _MS, words(context, layout.CONTROL)[layout.RECV_NS],
            paid, np.float64(due_ms), mark, np.float64(next_ms), rate,
        )  # fmt: skip
    state[instrument].rate = rate
    state[instrument].funding_ms = next_ms
    state[instrument].event_ms = words(context, layout.INTEGERS)[EVENT_MS]


@kernel
def take_mark(context: Any) -> Any:
    """Process the mark price at hand: MARK, and FUNDING before it when its time has passed."""
    integers = words(context, layout.INTEGERS)
    decimals = floats(context, layout.DECIMALS)
    mark, index, rate = decimals[0], decimals[1], decimals[2]
    instrument = integers[INSTRUMENT]
    recv_ns = words(context, layout.CONTROL)[layout.RECV_NS]
    event_ms = _believed_event_ms(context, integers[EVENT_MS])
    words(context, layout.ROWS)[instrument * ROW_WORDS + layout.MARK_RECV_NS] = recv_ns
    if not _is_believed(context, instrument, mark):
        words(context, layout.TOTALS)[layout.PRICES_REFUSED] += 1
        return
    floats(context, layout.MARKS)[instrument] = mark
    _tell_funding(context, instrument, event_ms, mark, rate)
    push_tick(
        context, instrument, np.int64(MARK), np.int64(0), event_ms * _MS, recv_ns,
        mark, index, rate, np.float64(integers[FUNDING_MS]), 0.0,
    )  # fmt: skip
    shared = cursors(context, layout.MARK_WORDS)
    if shared.size > 0:
        prices = floats(context, layout.MARK_PRICES)
        mark_write(shared, prices, instrument, event_ms * _MS, recv_ns, mark, index, rate)
    take_time(context, event_ms)

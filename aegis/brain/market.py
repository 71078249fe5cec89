"""What the brain knows of each market, from the content of the events alone.

`apply_tick` folds one TICK record into the instrument's MARKET record and says what to do with it.
Records that are not numbers, crossed or older than what is known are counted or dropped here, so
that no strategy ever sees them. Nothing here looks at a wall clock.
"""

import math
from typing import Any

import numpy as np

from aegis.brain.intents import stage_intent
from aegis.host.jit import kernel
from aegis.shm.books import (
    DEPTH,
    FLAGS,
    N_ASKS,
    N_BIDS,
    TS_EVENT,
    TS_RECV,
    UPDATE_ID,
    VALID,
    book_read,
)
from aegis.shm.intent import CANARY as CANARY_INTENT
from aegis.shm.tick import BOOK, CANARY, CANDLE, CLOCK, CLOSED, GAP, QUOTE, STATUS, TRADE

__all__ = [
    "ALL_INSTRUMENTS",
    "ANSWER",
    "DECIDE",
    "DROP",
    "NONSENSE",
    "WITHDRAW",
    "advance_clock",
    "apply_tick",
    "receive_tick",
    "tick_from_book",
]

# What is to be done with a record: nothing; count it, it is no number; answer it, it is a canary;
# show it to the strategy and act; withdraw from every market.
DROP, NONSENSE, ANSWER, DECIDE, WITHDRAW = 0, 1, 2, 3, 4

ALL_INSTRUMENTS = 0xFFFFFFFF
_BOOK_VALID, _BOOK_INVALID = 2.0, 3.0

_TICKS_MAX = 1e12
_UPDATE_ID_MAX = 2.0**53
# An update id below the last one is a late copy, unless the event's time is this much newer: then
# the exchange has started to count anew.
_NEW_COUNT_NS = 1_000_000_000
# An event time this far from the clock is believed only when a second event agrees.
_JUMP_NS = 60_000_000_000


@kernel
def advance_clock(core: Any, ts_event_ns: Any) -> Any:
    """Move the event clock: forward only, and over a jump only when two events agree on it."""
    ahead_ns = ts_event_ns - core.clock_ns
    if ts_event_ns <= 0:
        return
    if core.clock_ns == 0 or 0 <= ahead_ns <= _JUMP_NS:
        core.clock_ns = ts_event_ns
        core.clock_doubt_ns = 0
    elif abs(ahead_ns) > _JUMP_NS:
        doubt_ns = core.clock_doubt_ns
        if doubt_ns != 0 and abs(ts_event_ns - doubt_ns) <= _JUMP_NS:
            core.clock_ns = ts_event_ns
            core.clock_doubt_ns = 0
        else:
            core.clock_doubt_ns = ts_event_ns


@kernel
def is_finite(tick: Any) -> Any:
    """Whether all five numbers are; a sum would overflow, so each is asked."""
    return (
        math.isfinite(tick.a)
        and math.isfinite(tick.b)
        and math.isfinite(tick.c)
        and math.isfinite(tick.d)
        and math.isfinite(tick.e)
    )


@kernel
def apply_top(tick: Any, market: Any) -> Any:
    """Fold a QUOTE or BOOK: DECIDE, DROP when it is a late copy, NONSENSE when it is no market."""
    bid, ask = tick.a, tick.c
    # `not (...)`: a NaN must end here, and so must an empty, locked or crossed book.
    if not (0.0 < bid < ask and tick.b > 0.0 and tick.d > 0.0 and market.tick_size > 0.0):
        return NONSENSE
    if not (ask < _TICKS_MAX * market.tick_size and 0.0 <= tick.e < _UPDATE_ID_MAX):
        return NONSENSE
    update_id = np.int64(tick.e)
    newer_ns = tick.ts_event_ns - market.ts_event_ns
    if update_id < market.update_id and newer_ns <= _NEW_COUNT_NS:
        return DROP
    bid_ticks = np.int64(math.floor(bid / market.tick_size + 0.5))
    ask_ticks = np.int64(math.floor(ask / market.tick_size + 0.5))
    if bid_ticks <= 0 or bid_ticks >= ask_ticks:
        return NONSENSE
    market.bid_ticks = bid_ticks
    market.ask_ticks = ask_ticks
    market.bid_qty = tick.b
    market.ask_qty = tick.d
    market.update_id = update_id
    market.ts_event_ns = tick.ts_event_ns
    market.valid = market.book_usable
    return DECIDE


@kernel
def apply_trade(tick: Any, market: Any) -> Any:
    """Fold a TRADE."""
    if not (0.0 < tick.a < _TICKS_MAX * market.tick_size and tick.b > 0.0):
        return NONSENSE
    market.trade_ticks = np.int64(math.floor(tick.a / market.tick_size + 0.5))
    market.trade_qty = tick.b
    market.trade_side = 1 if tick.c > 0.0 else -1
    return DECIDE


@kernel
def apply_tick(core: Any, tick: Any, market: Any) -> Any:
    """Fold one record; returns DROP, NONSENSE, ANSWER or DECIDE."""
    kind = tick.kind
    if not is_finite(tick):
        return NONSENSE
    if kind == CANARY:
        return ANSWER
    # A candle's time is that of its opening, long ago; an open one is no event. The exchange's
    # clock is told by our own.
    if kind == CANDLE:
        return DECIDE if tick.flags & CLOSED else DROP
    if kind == CLOCK:
        return DROP
    advance_clock(core, tick.ts_event_ns)
    if kind == QUOTE:
        core.quotes_seen += 1
        return apply_top(tick, market)
    if kind == BOOK:
        return apply_top(tick, market)
    if kind == TRADE:
        return apply_trade(tick, market)
    if kind == GAP:
        # The chain is broken: what we know may be wrong until the next top arrives.
        market.valid = 0
    elif kind == STATUS:
        if tick.a == _BOOK_INVALID:
            market.book_usable = 0
            market.valid = 0
        elif tick.a == _BOOK_VALID:
            market.book_usable = 1
    return DECIDE


@kernel
def tick_from_book(
    event: Any, index: Any, book_words: Any, book_levels: Any, head: Any, levels: Any
) -> Any:
    """After a lap: write a BOOK tick from the shared book into `event`.

    head u64[8] and levels f64[2 DEPTH, 2] are scratch space. Returns whether there is a tick: not
    when the book is invalid, empty on a side, or was never whole.
    """
    if book_read(book_words, book_levels, index, head, levels) == 0:
        return False
    if (head[FLAGS] & np.uint64(VALID)) == 0 or head[N_BIDS] == 0 or head[N_ASKS] == 0:
        return False
    event.instrument = index
    event.kind = BOOK
    event.flags = 0
    event.ts_event_ns = np.int64(head[TS_EVENT])
    event.ts_recv_ns = np.int64(head[TS_RECV])
    event.a = levels[0, 0]
    event.b = levels[0, 1]
    event.c = levels[DEPTH, 0]
    event.d = levels[DEPTH, 1]
    event.e = float(np.int64(head[UPDATE_ID]))
    return True


@kernel
def receive_tick(
    core: Any, lanes: Any, markets: Any, stage: Any, rows: Any, tick: Any, sequence: Any
) -> Any:
    """Take in one tick and answer a canary.

    Returns DECIDE when the strategy should see it, WITHDRAW when it concerns every instrument and
    takes their markets away, DROP otherwise.
    """
    core.now_ns = 0
    core.cause_seq = sequence
    core.cause_ts_recv_ns = tick.ts_recv_ns
    index = np.int64(tick.instrument)
    if index >= lanes.size:
        if index == ALL_INSTRUMENTS and (tick.kind == STATUS or tick.kind == GAP):
            for other in range(lanes.size):
                apply_tick(core, tick, markets[other])
            return WITHDRAW
        core.step_errors += 1
        return DROP
    lane, market = lanes[index], markets[index]
    if market.instrument_version == 0 and tick.kind != CANARY:
        # A lane without an instrument yet: Python takes the row over before anything is decided.
        core.stale_instruments = 1 if rows[index].version != 0 else core.stale_instruments
        if tick.kind != CANDLE and tick.kind != CLOCK:
            advance_clock(core, tick.ts_event_ns)
        return DROP
    if rows[index].version != market.instrument_version:
        # Python packs the parameters again; until then the lane is closed.
        core.stale_instruments = 1
        lane.tradable = 0
    verdict = apply_tick(core, tick, market)
    if verdict == DECIDE:
        return DECIDE
    if verdict == NONSENSE:
        core.step_errors += 1
    elif verdict == ANSWER and sequence >= core.live_from_seq:
        number = np.int64(tick.a)
        stage_intent(core, lane, stage, CANARY_INTENT, 0, 0, 0, number, 0, number)
    return DROP

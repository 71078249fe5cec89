"""Closed candles in the brain: each one once, in the order of time, whatever was missed.

Called by the duty cycle for every CANDLE record, and between batches for what only the history in
shared memory has (`shm.candles`). A lane is due for its history at its start, after records were
missed, and when a candle does not follow on the one before it. Until the exchange has answered for
that history (or `_PATIENCE_NS` of event time are over) the lane's closed candles are held back:
the feed writes a candle into the history before it tells of it, so none is lost by waiting.
"""

from typing import Any

import numpy as np

from aegis.brain.layout import BATCH, CANDLE_CODES
from aegis.brain.market import DECIDE, DROP
from aegis.config.intervals import INTERVALS_S
from aegis.host.jit import kernel
from aegis.shm.candles import candles_after, candles_known, tick_from_candle
from aegis.shm.tick import CORRECTED, HISTORY, INCOMPLETE, INTERVAL_SHIFT

__all__ = ["hear_candle", "miss_candles", "next_lane", "next_stretch", "show_candle"]

# What an exchange that does not answer may hold a strategy back, by the event clock.
_PATIENCE_NS = 15_000_000_000
# When no history is ready there is nothing to do for so long.
_LOOK_NS = 20_000_000
_MS = 1_000_000
_HISTORY, _INTERVALS, _CODES = 0, 1, 2
_WIDTHS_NS = np.array([0, *(length_s * 1_000_000_000 for length_s in INTERVALS_S)], np.int64)


@kernel
def is_kept(plan: Any, code: Any) -> Any:
    """Whether the history has candles of this interval."""
    found = False
    for place in range(plan[_INTERVALS]):
        found = found or plan[_CODES + place] == code
    return found


@kernel
def hear_candle(core: Any, lane: Any, told_ns: Any, plan: Any, tick: Any) -> Any:
    """A closed candle from the ring: DECIDE when the strategy should see it, else DROP.

    told_ns: i64[CANDLE_CODES], the lane's.
    """
    code = np.int64(tick.flags) >> INTERVAL_SHIFT
    if code >= CANDLE_CODES:
        core.step_errors += 1
        return DROP
    last_ns = told_ns[code]
    if last_ns != 0 and tick.ts_event_ns <= last_ns:
        # Told again: only with news of how good it is.
        return DECIDE if (tick.flags & (INCOMPLETE | CORRECTED)) != 0 else DROP
    follows = last_ns != 0 and tick.ts_event_ns == last_ns + _WIDTHS_NS[code]
    if is_kept(plan, code) and (lane.history_due != 0 or not follows):
        if lane.history_due == 0:
            core.history_look_ns = 0
        lane.history_due = 1
        core.history_due = 1
        return DROP
    told_ns[code] = tick.ts_event_ns
    return DECIDE


@kernel
def miss_candles(core: Any, lanes: Any) -> None:
    """Records were missed: what closed meanwhile is in the history."""
    core.history_due = 1
    core.history_look_ns = 0
    for index in range(lanes.size):
        lanes[index].history_due = 1


@kernel
def is_ready(core: Any, row: Any, plan: Any, words: Any) -> Any:
    """Whether all histories of a lane are as good as they will be."""
    history, intervals = plan[_HISTORY], plan[_INTERVALS]
    for place in range(intervals):
        _, known = candles_known(words, row.instrument * intervals + place, history)
        if known == 0:
            if row.history_since_ns == 0:
                row.history_since_ns = core.clock_ns
            return core.clock_ns - row.history_since_ns > _PATIENCE_NS
    return True


@kernel
def next_lane(desk: Any, plan: Any, words: Any, now_ns: Any) -> Any:
    """A lane whose history is due and ready; -1 when there is none, for a while or at all."""
    core, count = desk.core[0], desk.lanes.size
    if now_ns < core.history_look_ns:
        return np.int64(-1)
    waiting = 0
    for turn in range(count):
        index = (core.history_lane + turn) % count
        row = desk.lanes[index]
        if row.history_due == 0:
            continue
        waiting += 1
        # A row that the feed has not filled yet is nobody's history.
        if desk.markets[index].instrument_version != 0 and is_ready(core, row, plan, words):
            core.history_lane = index
            return np.int64(index)
    core.history_due = 1 if waiting > 0 else 0
    core.history_look_ns = now_ns + _LOOK_NS if waiting > 0 else 0
    return np.int64(-1)


@kernel
def next_stretch(desk: Any, plan: Any, words: Any, values: Any, lane: Any) -> Any:
    """Copy the oldest candles that a lane has not seen into `desk.candles`; how many.

    Of one interval at a time, at most a batch; 0 when the lane has seen everything, and is done.
    """
    history, intervals = plan[_HISTORY], plan[_INTERVALS]
    for place in range(intervals):
        after_ms = desk.told_ns[lane, plan[_CODES + place]] // _MS
        ring = lane * intervals + place
        count = candles_after(words, values, ring, history, after_ms, BATCH, desk.candles)
        if count > 0:
            return count
    row = desk.lanes[lane]
    row.history_due = 0
    row.history_since_ns = 0
    desk.core[0].history_lane = (lane + 1) % desk.lanes.size
    return np.int64(0)


@kernel
def show_candle(desk: Any, event: Any, lane: Any, number: Any) -> None:
    """Write candle `number` of the stretch into `event`, and remember that it was shown."""
    tick_from_candle(event, lane, desk.candles[number])
    desk.told_ns[lane, np.int64(event.flags) >> INTERVAL_SHIFT] = event.ts_event_ns
    event.flags |= HISTORY
    desk.core[0].candles_shown += 1

"""The engine: one closed candle in, the events that it makes known out.

`advance` is compiled into strategies; `follow` runs it over arrays of candles, for research, tests
and measurements. What is emitted at a candle depends on the candles up to it alone and is never
altered: what turns out differently later is an event of its own. O(1) per candle, amortised.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.fair_value_gaps import advance_gaps
from aegis.quant.smc.streaming.layout import (
    DOWN,
    LADDERS,
    LENGTH_MAX,
    PERIODS,
    RING,
    SESSIONS,
    SETTINGS,
    STATE,
    UP,
)
from aegis.quant.smc.streaming.liquidity import (
    advance_pools,
    join_pool,
    leave_pool,
    raid_swings,
)
from aegis.quant.smc.streaming.order_blocks import advance_blocks, watch_swing
from aegis.quant.smc.streaming.periods import advance_periods
from aegis.quant.smc.streaming.premium_discount import advance_zone
from aegis.quant.smc.streaming.sessions import advance_sessions
from aegis.quant.smc.streaming.structure import advance_structure, held_level, mark_structure
from aegis.quant.smc.streaming.swings import find_swing, take_swing

__all__ = ["advance", "follow", "make_settings", "make_states", "restart"]

_MASK = RING - 1
_ATR_CANDLES = 14


def make_settings(
    length: int = 5,
    *,
    close_break: bool = True,
    close_mitigation: bool = False,
    join_gaps: bool = False,
    single_levels: bool = False,
    reach: float = 0.0,
    reach_atr: float = 0.1,
    periods_s: tuple[int, ...] = (86_400,),
    period_offsets_s: tuple[int, ...] = (0, 0),
    sessions_min: tuple[tuple[int, int], ...] = (),
) -> Any:
    """One SETTINGS record. Raises ValueError for what the engine cannot do.

    `reach` in price, `periods_s` in seconds, `sessions_min` as minutes of the day (UTC).
    """
    if not 1 <= length <= LENGTH_MAX:
        raise ValueError(f"length is {length}; 1 to {LENGTH_MAX} candles are possible")
    if not (0.0 <= reach < math.inf and 0.0 <= reach_atr < math.inf):
        raise ValueError(f"reach {reach} and reach_atr {reach_atr} must be finite, at least 0")
    if len(periods_s) > PERIODS or len(period_offsets_s) > PERIODS or len(sessions_min) > SESSIONS:
        raise ValueError(f"at most {PERIODS} periods and {SESSIONS} sessions are possible")
    if any(period < 1 for period in periods_s):
        raise ValueError(f"periods_s is {periods_s}; each must be at least a second")
    if any(not 0 <= minute < 1440 for session in sessions_min for minute in session):
        raise ValueError(f"sessions_min is {sessions_min}; minutes of a day are 0 to 1439")
    record = np.zeros(1, SETTINGS)[0]
    record["length"] = length
    record["close_break"], record["close_mitigation"] = close_break, close_mitigation
    record["join_gaps"], record["single_levels"] = join_gaps, single_levels
    record["reach"], record["reach_atr"] = reach, reach_atr
    for row, period in enumerate(periods_s):
        record["period_ns"][row] = period * 1_000_000_000
    for row, offset in enumerate(period_offsets_s):
        record["period_offset_ns"][row] = offset * 1_000_000_000
    for row, (start, end) in enumerate(sessions_min):
        record["session_start_min"][row], record["session_end_min"][row] = start, end
    return record


def make_states(count: int = 1) -> npt.NDArray[Any]:
    """Fresh states, one for each symbol and interval: zeros are a state that has seen nothing."""
    return np.zeros(count, STATE)


@kernel
def restart(state: Any) -> None:
    """Forget everything, in place."""
    state.candles = state.ids = 0
    state.atr = 0.0
    state.volume_1 = state.volume_2 = 0.0
    state.trend = state.zone = 0
    state.range_top = state.range_bottom = 0.0
    state.swing_side = state.swing_count = 0
    state.pending_count = state.standing_count = 0
    for row in range(2):
        state.watch[row].open = 0
        state.window_front[row] = state.window_back[row] = 0
    for row in range(PERIODS):
        state.periods[row].id = state.periods[row].known = 0
    for row in range(SESSIONS):
        state.sessions[row].active = 0
    for ladder in range(LADDERS):
        state.rung_count[ladder] = 0


@kernel
def is_candle(state: Any, ts_ns: Any, open_: Any, high: Any, low: Any, close: Any) -> Any:
    """Whether a candle may be taken: numbers, in order, later than the one before."""
    if not (math.isfinite(high) and math.isfinite(low)):
        return False
    if not (low <= open_ and open_ <= high and low <= close and close <= high):
        return False
    return state.candles == 0 or ts_ns > state.ts_ns


@kernel
def note_range(state: Any, high: Any, low: Any) -> None:
    """The average true range: a mean of the first 14 candles, Wilder's smoothing afterwards."""
    reach = high - low
    if state.candles > 0:
        before = state.close[(state.candles - 1) & _MASK]
        reach = max(high, before) - min(low, before)
    state.atr += (reach - state.atr) / min(state.candles + 1, _ATR_CANDLES)


@kernel
def confirm_swing(state: Any, settings: Any, out: Any, side: Any) -> None:
    """A swing comes to live, and everything that is built on swings hears of it."""
    index = state.candles - settings.length
    level = state.high[index & _MASK] if side > 0 else state.low[index & _MASK]
    if take_swing(state, settings, out, side, held_level(settings, level)) != 0:
        leave_pool(state, out, side)
    join_pool(state, settings, out, side, index, level)
    mark_structure(state, settings, out)
    watch_swing(state, side, index, level, state.candles)


@kernel
def advance(
    state: Any,
    settings: Any,
    ts_ns: Any,
    open_: Any,
    high: Any,
    low: Any,
    close: Any,
    volume: Any,
    out: Any,
) -> Any:
    """Take one closed candle that opened at `ts_ns`; returns how many events are in `out`.

    out: EVENT[EVENTS_MAX]. A candle that is none, or not later than the one before, is counted in
    `refused` and changes nothing.
    """
    state.emitted = 0
    if not is_candle(state, ts_ns, open_, high, low, close):
        state.refused += 1
        return 0
    if not volume >= 0.0:
        volume = 0.0
    note_range(state, high, low)
    here = state.candles & _MASK
    state.ts_ns = ts_ns
    state.high[here], state.low[here], state.close[here] = high, low, close
    advance_periods(state, settings, out, ts_ns, high, low)
    advance_sessions(state, settings, out, ts_ns, high, low)
    advance_gaps(state, settings, out)
    advance_blocks(state, settings, out, open_, close, volume)
    advance_pools(state, out, UP)
    advance_pools(state, out, DOWN)
    raid_swings(state, out)
    advance_structure(state, settings, out)
    side = find_swing(state, settings)
    if side != 0:
        confirm_swing(state, settings, out, side)
    advance_zone(state, out)
    state.open_before = open_
    state.volume_2, state.volume_1 = state.volume_1, volume
    state.candles += 1
    return state.emitted


@kernel
def follow(
    state: Any,
    settings: Any,
    ts_ns: Any,
    open_: Any,
    high: Any,
    low: Any,
    close: Any,
    volume: Any,
    out: Any,
    log: Any,
    logged: Any,
) -> Any:
    """Advance over candle columns; append every event to `log[logged:]`.

    Returns how many events there have been; what is beyond the size of the log is not in it.
    """
    for index in range(ts_ns.size):
        count = advance(
            state, settings, ts_ns[index], open_[index], high[index], low[index], close[index],
            volume[index], out,
        )  # fmt: skip
        for place in range(count):
            if logged < log.size:
                source, target = out[place], log[logged]
                target.kind = source.kind
                target.side = source.side
                target.flags = source.flags
                target.id = source.id
                target.level = source.level
                target.top = source.top
                target.bottom = source.bottom
                target.quantity = source.quantity
                target.origin = source.origin
                target.at = source.at
                target.known_at = source.known_at
            logged += 1
    return logged

"""Liquidity: swings of one height, where stops rest; who sweeps them; wicks that come for one.

Pools. A living swing joins the oldest pool of its side that has not been swept and whose first
swing lies within `reach` of it; else it starts one of its own. Two or more are a pool (POOL, then
POOL_CHANGED), its level their mean. Swept by the first candle that comes to the first swing plus
reach (POOL_SWEPT). When its newest swing is superseded, what that one did is undone: POOL_CHANGED,
or POOL_RETRACTED if fewer than two are left, even after the sweep.

With `reach` in price this is what the batch library says of the living swings. The library takes it
from the range of the whole history, which only hindsight has; live use takes `reach_atr` average
true ranges of the last 14 candles or so, fixed when a pool starts.

Raids. A candle whose wick passes the newest swing high known, for the first time, and that closes
back at or below it (lows mirrored): RAID. A close beyond is a break and no raid. The library has no
such thing.

Events of pools: level, top and bottom the first swing plus and minus reach, quantity the number of
swings, origin the first of them, at the last of them or the sweep. RAID: level and origin of the
swing and its id, top and bottom the candle's extreme and close.
"""

from typing import Any

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.emit import emit, new_id
from aegis.quant.smc.streaming.ladder import (
    free_rung,
    is_full,
    ladder_of,
    remove_farthest,
    remove_rung,
    settle_rung,
    top_rung,
)
from aegis.quant.smc.streaming.layout import (
    POOL,
    POOL_CHANGED,
    POOL_FORGOTTEN,
    POOL_RETRACTED,
    POOL_SWEPT,
    POOLS,
    RAID,
    RING,
    SWINGS_KEPT,
)

__all__ = ["advance_pools", "join_pool", "leave_pool", "raid_swings"]

_MASK = RING - 1


@kernel
def tell_pool(state: Any, out: Any, kind: Any, side: Any, rung: Any, at: Any) -> None:
    """One event about the pool on a rung."""
    emit(
        state, out, kind, side, rung.id, rung.total / rung.members, rung.top, rung.bottom,
        float(rung.members), rung.origin, at,
    )  # fmt: skip


@kernel
def advance_pools(state: Any, out: Any, side: Any) -> None:
    """Take down what the newest candle sweeps."""
    here = state.candles & _MASK
    extreme = state.high[here] if side > 0 else state.low[here]
    ladder = ladder_of(POOLS, side)
    place = top_rung(state, ladder)
    while place >= 0 and -side * extreme <= state.rungs[ladder, place].trigger:
        rung = state.rungs[ladder, place]
        if rung.members > 1:
            tell_pool(state, out, POOL_SWEPT, side, rung, state.candles)
        state.rung_count[ladder] = place
        place -= 1


@kernel
def oldest_pool(state: Any, ladder: Any, level: Any) -> Any:
    """The place of the pool that a swing joins; -1 for none."""
    found = -1
    for place in range(state.rung_count[ladder]):
        rung = state.rungs[ladder, place]
        older = found < 0 or rung.origin < state.rungs[ladder, found].origin
        if older and rung.bottom <= level and level <= rung.top:
            found = place
    return found


@kernel
def was_swept(state: Any, side: Any, index: Any, trigger: Any) -> Any:
    """Whether a candle after `index` has come to a trigger already."""
    for later in range(index + 1, state.candles + 1):
        extreme = state.high[later & _MASK] if side > 0 else state.low[later & _MASK]
        if -side * extreme <= trigger:
            return True
    return False


@kernel
def start_pool(state: Any, settings: Any, out: Any, side: Any, index: Any, level: Any) -> None:
    """A swing of a height of its own."""
    ladder = ladder_of(POOLS, side)
    reach = settings.reach if settings.reach > 0.0 else settings.reach_atr * state.atr
    trigger = -side * (level + side * reach)
    if was_swept(state, side, index, trigger):
        return
    if is_full(state, ladder):
        farthest = state.rungs[ladder, 0]
        if farthest.members > 1:
            tell_pool(state, out, POOL_FORGOTTEN, side, farthest, state.candles)
        remove_farthest(state, ladder)
    rung = state.rungs[ladder, free_rung(state, ladder)]
    rung.trigger = trigger
    rung.top = level + reach
    rung.bottom = level - reach
    rung.total = level
    rung.id = 0
    rung.origin = index
    rung.members = 1
    rung.last = index
    settle_rung(state, ladder)


@kernel
def join_pool(state: Any, settings: Any, out: Any, side: Any, index: Any, level: Any) -> None:
    """A swing has come to live."""
    ladder = ladder_of(POOLS, side)
    joined = state.joined[0 if side > 0 else 1]
    place = oldest_pool(state, ladder, level)
    if place < 0:
        joined.seed = 1
        joined.origin = index
        start_pool(state, settings, out, side, index, level)
        return
    rung = state.rungs[ladder, place]
    joined.seed = 0
    joined.origin = rung.origin
    joined.total = rung.total
    joined.members = rung.members
    joined.last = rung.last
    rung.total += level
    rung.members += 1
    rung.last = index
    kind = POOL_CHANGED
    if rung.members == 2:
        kind = POOL
        rung.id = new_id(state)
    joined.id = rung.id
    tell_pool(state, out, kind, side, rung, index)


@kernel
def leave_pool(state: Any, out: Any, side: Any) -> None:
    """The newest swing of a side is superseded: undo what it did."""
    ladder = ladder_of(POOLS, side)
    joined = state.joined[0 if side > 0 else 1]
    found = -1
    for place in range(state.rung_count[ladder]):
        if state.rungs[ladder, place].origin == joined.origin:
            found = place
    if joined.seed != 0:
        if found >= 0:
            remove_rung(state, ladder, found)
        return
    level = joined.total / joined.members
    kind = POOL_RETRACTED if joined.members < 2 else POOL_CHANGED
    emit(
        state, out, kind, side, joined.id, level, level, level, float(joined.members),
        joined.origin, joined.last,
    )  # fmt: skip
    if found >= 0:
        rung = state.rungs[ladder, found]
        rung.total = joined.total
        rung.members = joined.members
        rung.last = joined.last


@kernel
def raid_swings(state: Any, out: Any) -> None:
    """Look at the newest known swing of each side."""
    here = state.candles & _MASK
    close = state.close[here]
    side = state.swing_side
    for back in range(min(state.swing_count, 2)):
        swing = state.swings[SWINGS_KEPT - 1 - back]
        extreme = state.high[here] if side > 0 else state.low[here]
        if swing.raided == 0 and side * extreme > side * swing.level:
            swing.raided = 1
            if side * close <= side * swing.level:
                emit(
                    state, out, RAID, side, swing.id, swing.level, max(extreme, close),
                    min(extreme, close), 0.0, swing.index, state.candles,
                )  # fmt: skip
        side = -side

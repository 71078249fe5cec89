"""From the engine's events to a setup: trend, sweep, area, target, and a score for it.

A long setup (short mirrored) at the close of a candle:

1. Trend: the newest break of structure was upwards; with `trend_interval_s` that of the longer
   candles too, of the newest that was told: one that closes with ours may come after it.
2. Sweep: lows were taken within the last `sweep_valid_candles`: a pool swept, or a raid of the
   newest swing low.
3. Area: a bullish order block or fair value gap that became known at the sweep's candle or later
   and is not mitigated, below the close. Entry at its near edge.
4. Stop: below the area and below the sweep's extreme, by `stop_buffer_atr`.
5. Target: the nearest liquidity above (a swing high or a pool of them that nobody has swept) that
   pays `min_reward_risk` times the risk.

Score, 0 to 1: 0.35 for the three that must be there, 0.10 more if a whole pool was swept, 0.15 if
structure broke upwards after the sweep, 0.15 if block and gap overlap, 0.15 if the entry lies in
the discount half of the dealing range, 0.10 if the target pays twice what is asked for. A rule, not
a probability: a learned one takes its place.
"""

from typing import Any

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.ladder import ladder_of
from aegis.quant.smc.streaming.layout import (
    BOS,
    CHOCH,
    GAP,
    GAP_MITIGATED,
    GAP_REPLACED,
    ORDER_BLOCK,
    ORDER_BLOCK_MITIGATED,
    POOL_SWEPT,
    POOLS,
    RAID,
)

__all__ = ["find_setup", "learn_events"]


@kernel
def note_area(area: Any, event: Any) -> None:
    """Remember the newest area of its kind and side."""
    area.id = event.id
    area.known_at = event.known_at
    area.top = event.top
    area.bottom = event.bottom
    area.valid = 1


@kernel
def note_sweep(state: Any, event: Any, pooled: Any, extreme: Any) -> None:
    """Lows that were taken are a reason to buy, highs one to sell."""
    sweep = state.sweeps[1 if event.side > 0 else 0]
    # Of one candle's sweeps the pool's counts.
    if sweep.valid != 0 and sweep.at == event.at and sweep.pooled != 0:
        return
    sweep.valid = 1
    sweep.at = event.at
    sweep.pooled = pooled
    sweep.extreme = extreme


@kernel
def learn_events(state: Any, count: Any, high: Any, low: Any) -> None:
    """Take in what the newest candle, of these extremes, made known."""
    for place in range(count):
        event = state.events[place]
        kind = event.kind
        row = 0 if event.side > 0 else 1
        if kind == ORDER_BLOCK:
            note_area(state.blocks[row], event)
        elif kind == GAP:
            note_area(state.gaps[row], event)
        elif kind == ORDER_BLOCK_MITIGATED:
            if state.blocks[row].id == event.id:
                state.blocks[row].valid = 0
        elif kind in (GAP_MITIGATED, GAP_REPLACED):
            if state.gaps[row].id == event.id:
                state.gaps[row].valid = 0
        elif kind in (BOS, CHOCH):
            state.breaks[row] = event.known_at
        elif kind in (POOL_SWEPT, RAID):
            pooled = 1 if kind == POOL_SWEPT else 0
            note_sweep(state, event, pooled, high if event.side > 0 else low)


@kernel
def usable(area: Any, side: Any, since: Any, close: Any) -> Any:
    """Whether an area may be entered: known since the sweep, whole, and the price has left it."""
    if area.valid == 0 or area.known_at < since:
        return False
    return side * close > side * (area.top if side > 0 else area.bottom)


@kernel
def find_target(state: Any, side: Any, entry: Any, distance: Any) -> Any:
    """The nearest unswept level at least `distance` beyond the entry; 0 for none."""
    ladder = ladder_of(POOLS, side)
    for place in range(state.engine.rung_count[ladder] - 1, -1, -1):
        rung = state.engine.rungs[ladder, place]
        level = rung.total / rung.members
        if side * (level - entry) >= distance:
            return level
    return 0.0


@kernel
def score(state: Any, side: Any, entry: Any, both: Any, reward: Any, wanted: Any) -> Any:
    """The rule in the head of this file."""
    row = 0 if side > 0 else 1
    sweep = state.sweeps[row]
    middle = 0.5 * (state.engine.range_top + state.engine.range_bottom)
    points = 35
    if sweep.pooled != 0:
        points += 10
    if state.breaks[row] >= sweep.at:
        points += 15
    if both:
        points += 15
    if side * entry < side * middle:
        points += 15
    if reward >= 2.0 * wanted:
        points += 10
    # Whole points, so that a gate of 0.6 means the same on every machine.
    return points / 100.0


@kernel
def find_setup(state: Any, params: Any, side: Any) -> Any:
    """Fill the plan's prices and confidence for one side; whether there is a setup."""
    engine, plan = state.engine, state.plan
    row = 0 if side > 0 else 1
    now = engine.candles - 1
    sweep, block, gap = state.sweeps[row], state.blocks[row], state.gaps[row]
    if engine.trend != side or sweep.valid == 0 or now - sweep.at > params.sweep_valid:
        return False
    close = state.close
    by_block = usable(block, side, sweep.at, close)
    by_gap = usable(gap, side, sweep.at, close)
    if not (by_block or by_gap):
        return False
    # The nearer of both is reached first.
    use_block = by_block
    if by_block and by_gap:
        near_block = block.top if side > 0 else block.bottom
        near_gap = gap.top if side > 0 else gap.bottom
        use_block = side * near_block >= side * near_gap
    area = block if use_block else gap
    entry = area.top if side > 0 else area.bottom
    far = area.bottom if side > 0 else area.top
    beyond = min(far, sweep.extreme) if side > 0 else max(far, sweep.extreme)
    stop = beyond - side * params.stop_buffer_atr * engine.atr
    risk = side * (entry - stop)
    if not risk > 0.0:
        return False
    target = find_target(state, side, entry, params.min_reward_risk * risk)
    if target <= 0.0:
        return False
    overlap = by_block and by_gap and block.bottom <= gap.top and gap.bottom <= block.top
    plan.entry, plan.stop, plan.target = entry, stop, target
    reward = side * (target - entry) / risk
    plan.confidence = score(state, side, entry, overlap, reward, params.min_reward_risk)
    return True

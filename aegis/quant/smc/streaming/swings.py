"""Swings: a high that no candle from L - 1 before to L after exceeds, and lows likewise.

The swing of candle i is known at the close of i + L, no earlier and no later. The first candle that
can be one is 2 L - 1; a candle that is both is a high. Of neighbours of one kind only the most
extreme lives, the first among equals: a strictly more extreme one supersedes the newest swing
(SWING_SUPERSEDED with the old one's id, then SWING). Only the newest can be superseded, and only
until a swing of the other kind is known.

Against the batch library: its artificial swings at the first and the last row do not exist here;
all others, less those superseded, are its swings at every moment.
"""

from typing import Any

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.emit import emit, new_id
from aegis.quant.smc.streaming.layout import DOWN, RING, SWING, SWING_SUPERSEDED, SWINGS_KEPT, UP

__all__ = ["find_swing", "take_swing", "watch_window"]

_MASK = RING - 1
_NEWEST = SWINGS_KEPT - 1


@kernel
def slide(state: Any, side: Any, prices: Any, span: Any) -> Any:
    """Keep the candidates for the extreme of the last `span` candles; returns its index.

    A monotone queue: each candle enters and leaves it once.
    """
    now, row = state.candles, 0 if side > 0 else 1
    front, back = state.window_front[row], state.window_back[row]
    value = side * prices[now & _MASK]
    # Strictly: of equal extremes the oldest stays in front, and all of them are equal to it.
    while back > front and side * prices[state.window[row, (back - 1) & _MASK] & _MASK] < value:
        back -= 1
    state.window[row, back & _MASK] = now
    back += 1
    while state.window[row, front & _MASK] <= now - span:
        front += 1
    state.window_front[row], state.window_back[row] = front, back
    return state.window[row, front & _MASK]


@kernel
def watch_window(state: Any, length: Any) -> Any:
    """Take the newest candle into both windows; which swing candle `now - length` is: +1, -1, 0."""
    highest = slide(state, UP, state.high, 2 * length)
    lowest = slide(state, DOWN, state.low, 2 * length)
    index = state.candles - length
    if index < 2 * length - 1:
        return 0
    if state.high[index & _MASK] >= state.high[highest & _MASK]:
        return 1
    if state.low[index & _MASK] <= state.low[lowest & _MASK]:
        return -1
    return 0


@kernel
def find_swing(state: Any, settings: Any) -> Any:
    """Side of the swing that the newest candle makes known and that lives; 0 for none."""
    side = watch_window(state, settings.length)
    if side == 0 or state.swing_count == 0 or side != state.swing_side:
        return side
    index = (state.candles - settings.length) & _MASK
    level = state.high[index] if side > 0 else state.low[index]
    return side if side * level > side * state.swings[_NEWEST].level else 0


@kernel
def first_beyond(state: Any, settings: Any, side: Any, level: Any, begin: Any) -> Any:
    """The first candle from `begin` to now that breaks a level; -1 for none of them."""
    for index in range(begin, state.candles + 1):
        place = index & _MASK
        price = state.close[place]
        if settings.close_break == 0:
            price = state.high[place] if side > 0 else state.low[place]
        if side * price > side * level:
            return index
    return -1


@kernel
def take_swing(state: Any, settings: Any, out: Any, side: Any, held: Any) -> Any:
    """Let the swing at `now - length` live; 1 if it superseded the newest one.

    `held` is the level as structure compares it.
    """
    index = state.candles - settings.length
    level = state.high[index & _MASK] if side > 0 else state.low[index & _MASK]
    superseded = 0
    if state.swing_count > 0 and side == state.swing_side:
        old = state.swings[_NEWEST]
        emit(
            state, out, SWING_SUPERSEDED, side, old.id, old.level, old.level, old.level, 0.0,
            old.index, index,
        )  # fmt: skip
        superseded = 1
    else:
        for place in range(_NEWEST):
            older, newer = state.swings[place], state.swings[place + 1]
            older.index = newer.index
            older.level = newer.level
            older.id = newer.id
            older.crossed = newer.crossed
            older.marked = newer.marked
            older.raided = newer.raided
        state.swing_count = min(state.swing_count + 1, SWINGS_KEPT)
    state.swing_side = side
    swing = state.swings[_NEWEST]
    swing.index = index
    swing.level = level
    swing.id = new_id(state)
    swing.crossed = first_beyond(state, settings, side, held, index + 2)
    swing.marked = 0
    swing.raided = 0
    emit(state, out, SWING, side, swing.id, level, level, level, 0.0, index, index)
    return superseded

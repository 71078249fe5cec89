"""Order blocks: the last candle against the move that then broke a swing.

For each side the newest swing known is watched, one at a time. When a close first exceeds a swing
high s at candle c, the block is the candle with the lowest low between s and c, the last among
equals (bearish mirrored); known at c. The batch library watches the swing from s + 1 on, which only
hindsight can; fed with swings in that way the engine gives the library's columns, fed with its own
it differs in some blocks. A block is never taken back because a swing was superseded.

Mitigated (from c + 1 on) when the price trades through the far edge, by the wick or, with
`close_mitigation`, by the body; from the next candle on a mitigated block is erased when the price
leaves on the other side. The library notes the candle before for bullish blocks; keeps both sides
in one column, where they may overwrite each other; and rounds edges to float32 (`single_levels`).

Events: ORDER_BLOCK (top, bottom; quantity is the volume of c and the two before it; level tells how
balanced it was, the smaller part over the larger in percent), ORDER_BLOCK_MITIGATED (at),
ORDER_BLOCK_ERASED (at), ORDER_BLOCK_FORGOTTEN (the ladder was full).
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.emit import emit, new_id
from aegis.quant.smc.streaming.ladder import (
    copy_rung,
    free_rung,
    is_full,
    ladder_of,
    remove_farthest,
    settle_rung,
    top_rung,
)
from aegis.quant.smc.streaming.layout import (
    DOWN,
    FRESH_BLOCKS,
    ORDER_BLOCK,
    ORDER_BLOCK_ERASED,
    ORDER_BLOCK_FORGOTTEN,
    ORDER_BLOCK_MITIGATED,
    RING,
    SPENT_BLOCKS,
    UP,
)
from aegis.quant.smc.streaming.structure import held_level

__all__ = ["advance_blocks", "watch_swing"]

_MASK = RING - 1


@kernel
def consider(state: Any, side: Any, index: Any) -> None:
    """Take one candle after the swing into account as the block to be."""
    watch = state.watch[0 if side > 0 else 1]
    high, low = state.high[index & _MASK], state.low[index & _MASK]
    better = watch.best < 0 or (low <= watch.bottom if side > 0 else high >= watch.top)
    if better:
        watch.best, watch.top, watch.bottom = index, high, low


@kernel
def watch_swing(state: Any, side: Any, index: Any, level: Any, upto: Any) -> None:
    """Watch a swing from now on; the candles after it up to `upto` have been."""
    watch = state.watch[0 if side > 0 else 1]
    watch.swing, watch.level, watch.open, watch.best = index, level, 1, -1
    for candle in range(index + 1, upto + 1):
        consider(state, side, candle)


@kernel
def tell_block(state: Any, out: Any, kind: Any, side: Any, rung: Any) -> None:
    """One event about the block on a rung."""
    emit(
        state, out, kind, side, rung.id, rung.total, rung.top, rung.bottom, 0.0, rung.origin,
        state.candles,
    )  # fmt: skip


@kernel
def put_up(state: Any, out: Any, base: Any, side: Any) -> Any:
    """The place of a rung for a block; the farthest is forgotten when there is none."""
    ladder = ladder_of(base, side)
    if is_full(state, ladder):
        tell_block(state, out, ORDER_BLOCK_FORGOTTEN, side, state.rungs[ladder, 0])
        remove_farthest(state, ladder)
    return free_rung(state, ladder)


@kernel
def follow_blocks(state: Any, settings: Any, out: Any, side: Any, body: Any) -> None:
    """Erase, then mitigate. `body` is the near end of the newest candle's body."""
    place = state.candles & _MASK
    far = state.high[place] if side > 0 else state.low[place]
    near = state.low[place] if side > 0 else state.high[place]
    if settings.close_mitigation != 0:
        near = body
    spent, fresh = ladder_of(SPENT_BLOCKS, side), ladder_of(FRESH_BLOCKS, side)
    top = top_rung(state, spent)
    while top >= 0 and -side * far < state.rungs[spent, top].trigger:
        tell_block(state, out, ORDER_BLOCK_ERASED, side, state.rungs[spent, top])
        state.rung_count[spent] = top
        top -= 1
    top = top_rung(state, fresh)
    while top >= 0 and side * near < state.rungs[fresh, top].trigger:
        block = state.rungs[fresh, top]
        tell_block(state, out, ORDER_BLOCK_MITIGATED, side, block)
        state.rung_count[fresh] = top
        rung = state.rungs[spent, put_up(state, out, SPENT_BLOCKS, side)]
        copy_rung(block, rung)
        rung.trigger = -side * (block.top if side > 0 else block.bottom)
        settle_rung(state, spent)
        top -= 1


@kernel
def balance(newest: Any, oldest: Any, single: Any) -> Any:
    """The smaller of two volumes over the larger, in percent; 100 for nothing at all."""
    if single != 0:
        newest, oldest = np.float64(np.float32(newest)), np.float64(np.float32(oldest))
    larger = max(newest, oldest)
    share = 1.0 if larger == 0.0 else min(newest, oldest) / larger
    if single != 0:
        return np.float64(np.float32(np.float64(np.float32(share)) * 100.0))
    return share * 100.0


@kernel
def advance_block(
    state: Any, settings: Any, out: Any, side: Any, body: Any, close: Any, volume: Any
) -> None:
    """One side and the newest candle, which is in the ring."""
    follow_blocks(state, settings, out, side, body)
    watch = state.watch[0 if side > 0 else 1]
    if watch.open != 0 and side * close > side * watch.level:
        watch.open = 0
        if watch.best >= 0:
            rung = state.rungs[
                ladder_of(FRESH_BLOCKS, side), put_up(state, out, FRESH_BLOCKS, side)
            ]
            newest, oldest = volume + state.volume_1, state.volume_2
            rung.id = new_id(state)
            rung.top = held_level(settings, watch.top)
            rung.bottom = held_level(settings, watch.bottom)
            rung.trigger = side * (rung.bottom if side > 0 else rung.top)
            rung.origin = watch.best
            rung.total = balance(newest, oldest, settings.single_levels)
            emit(
                state, out, ORDER_BLOCK, side, rung.id, rung.total, rung.top, rung.bottom,
                newest + oldest, rung.origin, state.candles,
            )  # fmt: skip
            settle_rung(state, ladder_of(FRESH_BLOCKS, side))
    if watch.open != 0:
        consider(state, side, state.candles)


@kernel
def advance_blocks(
    state: Any, settings: Any, out: Any, open_: Any, close: Any, volume: Any
) -> None:
    """Both sides."""
    advance_block(state, settings, out, UP, min(open_, close), close, volume)
    advance_block(state, settings, out, DOWN, max(open_, close), close, volume)

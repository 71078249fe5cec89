"""Order blocks over a history of candles: with hindsight, see ``batch``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.quant.smc.batch import FloatArray, IntArray, Swings, columns_of

__all__ = ["OrderBlocks", "order_blocks"]


class OrderBlocks(NamedTuple):
    """By the candle that is the block; `mitigated` is the candle that traded through it, or -1."""

    side: IntArray
    top: FloatArray
    bottom: FloatArray
    volume: FloatArray
    percentage: FloatArray
    mitigated: IntArray


def order_blocks(
    open_: npt.ArrayLike,
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    volume: npt.ArrayLike,
    swings: Swings,
    *,
    close_mitigation: bool = False,
) -> OrderBlocks:
    """The last candle against the move that then broke a swing.

    Bullish: when a close first exceeds the last swing high s, the candle with the lowest low
    between s and it (the last among equals). Volume is that of the breaking candle and the two
    before; percentage tells how balanced it was, 100 for equal. Mitigated when the price trades
    through the block (the library writes the candle before for bullish ones: here it is the candle
    itself); when it then trades out of the other side, the block is erased.
    """
    opens, highs, lows, closes, volumes = columns_of(open_, high, low, close, volume)
    size = opens.size
    side, mitigated = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    top, bottom = np.zeros(size), np.zeros(size)
    total, percentage = np.zeros(size), np.zeros(size)
    spoilt, active = np.zeros(size, np.bool_), np.zeros(size, np.int64)
    if close_mitigation:
        inner_low, inner_high = np.minimum(opens, closes), np.maximum(opens, closes)
    else:
        inner_low, inner_high = lows, highs
    for sign in (1, -1):
        _blocks(
            sign, highs, lows, closes, volumes, inner_low, inner_high, swings.side, side, top,
            bottom, total, percentage, mitigated, spoilt, active,
        )  # fmt: skip
    none = side == 0
    for column in (top, bottom, total, percentage):
        column[none] = np.nan
    mitigated[none] = -1
    return OrderBlocks(side, top, bottom, total, percentage, mitigated)


@kernel
def _single(value: float) -> float:
    """A price as the library keeps it: in float32."""
    return np.float64(np.float32(value))


@kernel
def _follow_blocks(
    sign: int,
    index: int,
    highs: FloatArray,
    lows: FloatArray,
    inner_low: FloatArray,
    inner_high: FloatArray,
    side: IntArray,
    top: FloatArray,
    bottom: FloatArray,
    total: FloatArray,
    percentage: FloatArray,
    mitigated: IntArray,
    spoilt: npt.NDArray[np.bool_],
    active: IntArray,
    count: int,
) -> int:
    """Move the open blocks of one side on by one candle; returns how many stay open."""
    kept = 0
    for slot in range(count):
        block = active[slot]
        stays = True
        if spoilt[block]:
            out = highs[index] > top[block] if sign > 0 else lows[index] < bottom[block]
            if out:
                side[block], mitigated[block] = 0, -1
                top[block] = bottom[block] = total[block] = percentage[block] = 0.0
                stays = False
        else:
            through = (
                inner_low[index] < bottom[block] if sign > 0 else inner_high[index] > top[block]
            )
            if through:
                spoilt[block] = True
                mitigated[block] = index
        if stays:
            active[kept] = block
            kept += 1
    return kept


@kernel
def _block_candle(sign: int, swing: int, index: int, highs: FloatArray, lows: FloatArray) -> int:
    """The candle of a block: the extreme one between swing and break, the last among equals."""
    best = -1
    for candle in range(swing + 1, index):
        if best < 0:
            better = True
        elif sign > 0:
            better = lows[candle] <= lows[best]
        else:
            better = highs[candle] >= highs[best]
        if better:
            best = candle
    return best


@kernel
def _blocks(
    sign: int,
    highs: FloatArray,
    lows: FloatArray,
    closes: FloatArray,
    volumes: FloatArray,
    inner_low: FloatArray,
    inner_high: FloatArray,
    swings: IntArray,
    side: IntArray,
    top: FloatArray,
    bottom: FloatArray,
    total: FloatArray,
    percentage: FloatArray,
    mitigated: IntArray,
    spoilt: npt.NDArray[np.bool_],
    active: IntArray,
) -> None:
    """One side's blocks, written into columns that both sides share, as the library does."""
    count, swing, crossed = 0, -1, True
    for index in range(highs.size):
        count = _follow_blocks(
            sign, index, highs, lows, inner_low, inner_high, side, top, bottom, total, percentage,
            mitigated, spoilt, active, count,
        )  # fmt: skip
        if index > 0 and swings[index - 1] == sign:
            swing, crossed = index - 1, False
        if crossed or swing < 0:
            continue
        beyond = closes[index] > highs[swing] if sign > 0 else closes[index] < lows[swing]
        if not beyond:
            continue
        crossed = True
        block = _block_candle(sign, swing, index, highs, lows)
        if block >= 0:
            top[block], bottom[block] = _single(highs[block]), _single(lows[block])
        else:
            # The swing itself is the candle before: the library swaps the edges for bullish ones.
            block = index - 1
            top[block], bottom[block] = _single(highs[block]), _single(lows[block])
            if sign > 0:
                top[block], bottom[block] = bottom[block], top[block]
        side[block] = sign
        newest = volumes[index] + (volumes[index - 1] if index >= 1 else 0.0)
        oldest = volumes[index - 2] if index >= 2 else 0.0
        total[block] = _single(newest + oldest)
        newest, oldest = _single(newest), _single(oldest)
        larger = max(newest, oldest)
        share = 1.0 if larger == 0.0 else _single(min(newest, oldest) / larger)
        percentage[block] = _single(share * 100.0)
        active[count] = block
        count += 1

"""Whole columns of Smart Money Concepts over a history of candles, for research and as an oracle.

Semantics follow the library smartmoneyconcepts 0.0.27 cell by cell, deviations are options or told
in the docstrings; the definitions are in each function. All of it has hindsight: what a row says
may have been decided by later candles. Nothing here may be used to trade.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel

__all__ = [
    "FairValueGaps",
    "Structure",
    "Swings",
    "columns_of",
    "fair_value_gaps",
    "structure",
    "swing_highs_lows",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class FairValueGaps(NamedTuple):
    """By the middle candle of three. `mitigated` is the candle that came back, -1 if none did."""

    side: IntArray
    top: FloatArray
    bottom: FloatArray
    mitigated: IntArray


class Swings(NamedTuple):
    """+1 at a swing high, -1 at a swing low, 0 elsewhere; `level` is NaN where there is none."""

    side: IntArray
    level: FloatArray


class Structure(NamedTuple):
    """Breaks of structure and changes of character by the swing that was broken.

    `broken` is the candle that broke it, also for entries that a later break overruled; -1 where
    nothing stood.
    """

    bos: IntArray
    choch: IntArray
    level: FloatArray
    broken: IntArray


def columns_of(*series: npt.ArrayLike) -> list[FloatArray]:
    """Candle columns as float64, of one length and finite. Raises ValueError."""
    found = [np.ascontiguousarray(one, np.float64) for one in series]
    if len({one.shape for one in found}) != 1 or found[0].ndim != 1:
        raise ValueError(f"columns of shapes {[one.shape for one in found]}: one length is wanted")
    if not all(np.isfinite(one).all() for one in found):
        raise ValueError("candles must be finite")
    return found


def fair_value_gaps(
    open_: npt.ArrayLike,
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    *,
    join_consecutive: bool = False,
) -> FairValueGaps:
    """Gaps that three candles leave: the first's high below the third's low around a rising one.

    Bullish at i: close > open and high[i-1] < low[i+1]; from high[i-1] to low[i+1]. Bearish the
    other way round. Mitigated by the first candle from i+2 on that touches its near edge. Joined:
    neighbours of one side become one, at the last of them, with the widest edges.
    """
    opens, highs, lows, closes = columns_of(open_, high, low, close)
    size = opens.size
    side, mitigated = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    top, bottom = np.full(size, np.nan), np.full(size, np.nan)
    _find_gaps(opens, highs, lows, closes, side, top, bottom)
    if join_consecutive:
        _join_gaps(side, top, bottom)
    _mitigate_gaps(highs, lows, side, top, bottom, mitigated)
    return FairValueGaps(side, top, bottom, mitigated)


@kernel
def _find_gaps(
    opens: FloatArray,
    highs: FloatArray,
    lows: FloatArray,
    closes: FloatArray,
    side: IntArray,
    top: FloatArray,
    bottom: FloatArray,
) -> None:
    for index in range(1, opens.size - 1):
        if closes[index] > opens[index] and highs[index - 1] < lows[index + 1]:
            side[index], top[index], bottom[index] = 1, lows[index + 1], highs[index - 1]
        elif closes[index] < opens[index] and lows[index - 1] > highs[index + 1]:
            side[index], top[index], bottom[index] = -1, lows[index - 1], highs[index + 1]


@kernel
def _join_gaps(side: IntArray, top: FloatArray, bottom: FloatArray) -> None:
    for index in range(side.size - 1):
        if side[index] != 0 and side[index] == side[index + 1]:
            top[index + 1] = max(top[index], top[index + 1])
            bottom[index + 1] = min(bottom[index], bottom[index + 1])
            side[index], top[index], bottom[index] = 0, np.nan, np.nan


@kernel
def _mitigate_gaps(
    highs: FloatArray,
    lows: FloatArray,
    side: IntArray,
    top: FloatArray,
    bottom: FloatArray,
    mitigated: IntArray,
) -> None:
    for index in range(side.size):
        if side[index] == 0:
            continue
        for later in range(index + 2, side.size):
            if side[index] > 0 and lows[later] <= top[index]:
                mitigated[index] = later
                break
            if side[index] < 0 and highs[later] >= bottom[index]:
                mitigated[index] = later
                break


def swing_highs_lows(
    high: npt.ArrayLike, low: npt.ArrayLike, length: int = 50, *, anchors: bool = False
) -> Swings:
    """Highs that no candle from `length` - 1 before to `length` after exceeds, and lows likewise.

    A candle that is both is a high. Of neighbours of one kind the most extreme stays, the first
    among equals, so that kinds alternate. The library adds two artificial swings, at the first and
    the last row; `anchors` adds them too.
    """
    highs, lows = columns_of(high, low)
    if length < 1:
        raise ValueError(f"length is {length}; at least 1 is wanted")
    side = np.zeros(highs.size, np.int64)
    _find_swings(highs, lows, length, side)
    if anchors and side.any():
        places = np.flatnonzero(side)
        first, last = side[places[0]], side[places[-1]]
        side[0], side[-1] = -first, -last
    level = np.where(side > 0, highs, np.where(side < 0, lows, np.nan))
    return Swings(side, level)


@kernel
def is_highest(highs: FloatArray, index: int, length: int) -> bool:
    """Whether no high of the window around `index` is above its own."""
    top = highs[index]
    for other in range(index + 1, index + length + 1):
        if highs[other] > top:
            return False
    for other in range(index - length + 1, index):  # noqa: SIM110 (kernels have no generators)
        if highs[other] > top:
            return False
    return True


@kernel
def is_lowest(lows: FloatArray, index: int, length: int) -> bool:
    """Whether no low of the window around `index` is below its own."""
    bottom = lows[index]
    for other in range(index + 1, index + length + 1):
        if lows[other] < bottom:
            return False
    for other in range(index - length + 1, index):  # noqa: SIM110 (kernels have no generators)
        if lows[other] < bottom:
            return False
    return True


@kernel
def _find_swings(highs: FloatArray, lows: FloatArray, length: int, side: IntArray) -> None:
    last = -1
    for index in range(2 * length - 1, highs.size - length):
        found = 0
        if is_highest(highs, index, length):
            found = 1
        elif is_lowest(lows, index, length):
            found = -1
        if found == 0:
            continue
        if last >= 0 and side[last] == found:
            more = highs[index] > highs[last] if found > 0 else lows[index] < lows[last]
            if not more:
                continue
            side[last] = 0
        side[index] = found
        last = index


def structure(
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    swings: Swings,
    *,
    close_break: bool = True,
    single_levels: bool = False,
) -> Structure:
    """Breaks of structure (the trend goes on) and changes of character (it turns).

    Of four alternating swings a, b, c, d the second is the level. Bullish BOS: a < c < b < d;
    bullish CHoCH: d > b > a > c; bearish mirrored. Broken by the first close (or high, low) beyond
    it from b + 2 on; a break removes earlier entries that were broken no earlier, and what is never
    broken does not count. `single_levels` compares with levels in float32, as the library does.
    """
    highs, lows, closes = columns_of(high, low, close)
    up, down = (closes, closes) if close_break else (highs, lows)
    size = highs.size
    bos, choch = np.zeros(size, np.int64), np.zeros(size, np.int64)
    level, broken = np.full(size, np.nan), np.full(size, -1, np.int64)
    places = np.flatnonzero(swings.side)
    levels = swings.level[places]
    held = levels.astype(np.float32).astype(np.float64) if single_levels else levels
    _mark_structure(places, swings.side[places], levels, held, bos, choch, level)
    _break_structure(up, down, bos, choch, level, broken)
    return Structure(bos, choch, level, broken)


@kernel
def pattern_of(side: int, a: float, b: float, c: float, d: float) -> int:
    """What four alternating swings make, `side` being the last one's: 1 BOS, 2 CHoCH, 0 nothing."""
    if side < 0:
        a, b, c, d = -a, -b, -c, -d
    if a < c and c < b and b < d:
        return 1
    if d > b and b > a and a > c:
        return 2
    return 0


@kernel
def _mark_structure(
    places: IntArray,
    sides: IntArray,
    levels: FloatArray,
    held: FloatArray,
    bos: IntArray,
    choch: IntArray,
    level: FloatArray,
) -> None:
    for last in range(3, places.size):
        side = sides[last]
        if sides[last - 1] != -side or sides[last - 2] != side or sides[last - 3] != -side:
            continue
        found = pattern_of(side, levels[last - 3], levels[last - 2], levels[last - 1], levels[last])
        place = places[last - 2]
        if found == 1:
            bos[place] = side
        elif found == 2:
            choch[place] = side
        if found != 0:
            level[place] = held[last - 2]


@kernel
def _break_structure(
    up: FloatArray,
    down: FloatArray,
    bos: IntArray,
    choch: IntArray,
    level: FloatArray,
    broken: IntArray,
) -> None:
    for index in range(bos.size):
        side = bos[index] + choch[index]
        if side == 0:
            continue
        for later in range(index + 2, bos.size):
            beyond = up[later] > level[index] if side > 0 else down[later] < level[index]
            if beyond:
                broken[index] = later
                break
        if broken[index] < 0:
            continue
        for earlier in range(index):
            if bos[earlier] + choch[earlier] != 0 and broken[earlier] >= broken[index]:
                bos[earlier], choch[earlier], level[earlier] = 0, 0, np.nan
    for index in range(bos.size):
        if bos[index] + choch[index] != 0 and broken[index] < 0:
            bos[index], choch[index], level[index] = 0, 0, np.nan

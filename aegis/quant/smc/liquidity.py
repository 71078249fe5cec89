"""Equal highs and lows over a history of candles: with hindsight, see ``batch``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.quant.smc.batch import FloatArray, IntArray, Swings, columns_of

__all__ = ["Liquidity", "liquidity"]


class Liquidity(NamedTuple):
    """By the first swing of a group of equal highs or lows; `swept` is -1 where nobody came."""

    side: IntArray
    level: FloatArray
    end: IntArray
    swept: IntArray


def liquidity(high: npt.ArrayLike, low: npt.ArrayLike, swings: Swings, reach: float) -> Liquidity:
    """Swing highs (or lows) of one height, where stops rest, and the candle that swept them.

    From each swing not yet grouped: later swings of its side within +- `reach` (in price) that come
    before the first candle at or beyond level + `reach` belong to it. Two or more are a group; its
    level is their mean. The library takes `reach` from the range of the whole history, which only
    hindsight has.
    """
    highs, lows = columns_of(high, low)
    if not reach >= 0.0:
        raise ValueError(f"reach is {reach}; a price distance of at least 0 is wanted")
    size = highs.size
    side, end = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    level, swept = np.full(size, np.nan), np.full(size, -1, np.int64)
    for sign, prices in ((1, highs), (-1, -lows)):
        places = np.flatnonzero(swings.side == sign)
        _group(sign, prices, places, sign * swings.level[places], reach, side, level, end, swept)
    return Liquidity(side, level, end, swept)


@kernel
def _group(
    sign: int,
    prices: FloatArray,
    places: IntArray,
    levels: FloatArray,
    reach: float,
    side: IntArray,
    level: FloatArray,
    end: IntArray,
    swept: IntArray,
) -> None:
    """One side; prices and levels are mirrored for lows, so that a sweep is always upwards.

    A place that belongs to a group already is marked by a negative number.
    """
    for seed in range(places.size):
        place = places[seed]
        if place < 0:
            continue
        sweep = -1
        for later in range(place + 1, prices.size):
            if prices[later] >= levels[seed] + reach:
                sweep = later
                break
        total, members, last = sign * levels[seed], 1, place
        for other in range(seed + 1, places.size):
            candidate = places[other]
            if candidate < 0:
                continue
            if sweep >= 0 and candidate >= sweep:
                break
            if levels[seed] - reach <= levels[other] <= levels[seed] + reach:
                total += sign * levels[other]
                members += 1
                last = candidate
                places[other] = -1
        if members > 1:
            side[place], level[place] = sign, total / members
            end[place], swept[place] = last, sweep

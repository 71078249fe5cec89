"""Exponential moving average with a = 2 / (period + 1), seeded with the first SMA.

First value at `period` - 1. The recursion is the one of TA-Lib 0.8, (value - average) * a + average
rounded once after the subtraction, so that it gives the same bits.

Each average waits for the one before it, which is all that a long series costs. But an average
forgets where it began, to the last bit: so the batch form computes four stretches of a series at
once, each from a guess some way ahead of its beginning, and then lets the true average run into
each stretch until it meets what was computed there. From where they are equal all that follows is.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.quant.indicators.arithmetic import fused
from aegis.quant.indicators.series import (
    FloatArray,
    empty_like,
    period_of,
    refuse_broken,
    start_of,
    values_of,
)

__all__ = ["ema", "ema_state", "ema_update"]

# state: period, values seen, sum of the seed or the average
_PERIOD, _SEEN, _AVERAGE = 0, 1, 2

_NAMES = ("values",)
# exp(-44) of a difference is far below the last of 53 bits.
_FORGOTTEN = 44.0


def ema(values: npt.ArrayLike, period: int = 30) -> FloatArray:
    """The exponentially weighted mean (TA-Lib: EMA), equal to TA-Lib's to the last bit.

    Raises ValueError for a period below 2 or a value that is not finite.
    """
    series = values_of(values)
    period = period_of(period, 2)
    start = start_of(series, names=_NAMES)
    out = empty_like(series, start + period - 1)
    refuse_broken(_ema(series, start, period, out), start, _NAMES, series)
    return out


def ema_state(period: int = 30) -> FloatArray:
    """A fresh state for `ema_update`."""
    return np.array([period_of(period, 2), 0.0, 0.0])


@kernel("f8(f8[::1], f8, f8, i8, f8[::1])")
def _four_at_once(
    come: FloatArray, weight: float, average: float, ahead: int, averages: FloatArray
) -> float:
    """The recursion from `average` on over all of `come`; returns the last average."""
    size = come.size // 4
    guess, other, third = size - ahead, 2 * size - ahead, 3 * size - ahead
    b, c, d = come[guess], come[other], come[third]
    for index in range(ahead):
        b = fused(come[guess + index] - b, weight, b)
        c = fused(come[other + index] - c, weight, c)
        d = fused(come[third + index] - d, weight, d)
    come_b, come_c, come_d = come[size:], come[2 * size :], come[3 * size :]
    out_b, out_c, out_d = averages[size:], averages[2 * size :], averages[3 * size :]
    for index in range(size):
        average = fused(come[index] - average, weight, average)
        b = fused(come_b[index] - b, weight, b)
        c = fused(come_c[index] - c, weight, c)
        d = fused(come_d[index] - d, weight, d)
        averages[index] = average
        out_b[index] = b
        out_c[index] = c
        out_d[index] = d
    for index in range(4 * size, come.size):
        d = fused(come[index] - d, weight, d)
        averages[index] = d
    for stretch in range(1, 4):
        index = stretch * size
        average = averages[index - 1]
        while index < come.size:
            average = fused(come[index] - average, weight, average)
            if average == averages[index]:
                break
            averages[index] = average
            index += 1
    return float(averages[come.size - 1])


@kernel("f8(f8[::1], i8, i8, f8[::1])")
def _ema(values: FloatArray, start: int, period: int, out: FloatArray) -> float:
    """Returns the last average: one value that is not finite stays in it for ever."""
    if values.size - start < period:
        return math.nan
    weight = 2.0 / (period + 1)
    average = 0.0
    for index in range(start, start + period):
        average += values[index]
    average /= period
    out[start + period - 1] = average
    come, averages = values[start + period :], out[start + period :]
    ahead = int(_FORGOTTEN / weight)
    if come.size >= 8 * ahead:
        return _four_at_once(come, weight, average, ahead, averages)
    for index in range(come.size):
        average = fused(come[index] - average, weight, average)
        averages[index] = average
    return average


@kernel("f8(f8[::1], f8)")
def ema_update(state: FloatArray, value: float) -> float:
    """Take one more value; the average, NaN while there are fewer than `period`."""
    if not math.isfinite(value):
        return math.nan
    period, seen = state[_PERIOD], state[_SEEN]
    if seen >= period:
        state[_AVERAGE] = fused(value - state[_AVERAGE], 2.0 / (period + 1.0), state[_AVERAGE])
        return float(state[_AVERAGE])
    state[_AVERAGE] += value
    state[_SEEN] = seen + 1.0
    if seen + 1.0 < period:
        return math.nan
    state[_AVERAGE] /= period
    return float(state[_AVERAGE])

"""Exponential moving average with a = 2 / (period + 1), seeded with the first SMA.

First value at `period` - 1. The recursion is the one of TA-Lib 0.8, (value - average) * a + average
rounded once after the subtraction, so that it gives the same bits.
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

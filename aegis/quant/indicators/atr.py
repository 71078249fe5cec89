"""Average true range with Wilder's smoothing, seeded with the mean of the first `period` ranges.

The first bar has no close before it and no true range, so the first value is at `period`.
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

__all__ = ["atr", "atr_state", "atr_update"]

# state: period, bars seen, the close before, the average (a sum while it is seeded)
_PERIOD, _SEEN, _CLOSE, _AVERAGE = 0, 1, 2, 3

_NAMES = ("high", "low", "close")


def atr(
    high: npt.ArrayLike, low: npt.ArrayLike, close: npt.ArrayLike, period: int = 14
) -> FloatArray:
    """The smoothed true range of bars, in price units (TA-Lib: ATR).

    Raises ValueError for a period below 2, lengths that differ or a value that is not finite.
    """
    bars = values_of(high, "high"), values_of(low, "low"), values_of(close, "close")
    period = period_of(period, 2)
    start = start_of(*bars, names=_NAMES)
    out = empty_like(bars[0], start + period)
    refuse_broken(_atr(*bars, start, period, out), start, _NAMES, *bars)
    return out


def atr_state(period: int = 14) -> FloatArray:
    """A fresh state for `atr_update`."""
    return np.array([period_of(period, 2), 0.0, 0.0, 0.0])


@kernel("f8(f8, f8, f8)")
def _true_range(high: float, low: float, close_before: float) -> float:
    """The range including the close before. A broken close stays broken, a broken high or low may
    not: a comparison with NaN is false.
    """
    top = high if high > close_before else close_before
    bottom = low if low < close_before else close_before
    return top - bottom


@kernel("f8(f8[::1], f8[::1], f8[::1], i8, i8, f8[::1])")
def _atr(
    high: FloatArray, low: FloatArray, close: FloatArray, start: int, period: int, out: FloatArray
) -> float:
    """Returns 0, or NaN if a value was not finite."""
    if high.size - start <= period:
        return math.nan
    average = 0.0
    rest = (high[start] - low[start]) * 0.0
    for index in range(start + 1, start + period + 1):
        average += _true_range(high[index], low[index], close[index - 1])
        # 0 of finite numbers, NaN of others, which the range may hide. A broken close stays in the
        # average for ever.
        rest = fused(high[index] - low[index], 0.0, rest)
    average /= period
    out[start + period] = average
    keep, weight = (period - 1) / period, 1.0 / period
    first = start + period + 1
    high, low, close, out = high[first:], low[first:], close[first - 1 :], out[first:]
    for index in range(high.size):
        # All reading before the writing: read again after it, the numbers would wait for it.
        reach = _true_range(high[index], low[index], close[index])
        rest = fused(high[index] - low[index], 0.0, rest)
        average = fused(average, keep, reach * weight)
        out[index] = average
    return float(rest + (average + close[high.size]) * 0.0)


@kernel("f8(f8[::1], f8, f8, f8)")
def atr_update(state: FloatArray, high: float, low: float, close: float) -> float:
    """Take one more bar; the average true range, NaN before there are `period` of them."""
    if not (math.isfinite(high) and math.isfinite(low) and math.isfinite(close)):
        return math.nan
    period, seen = state[_PERIOD], state[_SEEN]
    reach = _true_range(high, low, state[_CLOSE])
    state[_CLOSE] = close
    if seen > period:
        state[_AVERAGE] = fused(state[_AVERAGE], (period - 1.0) / period, reach * (1.0 / period))
        return float(state[_AVERAGE])
    state[_SEEN] = seen + 1.0
    if seen == 0.0:
        return math.nan
    state[_AVERAGE] += reach
    if seen < period:
        return math.nan
    state[_AVERAGE] /= period
    return float(state[_AVERAGE])

"""Relative strength index with Wilder's smoothing, seeded with the mean of the first changes.

J. Welles Wilder, New Concepts in Technical Trading Systems (1978). First value at `period`; a
series that does not move has 0, as in TA-Lib, not 50.

Falls stay negative: a gain is one maximum and a fall one minimum of the same weighted change, and a
value that is not finite stays in both averages, so that nothing else has to be carried along.
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

__all__ = ["rsi", "rsi_state", "rsi_update"]

# state: period, values seen, the value before, smoothed gains, smoothed falls (negative)
_PERIOD, _SEEN, _LAST, _GAIN, _FALL = 0, 1, 2, 3, 4

_NAMES = ("values",)


def rsi(values: npt.ArrayLike, period: int = 14) -> FloatArray:
    """100 * gains / (gains - falls), each smoothed (TA-Lib: RSI); 0 to 100.

    Raises ValueError for a period below 2 or a value that is not finite.
    """
    series = values_of(values)
    period = period_of(period, 2)
    start = start_of(series, names=_NAMES)
    out = empty_like(series, start + period)
    refuse_broken(_rsi(series, start, period, out), start, _NAMES, series)
    return out


def rsi_state(period: int = 14) -> FloatArray:
    """A fresh state for `rsi_update`."""
    return np.array([period_of(period, 2), 0.0, 0.0, 0.0, 0.0])


@kernel("f8(f8, f8)")
def _index(gain: float, fall: float) -> float:
    """Divides always and then chooses: one instruction each, and no branch."""
    moved = gain - fall
    index = 100.0 * (gain / moved)
    return index if moved > 0.0 else 0.0


@kernel("f8(f8)")
def _rise(change: float) -> float:
    """What is above 0. A change that is not a number stays one: written so, not as `max`."""
    return 0.0 if change < 0.0 else change


@kernel("f8(f8)")
def _drop(change: float) -> float:
    """What is below 0, or not a number."""
    return 0.0 if change > 0.0 else change


@kernel("f8(f8[::1], i8, i8, f8[::1])")
def _rsi(values: FloatArray, start: int, period: int, out: FloatArray) -> float:
    """Returns 0, or NaN if a value was not finite: it stays in the averages for ever."""
    if values.size - start <= period:
        return math.nan
    gain = fall = 0.0
    for index in range(start + 1, start + period + 1):
        change = values[index] - values[index - 1]
        gain += _rise(change)
        fall += _drop(change)
    gain /= period
    fall /= period
    out[start + period] = _index(gain, fall)
    keep, weight = (period - 1) / period, 1.0 / period
    before, come, out = (
        values[start + period :],
        values[start + period + 1 :],
        out[start + period + 1 :],
    )
    for index in range(come.size):
        change = (come[index] - before[index]) * weight
        gain = fused(gain, keep, _rise(change))
        fall = fused(fall, keep, _drop(change))
        out[index] = _index(gain, fall)
    return (gain - fall) * 0.0


@kernel("f8(f8[::1], f8)")
def rsi_update(state: FloatArray, value: float) -> float:
    """Take one more value; the index, NaN before there are `period` changes."""
    if not math.isfinite(value):
        return math.nan
    period, seen = state[_PERIOD], state[_SEEN]
    change = value - state[_LAST]
    state[_LAST] = value
    if seen > period:
        keep, weight = (period - 1.0) / period, 1.0 / period
        change *= weight
        state[_GAIN] = fused(state[_GAIN], keep, _rise(change))
        state[_FALL] = fused(state[_FALL], keep, _drop(change))
        return _index(state[_GAIN], state[_FALL])
    state[_SEEN] = seen + 1.0
    if seen == 0.0:
        return math.nan
    state[_GAIN] += _rise(change)
    state[_FALL] += _drop(change)
    if seen < period:
        return math.nan
    state[_GAIN] /= period
    state[_FALL] /= period
    return _index(state[_GAIN], state[_FALL])

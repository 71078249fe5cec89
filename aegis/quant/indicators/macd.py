"""Moving average convergence and divergence: a fast EMA minus a slow one, and its own EMA.

All three outputs begin together, at slow + signal - 2. Both averages start at the bar where the
slow one is seeded; the fast one is seeded there too, with the mean of the last `fast` values, and
the signal with the mean of the first `signal` differences: TA-Lib's convention.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.quant.indicators.arithmetic import fused
from aegis.quant.indicators.series import (
    FloatArray,
    empty_columns,
    period_of,
    refuse_broken,
    start_of,
    values_of,
)

__all__ = ["macd", "macd_state", "macd_update"]

# state: the three periods, values seen, the three averages (sums while they are seeded)
_FAST, _SLOW, _SIGNAL, _SEEN, _FAST_EMA, _SLOW_EMA, _SIGNAL_EMA = range(7)


def _periods(fast: int, slow: int, signal: int) -> tuple[int, int, int]:
    fast, slow = period_of(fast, 2, "fast"), period_of(slow, 2, "slow")
    if fast >= slow:
        raise ValueError(f"fast is {fast} and slow {slow}; fast must be the shorter one")
    return fast, slow, period_of(signal, 1, "signal")


_NAMES = ("values",)


def macd(
    values: npt.ArrayLike, fast: int = 12, slow: int = 26, signal: int = 9
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The difference, its signal line and their difference (TA-Lib: MACD).

    Raises ValueError for periods that are too short or not in order, or a value that is not finite.
    """
    series = values_of(values)
    fast, slow, signal = _periods(fast, slow, signal)
    start = start_of(series, names=_NAMES)
    first = start + slow + signal - 2
    line, average, rest = empty_columns(series, first)
    left = _macd(series, start, fast, slow, signal, line, average, rest)
    refuse_broken(left, start, _NAMES, series)
    return line, average, rest


def macd_state(fast: int = 12, slow: int = 26, signal: int = 9) -> FloatArray:
    """A fresh state for `macd_update`."""
    return np.array([*_periods(fast, slow, signal), 0.0, 0.0, 0.0, 0.0], np.float64)


@kernel("f8(f8, f8, f8)")
def _smooth(average: float, value: float, weight: float) -> float:
    return float(fused(average, 1.0 - weight, value * weight))


@kernel("f8(f8[::1], i8, i8, i8, i8, f8[::1], f8[::1], f8[::1])")
def _macd(
    values: FloatArray,
    start: int,
    fast: int,
    slow: int,
    signal: int,
    line: FloatArray,
    average: FloatArray,
    rest: FloatArray,
) -> float:
    """Returns the last signal: one value that is not finite stays in it for ever."""
    if values.size - start < slow + signal - 1:
        return math.nan
    quick = slowly = signalled = 0.0
    for index in range(start, start + slow):
        slowly += values[index]
        if index >= start + slow - fast:
            quick += values[index]
    quick /= fast
    slowly /= slow
    signalled = quick - slowly
    fast_weight, slow_weight, signal_weight = 2.0 / (fast + 1), 2.0 / (slow + 1), 2.0 / (signal + 1)
    first = start + slow + signal - 2
    for index in range(start + slow, first + 1):
        quick = _smooth(quick, values[index], fast_weight)
        slowly = _smooth(slowly, values[index], slow_weight)
        signalled += quick - slowly
    signalled /= signal
    line[first], average[first] = quick - slowly, signalled
    rest[first] = quick - slowly - signalled
    come, line = values[first + 1 :], line[first + 1 :]
    average, rest = average[first + 1 :], rest[first + 1 :]
    for index in range(come.size):
        quick = _smooth(quick, come[index], fast_weight)
        slowly = _smooth(slowly, come[index], slow_weight)
        difference = quick - slowly
        signalled = _smooth(signalled, difference, signal_weight)
        line[index], average[index], rest[index] = difference, signalled, difference - signalled
    return signalled


@kernel("UniTuple(f8, 3)(f8[::1], f8)")
def macd_update(state: FloatArray, value: float) -> tuple[float, float, float]:
    """Take one more value; (difference, signal, rest), NaN before all three begin."""
    nothing = (math.nan, math.nan, math.nan)
    if not math.isfinite(value):
        return nothing
    fast, slow, signal = state[_FAST], state[_SLOW], state[_SIGNAL]
    seen = state[_SEEN] + 1.0
    last = slow + signal - 1.0
    if seen <= last:
        state[_SEEN] = seen
    if seen <= slow:
        state[_SLOW_EMA] += value
        if seen > slow - fast:
            state[_FAST_EMA] += value
        if seen < slow:
            return nothing
        state[_FAST_EMA] /= fast
        state[_SLOW_EMA] /= slow
    else:
        state[_FAST_EMA] = _smooth(state[_FAST_EMA], value, 2.0 / (fast + 1.0))
        state[_SLOW_EMA] = _smooth(state[_SLOW_EMA], value, 2.0 / (slow + 1.0))
    difference = state[_FAST_EMA] - state[_SLOW_EMA]
    if seen > last:
        state[_SIGNAL_EMA] = _smooth(state[_SIGNAL_EMA], difference, 2.0 / (signal + 1.0))
    else:
        state[_SIGNAL_EMA] += difference
        if seen < last:
            return nothing
        state[_SIGNAL_EMA] /= signal
    return difference, state[_SIGNAL_EMA], difference - state[_SIGNAL_EMA]

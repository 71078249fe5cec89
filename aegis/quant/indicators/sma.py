"""Simple moving average: the mean of the last `period` values. First value at `period` - 1."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.quant.indicators.series import (
    FloatArray,
    empty_like,
    period_of,
    refuse_broken,
    start_of,
    values_of,
)

__all__ = ["sma", "sma_state", "sma_update"]

# state: period, values seen, sum of the window, place of the oldest, the window
_PERIOD, _SEEN, _SUM, _AT, _WINDOW = 0, 1, 2, 3, 4

_NAMES = ("values",)


def sma(values: npt.ArrayLike, period: int = 30) -> FloatArray:
    """The mean of each value and the `period` - 1 before it (TA-Lib: SMA).

    Raises ValueError for a period below 2 or a value that is not finite.
    """
    series = values_of(values)
    period = period_of(period, 2)
    start = start_of(series, names=_NAMES)
    out = empty_like(series, start + period - 1)
    refuse_broken(_sma(series, start, period, out), start, _NAMES, series)
    return out


def sma_state(period: int = 30) -> FloatArray:
    """A fresh state for `sma_update`."""
    state = np.zeros(_WINDOW + period_of(period, 2))
    state[_PERIOD] = period
    return state


@kernel("f8(f8[::1], i8, i8, f8[::1])")
def _sma(values: FloatArray, start: int, period: int, out: FloatArray) -> float:
    """Returns the last sum: one value that is not finite stays in it for ever."""
    if values.size - start < period:
        return math.nan
    total = 0.0
    for index in range(start, start + period):
        total += values[index]
    share = 1.0 / period
    out[start + period - 1] = total * share
    gone, come, means = values[start:], values[start + period :], out[start + period :]
    for index in range(come.size):
        # The difference first: it does not wait for the sum before it. A division a value would
        # take longer than the chain of sums.
        total += come[index] - gone[index]
        means[index] = total * share
    return total


@kernel("f8(f8[::1], f8)")
def sma_update(state: FloatArray, value: float) -> float:
    """Take one more value; the mean of the last `period`, NaN while there are fewer."""
    if not math.isfinite(value):
        return math.nan
    period, seen, at = int(state[_PERIOD]), int(state[_SEEN]), int(state[_AT])
    if seen < period:
        state[_SUM] += value
        state[_SEEN] = seen + 1
    else:
        state[_SUM] += value - state[_WINDOW + at]
    state[_WINDOW + at] = value
    state[_AT] = at + 1 if at + 1 < period else 0
    return state[_SUM] * (1.0 / period) if state[_SEEN] >= period else math.nan

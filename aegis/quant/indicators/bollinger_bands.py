"""Bollinger bands: the mean of the last `period` values, and so many standard deviations around it.

The deviation is the population's (divisor `period`). First value at `period` - 1. The textbook's
E[x^2] - E[x]^2 loses every digit where prices are large and still; here the sums are taken around a
centre inside the window, which is moved to the window's mean every few values, and whenever the
sums have become so large beside the spread that their rounding would show in it.
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

__all__ = ["bollinger_bands", "bollinger_bands_state", "bollinger_bands_update"]

# How many values may pass before the sums are taken anew: bounds what rounding can add up to.
_RECENTRE_EVERY = 64
# Squares that are so many times the spread they hold have lost 4 of their 16 digits.
_CANCELLED = 1e4
# Values that are made into bands at once: three columns of them stay in the first-level cache.
_BLOCK = 512

# state: period, values seen, widths up and down, centre, sum, sum of squares, values since the
# centre was moved, place of the oldest, the window
_PERIOD, _SEEN, _UP, _DOWN, _CENTRE, _SUM, _SQUARES, _SINCE, _AT, _WINDOW = range(10)

_NAMES = ("values",)


def bollinger_bands(
    values: npt.ArrayLike, period: int = 20, width_up: float = 2.0, width_down: float = 2.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Upper band, middle and lower band (TA-Lib: BBANDS with a simple mean).

    Raises ValueError for a period below 2, a width that is not finite, or such a value.
    """
    series = values_of(values)
    period = period_of(period, 2)
    up, down = _width(width_up, "width_up"), _width(width_down, "width_down")
    start = start_of(series, names=_NAMES)
    upper, middle, lower = empty_columns(series, start + period - 1)
    rest = _bands(series, start, period, up, down, upper, middle, lower)
    refuse_broken(rest, start, _NAMES, series)
    return upper, middle, lower


def bollinger_bands_state(
    period: int = 20, width_up: float = 2.0, width_down: float = 2.0
) -> FloatArray:
    """A fresh state for `bollinger_bands_update`."""
    state = np.zeros(_WINDOW + period_of(period, 2))
    state[_PERIOD] = period
    state[_UP], state[_DOWN] = _width(width_up, "width_up"), _width(width_down, "width_down")
    return state


def _width(width: float, name: str) -> float:
    if not math.isfinite(width):
        raise ValueError(f"{name} is {width}; a finite number of deviations is wanted")
    return float(width)


@kernel("UniTuple(f8, 3)(f8[::1], i8, i8)")
def _centred(values: FloatArray, start: int, size: int) -> tuple[float, float, float]:
    """The mean of a window, and what is left of sum and squares around it."""
    total = 0.0
    for index in range(start, start + size):
        total += values[index]
    centre = total / size
    rest = squares = 0.0
    for index in range(start, start + size):
        distance = values[index] - centre
        rest += distance
        squares += distance * distance
    return centre, rest, squares


@kernel("f8(f8, f8, f8)")
def _spread(total: float, squares: float, share: float) -> float:
    """The sum of squares around the mean, of sums around a centre; `share` is 1 / period."""
    return squares - total * total * share


@kernel("b1(f8, f8, f8)")
def _is_spoilt(gone: float, squares: float, spread: float) -> bool:
    """Whether the squares, or the one that has just left them, drown the spread."""
    return bool(max(squares, gone * gone) > _CANCELLED * spread)


@kernel("void(f8, f8, f8[::1], f8[::1], f8[::1])")
def _spread_out(
    up: float, down: float, upper: FloatArray, middle: FloatArray, lower: FloatArray
) -> None:
    """From the variances in `upper` and the means to the bands.

    Apart from the sums, because nothing here waits for the value before: it is vectorised.
    """
    for index in range(middle.size):
        mean, deviation = middle[index], math.sqrt(max(upper[index], 0.0))
        upper[index] = mean + up * deviation
        lower[index] = mean - down * deviation


@kernel("f8(f8[::1], i8, i8, f8, f8, f8[::1], f8[::1], f8[::1])")
def _bands(
    values: FloatArray,
    start: int,
    period: int,
    up: float,
    down: float,
    upper: FloatArray,
    middle: FloatArray,
    lower: FloatArray,
) -> float:
    """Returns 0, or NaN if a value was not finite."""
    if values.size - start < period:
        return math.nan
    centre, total, squares = _centred(values, start, period)
    since, share = 0, 1.0 / period
    rest = squares * 0.0
    first = start + period - 1
    middle, upper, lower = middle[first:], upper[first:], lower[first:]
    middle[0], upper[0] = centre + total * share, _spread(total, squares, share) * share
    done = 0
    going, coming = values[start:], values[first:]
    for index in range(1, coming.size):
        gone, come = going[index - 1] - centre, coming[index] - centre
        rest = fused(come, 0.0, rest)
        total += come - gone
        squares += come * come - gone * gone
        since += 1
        spread = _spread(total, squares, share)
        if since == _RECENTRE_EVERY or _is_spoilt(gone, squares, spread):
            centre, total, squares = _centred(going, index, period)
            spread = _spread(total, squares, share)
            since = 0
        middle[index], upper[index] = centre + total * share, spread * share
        if index - done == _BLOCK:
            _spread_out(up, down, upper[done:index], middle[done:index], lower[done:index])
            done = index
    _spread_out(up, down, upper[done:], middle[done:], lower[done:])
    return rest


@kernel("void(f8[::1], i8)")
def _recentre(state: FloatArray, period: int) -> None:
    """`_centred` over the window in its order of time, which begins at the oldest."""
    oldest = int(state[_AT])
    total = 0.0
    for step in range(period):
        place = oldest + step
        total += state[_WINDOW + (place if place < period else place - period)]
    centre = total / period
    rest = squares = 0.0
    for step in range(period):
        place = oldest + step
        distance = state[_WINDOW + (place if place < period else place - period)] - centre
        rest += distance
        squares += distance * distance
    state[_CENTRE], state[_SUM], state[_SQUARES], state[_SINCE] = centre, rest, squares, 0.0


@kernel("UniTuple(f8, 3)(f8[::1], f8)")
def bollinger_bands_update(state: FloatArray, value: float) -> tuple[float, float, float]:
    """Take one more value; (upper, middle, lower), NaN while there are fewer than `period`."""
    nothing = (math.nan, math.nan, math.nan)
    if not math.isfinite(value):
        return nothing
    period, at = int(state[_PERIOD]), int(state[_AT])
    share = 1.0 / period
    before = state[_WINDOW + at]
    state[_WINDOW + at] = value
    state[_AT] = at + 1 if at + 1 < period else 0
    if state[_SEEN] < period:
        state[_SEEN] += 1.0
        if state[_SEEN] < period:
            return nothing
        _recentre(state, period)
    else:
        gone, come = before - state[_CENTRE], value - state[_CENTRE]
        state[_SUM] += come - gone
        state[_SQUARES] += come * come - gone * gone
        state[_SINCE] += 1.0
        spread = _spread(state[_SUM], state[_SQUARES], share)
        if state[_SINCE] == _RECENTRE_EVERY or _is_spoilt(gone, state[_SQUARES], spread):
            _recentre(state, period)
    spread = _spread(state[_SUM], state[_SQUARES], share)
    mean = state[_CENTRE] + state[_SUM] * share
    deviation = math.sqrt(max(spread * share, 0.0))
    return mean + state[_UP] * deviation, mean, mean - state[_DOWN] * deviation

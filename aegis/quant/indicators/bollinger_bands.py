"""Bollinger bands: the mean of the last `period` values, and so many standard deviations around it.

The deviation is the population's (divisor `period`). First value at `period` - 1. The textbook's
E[x^2] - E[x]^2 loses every digit where prices are large and still; here the sums are taken around a
centre inside the window, which is moved to the window's mean every few values, and whenever the
sums have become so large beside the spread that their rounding would show in it.

Where the centre is moved the sums begin anew from the window alone, so the stretches between two
such places do not wait for one another: the batch form computes four of them at once. If the centre
has to be moved within one, it goes on value by value from there to the next regular place.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
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
_NEVER_SPOILT = 1e300

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
    rest = _bands(series, start, period, up, down, np.empty((5, 3)), upper, middle, lower)
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


@kernel("UniTuple(f8, 2)(f8, f8, f8, f8)")
def _band(centre: float, total: float, spread: float, share: float) -> tuple[float, float]:
    """(mean, deviation) of sums around a centre."""
    return centre + total * share, math.sqrt(max(spread * share, 0.0))


@kernel("b1(f8, f8, f8, f8, f8[::1], f8[::1], f8[::1], f8[::1])")
def _spread_out(
    centre: float, share: float, up: float, down: float,
    going: FloatArray, upper: FloatArray, middle: FloatArray, lower: FloatArray,
) -> bool:  # fmt: skip
    """From squares in `upper` and sums in `middle` to the bands; whether one of them was spoilt.

    Apart from the sums, because nothing here waits for the value before: it is vectorised.
    """
    spoilt = 0
    for index in range(middle.size):
        total, squares, gone = middle[index], upper[index], going[index] - centre
        spread = _spread(total, squares, share)
        spoilt |= int(_is_spoilt(gone, squares, spread))
        mean, deviation = _band(centre, total, spread, share)
        middle[index] = mean
        upper[index] = mean + up * deviation
        lower[index] = mean - down * deviation
    return spoilt != 0


@kernel("void(f8[::1], f8[::1], f8, f8[::1], f8[::1])")
def _steps(
    going: FloatArray, coming: FloatArray, centre: float, upper: FloatArray, middle: FloatArray
) -> None:
    """By what each value changes squares and sum, into `upper` and `middle`."""
    for index in range(middle.size):
        gone, come = going[index] - centre, coming[index] - centre
        middle[index] = come - gone
        upper[index] = come * come - gone * gone


@kernel("f8(f8[::1], f8[::1], f8[:, ::1], f8[::1], f8[::1])")
def _four_sums(
    going: FloatArray, coming: FloatArray, begin: FloatArray, upper: FloatArray, middle: FloatArray
) -> float:
    """Squares and sums of four stretches that begin from the rows (centre, sum, squares).

    The chains take one addition a value each, and four of them wait side by side. Returns 0, or NaN
    if a value was not finite: it stays in its sums to their end.
    """
    length = _RECENTRE_EVERY
    for stretch in range(4):
        first = stretch * length
        last = first + length
        _steps(
            going[first:last], coming[first:last], begin[stretch, 0], upper[first:last],
            middle[first:last],
        )  # fmt: skip
    ta, tb, tc, td = begin[0, 1], begin[1, 1], begin[2, 1], begin[3, 1]
    sa, sb, sc, sd = begin[0, 2], begin[1, 2], begin[2, 2], begin[3, 2]
    middle_b, upper_b = middle[length:], upper[length:]
    middle_c, upper_c = middle[2 * length :], upper[2 * length :]
    middle_d, upper_d = middle[3 * length :], upper[3 * length :]
    for index in range(length - 1):
        ta += middle[index]
        sa += upper[index]
        tb += middle_b[index]
        sb += upper_b[index]
        tc += middle_c[index]
        sc += upper_c[index]
        td += middle_d[index]
        sd += upper_d[index]
        middle[index], upper[index] = ta, sa
        middle_b[index], upper_b[index] = tb, sb
        middle_c[index], upper_c[index] = tc, sc
        middle_d[index], upper_d[index] = td, sd
    return float((sa + sb) + (sc + sd)) * 0.0


@kernel("f8(f8[::1], i8, f8[:, ::1])")
def _four_centres(going: FloatArray, period: int, begin: FloatArray) -> float:
    """`_centred` of the four windows at whose ends the centre is moved, into rows 1 to 4.

    Returns 0, or NaN if a value was not finite.
    """
    one, two = going[_RECENTRE_EVERY:], going[2 * _RECENTRE_EVERY :]
    three, four = going[3 * _RECENTRE_EVERY :], going[4 * _RECENTRE_EVERY :]
    a = b = c = d = 0.0
    for index in range(period):
        a += one[index]
        b += two[index]
        c += three[index]
        d += four[index]
    a, b, c, d = a / period, b / period, c / period, d / period
    ra = rb = rc = rd = sa = sb = sc = sd = 0.0
    for index in range(period):
        distance = one[index] - a
        ra += distance
        sa += distance * distance
        distance = two[index] - b
        rb += distance
        sb += distance * distance
        distance = three[index] - c
        rc += distance
        sc += distance * distance
        distance = four[index] - d
        rd += distance
        sd += distance * distance
    begin[1, 0], begin[1, 1], begin[1, 2] = a, ra, sa
    begin[2, 0], begin[2, 1], begin[2, 2] = b, rb, sb
    begin[3, 0], begin[3, 1], begin[3, 2] = c, rc, sc
    begin[4, 0], begin[4, 1], begin[4, 2] = d, rd, sd
    return float((sa + sb) + (sc + sd)) * 0.0


@kernel("Tuple((i8, f8))(f8[::1], f8[::1], i8, f8, f8, f8[:, ::1], f8[::1], f8[::1], f8[::1])")
def _four_stretches(
    going: FloatArray, coming: FloatArray, period: int, up: float, down: float,
    begin: FloatArray, upper: FloatArray, middle: FloatArray, lower: FloatArray,
) -> tuple[int, float]:  # fmt: skip
    """Bands of four stretches from row 0 of `begin` on: how many were good, and 0 or NaN.

    `going` begins one value before the window of the first, `coming` with its newest. The row of
    `begin` after the last good stretch is where to go on from. NaN: a value was not finite.
    """
    share = 1.0 / period
    rest = _four_centres(going, period, begin)
    rest += _four_sums(going, coming, begin, upper, middle)
    for stretch in range(4):
        first = stretch * _RECENTRE_EVERY
        last = first + _RECENTRE_EVERY - 1
        # The last place is the next stretch's, and is written below: there for a whole vector.
        middle[last], upper[last] = 0.0, _NEVER_SPOILT
        if _spread_out(
            begin[stretch, 0], share, up, down, going[first : last + 1],
            upper[first : last + 1], middle[first : last + 1], lower[first : last + 1],
        ):  # fmt: skip
            return stretch, rest
        total, squares = begin[stretch + 1, 1], begin[stretch + 1, 2]
        spread = _spread(total, squares, share)
        mean, deviation = _band(begin[stretch + 1, 0], total, spread, share)
        middle[last], upper[last] = mean, mean + up * deviation
        lower[last] = mean - down * deviation
    return 4, rest


@kernel("f8(f8[::1], i8, i8, f8, f8, f8[:, ::1], f8[::1], f8[::1], f8[::1])")
def _bands(
    values: FloatArray, start: int, period: int, up: float, down: float, begin: FloatArray,
    upper: FloatArray, middle: FloatArray, lower: FloatArray,
) -> float:  # fmt: skip
    """Returns 0, or NaN if a value was not finite. begin: scratch of 5 x 3."""
    if values.size - start < period:
        return math.nan
    first, share = start + period - 1, 1.0 / period
    going, coming = values[start:], values[first:]
    middle, upper, lower = middle[first:], upper[first:], lower[first:]
    centre, total, squares = _centred(values, start, period)
    rest, since, index = squares * 0.0, 0, 0
    while True:
        spread = _spread(total, squares, share)
        mean, deviation = _band(centre, total, spread, share)
        middle[index] = mean
        upper[index], lower[index] = mean + up * deviation, mean - down * deviation
        index += 1
        while since == 0 and index + 4 * _RECENTRE_EVERY <= coming.size:
            begin[0, 0], begin[0, 1], begin[0, 2] = centre, total, squares
            good, broken = _four_stretches(
                going[index - 1 :], coming[index:], period, up, down, begin,
                upper[index:], middle[index:], lower[index:],
            )  # fmt: skip
            centre, total, squares = begin[good, 0], begin[good, 1], begin[good, 2]
            index += good * _RECENTRE_EVERY
            rest += broken
            if good < 4:
                break
        if index >= coming.size:
            return rest + squares * 0.0
        gone, come = going[index - 1] - centre, coming[index] - centre
        total += come - gone
        squares += come * come - gone * gone
        since += 1
        spoilt = _is_spoilt(gone, squares, _spread(total, squares, share))
        if since == _RECENTRE_EVERY or spoilt:
            rest += squares * 0.0  # a value that is not finite may have left the window
            centre, total, squares = _centred(going, index, period)
            since = 0


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

"""Average true range with Wilder's smoothing, seeded with the mean of the first `period` ranges.

The first bar has no close before it and no true range, so the first value is at `period`.

Each average waits for the one before it, longer than its arithmetic takes. Like the one in `ema`,
this average forgets where it began, to the last bit: so the batch form smooths four stretches of a
long series at once, each from a guess some way ahead of its beginning, and then lets the true
average run into each stretch until it meets what was computed there.
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
# exp(-44) of a difference is far below the last of 53 bits.
_FORGOTTEN = 44


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
    """The range including the close before: a maximum and a minimum, so nothing branches.

    A broken close stays broken, a broken high or low may not: a comparison with NaN is false.
    """
    top = high if high > close_before else close_before
    bottom = low if low < close_before else close_before
    return top - bottom


@kernel("UniTuple(f8, 2)(f8[::1], f8[::1], f8[::1], i8, f8, f8[::1])")
def _one_by_one(
    high: FloatArray, low: FloatArray, before: FloatArray, period: int, average: float,
    out: FloatArray,
) -> tuple[float, float]:  # fmt: skip
    """Smooth on from `average`: (the last average, 0 or NaN).

    The second is a sum of zeros, NaN if a high or low was not finite, which a range may hide. A
    broken close stays in the average for ever.
    """
    keep, weight, rest = (period - 1) / period, 1.0 / period, 0.0
    for index in range(out.size):
        # All reading before the writing: read again after it, the numbers would wait for it.
        top, bottom, close = high[index], low[index], before[index]
        average = fused(average, keep, _true_range(top, bottom, close) * weight)
        rest = fused(top - bottom, 0.0, rest)
        out[index] = average
    return average, rest


@kernel("f8(f8[::1], f8[::1], f8[::1], i8)")
def _guess(high: FloatArray, low: FloatArray, before: FloatArray, period: int) -> float:
    """The average after these bars of one that began with the first of their ranges."""
    keep, weight = (period - 1) / period, 1.0 / period
    average = _true_range(high[0], low[0], before[0])
    for index in range(high.size):
        reach = _true_range(high[index], low[index], before[index])
        average = fused(average, keep, reach * weight)
    return average


@kernel("f8(f8[::1], f8[::1], f8[::1], i8, f8, f8[::1])")
def _run_into(
    high: FloatArray, low: FloatArray, before: FloatArray, period: int, average: float,
    out: FloatArray,
) -> float:  # fmt: skip
    """Smooth on from `average` until it meets what stands in `out`; returns the last there."""
    keep, weight = (period - 1) / period, 1.0 / period
    for index in range(out.size):
        reach = _true_range(high[index], low[index], before[index])
        average = fused(average, keep, reach * weight)
        if average == out[index]:
            break
        out[index] = average
    return float(out[out.size - 1])


@kernel("UniTuple(f8, 2)(f8[::1], f8[::1], f8[::1], i8, f8, i8, f8[::1])")
def _four_at_once(
    high: FloatArray, low: FloatArray, before: FloatArray, period: int, average: float,
    ahead: int, out: FloatArray,
) -> tuple[float, float]:  # fmt: skip
    """`_one_by_one`, four stretches at once; their guesses begin `ahead` bars before them."""
    keep, weight, rest, size = (period - 1) / period, 1.0 / period, 0.0, out.size // 4
    end = 4 * size
    tops, bottoms = high[:end].reshape(4, size), low[:end].reshape(4, size)
    closes, averages = before[:end].reshape(4, size), out[:end].reshape(4, size)
    b = _guess(tops[0, -ahead:], bottoms[0, -ahead:], closes[0, -ahead:], period)
    c = _guess(tops[1, -ahead:], bottoms[1, -ahead:], closes[1, -ahead:], period)
    d = _guess(tops[2, -ahead:], bottoms[2, -ahead:], closes[2, -ahead:], period)
    for index in range(size):
        top_a, bottom_a, close_a = tops[0, index], bottoms[0, index], closes[0, index]
        top_b, bottom_b, close_b = tops[1, index], bottoms[1, index], closes[1, index]
        top_c, bottom_c, close_c = tops[2, index], bottoms[2, index], closes[2, index]
        top_d, bottom_d, close_d = tops[3, index], bottoms[3, index], closes[3, index]
        average = fused(average, keep, _true_range(top_a, bottom_a, close_a) * weight)
        b = fused(b, keep, _true_range(top_b, bottom_b, close_b) * weight)
        c = fused(c, keep, _true_range(top_c, bottom_c, close_c) * weight)
        d = fused(d, keep, _true_range(top_d, bottom_d, close_d) * weight)
        first_two = (top_a - bottom_a) + (top_b - bottom_b)
        rest = fused(first_two + ((top_c - bottom_c) + (top_d - bottom_d)), 0.0, rest)
        averages[0, index], averages[1, index] = average, b
        averages[2, index], averages[3, index] = c, d
    _, last = _one_by_one(high[end:], low[end:], before[end:], period, d, out[end:])
    for first in (size, 2 * size, 3 * size):
        average = _run_into(
            high[first:], low[first:], before[first:], period, out[first - 1], out[first:]
        )
    return average, rest + last


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
        rest = fused(high[index] - low[index], 0.0, rest)
    average /= period
    out[start + period] = average
    first = start + period + 1
    high, low, before, out = high[first:], low[first:], close[first - 1 :], out[first:]
    ahead = _FORGOTTEN * period
    if out.size >= 16 * ahead:
        average, broken = _four_at_once(high, low, before, period, average, ahead, out)
    else:
        average, broken = _one_by_one(high, low, before, period, average, out)
    return float(rest + broken + (average + before[out.size]) * 0.0)


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

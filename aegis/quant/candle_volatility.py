"""Volatility from candles: what the range of a candle says beyond its close.

Each takes columns of n candles, oldest first, and gives the standard deviation of the logarithmic
return of one candle, times sqrt(`periods_per_year`); multiplied by the price it is comparable with
`volatility`, which follows events. The extremes of a path of few trades lie inside those of the
path that never rests, so the range's estimators are a little low for quiet candles. For research
and sizing, never for a duty cycle. What is no candle, or too few of them, raises ValueError.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = [
    "close_to_close_volatility",
    "garman_klass_volatility",
    "parkinson_volatility",
    "rogers_satchell_volatility",
    "yang_zhang_volatility",
]

FloatArray = npt.NDArray[np.float64]


def close_to_close_volatility(close: npt.ArrayLike, periods_per_year: float = 1.0) -> float:
    """The closes alone (ddof 1): the yardstick of the others, and the noisiest of them."""
    (closes,) = _logarithms(3, close=close)
    return _scaled(float(np.var(np.diff(closes), ddof=1)), periods_per_year)


def parkinson_volatility(
    high: npt.ArrayLike, low: npt.ArrayLike, periods_per_year: float = 1.0
) -> float:
    """mean(ln(H/L)^2) / (4 ln 2) (Parkinson 1980): no drift, no gaps between candles."""
    highs, lows = _logarithms(1, high=high, low=low)
    _check_extremes(highs, lows)
    return _scaled(float(np.mean((highs - lows) ** 2)) / (4.0 * math.log(2.0)), periods_per_year)


def garman_klass_volatility(
    open_: npt.ArrayLike,
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    periods_per_year: float = 1.0,
) -> float:
    """mean(ln(H/L)^2 / 2 - (2 ln 2 - 1) ln(C/O)^2) (Garman and Klass 1980): no drift, no gaps."""
    opens, highs, lows, closes = _logarithms(1, open=open_, high=high, low=low, close=close)
    _check_extremes(highs, lows, opens, closes)
    body = (2.0 * math.log(2.0) - 1.0) * (closes - opens) ** 2
    return _scaled(float(np.mean(0.5 * (highs - lows) ** 2 - body)), periods_per_year)


def rogers_satchell_volatility(
    open_: npt.ArrayLike,
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    periods_per_year: float = 1.0,
) -> float:
    """mean(ln(H/C) ln(H/O) + ln(L/C) ln(L/O)) (Rogers and Satchell 1991): any drift, no gaps."""
    opens, highs, lows, closes = _logarithms(1, open=open_, high=high, low=low, close=close)
    _check_extremes(highs, lows, opens, closes)
    return _scaled(_rogers_satchell(opens, highs, lows, closes), periods_per_year)


def yang_zhang_volatility(
    open_: npt.ArrayLike,
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    periods_per_year: float = 1.0,
) -> float:
    """Gaps, bodies and ranges, weighted for the least variance (Yang and Zhang 2000).

    var(gap) + k var(body) + (1 - k) Rogers-Satchell over the candles from the second on, with
    k = 0.34 / (1.34 + (n + 1) / (n - 1)) of these n: any drift, and gaps between candles.
    """
    opens, highs, lows, closes = _logarithms(3, open=open_, high=high, low=low, close=close)
    _check_extremes(highs, lows, opens, closes)
    gaps, bodies = opens[1:] - closes[:-1], closes[1:] - opens[1:]
    weight = 0.34 / (1.34 + (gaps.size + 1) / (gaps.size - 1))
    ranges = _rogers_satchell(opens[1:], highs[1:], lows[1:], closes[1:])
    variance = float(np.var(gaps, ddof=1) + weight * np.var(bodies, ddof=1))
    return _scaled(variance + (1.0 - weight) * ranges, periods_per_year)


def _rogers_satchell(
    opens: FloatArray, highs: FloatArray, lows: FloatArray, closes: FloatArray
) -> float:
    upper = (highs - closes) * (highs - opens)
    return float(np.mean(upper + (lows - closes) * (lows - opens)))


def _scaled(variance: float, periods_per_year: float) -> float:
    if not 0.0 < periods_per_year < math.inf:
        raise ValueError(f"periods_per_year is {periods_per_year}; a positive number is wanted")
    # The differences of equal logarithms may leave less than nothing.
    return math.sqrt(max(variance, 0.0) * periods_per_year)


def _logarithms(least: int, **columns: npt.ArrayLike) -> list[FloatArray]:
    """The logarithms of columns of positive prices, of one length, at least `least`."""
    found = {name: np.asarray(column, np.float64) for name, column in columns.items()}
    shapes = {array.shape for array in found.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1 or next(iter(shapes))[0] < least:
        told = ", ".join(f"{name} {array.shape}" for name, array in found.items())
        raise ValueError(f"{told}: columns of one length, at least {least} candles, are wanted")
    for name, array in found.items():
        good = np.isfinite(array) & (array > 0.0)
        if not good.all():
            place = int(np.argmin(good))
            raise ValueError(f"{name}[{place}] is {array[place]}; positive prices are wanted")
    return [np.log(array) for array in found.values()]


def _check_extremes(highs: FloatArray, lows: FloatArray, *inside: FloatArray) -> None:
    good = lows <= highs
    for one in inside:
        good &= (lows <= one) & (one <= highs)
    if not good.all():
        raise ValueError(
            f"candle {int(np.argmin(good))}: low <= open, close <= high is wanted, and is not so"
        )

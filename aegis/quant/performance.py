"""What a series of returns was worth, and what it cost in nerves: the field's figures, exactly.

Definitions and their traps: `periods_per_year` must fit the series (365 for the days of a market
that never closes, 365 * 24 * 60 for its minutes; the 252 that many libraries assume is for stocks).
Returns are simple returns per period, as fractions. Used by research, backtests and reports; never
by a duty cycle. An input that is not finite or too short raises ValueError: a figure of nothing is
not 0.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "annual_return",
    "annual_volatility",
    "calculate_calmar",
    "calculate_max_drawdown",
    "calculate_sharpe",
    "calculate_sortino",
    "deflated_sharpe_threshold",
    "drawdowns",
    "equity_of",
    "probabilistic_sharpe",
    "returns_of",
]

FloatArray = npt.NDArray[np.float64]
DAYS_PER_YEAR: Final = 365.0
_EULER_GAMMA: Final = 0.5772156649015329


def returns_of(returns: npt.ArrayLike, least: int = 2) -> FloatArray:
    """The returns as an array. Raises ValueError for fewer than `least` or a broken one."""
    array = np.asarray(returns, dtype=np.float64)
    if array.ndim != 1 or array.size < least:
        raise ValueError(f"returns of shape {array.shape}: at least {least} in a row are wanted")
    if not np.isfinite(array).all():
        place = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"returns[{place}] is {array[place]}: every return must be finite")
    return array


def equity_of(returns: npt.ArrayLike, start: float = 1.0) -> FloatArray:
    """The capital before the first and after each return: one longer than `returns`."""
    array = returns_of(returns, 1)
    return start * np.concatenate(([1.0], np.cumprod(1.0 + array)))


def annual_return(returns: npt.ArrayLike, periods_per_year: float = DAYS_PER_YEAR) -> float:
    """The compound growth per year (CAGR); -1 where the capital was lost."""
    array = returns_of(returns, 1)
    # Of two losses beyond everything the product would be a capital again.
    if not (array > -1.0).all():
        return -1.0
    return float(np.prod(1.0 + array) ** (_periods(periods_per_year) / array.size) - 1.0)


def annual_volatility(returns: npt.ArrayLike, periods_per_year: float = DAYS_PER_YEAR) -> float:
    """Standard deviation (ddof 1) per square root of a year."""
    return float(np.std(returns_of(returns), ddof=1) * math.sqrt(_periods(periods_per_year)))


def calculate_sharpe(
    returns: npt.ArrayLike, risk_free: float = 0.0, periods_per_year: float = DAYS_PER_YEAR
) -> float:
    """mean(r - risk_free) / std(r - risk_free, ddof 1) * sqrt(periods_per_year).

    `risk_free` is per period. A series that does not vary has no ratio: NaN.
    """
    excess = returns_of(returns) - _finite(risk_free, "risk_free")
    deviation = float(np.std(excess, ddof=1))
    if not deviation > 1e-15 * float(np.max(np.abs(excess))):
        return math.nan
    return float(np.mean(excess)) / deviation * math.sqrt(_periods(periods_per_year))


def calculate_sortino(
    returns: npt.ArrayLike, target: float = 0.0, periods_per_year: float = DAYS_PER_YEAR
) -> float:
    """mean(r - target) / sqrt(mean(min(r - target, 0)^2)) * sqrt(periods_per_year).

    The downside is averaged over all periods, not over the losing ones alone. Without any loss
    there is no ratio: NaN.
    """
    excess = returns_of(returns) - _finite(target, "target")
    downside = math.sqrt(float(np.mean(np.minimum(excess, 0.0) ** 2)))
    if downside == 0.0:
        return math.nan
    return float(np.mean(excess)) / downside * math.sqrt(_periods(periods_per_year))


def drawdowns(equity: npt.ArrayLike) -> FloatArray:
    """equity / (highest so far) - 1 at each point: 0 at a new high, -0.25 a quarter below it."""
    curve = np.asarray(equity, dtype=np.float64)
    if curve.ndim != 1 or curve.size == 0:
        raise ValueError(f"equity of shape {curve.shape}: a curve is wanted")
    if not np.isfinite(curve).all():
        raise ValueError("equity: every point must be finite")
    if not curve[0] > 0.0:
        raise ValueError(f"equity begins with {curve[0]}: a positive capital is wanted")
    return curve / np.maximum.accumulate(curve) - 1.0


def calculate_max_drawdown(equity: npt.ArrayLike) -> float:
    """The deepest fall from a high, as a negative fraction: -0.25 is a quarter lost; 0 is none.

    Takes an equity curve that begins with the starting capital (`equity_of` makes it of returns): a
    fall from the very first point is one, too.
    """
    return float(np.min(drawdowns(equity)))


def calculate_calmar(returns: npt.ArrayLike, periods_per_year: float = DAYS_PER_YEAR) -> float:
    """Annual return over the size of the deepest drawdown; NaN where there was none."""
    deepest = calculate_max_drawdown(equity_of(returns))
    return annual_return(returns, periods_per_year) / -deepest if deepest < 0.0 else math.nan


def probabilistic_sharpe(returns: npt.ArrayLike, threshold: float = 0.0) -> float:
    """The probability that the true Sharpe ratio per period is above `threshold`.

    Bailey and Lopez de Prado (2012): Phi((S - S*) sqrt(n - 1) / sqrt(1 - g3 S + (g4 - 1)/4 S^2)),
    with the biased sample's skewness g3 and raw kurtosis g4. NaN where there is no ratio.
    """
    array = returns_of(returns, 3)
    ratio = calculate_sharpe(array, periods_per_year=1.0)
    if math.isnan(ratio):
        return math.nan
    centred = array - array.mean()
    variance = float(np.mean(centred**2))
    skewness = float(np.mean(centred**3)) / variance**1.5
    kurtosis = float(np.mean(centred**4)) / variance**2
    spread = math.sqrt(1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio**2)
    return _normal_cdf((ratio - threshold) * math.sqrt(array.size - 1) / spread)


def deflated_sharpe_threshold(trials: int, ratio_deviation: float) -> float:
    """The Sharpe ratio per period that the best of `trials` worthless strategies would show.

    Bailey and Lopez de Prado (2014), False Strategy theorem; `ratio_deviation` is the standard
    deviation of the trials' ratios. To be used as the threshold of `probabilistic_sharpe`.
    """
    from statistics import NormalDist

    if trials < 2:
        raise ValueError(f"{trials} trials: at least 2 are wanted")
    quantile = NormalDist().inv_cdf
    return ratio_deviation * (
        (1.0 - _EULER_GAMMA) * quantile(1.0 - 1.0 / trials)
        + _EULER_GAMMA * quantile(1.0 - 1.0 / (trials * math.e))
    )


def _finite(value: float, name: str) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}; a finite number is wanted")
    return value


def _periods(periods_per_year: float) -> float:
    if not 0.0 < periods_per_year < math.inf:
        raise ValueError(f"periods_per_year is {periods_per_year}; a positive number is wanted")
    return periods_per_year


def _normal_cdf(value: float) -> float:
    return 0.5 * math.erfc(-value / math.sqrt(2.0))

"""How bad a bad period is: value at risk and the mean beyond it, by three methods.

Figures are returns: a value at risk of -0.02 means that a loss of 2 % or more has the probability
1 - confidence. The Gaussian method has thin tails; Cornish-Fisher bends them by skewness and
kurtosis, and is only good while its curve still rises, which is checked.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from aegis.quant.performance import FloatArray, returns_of

__all__ = ["Method", "calculate_cvar", "calculate_var", "cornish_fisher_quantile"]

Method = Literal["historical", "gaussian", "cornish_fisher"]
_METHODS: Final = ("historical", "gaussian", "cornish_fisher")


def _tail(confidence: float) -> float:
    if not 0.5 < confidence < 1.0:
        raise ValueError(f"confidence is {confidence}; between 0.5 and 1 is wanted, such as 0.95")
    # 1 - 0.95 is 0.05 and some dust, which would move an index by one.
    return round(1.0 - confidence, 12)


def calculate_var(
    returns: npt.ArrayLike, confidence: float = 0.95, method: Method = "historical"
) -> float:
    """The return that is undercut with probability 1 - `confidence`; a loss is negative.

    historical: the sample's quantile, linearly interpolated. gaussian: mean + z std (ddof 1).
    cornish_fisher: the same with z bent by the sample's biased moments. Raises ValueError for a
    method that does not exist, or where Cornish-Fisher does not hold.
    """
    tail = _tail(confidence)
    array = returns_of(returns)
    if method == "historical":
        return float(np.percentile(array, 100.0 * tail))
    if method == "gaussian":
        score = NormalDist().inv_cdf(tail)
    elif method == "cornish_fisher":
        score = cornish_fisher_quantile(NormalDist().inv_cdf(tail), *_moments(array))
    else:
        raise ValueError(f"method is {method!r}; one of {', '.join(_METHODS)} is wanted")
    return float(np.mean(array) + score * np.std(array, ddof=1))


def calculate_cvar(
    returns: npt.ArrayLike, confidence: float = 0.95, method: Method = "historical"
) -> float:
    """The mean return in the worst 1 - `confidence` of periods (expected shortfall).

    historical: the mean of the int((n - 1) * tail) + 1 smallest. gaussian: the normal's tail mean.
    cornish_fisher: the mean of the bent quantiles over the tail, which have to rise all along it.
    Raises ValueError as above.
    """
    tail = _tail(confidence)
    array = returns_of(returns)
    if method == "historical":
        count = int((array.size - 1) * tail) + 1
        return float(np.mean(np.partition(array, count - 1)[:count]))
    mean, deviation = float(np.mean(array)), float(np.std(array, ddof=1))
    normal = NormalDist()
    if method == "gaussian":
        return mean - deviation * normal.pdf(normal.inv_cdf(tail)) / tail
    if method == "cornish_fisher":
        skewness, excess = _moments(array)
        scores = [normal.inv_cdf(tail * (step + 0.5) / 1000) for step in range(1000)]
        # The mean goes far beyond the quantile: there, too, the curve has to rise.
        cornish_fisher_quantile(scores[0], skewness, excess)
        bent = [_bend(score, skewness, excess) for score in scores]
        return mean + deviation * math.fsum(bent) / len(bent)
    raise ValueError(f"method is {method!r}; one of {', '.join(_METHODS)} is wanted")


def cornish_fisher_quantile(score: float, skewness: float, excess_kurtosis: float) -> float:
    """A normal quantile bent by skewness and excess kurtosis (third-order expansion).

    Raises ValueError where the expansion is no quantile function any more: where it falls between
    `score` and -`score`, a lower probability would have the higher value.
    """
    reach = abs(score)
    grid = np.linspace(-reach, reach, 201)
    slopes = (
        1.0
        + grid * skewness / 3.0
        + (grid**2 - 1.0) * excess_kurtosis / 8.0
        - (6.0 * grid**2 - 5.0) * skewness**2 / 36.0
    )
    if float(np.min(slopes)) <= 0.0:
        raise ValueError(
            f"Cornish-Fisher does not hold for skewness {skewness:.3g} and excess kurtosis "
            f"{excess_kurtosis:.3g}: its quantiles fall; use the historical method"
        )
    return _bend(score, skewness, excess_kurtosis)


def _bend(score: float, skewness: float, excess: float) -> float:
    return (
        score
        + (score**2 - 1.0) * skewness / 6.0
        + (score**3 - 3.0 * score) * excess / 24.0
        - (2.0 * score**3 - 5.0 * score) * skewness**2 / 36.0
    )


def _moments(array: FloatArray) -> tuple[float, float]:
    """Biased skewness and excess kurtosis."""
    centred = array - array.mean()
    variance = float(np.mean(centred**2))
    if variance <= (1e-15 * float(np.max(np.abs(array)))) ** 2:
        raise ValueError("returns do not vary: they have no skewness and no kurtosis")
    skewness = float(np.mean(centred**3)) / variance**1.5
    return skewness, float(np.mean(centred**4)) / variance**2 - 3.0

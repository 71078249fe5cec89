"""Measures of returns: tails, memory, and whether the price trends or reverts.

Arrays in, numbers out; nothing here knows where they came from. A measure of too few numbers is
NaN, never an error: a short recording has no answer to a question about hours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

LEAST_NUMBERS: Final = 8
# Exponents that a power law is looked for among; the literature's lie well inside.
_EXPONENTS: Final = np.linspace(0.0, 3.0, 601)


def autocorrelation(numbers: Reals, lag: int) -> float:
    """The autocorrelation at one lag, with the overall mean and variance (Box and Jenkins)."""
    return autocorrelations(numbers, [lag])[0]


def autocorrelations(numbers: Reals, lags: Sequence[int]) -> list[float]:
    """The same for several lags; NaN where the series is too short or does not move."""
    centred = np.asarray(numbers, np.float64) - np.mean(numbers) if len(numbers) else numbers
    power = float(np.dot(centred, centred))
    found = []
    for lag in lags:
        if len(centred) < lag + LEAST_NUMBERS or power <= 0.0:
            found.append(math.nan)
        else:
            found.append(float(np.dot(centred[lag:], centred[: len(centred) - lag])) / power)
    return found


def variance_ratio(prices: Reals, horizon: int) -> float:
    """Variance of `horizon`-step changes over `horizon` times that of one (Lo and MacKinlay, 1988).

    1 for a random walk, more if it trends, less if it reverts. Overlapping changes, with the
    paper's correction for it (equations 13 and 14).
    """
    steps = len(prices) - 1
    if steps < horizon * LEAST_NUMBERS:
        return math.nan
    drift = float(prices[-1] - prices[0]) / steps
    single = np.diff(prices) - drift
    several = prices[horizon:] - prices[:-horizon] - horizon * drift
    variance = float(np.dot(single, single)) / (steps - 1)
    divisor = horizon * (steps - horizon + 1) * (1.0 - horizon / steps)
    if variance <= 0.0:
        return math.nan
    return float(np.dot(several, several)) / divisor / variance


def excess_kurtosis(numbers: Reals) -> float:
    """The fourth moment over the squared variance, less 3: 0 for a Gaussian."""
    if len(numbers) < LEAST_NUMBERS:
        return math.nan
    centred = numbers - np.mean(numbers)
    variance = float(np.mean(centred**2))
    return float(np.mean(centred**4)) / variance**2 - 3.0 if variance > 0.0 else math.nan


def hill_exponent(numbers: Reals, share: float = 0.05) -> float:
    """The tail exponent of absolute values, from the largest `share` of them (Hill, 1975)."""
    sizes = np.sort(np.abs(numbers))[::-1]
    count = int(len(sizes) * share)
    if count < LEAST_NUMBERS or sizes[count] <= 0.0:
        return math.nan
    return 1.0 / float(np.mean(np.log(sizes[:count] / sizes[count])))


def subsampled(levels: Reals, every: int, phases: int) -> list[Reals]:
    """Changes of a series over `every` steps, on several grids that are shifted evenly.

    A statistic averaged over the grids uses all of the series, and is less noisy than that of one
    grid while it estimates the same (Zhang, Mykland and Ait-Sahalia, 2005).
    """
    return [np.diff(levels[phase * every // phases :: every]) for phase in range(phases)]


def log_bins(first: int, last: int, per_octave: int = 2) -> list[tuple[int, int]]:
    """Ranges [low, high) of whole numbers, each a constant factor wider than the one before."""
    edges = [first]
    position = float(first)
    while edges[-1] <= last:
        position = max(position * 2.0 ** (1.0 / per_octave), edges[-1] + 1.0)
        edges.append(min(int(position), last + 1) if edges[-1] < last else last + 1)
        if edges[-1] == last + 1:
            break
    return list(pairwise(edges))


def power_decay(numbers: Reals, last_lag: int) -> float:
    """The exponent b of an autocorrelation that falls as lag**-b, over lags 1 to `last_lag`."""
    return power_of(np.array(autocorrelations(numbers, range(1, last_lag + 1))))


def power_of(values: Reals) -> float:
    """The exponent b of autocorrelations at lags 1, 2, ... that fall as lag**-b.

    Lags are averaged in bins of a constant factor, and the curve c * lag**-b is fitted to the
    averages by least squares, not to their logs: sampling noise makes some of them negative, and
    leaving those out would flatten the curve.
    """
    if len(values) == 0 or np.isnan(values).any():
        return math.nan
    bins = log_bins(1, len(values))
    means = np.array([values[low - 1 : high - 1].mean() for low, high in bins])
    centres = np.array([np.exp(np.mean(np.log(np.arange(low, high)))) for low, high in bins])
    best, found = math.inf, math.nan
    for exponent in _EXPONENTS:
        curve = centres**-exponent
        scale = float(np.dot(means, curve) / np.dot(curve, curve))
        error = float(np.sum((means - scale * curve) ** 2))
        if error < best:
            best, found = error, float(exponent)
    return found

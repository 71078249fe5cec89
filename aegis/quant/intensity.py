"""How often the market trades at a distance: lambda(d) = A exp(-k d), fitted to real trades.

A trade reaches a distance d from the mid before it: a quote at that distance or nearer would have
been filled. Distances of trades are then exponential with rate k, and arrive A times a second.
Fitted by maximum likelihood, because least squares on the logarithm of counted depths is biased
by the sparse far end (by -7 % at A = 2/s, k = 0.3). The exponential is a local law: fit it on the
range in which quotes will stand, `low` to `high`.

Units are the caller's: distances in ticks, say, then k is per tick. Market orders, not prints: what
one taker did in several prints is one arrival, at its furthest.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel

__all__ = ["fit_intensity", "intensity_of", "intensity_sums"]

_ITERATIONS = 60


@kernel("f8(f8, f8)")
def _truncated_rate(mean: float, width: float) -> float:
    """k of an exponential cut off at `width` whose mean is `mean`; 0 or less: no decay to be seen.

    Solves 1/k - width / (exp(k width) - 1) = mean by bisection; the left side falls in k, from
    width / 2 at 0.
    """
    if not (mean > 0.0 and mean < 0.5 * width):
        return 0.0
    low, high = 0.0, 1.0 / mean
    for _ in range(_ITERATIONS):
        rate = 0.5 * (low + high)
        # Beyond 700 the second term is 0, and its exponential overflows.
        cut = width / math.expm1(rate * width) if rate * width < 700.0 else 0.0
        found = 1.0 / rate - cut
        if found > mean:
            low = rate
        else:
            high = rate
    return 0.5 * (low + high)


@kernel("UniTuple(f8, 2)(f8, f8, f8, f8, f8)")
def _solve(
    count: float, total: float, seconds: float, low: float, high: float
) -> tuple[float, float]:
    """A and k from the sums of a window."""
    if not (count > 0.0 and seconds > 0.0):
        return math.nan, math.nan
    mean = total / count - low
    if math.isinf(high):
        if not mean > 0.0:
            return math.nan, math.nan
        rate = 1.0 / mean
        share = math.exp(-rate * low)
    else:
        rate = _truncated_rate(mean, high - low)
        if not rate > 0.0:
            return math.nan, math.nan
        share = math.exp(-rate * low) - math.exp(-rate * high)
    return count / seconds / share, rate


def fit_intensity(
    distances: npt.ArrayLike, seconds: float, low: float = 0.0, high: float = math.inf
) -> tuple[float, float]:
    """(A per second, k) from the distances of the market orders seen in `seconds`.

    Only distances in [low, high) are used; A is extrapolated to distance 0. (NaN, NaN) where they
    show no decay. Raises ValueError for a range or a time that is none, or a broken distance.
    """
    reach = np.asarray(distances, np.float64)
    if not (seconds > 0.0 and math.isfinite(seconds)):
        raise ValueError(f"seconds is {seconds}; a positive number is wanted")
    if not 0.0 <= low < high:
        raise ValueError(f"range is {low} to {high}; 0 <= low < high is wanted")
    if not np.isfinite(reach).all():
        raise ValueError("distances must be finite")
    used = reach[(reach >= low) & (reach < high)]
    found = _solve(float(used.size), float(np.sum(used)), seconds, low, high)
    return float(found[0]), float(found[1])


@kernel("UniTuple(f8, 3)(f8, f8, f8, f8, f8, f8, f8, f8)")
def intensity_sums(
    count: float,
    total: float,
    seconds: float,
    distance: float,
    elapsed_s: float,
    halflife_s: float,
    low: float,
    high: float,
) -> tuple[float, float, float]:
    """Fold one market order, `elapsed_s` after the one before, into (count, total, seconds).

    Weights halve every `halflife_s` of event time. A distance outside [low, high) or not finite
    only lets time pass; an elapsed time that is not positive counts the order at the same moment.
    """
    if elapsed_s > 0.0 and halflife_s > 0.0:
        weight = math.exp2(-elapsed_s / halflife_s)
        count, total = count * weight, total * weight
        seconds = seconds * weight + elapsed_s
    if distance >= low and distance < high:
        count += 1.0
        total += distance
    return count, total, seconds


@kernel("UniTuple(f8, 2)(f8, f8, f8, f8, f8)")
def intensity_of(
    count: float, total: float, seconds: float, low: float, high: float
) -> tuple[float, float]:
    """(A per second, k) from the sums; (NaN, NaN) while they show no decay."""
    return _solve(count, total, seconds, low, high)

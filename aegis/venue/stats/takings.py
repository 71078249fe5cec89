"""Measures of trades: the memory of their signs, their bunching, what they move, how deep they go.

A trade here is one taker's order: prints of one side at one time are one order, as the exchange's
aggregate trades have it. Sizes are lots, prices ticks, times milliseconds.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.venue.stats.book import Tops, mids_at, mids_before

Reals = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

IMPACT_BINS: Final = 12
# Long enough for the makers to answer, too short for much else to happen: the recording of BTCUSDT
# gives the same exponent a little before and after it, and less of one a second later.
IMPACT_HORIZON_MS: Final = 100
LEAST_IN_BIN: Final = 30
BEST_KNOWN: Final = 10.0  # a move in its errors; what is known better counts no more
DEPTH_WINDOW_MS: Final = 100


class Takings(NamedTuple):
    """Takers' orders in order: when, the furthest price, all lots, +1 bought or -1 sold."""

    time_ms: Whole
    price_ticks: Whole
    lots: Whole
    side: Whole


def gather(time_ms: Whole, price_ticks: Whole, lots: Whole, side: Whole) -> Takings:
    """Put the prints of each order together: same time, same side, next to each other."""
    if len(time_ms) == 0:
        return Takings(time_ms, price_ticks, lots, side)
    begins = np.ones(len(time_ms), bool)
    begins[1:] = (np.diff(time_ms) != 0) | (np.diff(side) != 0)
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(time_ms)) - 1
    return Takings(time_ms[first], price_ticks[last], np.add.reduceat(lots, first), side[first])


def fano_factor(time_ms: Whole, window_ms: int) -> float:
    """Variance over mean of the number of trades in windows: 1 for a Poisson stream."""
    if len(time_ms) == 0 or time_ms[-1] - time_ms[0] < 2 * window_ms:
        return math.nan
    windows = (time_ms - time_ms[0]) // window_ms
    counts = np.bincount(windows)[:-1]  # the last window is not over
    mean = float(counts.mean())
    return float(counts.var()) / mean if mean > 0.0 else math.nan


def impact_by_size(
    takings: Takings, tops: Tops, horizon_ms: int = IMPACT_HORIZON_MS, bins: int = IMPACT_BINS
) -> tuple[Reals, Reals, Reals]:
    """What an order of a size moves: (mean lots, mean move in its direction in ticks, its error).

    The move is that of the middle from just before the order to `horizon_ms` after it. The bins
    hold equal numbers of orders.
    """
    ends = takings.time_ms + horizon_ms
    known = ends <= (tops.time_ms[-1] if len(tops.time_ms) else 0)
    before, after = mids_before(tops, takings.time_ms), mids_at(tops, ends)
    moves = ((after - before) * takings.side)[known]
    sizes = takings.lots[known].astype(np.float64)
    if len(sizes) < bins * LEAST_IN_BIN:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    edges = np.unique(np.quantile(sizes, np.linspace(0.0, 1.0, bins + 1)))
    which = np.clip(np.searchsorted(edges, sizes, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(which)
    kept = counts >= LEAST_IN_BIN
    counts = counts[kept]
    mean_size = np.bincount(which, weights=sizes)[kept] / counts
    mean_move = np.bincount(which, weights=moves)[kept] / counts
    spread = np.bincount(which, weights=moves**2)[kept] / counts - mean_move**2
    return mean_size, mean_move, np.sqrt(np.maximum(spread, 1e-12) / counts)


def impact_exponent(sizes: Reals, moves: Reals, errors: Reals) -> float:
    """The exponent d of a move that grows as size**d: below 1 is concave.

    Least squares of the logs, each bin weighted by how well its move is known, to a tenth at best:
    what is then left is the law's inexactness, not the measure's.
    """
    good = moves > 0.0
    if good.sum() < 4:
        return math.nan
    weights = np.minimum(moves[good] / errors[good], BEST_KNOWN)
    return float(np.polyfit(np.log(sizes[good]), np.log(moves[good]), 1, w=weights)[0])


def depth_rates(
    takings: Takings, tops: Tops, window_ms: int = DEPTH_WINDOW_MS, deepest: int = 70
) -> Reals:
    """How often per second, in windows, a trade goes deeper than 0, 1, ... ticks from the middle.

    The middle is that of the window's beginning, the depth the largest of the window, as the
    calibration of lambda(d) = A exp(-k d) for market makers has it (Avellaneda and Stoikov, 2008,
    section 2.5, as hftbacktest's examples estimate it).
    """
    if len(takings.time_ms) == 0 or len(tops.time_ms) == 0:
        return np.zeros(0)
    begin, end = int(tops.time_ms[0]), int(tops.time_ms[-1])
    windows = (takings.time_ms - begin) // window_ms
    inside = (takings.time_ms >= begin) & (takings.time_ms <= end)
    mids = mids_at(tops, begin + windows * window_ms)
    depths = (takings.price_ticks - mids) * takings.side
    count = int((end - begin) // window_ms) + 1
    largest = np.full(count, -1.0)
    np.maximum.at(largest, windows[inside], depths[inside])
    seconds = count * window_ms * 1e-3
    return np.array([float((largest > depth).sum()) for depth in range(deepest + 1)]) / seconds


class Intensity(NamedTuple):
    """lambda(d) = a_per_s * exp(-k_per_tick * d), and the share of log lambda that it explains."""

    a_per_s: float
    k_per_tick: float
    fit: float


def fit_intensity(rates: Reals, first: int = 1) -> Intensity:
    """Fit an exponential to `depth_rates` from depth `first` on; NaN if it is never reached."""
    depths = np.arange(first, len(rates))
    rates = rates[first:]
    depths, rates = depths[rates > 0.0], rates[rates > 0.0]
    if len(rates) < 5:
        return Intensity(math.nan, math.nan, math.nan)
    logs = np.log(rates)
    slope, level = np.polyfit(depths, logs, 1)
    rest = logs - (level + slope * depths)
    total = float(np.sum((logs - logs.mean()) ** 2))
    fit = 1.0 - float(np.sum(rest**2)) / total if total > 0.0 else math.nan
    return Intensity(float(np.exp(level)), -float(slope), fit)

"""Measures of the book's top: spread, and whether its imbalance tells where the price goes.

The top is a step function: it is what it was at its newest change. Weights are the time that it
stood.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

IMBALANCE_EDGES: Final = (0.1, 0.3, 0.7, 0.9)


class Tops(NamedTuple):
    """Every change of the best prices or their lots: milliseconds, ticks and lots."""

    time_ms: Whole
    bid_ticks: Whole
    bid_lots: Whole
    ask_ticks: Whole
    ask_lots: Whole

    def two_sided(self) -> Tops:
        """Only where both sides stand; elsewhere there is no middle."""
        good = (self.bid_ticks > 0) & (self.ask_ticks > 0)
        return Tops(*(column[good] for column in self))

    def mids(self) -> Reals:
        """The middle of the book, in ticks, at each change."""
        return (self.bid_ticks + self.ask_ticks).astype(np.float64) * 0.5


def mids_at(tops: Tops, times_ms: Whole) -> Reals:
    """The middle at given times: that of the newest change up to then, of the first before it."""
    place = np.searchsorted(tops.time_ms, times_ms, side="right") - 1
    return tops.mids()[np.maximum(place, 0)]


def mids_before(tops: Tops, times_ms: Whole) -> Reals:
    """The middle just before given times."""
    place = np.searchsorted(tops.time_ms, times_ms, side="left") - 1
    return tops.mids()[np.maximum(place, 0)]


def sampled_mids(tops: Tops, every_ms: int) -> Reals:
    """The middle on a grid of times, from the first change to the last."""
    if len(tops.time_ms) == 0:
        return np.zeros(0)
    return mids_at(tops, np.arange(tops.time_ms[0], tops.time_ms[-1] + 1, every_ms))


def spread_shares(tops: Tops) -> dict[int, float]:
    """The share of time that the spread was so many ticks, by ticks."""
    spans = np.diff(tops.time_ms).astype(np.float64)
    spreads = (tops.ask_ticks - tops.bid_ticks)[:-1]
    if spans.sum() <= 0.0:
        return {}
    widths, which = np.unique(spreads, return_inverse=True)
    shares = np.bincount(which, weights=spans) / spans.sum()
    return {int(width): float(share) for width, share in zip(widths, shares, strict=True)}


def spread_mode(tops: Tops) -> float:
    """The spread, in ticks, that the book shows most of the time."""
    shares = spread_shares(tops)
    return float(max(shares, key=lambda width: shares[width])) if shares else math.nan


def next_moves(tops: Tops) -> npt.NDArray[np.float64]:
    """The sign of the next change of the middle after each row; 0 after the last change."""
    changes = np.sign(np.diff(tops.mids()))
    moves = np.zeros(len(tops.time_ms))
    where = np.flatnonzero(changes)
    if len(where) == 0:
        return moves
    following = np.searchsorted(where, np.arange(len(moves)), side="left")
    known = following < len(where)
    moves[known] = changes[where[following[known]]]
    return moves


def move_by_imbalance(tops: Tops, edges: tuple[float, ...] = IMBALANCE_EDGES) -> list[float]:
    """The mean sign of the next move of the middle, by the bids' share of the lots at the top.

    Each state of the top counts by the time that it stood. One number for each bin between the
    edges, from mostly asks to mostly bids; NaN in an empty one.
    """
    share = tops.bid_lots / np.maximum(tops.bid_lots + tops.ask_lots, 1)
    moves = next_moves(tops)
    bins = np.digitize(share, edges)
    spans = np.diff(tops.time_ms, append=tops.time_ms[-1:]).astype(np.float64)
    weights = np.bincount(bins, weights=spans, minlength=len(edges) + 1)
    sums = np.bincount(bins, weights=moves * spans, minlength=len(edges) + 1)
    return [
        float(total / weight) if weight > 0.0 else math.nan
        for total, weight in zip(sums, weights, strict=True)
    ]


def rises(numbers: list[float]) -> bool:
    """Whether each number is larger than the one before; a NaN is not."""
    return all(after > before for before, after in pairwise(numbers))

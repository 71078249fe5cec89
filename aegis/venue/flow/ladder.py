"""The makers' ladder: how far from the touch they quote, and how much.

``population`` asks at start. Bands widen away from the touch. Near it the book is thin: a taker of
exponential size reaches d ticks deep with probability exp(-decay * d). Further out it thickens
quadratically, until the mean band holds what the configuration says.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from aegis.venue.flow.layout import DENSE, GEOMETRIES, SPARSE

# Ticks per band as b * i + c * i**2: a sparse book has gaps, a dense one (large ticks) hardly any.
_SHAPES: Final = {SPARSE: (2.0, 0.2), DENSE: (1.0, 0.02)}
NEAR_REACHES: Final = 4.0  # the book is thin out to so many mean reaches, and thickens beyond


def band_edges(bands: int) -> npt.NDArray[np.int64]:
    """Where each band begins, in ticks from the touch, for each geometry: [GEOMETRIES, bands+1]."""
    number = np.arange(bands + 1, dtype=np.float64)
    edges = np.zeros((GEOMETRIES, bands + 1), np.int64)
    for geometry, (linear, square) in _SHAPES.items():
        edges[geometry] = np.round(linear * number + square * number**2).astype(np.int64)
    assert (np.diff(edges) > 0).all(), "a band without a tick"
    return edges


def bands_by_distance(edges: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """The band of each distance, for each geometry; -1 beyond the last."""
    table = np.full((GEOMETRIES, int(edges[:, -1].max())), -1, np.int32)
    for geometry in range(GEOMETRIES):
        furthest = int(edges[geometry, -1])
        distance = np.arange(furthest)
        table[geometry, :furthest] = np.searchsorted(edges[geometry], distance, side="right") - 1
    return table


def band_notionals(
    edges: npt.NDArray[np.int64], trade_notional: float, level_notional: float, decay: float
) -> npt.NDArray[np.float64]:
    """What the quote of each band is worth on average, given the edges of one geometry.

    The quotes are worth `level_notional` a band in the mean, if the thin ones near the touch leave
    that much.
    """
    widths = np.diff(edges).astype(np.float64)
    near = trade_notional * decay * widths
    beyond = np.maximum(0.0, edges[:-1] * decay / NEAR_REACHES - 1.0)
    weights = widths * beyond**2
    missing = max(0.0, level_notional * len(widths) - float(near.sum()))
    scale = missing / float(weights.sum()) if weights.sum() > 0 else 0.0
    notionals: npt.NDArray[np.float64] = near + scale * weights
    return notionals

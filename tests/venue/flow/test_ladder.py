"""The makers' ladder: every distance has its band, and the quotes are worth what was asked."""

from __future__ import annotations

import numpy as np
import pytest

from aegis.venue.flow.ladder import band_edges, band_notionals, bands_by_distance
from aegis.venue.flow.layout import DENSE, SPARSE


@pytest.mark.parametrize("bands", [5, 50, 1_000])
def test_bands_join_and_widen(bands: int) -> None:
    edges = band_edges(bands)
    widths = np.diff(edges, axis=1)
    assert (edges[:, 0] == 0).all() and (widths >= 1).all()
    assert widths[SPARSE, -1] >= widths[SPARSE, 0]
    # A large tick's book has no gap near the touch.
    assert (widths[DENSE, :4] == 1).all()


@pytest.mark.parametrize("geometry", [SPARSE, DENSE])
def test_every_distance_is_in_the_band_around_it(geometry: int) -> None:
    edges = band_edges(50)
    table = bands_by_distance(edges)
    for distance in range(int(edges[geometry, -1])):
        band = table[geometry, distance]
        assert edges[geometry, band] <= distance < edges[geometry, band + 1]
    assert (table[geometry, edges[geometry, -1] :] == -1).all()


def test_the_ladder_is_worth_what_it_promises_and_thin_near_the_touch() -> None:
    edges = band_edges(50)[SPARSE]
    notionals = band_notionals(edges, 3_000.0, 60_000.0, 0.025)
    assert notionals.sum() == pytest.approx(60_000.0 * 50)
    # Up to one mean reach a taker of mean size gets through, less what rounding adds.
    near = int(np.searchsorted(edges, 40))
    assert notionals[:near].sum() == pytest.approx(3_000.0 * 0.025 * edges[near])


def test_a_short_ladder_keeps_its_thin_quotes() -> None:
    edges = band_edges(5)[SPARSE]
    notionals = band_notionals(edges, 3_000.0, 10.0, 0.025)
    assert (notionals > 0.0).all()

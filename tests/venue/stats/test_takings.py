"""Measures of trades against streams whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aegis.venue.stats.book import Tops
from aegis.venue.stats.takings import (
    Takings,
    depth_rates,
    fano_factor,
    fit_intensity,
    gather,
    impact_by_size,
    impact_exponent,
)


@pytest.fixture
def noise() -> np.random.Generator:
    return np.random.default_rng(7)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_prints_of_one_side_and_time_are_one_order() -> None:
    found = gather(
        whole(5, 5, 5, 5, 9), whole(10, 11, 10, 9, 9), whole(1, 2, 3, 4, 5), whole(1, 1, -1, -1, -1)
    )
    assert [column.tolist() for column in found] == [[5, 5, 9], [11, 9, 9], [3, 7, 5], [1, -1, -1]]
    empty = gather(*[whole()] * 4)
    assert len(empty.time_ms) == 0


def test_fano_of_a_poisson_stream_and_of_a_bunched_one(noise: np.random.Generator) -> None:
    times = np.sort(noise.integers(0, 10_000_000, 100_000))
    assert fano_factor(times, 1_000) == pytest.approx(1.0, abs=0.05)
    # Each event brings nine more at once: ten times the variance per event.
    assert fano_factor(np.repeat(times, 10), 1_000) == pytest.approx(10.0, abs=0.5)
    assert fano_factor(np.arange(0, 10**6, 10), 1_000) == 0.0
    assert math.isnan(fano_factor(whole(1, 2), 1_000))


def market(
    noise: np.random.Generator, exponent: float, orders: int = 40_000
) -> tuple[Takings, Tops]:
    """Orders 10 s apart that move the price by 3 * size**exponent ticks and some noise."""
    sizes = np.ceil(np.exp(1.5 * noise.standard_normal(orders) + 3.0))
    sides = noise.choice([-1, 1], orders)
    moves = sides * 3.0 * sizes**exponent + 5.0 * noise.standard_normal(orders)
    times = 10_000 * np.arange(1, orders + 1)
    bids = 10**7 + np.round(np.concatenate([[0.0], np.cumsum(moves)])).astype(np.int64)
    stamps = np.concatenate([[0], times + 20])
    ones = np.ones(orders + 1, np.int64)
    before = bids[:-1] + (sides > 0)
    return (
        Takings(times, before, sizes.astype(np.int64), sides.astype(np.int64)),
        Tops(stamps, bids, ones, bids + 1, ones),
    )


@pytest.mark.parametrize("exponent", [0.3, 0.5, 1.0])
def test_impact_finds_its_exponent(noise: np.random.Generator, exponent: float) -> None:
    sizes, moves, errors = impact_by_size(*market(noise, exponent))
    assert len(sizes) == 12 and (np.diff(sizes) > 0).all()
    assert impact_exponent(sizes, moves, errors) == pytest.approx(exponent, abs=0.04)
    assert moves[5] == pytest.approx(3.0 * sizes[5] ** exponent, rel=0.1)


def test_impact_of_too_few_orders_is_unknown(noise: np.random.Generator) -> None:
    found = impact_by_size(*market(noise, 0.5, orders=100))
    assert math.isnan(impact_exponent(*found))


def test_intensity_finds_its_rate_and_decay(noise: np.random.Generator) -> None:
    count, rate, decay = 300_000, 0.8, 0.05
    reached = noise.random(count) < rate * 0.1
    depths = np.ceil(noise.exponential(1.0 / decay, count))[reached].astype(np.int64)
    times = (100 * np.arange(count) + 50)[reached]
    ones = whole(1, 1)
    tops = Tops(whole(0, 100 * count), whole(999, 999), ones, whole(1_001, 1_001), ones)
    takings = Takings(times, 1_000 + depths, np.ones(len(times), np.int64), np.ones_like(times))
    rates = depth_rates(takings, tops)
    assert rates[0] == pytest.approx(rate, rel=0.03)
    found = fit_intensity(rates)
    assert found.k_per_tick == pytest.approx(decay, rel=0.03)
    assert found.a_per_s == pytest.approx(rate, rel=0.05)
    assert found.fit > 0.99


def test_a_market_that_nobody_digs_into_has_no_intensity() -> None:
    assert math.isnan(fit_intensity(np.zeros(71)).k_per_tick)
    empty = Takings(*[whole()] * 4)
    assert len(depth_rates(empty, Tops(*[whole(1)] * 5))) == 0

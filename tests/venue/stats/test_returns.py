"""Measures of returns against series whose answer is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.venue.stats.returns import (
    autocorrelation,
    autocorrelations,
    excess_kurtosis,
    hill_exponent,
    log_bins,
    power_decay,
    power_of,
    subsampled,
    variance_ratio,
)

COUNT = 200_000


@pytest.fixture
def noise() -> np.random.Generator:
    return np.random.default_rng(20_080_808)


def first_order(noise: np.random.Generator, coefficient: float) -> np.ndarray:
    """x[t] = coefficient * x[t-1] + noise."""
    draws = noise.standard_normal(COUNT)
    for at in range(1, COUNT):
        draws[at] += coefficient * draws[at - 1]
    return draws


@pytest.mark.parametrize("coefficient", [-0.4, 0.0, 0.7])
def test_autocorrelation_of_a_first_order_process(
    noise: np.random.Generator, coefficient: float
) -> None:
    found = autocorrelations(first_order(noise, coefficient), (1, 2, 3))
    assert found == pytest.approx([coefficient**lag for lag in (1, 2, 3)], abs=0.012)


def test_autocorrelation_by_hand() -> None:
    numbers = np.array([1.0, 2.0, 3.0, 4.0] * 3)
    centred = numbers - 2.5
    by_hand = sum(centred[at] * centred[at - 2] for at in range(2, 12)) / sum(centred**2)
    assert autocorrelation(numbers, 2) == pytest.approx(by_hand)


def test_variance_ratio_of_a_walk_a_trend_and_a_bounce(noise: np.random.Generator) -> None:
    walk = np.cumsum(noise.standard_normal(COUNT))
    assert variance_ratio(walk, 10) == pytest.approx(1.0, abs=0.04)
    assert variance_ratio(walk + 0.5 * np.arange(COUNT), 60) == pytest.approx(1.0, abs=0.1)
    # A first-order process: VR(q) = 1 + 2 sum (1 - k/q) phi**k (Lo and MacKinlay, equation 18).
    for phi in (0.3, -0.3):
        theory = 1.0 + 2.0 * sum((1.0 - k / 10) * phi**k for k in range(1, 10))
        prices = np.cumsum(first_order(noise, phi))
        assert variance_ratio(prices, 10) == pytest.approx(theory, abs=0.06)


def test_kurtosis_of_known_laws(noise: np.random.Generator) -> None:
    assert excess_kurtosis(noise.standard_normal(COUNT)) == pytest.approx(0.0, abs=0.05)
    assert excess_kurtosis(noise.laplace(size=COUNT)) == pytest.approx(3.0, abs=0.3)
    assert excess_kurtosis(np.tile([-1.0, 1.0], 50)) == pytest.approx(-2.0)


@pytest.mark.parametrize("exponent", [2.5, 3.0, 4.0])
def test_hill_finds_the_exponent_of_a_pareto_tail(
    noise: np.random.Generator, exponent: float
) -> None:
    numbers = (noise.pareto(exponent, COUNT) + 1.0) * noise.choice([-1.0, 1.0], COUNT)
    assert hill_exponent(numbers, 0.05) == pytest.approx(exponent, rel=0.05)


def power_law_series(noise: np.random.Generator, exponent: float) -> np.ndarray:
    """A Gaussian series with the autocorrelation 0.4 * lag**-exponent (circulant embedding)."""
    lags = np.arange(COUNT // 2)
    wanted = np.concatenate([[1.0], 0.4 * lags[1:] ** -exponent])
    spectrum = np.fft.fft(np.concatenate([wanted, wanted[:0:-1]])).real
    spectrum = np.maximum(spectrum, 0.0)
    draws = noise.standard_normal(len(spectrum)) + 1j * noise.standard_normal(len(spectrum))
    return np.fft.fft(np.sqrt(spectrum / len(spectrum)) * draws).real


@pytest.mark.parametrize("exponent", [0.3, 0.5, 0.8])
def test_power_decay_finds_the_exponent_of_a_long_memory(
    noise: np.random.Generator, exponent: float
) -> None:
    found = power_decay(power_law_series(noise, exponent), 200)
    assert found == pytest.approx(exponent, abs=0.06)


def test_power_of_a_curve_is_its_exponent() -> None:
    lags = np.arange(1.0, 201.0)
    assert power_of(0.3 * lags**-0.35) == pytest.approx(0.35, abs=0.01)
    assert math.isnan(power_of(np.zeros(0)))


def test_subsampling_shifts_the_grid_evenly() -> None:
    levels = np.arange(121.0) ** 2
    grids = subsampled(levels, 60, 6)
    assert [grid.tolist() for grid in grids[:2]] == [[3600.0, 10_800.0], [4_800.0]]
    assert all(
        (grid == np.diff(levels[start::60])).all()
        for grid, start in zip(grids, range(0, 60, 10), strict=True)
    )


def test_power_decay_of_a_short_memory_is_steep(noise: np.random.Generator) -> None:
    assert power_decay(first_order(noise, 0.5), 200) > 0.9


@given(st.integers(1, 50), st.integers(1, 3_000), st.integers(1, 6))
def test_log_bins_cover_every_lag_once(first: int, length: int, per_octave: int) -> None:
    last = first + length
    bins = log_bins(first, last, per_octave)
    assert bins[0][0] == first and bins[-1][1] == last + 1
    assert all(low < high for low, high in bins)
    assert [high for _, high in bins[:-1]] == [low for low, _ in bins[1:]]


def test_too_little_is_no_number_and_no_error() -> None:
    for short in (np.zeros(0), np.ones(3), np.zeros(100)):
        assert math.isnan(autocorrelation(short, 1))
        assert math.isnan(variance_ratio(short, 10))
        assert math.isnan(excess_kurtosis(short))
        assert math.isnan(hill_exponent(short))
        assert math.isnan(power_decay(short, 20))

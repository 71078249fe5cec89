"""The fit of A and k: no bias, the error that maximum likelihood allows, and no fit of nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aegis.quant.intensity import fit_intensity, intensity_of, intensity_sums

# So many trials that the error of the error, half a percent, is a fifth of what the bounds leave
# above the least that theory allows (sqrt(A / T) = 0.0577, K / sqrt(A T) = 0.0087).
A, K, SECONDS, TRIALS = 2.0, 0.3, 600.0, 20_000


def draw(source: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return source.exponential(1.0 / K, source.poisson(A * SECONDS))


def test_the_error_is_that_of_maximum_likelihood() -> None:
    """Windows of ten minutes: no worse than 0.059 for A and 0.0088 for k, as measured elsewhere."""
    source = np.random.default_rng(5)
    found = np.array([fit_intensity(draw(source), SECONDS) for _ in range(TRIALS)])
    rmse = np.sqrt(np.mean((found - [A, K]) ** 2, axis=0))
    assert rmse[0] <= 0.059
    assert rmse[1] <= 0.0088


@pytest.mark.parametrize(("low", "high"), [(0.0, 8.0), (2.0, math.inf), (1.0, 12.0)])
def test_a_part_of_the_range_finds_the_same_law(low: float, high: float) -> None:
    source = np.random.default_rng(6)
    found = np.array([fit_intensity(draw(source), SECONDS, low, high) for _ in range(400)])
    assert np.mean(found, axis=0) == pytest.approx([A, K], rel=0.03)


def test_streaming_forgets_and_finds_the_same() -> None:
    source = np.random.default_rng(7)
    count = total = seconds = 0.0
    for _ in range(40_000):
        count, total, seconds = intensity_sums(
            count, total, seconds, source.exponential(1.0 / K), source.exponential(1.0 / A),
            3_600.0, 0.0, math.inf,
        )  # fmt: skip
    assert intensity_of(count, total, seconds, 0.0, math.inf) == pytest.approx((A, K), rel=0.05)


def test_a_time_that_stands_still_counts_and_does_not_divide_by_zero() -> None:
    sums = intensity_sums(0.0, 0.0, 0.0, 1.0, 0.0, 60.0, 0.0, math.inf)
    assert sums == (1.0, 1.0, 0.0)
    assert all(math.isnan(value) for value in intensity_of(*sums, 0.0, math.inf))
    assert intensity_sums(*sums, math.nan, 1.0, 60.0, 0.0, math.inf)[2] == 1.0


def test_what_shows_no_decay_has_no_law() -> None:
    for distances in ([], [0.0, 0.0], np.linspace(4.0, 9.9, 100)):
        found = fit_intensity(distances, 10.0, 0.0, 10.0)
        assert all(math.isnan(value) for value in found)


@pytest.mark.parametrize(
    ("distances", "seconds", "low", "high"),
    [([1.0], 0.0, 0.0, 1.0), ([1.0], 1.0, 2.0, 1.0), ([math.nan], 1.0, 0.0, 1.0),
     ([1.0], math.nan, 0.0, 1.0), ([1.0], 1.0, -1.0, 1.0)],
)  # fmt: skip
def test_nonsense_is_refused(
    distances: list[float], seconds: float, low: float, high: float
) -> None:
    with pytest.raises(ValueError, match=r"wanted|finite"):
        fit_intensity(distances, seconds, low, high)

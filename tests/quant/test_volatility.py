"""EWMA volatility on event time: known answers, irregular sampling, values that must not count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.quant.volatility import ewma_sums, volatility_of


def test_nothing_seen_is_nan() -> None:
    assert math.isnan(volatility_of(0.0, 0.0))


def test_constant_changes_give_their_rate() -> None:
    squares = seconds = 0.0
    for _ in range(1_000):
        squares, seconds = ewma_sums(squares, seconds, 3.0, 0.25, 10.0)
    assert volatility_of(squares, seconds) == pytest.approx(6.0)


def test_random_walk_at_irregular_times() -> None:
    generator = np.random.default_rng(7)
    gaps = generator.exponential(0.1, 200_000)
    changes = generator.normal(size=gaps.size) * 81.0 * np.sqrt(gaps)
    squares = seconds = 0.0
    for change, gap in zip(changes, gaps, strict=True):
        squares, seconds = ewma_sums(squares, seconds, change, gap, 600.0)
    # About 17,000 effective samples: the standard error of sigma is half a percent.
    assert volatility_of(squares, seconds) == pytest.approx(81.0, rel=0.03)


def test_half_life_halves_a_memory() -> None:
    squares, seconds = ewma_sums(8.0, 4.0, 0.0, 5.0, 5.0)
    assert squares == pytest.approx(4.0)
    assert seconds == pytest.approx(2.0 + 5.0)


@given(
    change=st.sampled_from([math.nan, math.inf, -math.inf]),
    elapsed=st.floats(min_value=0.001, max_value=10.0),
)
def test_values_that_are_not_numbers_leave_the_sums(change: float, elapsed: float) -> None:
    assert ewma_sums(2.0, 3.0, change, elapsed, 30.0) == (2.0, 3.0)


@pytest.mark.parametrize("elapsed", [0.0, -1.0, math.nan])
def test_time_that_does_not_pass_leaves_the_sums(elapsed: float) -> None:
    assert ewma_sums(2.0, 3.0, 1.0, elapsed, 30.0) == (2.0, 3.0)

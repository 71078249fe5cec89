"""The latency histogram against numpy: every percentile within 0.8 %, the maximum exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.shm.histogram import BUCKETS, SLOT_WORDS, Histogram, _upper_edge, bucket_of, percentiles

SHARES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
WORST = 0.008


def filled(values: list[int] | np.ndarray) -> Histogram:
    histogram = Histogram("test_ns", np.zeros(SLOT_WORDS, np.int64))
    for value in values:
        histogram.record(int(value))
    return histogram


def check(values: np.ndarray) -> None:
    result = filled(values).percentiles()
    assert result["count"] == values.size
    assert result["max"] == int(values.max())
    for name, share in SHARES.items():
        true = int(np.quantile(values, share, method="inverted_cdf"))
        assert true <= result[name] <= true * (1 + WORST), (name, true, result[name])


@pytest.mark.parametrize("seed", range(4))
def test_percentiles_of_skewed_latencies(seed: int) -> None:
    generator = np.random.default_rng(seed)
    check(generator.lognormal(7.0 + seed, 1.5, 5_000).astype(np.int64))


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(st.lists(st.integers(0, 2**40 - 1), min_size=1, max_size=50))
def test_percentiles_of_anything(values: list[int]) -> None:
    check(np.array(values, np.int64))


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(st.integers(0, 2**40 - 1))
def test_a_bucket_holds_its_values_and_no_more(value: int) -> None:
    bucket = bucket_of(value)
    assert 0 <= bucket < BUCKETS
    upper = _upper_edge(bucket)
    assert value <= upper <= value * (1 + WORST)
    assert bucket_of(upper) == bucket
    assert bucket_of(upper + 1) == min(bucket + 1, BUCKETS - 1)


def test_small_values_are_exact() -> None:
    assert [bucket_of(value) for value in range(256)] == list(range(256))


def test_values_outside_the_range_are_counted() -> None:
    histogram = filled([-5, 2**40, 2**62])
    result = histogram.percentiles()
    assert (result["count"], result["max"]) == (3, 2**62)
    assert int(histogram.counts[0]) == 1
    assert int(histogram.counts[BUCKETS - 1]) == 2


def test_nothing_counted_is_all_zeros_and_reset_forgets() -> None:
    histogram = filled([])
    nothing = {"p50": 0, "p99": 0, "p999": 0, "max": 0, "count": 0}
    assert histogram.percentiles() == nothing
    histogram.record(123)
    assert percentiles(histogram.counts)["p50"] == 123
    histogram.reset()
    assert histogram.percentiles() == nothing

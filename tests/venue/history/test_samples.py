"""Samples against a list: periods, windows, and what is left when the ring has wrapped."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.venue.history.samples import (
    FEW_SYMBOL_ROWS,
    PERIODS_MS,
    SAMPLE_MS,
    Holders,
    Sample,
    Samples,
)

START_MS = 1_800_000_000_000
EVER = 2**62


def sample(place: int) -> Sample:
    return Sample(START_MS + place * SAMPLE_MS, place, -place, 7, Holders(*range(place, place + 8)))


@settings(max_examples=60, deadline=None)
@given(
    places=st.sets(st.integers(0, 400), min_size=1, max_size=80),
    period=st.sampled_from(sorted(PERIODS_MS)),
    limit=st.integers(1, 20),
    start=st.one_of(st.none(), st.integers(0, 400)),
    end=st.integers(0, 400),
)
def test_reading_is_filtering(
    places: set[int], period: str, limit: int, start: int | None, end: int
) -> None:
    samples = Samples(2)
    noted = [sample(place) for place in sorted(places)]
    for one in noted:
        samples.add(1, one)
    start_ms = None if start is None else START_MS + start * SAMPLE_MS
    end_ms = START_MS + end * SAMPLE_MS
    wanted = [
        one
        for one in noted
        if one.time_ms % PERIODS_MS[period] == 0
        and (start_ms is None or one.time_ms >= start_ms)
        and one.time_ms <= end_ms
    ]
    wanted = wanted[-limit:] if start is None else wanted[:limit]
    assert samples.read(1, period, limit, start_ms, end_ms) == wanted
    assert samples.read(0, period, limit, start_ms, end_ms) == []


def test_a_week_is_kept_and_no_more() -> None:
    samples = Samples(1)
    for place in range(FEW_SYMBOL_ROWS + 100):
        samples.add(0, sample(place))
    kept = samples.read(0, "5m", FEW_SYMBOL_ROWS + 100, 0, EVER)
    assert [one.mark_e8 for one in kept] == list(range(100, FEW_SYMBOL_ROWS + 100))


def test_an_unknown_period_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Samples(1).read(0, "3m", 1, None, EVER)

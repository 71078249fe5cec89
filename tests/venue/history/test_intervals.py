"""Where bars begin: against the calendar of the standard library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.venue.history.intervals import (
    CODE_OF,
    INTERVALS,
    WIDTHS_MS,
    opens_after,
    opens_at,
    opens_before,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
times_ms = st.integers(min_value=0, max_value=4_133_404_800_000)


def at(time_ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=time_ms)


@given(time_ms=times_ms)
def test_months_begin_on_the_first(time_ms: int) -> None:
    code = CODE_OF["1M"]
    opened = at(opens_at(code, time_ms))
    moment = at(time_ms)
    assert opened == datetime(moment.year, moment.month, 1, tzinfo=UTC)
    following = at(opens_after(code, opens_at(code, time_ms)))
    assert following == datetime(
        moment.year + moment.month // 12, moment.month % 12 + 1, 1, tzinfo=UTC
    )


@given(time_ms=times_ms)
def test_weeks_begin_on_monday(time_ms: int) -> None:
    opened = at(opens_at(CODE_OF["1w"], max(time_ms, 4 * 86_400_000)))
    assert (opened.weekday(), opened.hour, opened.minute, opened.microsecond) == (0, 0, 0, 0)


@pytest.mark.parametrize("interval", INTERVALS)
@given(time_ms=times_ms)
def test_bars_follow_one_another_without_a_gap(interval: str, time_ms: int) -> None:
    code = CODE_OF[interval]
    time_ms = max(time_ms, 40 * 86_400_000)
    opened = opens_at(code, time_ms)
    following = opens_after(code, opened)
    assert opened <= time_ms < following
    assert opens_at(code, opened) == opened
    assert opens_at(code, following) == following
    assert opens_before(code, following) == opened
    if WIDTHS_MS[code]:
        assert following - opened == WIDTHS_MS[code]

"""The slope of memory over a run, from samples with a known one."""

from __future__ import annotations

import pytest

from aegis.cli.run_summary import MemoryTrend, _Line


def test_a_straight_line_is_found() -> None:
    line = _Line()
    for x in range(30, 600):
        line.add(float(x), 1e8 + 512.0 * x)
    assert line.slope == pytest.approx(512.0, rel=1e-6)


def test_a_saw_tooth_around_a_level_is_flat() -> None:
    line = _Line()
    for x in range(6_000):
        line.add(float(x), 1e8 + (x % 10) * 4096)
    assert line.slope is not None
    assert abs(line.slope) < 5.0


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_points_have_no_slope(count: int) -> None:
    line = _Line()
    for x in range(count):
        line.add(float(x), 1.0)
    assert line.slope is None


def test_a_process_that_was_not_watched_has_none() -> None:
    assert MemoryTrend().slope_bytes_per_s("feed", 1) is None

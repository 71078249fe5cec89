"""The event clock: it goes forward, and over a jump only when two events agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aegis.brain.layout import CORE
from aegis.brain.market import advance_clock

SECOND = 1_000_000_000
NOW = 1_723_161_256 * SECOND


@pytest.fixture
def core() -> Any:
    record = np.zeros(1, CORE)
    advance_clock(record[0], NOW)
    return record[0]


def test_it_starts_at_the_first_event_and_goes_forward_only(core: Any) -> None:
    assert core["clock_ns"] == NOW
    advance_clock(core, NOW + SECOND)
    advance_clock(core, NOW + SECOND // 2)
    assert core["clock_ns"] == NOW + SECOND


@pytest.mark.parametrize("jump_s", [3_600, 10**9, -3_600])
def test_one_event_from_another_time_is_not_believed(core: Any, jump_s: int) -> None:
    advance_clock(core, NOW + jump_s * SECOND)
    assert core["clock_ns"] == NOW
    advance_clock(core, NOW + SECOND)
    assert core["clock_ns"] == NOW + SECOND
    # The doubt is forgotten: it takes two in a row.
    advance_clock(core, NOW + jump_s * SECOND)
    assert core["clock_ns"] == NOW + SECOND


@pytest.mark.parametrize("jump_s", [3_600, -3_600])
def test_two_events_that_agree_move_it(core: Any, jump_s: int) -> None:
    advance_clock(core, NOW + jump_s * SECOND)
    advance_clock(core, NOW + (jump_s + 1) * SECOND)
    assert core["clock_ns"] == NOW + (jump_s + 1) * SECOND


@pytest.mark.parametrize("nonsense", [0, -5, -(2**63)])
def test_a_time_that_is_none_is_ignored(core: Any, nonsense: int) -> None:
    advance_clock(core, nonsense)
    advance_clock(core, nonsense)
    assert core["clock_ns"] == NOW

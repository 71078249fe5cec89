"""The restart budget: how many, how fast, and that the window slides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.supervisor.budget import LONGEST_PAUSE_NS, RestartBudget

SECOND_NS = 1_000_000_000


def test_first_restart_is_immediate_and_the_next_ones_wait_longer() -> None:
    budget = RestartBudget(5, 60 * SECOND_NS)
    pauses = [budget.spend(now_ns) for now_ns in range(5)]
    assert pauses == [0, 200_000_000, 400_000_000, 800_000_000, 1_600_000_000]


def test_spent_budget_refuses_until_the_window_has_passed() -> None:
    budget = RestartBudget(2, 10 * SECOND_NS)
    assert budget.spend(0) == 0
    assert budget.spend(SECOND_NS) is not None
    assert budget.spend(9 * SECOND_NS) is None
    assert budget.spend(10 * SECOND_NS) is not None, "the first one has left the window"


def test_a_budget_of_zero_never_restarts() -> None:
    assert RestartBudget(0, SECOND_NS).spend(0) is None


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="makes no sense"):
        RestartBudget(-1, SECOND_NS)


@given(
    limit=st.integers(0, 20),
    window_ns=st.integers(1, 100),
    times=st.lists(st.integers(0, 1_000), max_size=200).map(sorted),
)
def test_no_window_ever_holds_more_than_the_limit(
    limit: int, window_ns: int, times: list[int]
) -> None:
    budget = RestartBudget(limit, window_ns)
    granted = []
    for now_ns in times:
        pause_ns = budget.spend(now_ns)
        if pause_ns is not None:
            assert 0 <= pause_ns <= LONGEST_PAUSE_NS
            granted.append(now_ns)
    for start in granted:
        inside = [at for at in granted if start <= at < start + window_ns]
        assert len(inside) <= limit

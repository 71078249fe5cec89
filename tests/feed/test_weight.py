"""The request weight of a minute."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.feed.weight import WeightBudget, snapshot_choice
from aegis.shm.rate_ledger import WEIGHT, RateLedger

MINUTE_MS = 60_000


@pytest.mark.parametrize(
    ("symbols", "levels", "weight"),
    [(1, 1000, 20), (90, 1000, 20), (91, 500, 10), (180, 500, 10), (181, 100, 5), (300, 100, 5),
     (360, 100, 5), (361, 50, 2), (1024, 50, 2)],
)  # fmt: skip
def test_snapshots_are_as_deep_as_a_minute_allows(symbols: int, levels: int, weight: int) -> None:
    assert snapshot_choice(symbols, WeightBudget(0.25).per_minute) == (levels, weight)


def test_the_exchange_s_word_counts_and_what_is_under_way_is_added() -> None:
    budget = WeightBudget(0.25, 1_000)
    assert budget.room(100, 0) == 7
    budget.begin(100)
    assert budget.room(100, 1) == 6
    budget.observe(400, 2)
    budget.end(100, 3, was_told=True)
    assert budget.room(100, 4) == 3, "others on this address had used 300"
    budget.observe(90, 5)
    assert budget.room(100, 6) == 6, "its minute ended before ours"
    assert budget.room(100, MINUTE_MS) == 7, "and ours ends too"


def test_a_request_without_an_answer_may_have_been_counted() -> None:
    budget = WeightBudget(0.0, 100)
    budget.begin(60)
    budget.end(60, 1, was_told=False)
    assert budget.room(60, 2) == 0


@given(st.integers(0, 59_999), st.integers(0, 2**32), st.floats(0.25, 0.9))
def test_an_exchange_with_another_minute_never_sees_more_than_its_limit(
    shift_ms: int, seed: int, reserve: float
) -> None:
    """The exchange's minute begins `shift_ms` from ours; four requests at a time, in any order."""
    source = random.Random(seed)
    budget = WeightBudget(reserve, 400)
    used, minute = 0, 0
    flying: list[int] = []
    for now_ms in range(0, 3 * MINUTE_MS, 250):
        if (now_ms + shift_ms) // MINUTE_MS != minute:
            minute, used = (now_ms + shift_ms) // MINUTE_MS, 0
        while len(flying) < 4 and budget.room(10, now_ms):
            budget.begin(10)
            used += 10
            flying.append(used)
        # Answers out of order, and minutes that begin apart, cost a few requests of the reserve.
        assert used <= 400 * (1 - reserve) + 8 * 10
        assert used <= 400, "a 429"
        for _ in range(source.randint(0, len(flying))):
            told = flying.pop(source.randrange(len(flying)))
            # What it told before the exchange's minute ended is not told again.
            budget.observe(min(told, used), now_ms)
            budget.end(10, now_ms, was_told=True)
    assert budget.spent > 0


def test_what_execution_uses_of_the_limit_leaves_less_room() -> None:
    budget = WeightBudget(0.25, 1_000)
    budget.ledger = RateLedger.private()
    now_ms = 1_763_700_000_000
    assert budget.room(10, now_ms) == 75
    budget.ledger.spend(WEIGHT, 400, now_ms)
    assert budget.room(10, now_ms) == 35
    budget.begin(10)
    budget.observe(500, now_ms)
    budget.end(10, now_ms, was_told=True)
    assert budget.ledger.used(WEIGHT, now_ms) == 500 and budget.room(10, now_ms) == 25
    budget.begin(10)
    budget.end(10, now_ms, was_told=False)
    assert budget.ledger.used(WEIGHT, now_ms) == 510

"""Takers' signs: one hidden order is one sign for long, several mix; no side is favoured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aegis.host.jit import kernel
from aegis.venue.flow.layout import SIGN_MEMORY
from aegis.venue.flow.parents import LONGEST_PARENT, next_sign, remember_sign
from aegis.venue.stats.returns import autocorrelations, power_decay
from tests.venue.flow.ground import Ground

ORDERS = 200_000


def signs(parents: int, tail: float = 1.5, seed: int = 4) -> np.ndarray:
    drawn = np.zeros(ORDERS)
    _fill(Ground(seed=seed, metaorders=parents, metaorder_tail=tail).agents, drawn)
    return drawn


@kernel
def _fill(agents: Any, drawn: Any) -> None:
    for number in range(len(drawn)):
        drawn[number] = next_sign(agents, 0)


# The mean of ceil(Pareto(3/2)): the sum of the chances to be longer than k.
MEAN_LENGTH = 1.0 + float(np.sum(np.arange(1, LONGEST_PARENT) ** -1.5))


@pytest.mark.parametrize("parents", [1, 3, 10])
def test_the_first_lag_is_the_chance_of_the_same_parent(parents: int) -> None:
    drawn = signs(parents)
    assert set(np.unique(drawn)) == {-1.0, 1.0}
    assert abs(drawn.mean()) < 0.25, "long parents make the mean wander, not lean"
    (first,) = autocorrelations(drawn, (1,))
    assert first == pytest.approx((1.0 - 1.0 / MEAN_LENGTH) / parents, abs=0.03)


def test_three_parents_remember_for_long() -> None:
    lags = autocorrelations(signs(3), (1, 10, 50, 100))
    assert lags == sorted(lags, reverse=True)
    assert lags[-1] > 0.01


def test_the_memory_is_a_power_of_the_tail_exponent_less_one() -> None:
    assert power_decay(signs(1), 200) == pytest.approx(0.5, abs=0.15)
    assert power_decay(signs(1, tail=3.0), 200) > 1.0


def test_the_expectation_follows_the_signs() -> None:
    agents = Ground().agents
    for _ in range(200):
        remember_sign(agents, 0, 1)
    assert agents.moods[0, SIGN_MEMORY] == pytest.approx(1.0, abs=1e-3)
    remember_sign(agents, 0, -1)
    assert agents.moods[0, SIGN_MEMORY] == pytest.approx(0.9, abs=1e-2)

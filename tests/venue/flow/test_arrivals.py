"""When takers come: at the rate asked for, and in bunches as large as the branching ratio makes."""

from __future__ import annotations

import numpy as np
import pytest

from aegis.venue.flow.arrivals import excite, next_arrival_us
from aegis.venue.flow.layout import TRADES_PER_S
from aegis.venue.stats.takings import fano_factor
from tests.venue.flow.ground import Ground


def arrivals_ms(branching: float, count: int, seed: int = 5) -> np.ndarray:
    """Times of trades that nothing but trades excites."""
    ground = Ground(seed=seed, trades_per_s=10.0, self_excitation=branching)
    agents = ground.agents
    agents.traits[0, TRADES_PER_S] = 10.0 * (1.0 - branching)
    times = np.zeros(count, np.int64)
    now_us = 0
    for number in range(count):
        now_us = int(next_arrival_us(agents, 0, now_us))
        excite(agents, 0, now_us, 1.0)
        times[number] = now_us // 1000
    return times


def test_without_excitation_it_is_a_poisson_stream() -> None:
    times = arrivals_ms(0.0, 60_000)
    assert 60_000 / (times[-1] / 1e3) == pytest.approx(10.0, rel=0.02)
    assert fano_factor(times, 1_000) == pytest.approx(1.0, abs=0.1)
    assert fano_factor(times, 10_000) == pytest.approx(1.0, abs=0.2)


def test_excitation_keeps_the_mean_and_bunches() -> None:
    times = arrivals_ms(0.6, 150_000)
    assert 150_000 / (times[-1] / 1e3) == pytest.approx(10.0, rel=0.06)
    # Over windows longer than the memory, a Hawkes stream's factor is (1 - n)**-2.
    assert fano_factor(times, 300_000) == pytest.approx(1.0 / 0.4**2, rel=0.4)
    assert fano_factor(times, 1_000) > 1.2


def test_time_goes_on_even_when_nothing_is_to_come() -> None:
    ground = Ground(trades_per_s=1e-9, self_excitation=0.0)
    assert next_arrival_us(ground.agents, 0, 5) > 1_000_000_000

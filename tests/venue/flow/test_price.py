"""The fair price: the volatility asked for, sessions that average out, jumps at their rate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from aegis.venue.flow.layout import HIGHEST_TICKS, JUMPS, LOWEST_TICKS, PACE
from aegis.venue.flow.population import session_level
from aegis.venue.flow.price import FACTOR_SHARES, SESSION_CURVE, drift, push, session
from tests.venue.flow.ground import Ground

SECOND_US = 1_000_000
STILL = {"jumps_per_hour": 0.0, "session_swing": 0.0, "volatility_regimes": 0.0}


def walk(seconds: int, **changes: Any) -> tuple[Ground, np.ndarray]:
    """The log of the fair price second by second."""
    ground = Ground(**changes)
    logs = np.zeros(seconds + 1)
    for second in range(seconds + 1):
        drift(ground.agents, 0, second * SECOND_US)
        logs[second] = math.log(ground.agents.fair_ticks[0])
    return ground, logs


def test_without_regimes_it_is_a_gaussian_walk_of_the_configured_volatility() -> None:
    _, logs = walk(20_000, volatility_bps_per_sqrt_s=0.7, **STILL)
    changes = np.diff(logs) * 1e4
    assert changes.std() == pytest.approx(0.7, rel=0.02)
    assert (changes**4).mean() / changes.var() ** 2 == pytest.approx(3.0, abs=0.2)
    assert abs(np.corrcoef(changes[1:], changes[:-1])[0, 1]) < 0.03


def test_how_often_it_is_asked_changes_no_variance() -> None:
    spread = []
    for step_us in (50_000, SECOND_US):
        ends = []
        for seed in range(150):
            ground = Ground(seed=seed, **STILL)
            for at in range(1, 20 * SECOND_US // step_us + 1):
                drift(ground.agents, 0, at * step_us)
            ends.append(math.log(ground.agents.fair_ticks[0] / 600_000))
        spread.append(np.std(ends))
    assert spread[0] / spread[1] == pytest.approx(1.0, abs=0.25)
    assert spread[1] == pytest.approx(0.7e-4 * math.sqrt(20), rel=0.2)


def test_regimes_keep_the_mean_variance_and_fatten_the_tails() -> None:
    config = {**STILL, "volatility_regimes": 0.48}
    squares, fourths = [], []
    for seed in range(4):
        changes = np.diff(walk(20_000, seed=seed, **config)[1]) * 1e4
        squares.append((changes**2).mean())
        fourths.append((changes**4).mean())
    assert np.mean(squares) == pytest.approx(0.49, rel=0.2)
    assert np.mean(fourths) / np.mean(squares) ** 2 > 4.0


def test_the_session_is_its_curve_at_full_hours_and_between_them_in_between() -> None:
    for hour in range(24):
        assert session(hour * 3_600.0) == pytest.approx(SESSION_CURVE[hour])
    half = session(12.5 * 3_600.0)
    assert min(SESSION_CURVE[12:14]) < half < max(SESSION_CURVE[12:14])
    assert session(25 * 3_600.0) == pytest.approx(session(3_600.0))
    seconds = np.arange(0.0, 86_400.0, 60.0)
    for swing in (0.0, 1.0, 2.0):
        pace = [math.exp(swing * session(at) + session_level(swing)) for at in seconds]
        assert np.mean(np.square(pace)) == pytest.approx(1.0, abs=1e-3)


def test_busy_hours_are_faster_than_quiet_ones() -> None:
    def pace(hour: float) -> float:
        ground, _ = walk(2, opens_at_utc_h=hour, volatility_regimes=0.0)
        return float(ground.agents.moods[0, PACE])

    assert pace(14.0) > 2.0 * pace(5.0)


def test_jumps_come_at_their_rate_and_size() -> None:
    quiet = {"session_swing": 0.0, "volatility_regimes": 0.0, "volatility_bps_per_sqrt_s": 0.0}
    ground, logs = walk(36_000, jumps_per_hour=30.0, jump_bps=5.0, **quiet)
    sizes = np.abs(np.diff(logs)) * 1e4
    jumped = sizes[sizes > 0.0]
    assert len(jumped) == ground.agents.counts[0, JUMPS]
    assert len(jumped) == pytest.approx(300, abs=70)
    assert jumped.mean() == pytest.approx(5.0, rel=0.25)


def test_the_price_stays_where_a_book_fits() -> None:
    ground = Ground()
    push(ground.agents, 0, -1e12)
    assert ground.agents.fair_ticks[0] == ground.agents.traits[0, LOWEST_TICKS]
    push(ground.agents, 0, 1e12)
    assert ground.agents.fair_ticks[0] == ground.agents.traits[0, HIGHEST_TICKS]


def test_the_factors_share_one_variance() -> None:
    assert FACTOR_SHARES.sum() == pytest.approx(1.0)

"""The measures on the one real recording there is: what 345 seconds tell, and what not."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from aegis.venue.stats import book, returns, takings
from aegis.venue.stats.bands import measure
from aegis.venue.stats.observe import Observation
from tests.venue.stats.recorded import Recorded, read


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> Recorded:
    return read(shared_data)


def test_the_book_is_one_tick_wide(recorded: Recorded) -> None:
    assert book.spread_mode(recorded.tops) == 1.0
    assert book.spread_shares(recorded.tops)[1] == pytest.approx(0.991, abs=0.002)


def test_returns_have_tails_and_no_short_memory(recorded: Recorded) -> None:
    changes = np.diff(book.sampled_mids(recorded.tops, 1_000))
    assert changes.std() == pytest.approx(75.0, abs=5.0)
    assert abs(returns.autocorrelation(changes, 1)) < 0.1
    assert returns.excess_kurtosis(changes) > 3.0


def test_signs_remember(recorded: Recorded) -> None:
    signs = recorded.takings.side.astype(np.float64)
    assert len(signs) / recorded.seconds == pytest.approx(15.8, abs=0.1)
    found = returns.autocorrelations(signs, (1, 10, 50, 100))
    assert found == pytest.approx([0.199, 0.118, 0.033, 0.024], abs=0.002)
    assert 0.3 < returns.power_decay(signs, 1_000) < 0.5


def test_trades_come_in_bunches_and_large_ones_move_more(recorded: Recorded) -> None:
    assert takings.fano_factor(recorded.takings.time_ms, 10_000) > 20.0
    impact = takings.impact_by_size(recorded.takings, recorded.tops)
    assert 0.3 < takings.impact_exponent(*impact) < 0.6


def test_the_imbalance_tells_the_next_move(recorded: Recorded) -> None:
    moves = book.move_by_imbalance(recorded.tops)
    assert book.rises(moves)
    assert moves[0] < -0.4 and moves[-1] > 0.4


def test_fills_decay_exponentially_with_distance(recorded: Recorded) -> None:
    found = takings.fit_intensity(takings.depth_rates(recorded.takings, recorded.tops))
    assert found.fit > 0.98
    assert found.a_per_s == pytest.approx(1.1, abs=0.2)
    assert found.k_per_tick == pytest.approx(0.0265, abs=0.004)


def test_what_needs_hours_is_left_open(recorded: Recorded) -> None:
    seen = Observation(
        "BTCUSDT", 0, recorded.seconds, recorded.tops, recorded.takings, 0, 0, 0, 1.0
    )
    found = measure(seen)
    unknown = {key for key, value in found.items() if math.isnan(value)}
    assert unknown >= {"vr_60", "kurtosis_1m", "hill_1m", "size_acf_1", "size_decay"}
    assert not unknown & {"one_tick", "acf_1s", "kurtosis_1s", "sign_acf_1", "impact"}

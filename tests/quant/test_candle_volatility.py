"""Volatility from candles: by hand, on walks whose volatility is known, and refused nonsense."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from aegis.quant import candle_volatility as estimators

Columns = tuple[npt.NDArray[np.float64], ...]
SIGMA = 0.01


def walk(drift: float = 0.0, gap: float = 0.0, candles: int = 3_000, steps: int = 1_500) -> Columns:
    """Candles of a geometric walk of SIGMA per candle, with `gap` of it between candles."""
    source = np.random.default_rng(11)
    inner = source.normal(drift / steps, SIGMA / math.sqrt(steps), (candles, steps))
    paths = np.concatenate((np.zeros((candles, 1)), np.cumsum(inner, axis=1)), axis=1)
    jumps = source.normal(0.0, 1.0, candles) * gap * SIGMA
    start = np.concatenate(([0.0], np.cumsum(paths[:-1, -1] + jumps[:-1])))
    paths += start[:, None]
    ends = (paths[:, 0], paths.max(axis=1), paths.min(axis=1), paths[:, -1])
    return tuple(100.0 * np.exp(one) for one in ends)


def test_one_candle_by_hand() -> None:
    opened, high, low, close = [100.0], [104.0], [98.0], [101.0]
    reach, body = math.log(104.0 / 98.0), math.log(101.0 / 100.0)
    parkinson = reach**2 / (4.0 * math.log(2.0))
    garman_klass = 0.5 * reach**2 - (2.0 * math.log(2.0) - 1.0) * body**2
    rogers_satchell = math.log(104.0 / 101.0) * math.log(1.04)
    rogers_satchell += math.log(98.0 / 101.0) * math.log(0.98)
    candle = (opened, high, low, close)
    assert estimators.parkinson_volatility(high, low) == pytest.approx(math.sqrt(parkinson))
    found = estimators.garman_klass_volatility(*candle, periods_per_year=365.0)
    assert found == pytest.approx(math.sqrt(garman_klass * 365.0))
    found = estimators.rogers_satchell_volatility(*candle)
    assert found == pytest.approx(math.sqrt(rogers_satchell))


def test_all_find_the_volatility_of_a_walk() -> None:
    opens, highs, lows, closes = walk()
    found = {
        "close to close": estimators.close_to_close_volatility(closes),
        "Parkinson": estimators.parkinson_volatility(highs, lows),
        "Garman-Klass": estimators.garman_klass_volatility(opens, highs, lows, closes),
        "Rogers-Satchell": estimators.rogers_satchell_volatility(opens, highs, lows, closes),
        "Yang-Zhang": estimators.yang_zhang_volatility(opens, highs, lows, closes),
    }
    assert found == {name: pytest.approx(SIGMA, rel=0.04) for name in found}


def test_a_drift_misleads_only_those_that_say_so() -> None:
    opens, highs, lows, closes = walk(drift=2.0 * SIGMA)
    for estimator in (
        estimators.rogers_satchell_volatility,
        estimators.yang_zhang_volatility,
    ):
        assert estimator(opens, highs, lows, closes) == pytest.approx(SIGMA, rel=0.05)
    assert estimators.parkinson_volatility(highs, lows) > 1.3 * SIGMA


def test_gaps_between_candles_count_for_yang_and_zhang() -> None:
    opens, highs, lows, closes = walk(gap=1.0)
    both = SIGMA * math.sqrt(2.0)
    found = estimators.yang_zhang_volatility(opens, highs, lows, closes)
    assert found == pytest.approx(both, rel=0.04)
    inside = estimators.rogers_satchell_volatility(opens, highs, lows, closes)
    assert inside == pytest.approx(SIGMA, rel=0.04)


def test_what_stands_still_has_none() -> None:
    flat = [100.0] * 4
    assert estimators.close_to_close_volatility(flat) == 0.0
    assert estimators.yang_zhang_volatility(flat, flat, flat, flat) == 0.0


@pytest.mark.parametrize(
    ("candle", "message"),
    [
        (([100.0], [99.0], [98.0], [98.5]), "candle 0: low <= open"),
        (([100.0], [101.0], [0.0], [100.0]), r"low\[0\] is 0\.0; positive"),
        (([100.0], [math.nan], [99.0], [100.0]), r"high\[0\] is nan; positive"),
        (([100.0, 1.0], [101.0], [99.0], [100.0]), "columns of one length"),
        (([], [], [], []), "at least 1 candles"),
    ],
)
def test_what_is_no_candle_is_refused(candle: tuple[list[float], ...], message: str) -> None:
    for estimator in (
        estimators.garman_klass_volatility,
        estimators.rogers_satchell_volatility,
    ):
        with pytest.raises(ValueError, match=message):
            estimator(*candle)
    with pytest.raises(ValueError, match="periods_per_year is -1"):
        estimators.parkinson_volatility([2.0], [1.0], periods_per_year=-1.0)
    with pytest.raises(ValueError, match="at least 3 candles"):
        estimators.close_to_close_volatility([1.0, 2.0])

"""The micro-price: a chain whose answer is known, symmetry, and what is no touch."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aegis.quant.micro_price import fit_micro_price, micro_price

TICK = 0.5


def walk(size: int, up: float, seed: int) -> tuple[np.ndarray, ...]:
    """A touch of one tick; heavy bids: the next move is up with probability `up`, by a tick.

    Two states (imbalance .85 and .15), drawn anew at each step; a move every tenth step or so.
    """
    source = np.random.default_rng(seed)
    heavy = source.random(size) < 0.5
    moves = source.random(size) < 0.1
    rises = source.random(size) < np.where(heavy, up, 1.0 - up)
    steps = np.where(moves, np.where(rises, 1, -1), 0)
    bids = 1_000.0 + TICK * np.concatenate([[0], np.cumsum(steps[:-1])])
    bid_qtys = np.where(heavy, 8.5, 1.5)
    return bids, bid_qtys, bids + TICK, 10.0 - bid_qtys


def test_a_chain_with_a_known_answer() -> None:
    """The state of the next step is a coin's: only what happens at once leans, by 2 up - 1.

    From the heavy state, with moves of probability m at each step from either state: a move comes
    at once (m, leaning by 2 up - 1) or after a fresh coin, which leans to neither side.
    """
    table = fit_micro_price(*walk(400_000, 0.8, 1), TICK, buckets=2, spreads=1)
    assert table.shape == (1, 2)
    assert table[0, 1] == pytest.approx(0.1 * 0.6, abs=0.006)
    assert table[0, 0] == pytest.approx(-table[0, 1], abs=1e-12)


def test_the_heavier_side_pushes_the_price_away() -> None:
    table = fit_micro_price(*walk(50_000, 0.7, 2), TICK, buckets=10, spreads=1)
    heavy = micro_price(100.0, 8.5, 100.5, 1.5, TICK, table)
    light = micro_price(100.0, 1.5, 100.5, 8.5, TICK, table)
    assert 100.25 < heavy < 100.5
    assert heavy + light == pytest.approx(2.0 * 100.25)


def test_what_the_table_does_not_know_is_the_weighted_mid_or_nothing() -> None:
    table = fit_micro_price(*walk(1_000, 0.7, 3), TICK, buckets=4, spreads=1)
    assert micro_price(100.0, 3.0, 103.0, 1.0, TICK, table) == pytest.approx(102.25)
    assert table[0, 1] == table[0, 2] == 0.0, "imbalances that never came"
    touches = ((100.0, 0.0, 100.5, 0.0), (100.5, 1.0, 100.0, 1.0), (math.nan, 1.0, 1.0, 1.0))
    for touch in (*touches, (100.0, math.inf, 100.5, 1.0), (100.0, math.nan, 100.5, 1.0)):
        assert math.isnan(micro_price(*touch, TICK, table))


@pytest.mark.parametrize(
    ("size", "tick", "buckets"), [(1, TICK, 2), (10, 0.0, 2), (10, TICK, 1), (10, math.nan, 2)]
)
def test_nonsense_is_refused(size: int, tick: float, buckets: int) -> None:
    with pytest.raises(ValueError, match=r"wanted|equal ones"):
        fit_micro_price(*walk(size, 0.5, 4), tick, buckets=buckets, spreads=1)

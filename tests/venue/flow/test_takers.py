"""The takers: who knows takes the right side, who goes deep goes deep, who looks, the touch."""

from __future__ import annotations

import numpy as np
import pytest

from aegis.venue.flow.layout import (
    BOOK_DUE_US,
    DEEP_SHARE,
    DEEP_TRADES,
    INFORMED_SHARE,
    INFORMED_TRADES,
    REACH_TICKS,
    TRADE_DUE_US,
)
from aegis.venue.flow.takers import take
from aegis.venue.matching.interface import BUY, OWNER_TAKERS, SELL
from aegis.venue.matching.kernels import lots_at
from aegis.venue.matching.layout import FILL_COUNT, SUM_LOTS
from aegis.venue.tape import TRADE
from tests.venue.flow.ground import Ground

STILL = {"volatility_bps_per_sqrt_s": 0.0, "jumps_per_hour": 0.0}


def one(seed: int, strayed: float = 0.0, **traits: float) -> tuple[Ground, np.ndarray]:
    """One taker in a fresh market; returns its trades' records."""
    ground = Ground(seed=seed, **(STILL if "deep" not in traits else {}))
    ground.agents.traits[0, DEEP_SHARE] = traits.get("deep", 0.0)
    ground.agents.traits[0, INFORMED_SHARE] = traits.get("informed", 0.0)
    ground.agents.traits[0, REACH_TICKS] = traits.get("reach", 40.0)
    ground.agents.fair_ticks[0] += strayed
    take(ground.books, ground.agents, 0, 1_000_000, 1_000)
    records = ground.tape.records[: len(ground.tape)]
    return ground, records[records["kind"] == TRADE].copy()


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_who_knows_takes_the_side_that_the_price_is_going_to(direction: float) -> None:
    for seed in range(30):
        ground, trades = one(seed, direction * 30.0, informed=1e9)
        assert ground.agents.counts[0, INFORMED_TRADES] == 1
        assert (trades["d"] == direction).all() and len(trades) > 0


def test_without_a_gap_there_is_nothing_to_know() -> None:
    sides = []
    for seed in range(60):
        # The fair price is a whole tick, the middle of the book half a tick away.
        ground, trades = one(seed, 0.5, informed=1e9)
        assert ground.agents.counts[0, INFORMED_TRADES] == 0
        sides.append(int(trades["d"][0]))
    assert 15 <= sides.count(BUY) <= 45


def test_who_looks_at_the_book_takes_the_touch_and_no_more() -> None:
    for seed in range(80):
        ground = Ground(seed=seed, **STILL)
        bid, ask = ground.top()
        there = {BUY: int(lots_at(ground.books, 0, SELL, ask)),
                 SELL: int(lots_at(ground.books, 0, BUY, bid))}  # fmt: skip
        _, trades = one(seed)
        side = int(trades["d"][0])
        assert set(trades["b"].tolist()) == {ask if side == BUY else bid}
        assert 0 < trades["c"].sum() <= there[side]


def test_who_goes_deep_reaches_its_mean_reach_on_average() -> None:
    reaches = []
    for seed in range(300):
        ground, trades = one(seed, deep=1.0)
        assert ground.agents.counts[0, DEEP_TRADES] == 1
        reaches.append(abs(int(trades["b"][-1]) - int(trades["b"][0])))
    # The furthest quote within an exponential reach of mean 40 is a little nearer.
    assert 20.0 < np.mean(reaches) < 45.0
    assert np.max(reaches) > 100


def test_makers_hurry_to_a_book_that_was_dug_into() -> None:
    for seed in range(20):
        ground, _ = one(seed, deep=1.0)
        assert ground.agents.counts[0, BOOK_DUE_US] < 1_000_000 + 200_000
    ground = Ground(seed=1, **STILL)
    due_us = int(ground.agents.counts[0, BOOK_DUE_US])
    ground.agents.traits[0, DEEP_SHARE] = 0.0
    take(ground.books, ground.agents, 0, 1, 0)
    assert ground.agents.counts[0, BOOK_DUE_US] == due_us, "a trade at the touch is no hurry"


def test_takers_take_a_client_before_the_makers_when_it_is_first() -> None:
    ground = Ground(seed=3, **STILL)
    ground.agents.traits[0, DEEP_SHARE] = 0.0
    bid, ask = ground.top()
    # A one-tick book has no room inside: the client waits at the touch, behind the makers.
    mine = {ground.quote(BUY, bid, 10), ground.quote(SELL, ask, 10)}
    now_us = 0
    while mine <= set(ground.resting(0, 16)) and now_us < 10_000_000:
        now_us += 1_000
        take(ground.books, ground.agents, 0, now_us, 0)
        ground.books.cursor[0] = 0
        ground.books.state[FILL_COUNT] = 0
    assert not mine <= set(ground.resting(0, 16)), "the queue in front was worked off"


def test_nobody_takes_from_an_empty_book_and_the_next_still_comes() -> None:
    ground = Ground(seed=3, **STILL)
    for side in (BUY, SELL):
        _, ask = ground.top()
        ground.take(side, ask + 10**6 if side == BUY else 1, 10**9)
    before = int(ground.books.sums[0, OWNER_TAKERS, SUM_LOTS])
    for _ in range(50):
        take(ground.books, ground.agents, 0, 1, 0)
    assert ground.books.sums[0, OWNER_TAKERS, SUM_LOTS] == before
    assert ground.agents.counts[0, TRADE_DUE_US] > 1

"""The makers' book: never crossed, never empty, known to the last lot; and clients in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.venue.flow.kernels import step
from aegis.venue.flow.layout import (
    ASK,
    BID,
    BID_ORDERS,
    PACE,
    PATIENCE,
    QUOTE_LOTS,
    QUOTE_ORDER,
    QUOTE_PRICE,
    RESETS,
    SWEEPS,
    THRESHOLD,
    TICKS_OF_SIGMA,
)
from aegis.venue.flow.makers import look_at_book
from aegis.venue.matching.interface import BUY, FIRST_CLIENT, OWNER_MAKERS, OWNER_TAKERS, SELL
from aegis.venue.matching.kernels import lots_at
from aegis.venue.matching.layout import FILL_COUNT, SUM_LOTS
from tests.venue.flow.ground import CLIENT, Ground

QUIET = {"volatility_bps_per_sqrt_s": 0.0, "jumps_per_hour": 0.0, "informed_share": 0.0}


def look(ground: Ground, now_us: int = 0) -> None:
    """Let the makers look at the book now."""
    look_at_book(ground.books, ground.agents, 0, now_us, now_us // 1000)


def known_to_makers(ground: Ground, number: int) -> dict[int, tuple[int, int, int]]:
    """The makers' own list: id -> (side, price, lots)."""
    agents, found = ground.agents, {}
    for row, side in enumerate((BUY, SELL)):
        for place in range(int(agents.counts[number, BID_ORDERS + row])):
            mine = agents.quotes[number, row, place]
            found[int(mine[QUOTE_ORDER])] = (side, int(mine[QUOTE_PRICE]), int(mine[QUOTE_LOTS]))
    return found


def positions(ground: Ground) -> int:
    """The lots of all owners together; clients' are what the others' do not add up to."""
    return int(ground.books.sums[0, :FIRST_CLIENT, SUM_LOTS].sum())


@pytest.mark.parametrize("name", ["BTCUSDT", "SOLUSDT", "1000PEPEUSDT", "DOTUSDT", "MORUNUSDT"])
def test_the_book_is_never_crossed_and_has_both_sides(name: str) -> None:
    ground = Ground([name], seed=3)
    spreads: list[int] = []

    def watch(now_ms: int) -> None:
        bid, ask = ground.top()
        assert 0 < bid < ask, f"{name} at {now_ms}: {bid} / {ask}"
        spreads.append(ask - bid)

    steps = ground.run(600.0, watch)
    assert steps > 600
    usual = int(ground.agents.counts[0, ASK] - ground.agents.counts[0, BID])
    assert np.median(spreads) == usual
    assert positions(ground) == 0
    assert ground.books.sums[0, OWNER_TAKERS, SUM_LOTS] != 0


@pytest.mark.parametrize("seed", [1, 2])
def test_the_makers_know_all_of_their_orders_and_no_others(seed: int) -> None:
    ground = Ground(seed=seed)
    for second in range(1, 40):
        ground.run(float(second))
        listed, resting = known_to_makers(ground, 0), ground.resting(0, OWNER_MAKERS)
        assert set(resting) <= set(listed)
        # Taken since the last look: the list still has it, with what it then held.
        for order_id, (side, price, lots) in listed.items():
            left = resting.get(order_id, (side, price, 0))
            assert left[:2] == (side, price) and left[2] <= lots


def test_the_makers_lists_are_bounded_whatever_the_levels() -> None:
    ground = Ground(depth_levels=5, book_updates_per_s=200.0, trades_per_s=200.0)
    ground.run(60.0)
    assert len(known_to_makers(ground, 0)) <= 2 * (5 + 64)
    assert len(ground.resting(0, OWNER_MAKERS)) >= 8


def test_the_touch_follows_the_fair_price_and_not_before_it_has_strayed() -> None:
    ground = Ground(**QUIET, maker_patience=2.0)
    bid, ask = ground.top()
    ground.agents.fair_ticks[0] += 0.5
    look(ground)
    assert ground.top() == (bid, ask), "half a tick moves nobody"
    ground.agents.fair_ticks[0] += 10_000.0
    look(ground)
    assert abs(sum(ground.top()) / 2 - ground.agents.fair_ticks[0]) <= 0.5
    assert ground.agents.counts[0, RESETS] == 1
    look(ground)
    assert ground.agents.counts[0, RESETS] == 1, "once is enough"


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_stale_quote_of_a_client_is_taken(side: int) -> None:
    ground = Ground(**QUIET)
    bid, ask = ground.top()
    order_id = ground.quote(side, bid if side == BUY else ask, 500)
    ground.agents.fair_ticks[0] -= side * 50.0
    look(ground)
    assert order_id not in ground.resting(0, CLIENT)
    assert positions(ground) == -side * 500
    assert ground.agents.counts[0, SWEEPS] > 0
    # The price has gone on without the client.
    assert (ground.top()[0] - bid) * side < 0


def test_a_quote_that_is_not_stale_is_left_alone() -> None:
    ground = Ground(**QUIET)
    bid, ask = ground.top()
    mine = {ground.quote(BUY, bid - 100, 5), ground.quote(SELL, ask + 100, 5)}
    for number in range(50):
        look(ground, number * 50_000)
    assert set(ground.resting(0, CLIENT)) == mine


def test_a_wall_of_a_client_is_worn_down_to_the_last_lot() -> None:
    ground = Ground(**QUIET)
    _, ask = ground.top()
    ground.quote(SELL, ask, 1_000_000)
    ground.agents.fair_ticks[0] += 500.0
    look(ground)
    assert ground.resting(0, CLIENT) == {}
    assert ground.top()[0] > ask


def test_a_client_who_takes_moves_the_makers_belief_by_the_root_of_the_size() -> None:
    def moved(lots: int) -> float:
        ground = Ground(**{**QUIET, "volatility_bps_per_sqrt_s": 0.7}, maker_patience=20.0)
        before = float(ground.agents.fair_ticks[0])
        ground.take(BUY, ground.top()[1] + 10_000, lots)
        look(ground)
        return float(ground.agents.fair_ticks[0]) - before

    small, large = moved(5), moved(20)
    assert small > 0.0
    assert large / small == pytest.approx(2.0)


def test_the_queue_leans_towards_where_the_price_is_going() -> None:
    shares = []
    for seed in range(40):
        ground = Ground(seed=seed, **QUIET, maker_patience=20.0)
        ground.agents.fair_ticks[0] += 10.0  # up: the asks thin out
        ground.agents.traits[0, TICKS_OF_SIGMA] = 42.0  # as if it moved
        ground.agents.traits[0, PATIENCE] = 0.25
        ground.agents.moods[0, THRESHOLD] = 1e9
        for number in range(60):
            look(ground, number)
        bid, ask = ground.top()
        bids, asks = (int(lots_at(ground.books, 0, s, p)) for s, p in ((BUY, bid), (SELL, ask)))
        shares.append(bids / (bids + asks))
    assert np.mean(shares) > 0.6


def test_a_touch_that_was_used_up_gives_way_towards_the_fair_price_only() -> None:
    for direction, gives_way in ((1.0, True), (-1.0, False)):
        ground = Ground(**{**QUIET, "volatility_bps_per_sqrt_s": 0.7}, trade_impact=0.0)
        bid, ask = ground.top()
        ground.agents.moods[0, THRESHOLD] = 1e9  # no patience ever ends
        ground.agents.fair_ticks[0] += direction * 30.0
        ground.take(BUY, ask, int(lots_at(ground.books, 0, SELL, ask)))
        look(ground)
        assert (ground.top() != (bid, ask)) is gives_way


def test_a_far_order_of_a_client_leaves_all_else_as_it_was() -> None:
    quiet, disturbed = Ground(seed=5), Ground(seed=5)
    disturbed.quote(BUY, 500_000, 3)
    for ground in (quiet, disturbed):
        ground.run(120.0)
    assert quiet.agents.dice.tolist() == disturbed.agents.dice.tolist()
    assert list(quiet.resting(0, OWNER_MAKERS).values()) == list(
        disturbed.resting(0, OWNER_MAKERS).values()
    )


def test_a_seed_has_the_same_storms_whatever_clients_trade() -> None:
    quiet, disturbed = Ground(seed=5), Ground(seed=5)
    for second in range(1, 61):
        for ground in (quiet, disturbed):
            ground.run(float(second))
        disturbed.take(BUY, 10**7, 2_000, 1_000 * second)
    assert quiet.agents.fair_ticks[0] != disturbed.agents.fair_ticks[0], "it did matter"
    assert quiet.agents.weather.tolist() == disturbed.agents.weather.tolist()
    assert quiet.agents.moods[0, PACE] == disturbed.agents.moods[0, PACE]


def test_a_client_may_crowd_the_touch_and_the_makers_do_not_mind() -> None:
    ground = Ground(seed=2)
    orders = [ground.quote(BUY, ground.top()[0], 1) for _ in range(2_000)]
    ground.run(30.0)
    assert len(ground.resting(0, CLIENT)) < len(orders)
    assert set(ground.resting(0, OWNER_MAKERS)) <= set(known_to_makers(ground, 0))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**63 - 1),
    commands=st.lists(
        st.tuples(
            st.sampled_from(["quote", "take", "cancel", "step"]),
            st.sampled_from([BUY, SELL]),
            st.integers(-300, 300),
            st.integers(1, 5_000),
        ),
        max_size=60,
    ),
)
def test_whatever_clients_do_the_book_stays_a_book(
    seed: int, commands: list[tuple[str, int, int, int]]
) -> None:
    ground = Ground(seed=seed)
    orders: list[int] = []
    for what, side, distance, lots in commands:
        now_ms = int(ground.agents.due_us[0]) // 1000
        bid, ask = ground.top()
        middle = (bid or ask - 1) if bid or ask else 600_000
        if what == "quote":
            orders.append(ground.quote(side, middle + distance, lots, now_ms))
        elif what == "take":
            ground.take(side, middle + distance, lots, now_ms)
        elif what == "cancel" and orders:
            ground.cancel(orders[lots % len(orders)], now_ms)
        else:
            _steps(ground, 20)
        bid, ask = ground.top()
        assert not bid or not ask or bid < ask
    _steps(ground, 200)
    bid, ask = ground.top()
    assert 0 < bid < ask, "the makers have come back"
    assert set(ground.resting(0, OWNER_MAKERS)) <= set(known_to_makers(ground, 0))


def _steps(ground: Ground, count: int) -> None:
    for _ in range(count):
        due: Any = ground.agents.due_us[0]
        step(ground.books, ground.agents, 0, int(due) // 1000)
        assert ground.agents.due_us[0] >= due, "time does not go back"
        ground.books.cursor[0] = 0
        ground.books.state[FILL_COUNT] = 0

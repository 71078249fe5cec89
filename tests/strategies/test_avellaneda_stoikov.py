"""The market maker's step: numbers by hand, direction of the skew, limits, grid, and nonsense."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.quant.glft import glft_coefficients
from aegis.shm.intent import POST_ONLY
from aegis.shm.tick import TICK, TRADE
from aegis.strategies.avellaneda_stoikov.strategy import STRATEGY, pack, step
from aegis.strategies.contract import EVENT_FILL, EVENT_POSITION, NO_OPINION
from aegis.strategies.errors import UnusableInstrumentError
from aegis.strategies.registry import read_parameters
from tests.strategies.desk import GIVEN, SECOND, START_NS, Desk, instrument, prices


def test_glft_prices_by_hand() -> None:
    desk = Desk().warm(40.0)
    c1, c2 = glft_coefficients(0.002, 1.3, 0.025, 1.0, 0.002)
    half = c1 + 0.5 * 40.0 * c2
    buy, sell = desk.quote(600_000, 0.01)
    assert (buy["side"], sell["side"]) == (1, -1)
    assert buy["price_ticks"] == math.floor(600_000.5 - half)
    assert sell["price_ticks"] == math.ceil(600_000.5 + half)
    assert buy["qty_lots"] == sell["qty_lots"] == 10
    assert buy["flags"] == sell["flags"] == POST_ONLY
    assert buy["fair_price"] == pytest.approx(60_000.05)


@pytest.mark.parametrize("mode", ["glft", "session"])
def test_inventory_leans_against_the_position(mode: str) -> None:
    desk = Desk(mode=mode).warm()
    flat = desk.quote(600_000, 0.01)
    desk.position["lots"] = 10
    long = desk.quote(600_000, 0.02)
    desk.position["lots"] = -10
    short = desk.quote(600_000, 0.03)
    for side in (1, -1):
        assert prices(long, side)[0] < prices(flat, side)[0] < prices(short, side)[0]


def test_one_order_of_inventory_shifts_by_the_skew() -> None:
    desk = Desk().warm(40.0)
    c2 = glft_coefficients(0.002, 1.3, 0.025, 1.0, 0.002)[1]
    flat = prices(desk.quote(600_000, 0.01), 1)[0]
    desk.position["lots"] = 20
    assert flat - prices(desk.quote(600_000, 0.02), 1)[0] == pytest.approx(2 * 40.0 * c2, abs=1.0)


def test_skew_can_be_switched_off() -> None:
    desk = Desk(skew_inventory=False).warm()
    flat = prices(desk.quote(600_000, 0.01), 1)
    desk.position["lots"] = 30
    assert prices(desk.quote(600_000, 0.02), 1) == flat


def test_session_quotes_narrow_towards_its_end() -> None:
    desk = Desk(mode="session", session_s=60.0, volatility_sample_ms=60_000).warm(20.0)

    def width(at_s: float) -> int:
        wishes = desk.quote(600_000, at_s)
        return prices(wishes, -1)[0] - prices(wishes, 1)[0]

    early, late, fresh = width(1.0), width(59.0), width(60.0)
    assert early > late
    assert fresh >= early
    # gamma sigma^2 (T - t) + (2 / gamma) ln(1 + gamma / k), one second before the end
    expected = 0.002 * 400.0 * 1.0 + 1_000.0 * math.log(1.08)
    assert late == pytest.approx(expected, abs=2.0)


def test_more_risk_aversion_or_volatility_quotes_wider_with_skew() -> None:
    def buy(sigma: float, gamma: float) -> int:
        desk = Desk(risk_aversion=gamma).warm(sigma)
        desk.position["lots"] = 10
        return prices(desk.quote(600_000, 0.01), 1)[0]

    assert buy(80.0, 0.002) < buy(40.0, 0.002)
    assert buy(80.0, 0.02) < buy(80.0, 0.002)


def test_levels_step_away_and_share_the_inventory_limit() -> None:
    desk = Desk(order_levels=4, level_spacing_ticks=25).warm()
    desk.position["lots"] = 20
    wishes = desk.quote(600_000, 0.01)
    buys, sells = prices(wishes, 1), prices(wishes, -1)
    # 20 of 50 lots are held: three more buys of ten would reach the limit, four would pass it.
    assert len(buys) == 3
    assert len(sells) == 4
    assert [buys[0] - price for price in buys] == [0, 25, 50]
    assert [price - sells[0] for price in sells] == [0, 25, 50, 75]


@pytest.mark.parametrize(("lots", "sides"), [(50, [-1]), (41, [-1]), (-45, [1]), (40, [1, -1])])
def test_the_limit_stops_the_enlarging_side(lots: int, sides: list[int]) -> None:
    desk = Desk().warm()
    desk.position["lots"] = lots
    assert [int(wish["side"]) for wish in desk.quote(600_000, 0.01)] == sides


def test_quotes_never_cross_the_book() -> None:
    desk = Desk(intensity_k=50.0, risk_aversion=0.0, min_half_spread_ticks=0.0).warm(1.0)
    buy, sell = desk.quote(600_000, 0.01, ask=600_001, quantities=(9.0, 1.0))
    assert buy["price_ticks"] <= 600_000
    assert sell["price_ticks"] >= 600_001


def test_the_smallest_half_spread_holds() -> None:
    desk = Desk(intensity_k=50.0, risk_aversion=0.0, min_half_spread_ticks=30.0).warm(1.0)
    wishes = desk.quote(600_000, 0.01)
    assert prices(wishes, 1) == [599_970]
    assert prices(wishes, -1) == [600_031]


def test_the_weighted_mid_leans_to_the_thin_side() -> None:
    options = {"fair_price": "weighted_mid", "intensity_k": 50.0, "risk_aversion": 0.0}
    desk = Desk(**options, min_half_spread_ticks=10.0).warm(1.0)
    heavy_bid = prices(desk.quote(600_000, 0.01, ask=600_010, quantities=(9.0, 1.0)), 1)[0]
    heavy_ask = prices(desk.quote(600_000, 0.02, ask=600_010, quantities=(1.0, 9.0)), 1)[0]
    assert heavy_bid - heavy_ask == 8


def test_nothing_is_quoted_before_the_warm_up() -> None:
    desk = Desk(volatility_warmup_s=1.0)
    for number in range(10):
        assert desk.quote(600_000 + number, number * 0.1) == []
    assert len(desk.quote(600_000, 1.0)) == 2


def test_a_break_in_the_data_is_not_volatility() -> None:
    desk = Desk().warm(40.0)
    desk.quote(700_000, 3_600.0)
    assert desk.quote(700_000, 3_600.05) != []
    assert desk.state["squares"][0] / desk.state["seconds"][0] == pytest.approx(1_600.0)


@pytest.mark.parametrize("kind", [TRADE, EVENT_FILL, EVENT_POSITION])
def test_other_events_leave_the_wishes(kind: int) -> None:
    desk = Desk().warm()
    desk.quote(600_000, 0.01, kind=kind)
    assert desk.count == NO_OPINION


def test_without_a_market_nothing_is_wished() -> None:
    desk = Desk().warm()
    desk.market["valid"] = 0
    assert desk.quote(600_000, 0.01) == []
    assert desk.count == 0


@given(
    squares=st.sampled_from([math.nan, math.inf, -1.0, 1e300, 0.0]),
    seconds=st.sampled_from([math.nan, math.inf, 0.0, 1e-300, 1.0]),
    quantities=st.tuples(st.sampled_from([0.0, math.nan, 1.0]), st.sampled_from([0.0, 1e300])),
    c2=st.sampled_from([math.nan, math.inf, 0.3]),
    lots=st.sampled_from([0, 2**40, -(2**40)]),
    mode=st.sampled_from(["glft", "session"]),
    fair_price=st.sampled_from(["weighted_mid", "micro_price"]),
)
def test_what_is_not_a_number_never_becomes_a_price(
    squares: float, seconds: float, quantities: Any, c2: float, lots: int, mode: str,
    fair_price: str,
) -> None:  # fmt: skip
    desk = Desk(fair_price=fair_price, mode=mode)
    desk.quote(600_000, 0.0)
    desk.state["micro_known"] = 1
    desk.state["squares"], desk.state["seconds"] = squares, seconds
    desk.state["observed_ns"] = 9 * SECOND
    desk.params["c2"] = c2
    desk.position["lots"] = lots
    for wish in desk.quote(600_000, 0.01, quantities=quantities):
        assert 0 < wish["price_ticks"] < 10**12
        assert math.isfinite(wish["fair_price"])
        if wish["side"] > 0:
            assert wish["price_ticks"] <= 600_000
        else:
            assert wish["price_ticks"] >= 600_001


def test_pack_rounds_down_to_lots() -> None:
    model = read_parameters(STRATEGY.name, {**GIVEN, "order_qty": 0.003, "max_inventory_qty": 0.01})
    record = pack(model, instrument())
    # 0.003 / 0.001 is a hair below 3 in binary.
    assert (record["order_lots"], record["max_lots"]) == (3, 10)
    assert record["min_requote_ns"] == 250_000_000


@pytest.mark.parametrize(
    ("given", "row", "message"),
    [
        ({"order_qty": 0.0004}, {}, "order_qty 0.0004 is below"),
        ({"order_qty": 0.002}, {"min_qty": 0.005}, "smallest order of 0.005"),
        ({}, {"step_size": 0.0}, "step_size 0.0"),
        ({}, {"step_size": math.nan}, "step_size nan"),
    ],
)
def test_pack_refuses_what_the_exchange_would(
    given: dict[str, Any], row: dict[str, Any], message: str
) -> None:
    model = read_parameters(STRATEGY.name, {**GIVEN, **given})
    with pytest.raises(UnusableInstrumentError, match=message):
        pack(model, instrument(**row))


def test_the_inventory_target_moves_the_centre_and_never_the_limit() -> None:
    # 75 %: half way to the long limit of 50 lots.
    desk = Desk(inventory_target_base_pct=75.0).warm()
    at_target = Desk().warm()
    desk.position["lots"] = 25
    assert prices(desk.quote(600_000, 0.01), 1) == prices(at_target.quote(600_000, 0.01), 1)
    desk.position["lots"] = 45
    assert prices(desk.quote(600_000, 0.02), 1) == [], "10 more would pass the limit of 50"
    assert prices(desk.quote(600_000, 0.02), -1) != []


def test_the_shape_factor_shrinks_what_adds_to_the_position() -> None:
    desk = Desk(order_amount_shape_factor=2.0).warm()
    assert [int(w["qty_lots"]) for w in desk.quote(600_000, 0.01)] == [10, 10]
    desk.position["lots"] = 25
    buy, sell = desk.quote(600_000, 0.02)
    assert (buy["qty_lots"], sell["qty_lots"]) == (math.floor(10 * math.exp(-2.0 * 0.5)), 10)
    desk = Desk(order_amount_shape_factor=50.0).warm()
    desk.position["lots"] = -25
    assert desk.quote(600_000, 0.03)[1]["qty_lots"] == 1, "never below the smallest order"


def test_spread_floor_and_fees_widen_both_sides() -> None:
    def half(**changes: Any) -> float:
        wishes = Desk(min_half_spread_ticks=0.0, **changes).warm(0.0).quote(600_000, 0.01)
        return (prices(wishes, -1)[0] - prices(wishes, 1)[0]) / 2

    plain = half()
    assert half(min_spread=0.1) == pytest.approx(300.0, abs=1.0)
    with_fees = half(add_transaction_costs=True, maker_fee_bps=2.0)
    assert with_fees - plain == pytest.approx(120.0, abs=1.0)
    assert half(add_transaction_costs=False, maker_fee_bps=9.0) == plain


def test_order_flow_moves_both_quotes_its_way() -> None:
    flat = Desk(order_flow_skew_ticks=20.0).warm().quote(600_000, 0.01)
    desk = Desk(order_flow_skew_ticks=20.0).warm()
    for turn in range(5):
        bought = desk.quote(600_000, 0.01 + 0.001 * turn, quantities=(1.0 + turn, 1.0))
    for side in (1, -1):
        assert prices(bought, side)[0] - prices(flat, side)[0] == 20


def told(desk: Desk, kind: int, at_s: float, side: float = 0.0) -> int:
    """An event that is no quote."""
    event = np.zeros(1, TICK)
    event["kind"], event["ts_event_ns"] = kind, START_NS + round(at_s * SECOND)
    event["c"] = side
    return int(
        step(event[0], desk.market[0], desk.position[0], desk.params[0], desk.state[0], desk.wishes)
    )


def test_a_filled_side_pauses() -> None:
    desk = Desk(filled_order_delay=2.0).warm()
    desk.quote(600_000, 0.01)
    assert told(desk, EVENT_FILL, 1.0, side=1.0) == NO_OPINION
    assert prices(desk.quote(600_000, 2.9), 1) == []
    assert prices(desk.quote(600_000, 2.95), -1) != []
    assert prices(desk.quote(600_000, 3.1), 1) != []


def test_between_refreshes_the_wishes_stand_unless_the_position_moves() -> None:
    desk = Desk(order_refresh_time=5.0).warm()
    assert len(desk.quote(600_000, 1.0)) == 2
    desk.quote(600_100, 3.0)
    assert desk.count == NO_OPINION
    desk.position["lots"] = 10
    desk.quote(600_100, 3.1)
    assert desk.count == 2
    desk.quote(600_100, 8.2)
    assert desk.count == 2


def test_an_order_hangs_until_it_reduces_no_more_or_is_too_far() -> None:
    desk = Desk(hanging_orders_enabled=True, hanging_orders_cancel_pct=0.1).warm()
    stood = prices(desk.quote(600_000, 0.01), -1)
    desk.position["lots"] = 10
    told(desk, EVENT_FILL, 0.02, side=1.0)
    assert prices(desk.quote(599_900, 0.03), -1) == stood
    assert prices(desk.quote(599_200, 0.04), -1) != stood, "further than a thousandth"
    desk = Desk(hanging_orders_enabled=True).warm()
    stood = prices(desk.quote(600_000, 0.01), -1)
    desk.position["lots"] = 10
    told(desk, EVENT_FILL, 0.02, side=1.0)
    desk.position["lots"] = 0
    told(desk, EVENT_FILL, 0.03, side=-1.0)
    assert prices(desk.quote(599_900, 0.04), -1) != stood


def trade_for(desk: Desk, seconds: int, a: float, k: float, seed: int) -> None:
    """Market orders that arrive A times a second and reach an exponential distance."""
    source = np.random.default_rng(seed)
    at_s = 1.0
    while at_s < seconds:
        at_s += source.exponential(1.0 / a)
        desk.quote(600_000, at_s)
        side = 1 if source.random() < 0.5 else -1
        reach = source.exponential(1.0 / k)
        desk.market["trade_side"] = side
        # Two prints of one taker: the nearer one is no arrival of its own.
        for part in (0.4, 1.0):
            desk.market["trade_ticks"] = round(600_000.5 + side * part * reach)
            assert told(desk, TRADE, at_s + 1e-4) == NO_OPINION


def test_live_intensity_finds_the_law_of_the_trades_and_quotes_by_it() -> None:
    live = {"intensity": "live", "intensity_halflife_s": 3_600.0, "intensity_range_ticks": 400.0}
    desk = Desk(**live).warm()
    trade_for(desk, 1_500, a=2.0, k=0.05, seed=11)
    desk.quote(600_000, 1_600.0)
    state = desk.state[0]
    assert state["live_k"] == pytest.approx(0.05, rel=0.08)
    c1, c2 = glft_coefficients(0.002, 2.0, 0.05, 1.0, 0.002)
    assert state["live_c1"] == pytest.approx(c1, rel=0.08)
    assert state["live_c2"] == pytest.approx(c2, rel=0.10)


@pytest.mark.parametrize("quoted", [True, False])
def test_a_thin_market_is_not_taken_for_a_busy_one(quoted: bool) -> None:
    """Half a minute without trades counts while quotes come, and is a break when nothing does."""
    desk = Desk(intensity="live", intensity_halflife_s=86_400.0).warm()
    for number in range(40):
        for at_s in range(30 * number, 30 * number + 30) if quoted else (30 * number,):
            desk.quote(600_000, 1.0 + at_s)
        desk.market["trade_side"], desk.market["trade_ticks"] = 1, 600_001 + number % 20
        told(desk, TRADE, 1.0 + 30 * number + (29.5 if quoted else 0.5))
    state = desk.state[0]
    rate = state["arrivals"] / state["arrival_seconds"]
    assert rate == pytest.approx(1.0 / 30.0 if quoted else 1.0 / 10.5, rel=0.06)


def test_too_few_trades_leave_the_fixed_intensity() -> None:
    desk = Desk(intensity="live", intensity_min_orders=1e6).warm()
    trade_for(desk, 60, a=2.0, k=0.05, seed=12)
    assert desk.state[0]["live_k"] == 0.0
    assert desk.warm(40.0).quote(600_000, 61.0) != []


@given(
    st.integers(-60, 60), st.integers(1, 8), st.floats(0.0, 5.0), st.floats(0.0, 100.0),
    st.lists(st.sampled_from([1.0, -1.0]), max_size=4), st.booleans(),
)  # fmt: skip
def test_whatever_fills_the_position_stays_within_the_limit(
    lots: int, levels: int, shape: float, target: float, fills: list[float], hanging: bool
) -> None:
    desk = Desk(
        order_levels=levels, order_amount_shape_factor=shape, inventory_target_base_pct=target,
        hanging_orders_enabled=hanging,
    ).warm()  # fmt: skip
    desk.position["lots"] = lots
    desk.quote(600_000, 0.01)
    for side in fills:
        told(desk, EVENT_FILL, 0.02, side)
    wishes = desk.quote(600_010, 0.03)
    for side in (1, -1):
        total = sum(int(w["qty_lots"]) for w in wishes if w["side"] == side)
        assert side * lots + total <= 50 or total == 0


def test_a_fee_makes_the_position_weigh_more() -> None:
    """Quotes beyond a fee of c ticks are reached exp(-k c) times as often: c2 by the root of it."""
    desk = Desk(add_transaction_costs=True, maker_fee_bps=2.0).warm(40.0)
    c1, c2 = glft_coefficients(0.002, 1.3, 0.025, 1.0, 0.002)
    fair = 600_000.5
    cost = fair * 2e-4
    c2 *= math.exp(0.5 * 0.025 * cost)
    half = c1 + 0.5 * 40.0 * c2 + cost
    desk.position["lots"] = 10
    buy, sell = desk.quote(600_000, 0.01)
    assert buy["price_ticks"] == math.floor(fair - 40.0 * c2 - half)
    assert sell["price_ticks"] == max(math.ceil(fair - 40.0 * c2 + half), 600_001)


def test_with_a_fee_the_law_is_fitted_beyond_it() -> None:
    live = {"intensity": "live", "intensity_range_ticks": 1e5}
    plain, costly = Desk(**live).warm(), Desk(add_transaction_costs=True, **live).warm()
    for desk in (plain, costly):
        trade_for(desk, 2_000, 5.0, 0.01, 3)
    # The law has no memory: k is the same further out, and A is what reaches as far as the fee.
    assert costly.state[0]["live_k"] == pytest.approx(0.01, rel=0.15)
    states = [desk.state[0] for desk in (plain, costly)]
    rates = [state["arrivals"] / state["arrival_seconds"] for state in states]
    assert rates[1] / rates[0] == pytest.approx(math.exp(-0.01 * 120.0), rel=0.3)


@pytest.mark.parametrize(("moved", "further"), [(30, 30.0), (0, 0.0), (-30, 0.0)])
def test_what_takers_know_moves_both_quotes_away(moved: int, further: float) -> None:
    """After each market order the price goes so far its way, and stays there."""
    given = {"intensity": "live", "adverse_selection_s": 1.0, "intensity_min_orders": 1e6}
    desk, still = Desk(**given).warm(), Desk(**given).warm()
    bid, at_s = 600_000, 1.0
    for number in range(40):
        side = 1 if number % 2 == 0 else -1
        take(desk, bid, side, at_s)
        bid += side * moved
        desk.quote(bid, at_s + 1.5)
        at_s += 3.0
    take(still, bid, 1, at_s)
    desk.warm(40.0, bid)
    still.warm(40.0, bid)
    learned, fixed = desk.quote(bid, at_s + 0.5), still.quote(bid, at_s + 0.5)
    width = prices(learned, -1)[0] - prices(learned, 1)[0]
    before = prices(fixed, -1)[0] - prices(fixed, 1)[0]
    # As a fee does, it makes the position weigh more too.
    c2 = glft_coefficients(0.002, 1.3, 0.025, 1.0, 0.002)[1]
    wider = further + 20.0 * c2 * math.expm1(0.5 * 0.025 * further)
    assert width - before == pytest.approx(2.0 * wider, abs=2.0)


def take(desk: Desk, bid: int, side: int, at_s: float) -> None:
    """A market order that reaches ten ticks, and one that reaches none, which ends it."""
    desk.quote(bid, at_s)
    for later_s, reach in ((0.0, 10), (0.2, -10)):
        desk.market["trade_ticks"], desk.market["trade_side"] = bid + side * reach, side
        assert told(desk, TRADE, at_s + later_s) == NO_OPINION

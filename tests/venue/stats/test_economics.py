"""What trading costs: to the unit for a taker, and something for a quoter without a view."""

from __future__ import annotations

import math

import pytest

from aegis.config.models import FlowConfig, VenueConfig
from aegis.venue.errors import OptionsError
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.stats.economics import Quoting, Taking, order_lots, quote, take
from aegis.venue.stats.floor import Floor

SECONDS = 900
SEEDS = range(42, 47)
DAY_S = 86_400


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("offset", [0, 5])
def test_a_naive_quoter_loses_before_fees(seed: int, offset: int) -> None:
    found = quote(VenueConfig(), "BTCUSDT", seed, SECONDS, offset)
    assert found.fills > SECONDS // 3
    assert found.before_fees_e8 < 0
    assert found.markout_ticks < 0.0
    assert found.unexplained_e8 == 0
    assert found.after_fees_e8 < found.before_fees_e8


def test_the_quoter_loses_to_those_who_know() -> None:
    """Without jumps of the belief, informed takers and stale quotes it earns its half spread."""
    flow = FlowConfig(
        informed_share=0.0, trade_impact=0.0, jumps_per_hour=0.0, volatility_bps_per_sqrt_s=0.0
    )
    found = quote(VenueConfig(flow=flow), "BTCUSDT", 42, SECONDS, 5)
    assert found.fills > 0
    assert found.before_fees_e8 > 0
    assert found.markout_ticks > 4.0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_taker_pays_its_costs_to_the_unit(seed: int) -> None:
    found = take(VenueConfig(), "BTCUSDT", seed, SECONDS)
    _assert_accounted(found)
    assert found.fills >= SECONDS
    assert 0 < found.half_spread_e8 <= found.costs_e8
    assert abs(found.score) < 3.0


def test_a_taker_of_more_than_the_touch_pays_more_than_half_the_spread() -> None:
    config = VenueConfig(flow=FlowConfig(mean_level_notional=50.0, mean_trade_notional=50.0))
    found = take(config, "BTCUSDT", 42, 300)
    _assert_accounted(found)
    assert 5 * found.costs_e8 > 6 * found.half_spread_e8


def _assert_accounted(found: Taking) -> None:
    assert found.unexplained_e8 == 0
    assert found.fees_e8 == found.expected_fees_e8 > 0
    assert found.result_e8 == (found.drift_e8 - found.costs_e8 - found.fees_e8 + found.funding_e8)


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_of_it(seed: int) -> None:
    quoters: list[Quoting] = [
        quote(VenueConfig(), "BTCUSDT", seed, DAY_S, offset) for offset in (0, 5)
    ]
    assert all(one.before_fees_e8 < 0 and one.unexplained_e8 == 0 for one in quoters)
    taker = take(VenueConfig(), "BTCUSDT", seed, DAY_S)
    _assert_accounted(taker)
    assert abs(taker.score) < 3.0


def test_the_floor_is_the_exchange() -> None:
    floor = Floor(VenueConfig(), "BTCUSDT", 42)
    top = floor.top()
    assert floor.quote(BUY, top.ask_ticks, 2) is None, "a post-only order that would take"
    order = floor.quote(BUY, top.bid_ticks - 200_000 // 1_000, 2)
    assert order is not None and order.is_open
    floor.clear_quotes()
    assert not floor.exchange.orders.open
    floor.take(SELL, 2)
    (fill,) = floor.take_fills()
    assert fill.last_lots == 2 and not fill.maker
    assert floor.lots == -2
    notional = floor.spec.notional_e8(fill.last_ticks, 2)
    assert floor.cash_e8() == 10**17 + notional - fill.fee_e8
    floor.exchange.ledger.bring_in()
    assert floor.exchange.ledger.imbalance_e8() == 0
    with pytest.raises(OptionsError, match="does not list"):
        Floor(VenueConfig(), "NOUSDT", 1)


def test_orders_are_small_and_large_enough() -> None:
    for symbol in ("BTCUSDT", "ETHUSDT"):
        floor = Floor(VenueConfig(), symbol, 1)
        lots = order_lots(floor)
        notional = floor.spec.notional_e8(floor.spec.start_price_ticks, lots)
        assert lots >= floor.spec.min_qty_lots
        assert notional >= 2 * floor.spec.min_notional_e8


def test_the_score_of_a_market_that_stands_still() -> None:
    still = FlowConfig(
        volatility_bps_per_sqrt_s=0.0, jumps_per_hour=0.0, trades_per_s=0.001, trade_impact=0.0
    )
    found = take(VenueConfig(flow=still), "BTCUSDT", 1, 30)
    _assert_accounted(found)
    assert math.isfinite(found.score)

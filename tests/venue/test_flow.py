"""The synthetic flow: same seed, same events; a sane book; fills for a quoter near the touch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aegis.config.models import VenueConfig
from aegis.venue.flow import SymbolFlow, ladder
from aegis.venue.flow_driver import FlowDriver
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.publisher import EventDigest
from tests.venue.desk import CLIENT, START_MS, Desk


def run(
    seed: int, seconds: float, each: Callable[[Desk, Market], None] | None = None
) -> tuple[str, Desk]:
    """Run the default symbols; returns the hash of all public events."""
    config = VenueConfig(seed=seed)
    desk = Desk(config)
    digest = EventDigest()

    def after_step(market: Market, now_ms: int) -> None:
        desk.now_ms = now_ms
        if each is not None:
            each(desk, market)
        batch = market.take_batch(now_ms)
        if batch is not None:
            digest.add(batch, START_MS)

    flows = [
        SymbolFlow(
            desk.exchange, market, config.flow, f"{seed}:{name}", market.spec.start_price_ticks
        )
        for name, market in desk.exchange.markets.items()
    ]
    driver = FlowDriver(flows, START_MS)
    driver.open_markets()
    for market in desk.exchange.markets.values():
        after_step(market, START_MS)
    driver.run_until(seconds, after_step)
    return digest.hex(), desk


def test_same_seed_same_events() -> None:
    first, second, other = (run(seed, 20.0)[0] for seed in (7, 7, 8))
    assert first == second
    assert first != other


def test_the_book_stays_sane_and_everything_adds_up() -> None:
    spreads: list[int] = []
    trades = 0

    def watch(desk: Desk, market: Market) -> None:
        nonlocal trades
        top = market.top()
        assert top.bid_ticks < top.ask_ticks, f"{market.spec.symbol} is crossed: {top}"
        assert top.bid_ticks and top.ask_ticks, f"{market.spec.symbol} has an empty side"
        if market.spec.symbol == "BTCUSDT":
            spreads.append(top.ask_ticks - top.bid_ticks)

    _, desk = run(3, 60.0, watch)
    desk.assert_balanced()
    trades = len(desk.btc.recent)
    assert trades > 60
    assert sum(spread == 1 for spread in spreads) / len(spreads) > 0.4
    assert 20 <= len(desk.btc.book.depth(BUY, 500)) <= 90
    assert 20 <= len(desk.btc.book.depth(SELL, 500)) <= 90
    assert desk.btc.candles.read("1m", 5, 0, 2**60)


@pytest.mark.parametrize("distance", [1, 5])
def test_a_quoter_near_the_touch_is_filled_within_a_minute(distance: int) -> None:
    fills = 0

    def requote(desk: Desk, market: Market) -> None:
        nonlocal fills
        if market is not desk.btc:
            return
        fills += sum(type(e).__name__ == "AccountEvent" for e in desk.exchange.take_events())
        resting = desk.exchange.orders.open_of(CLIENT)
        top = market.top()
        wanted = top.bid_ticks - distance
        if not resting or abs(resting[0].price_ticks - wanted) > 2:
            for order in resting:
                desk.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=order.order_id)
            desk.wall_ms += 1
            desk.order(quantity="0.002", price=market.spec.price_text(wanted))

    desk = run(11, 60.0, requote)[1]
    assert fills >= 3
    desk.assert_balanced()


def test_the_ladder_holds_the_notional_it_promises() -> None:
    config = VenueConfig().flow
    bands = ladder(config, 60.0)
    assert [band.near for band in bands[1:]] == [band.far for band in bands[:-1]]
    total = sum(band.lots for band in bands) * 60.0
    assert total == pytest.approx(config.mean_level_notional * config.depth_levels, rel=1e-6)
    per_tick = config.mean_trade_notional * config.trade_depth_decay_per_tick
    assert bands[0].lots * 60.0 == pytest.approx(per_tick * (bands[0].far - bands[0].near))


def test_client_orders_do_not_change_the_agents_dice() -> None:
    """A far order that nobody reaches leaves all events but its own levels as they were."""

    def rest_far_away(desk: Desk, market: Market) -> None:
        if not desk.exchange.orders.open:
            desk.order(quantity="0.002", price="57000.0")

    quiet = run(5, 5.0)[1]
    disturbed = run(5, 5.0, rest_far_away)[1]
    assert quiet.btc.book.depth(BUY, 20) == disturbed.btc.book.depth(BUY, 20)
    assert [trade[1:4] for trade in quiet.btc.recent] == [
        trade[1:4] for trade in disturbed.btc.recent
    ]

"""Nothing in the exchange grows with the number of events: hundreds of thousands, the same size."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from aegis.config.models import VenueConfig
from aegis.venue.clearing import MAX_USER_TRADES
from aegis.venue.errors import RejectError
from aegis.venue.flow.population import make_agents
from aegis.venue.flow_driver import FlowDriver
from aegis.venue.journal import Journal
from aegis.venue.matching.book import CompiledBook
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.memory import Memory
from aegis.venue.order_store import MAX_TRADED, MAX_UNTRADED, OrderStore
from aegis.venue.orders import CANCELED, FILLED, Order
from aegis.venue.publish.publisher import Publisher
from aegis.venue.pump import Pump
from aegis.venue.requests import AmendRequest, OrderKey, PlaceRequest
from aegis.venue.wire.hub import Hub
from aegis.venue.wire.userfeed import Listener, UserFeed
from tests.venue.desk import CLIENT, START_MS, Desk

EVENTS = 200_000
QUOTE_EVERY = 8  # events between two looks of the client at its quotes
SYMBOL = "BTCUSDT"
FEW_LEVELS = {"trades_per_s": 240.0, "book_updates_per_s": 80.0, "depth_levels": 8}


class Reader:
    """A subscriber that reads at once: what is queued here is not the exchange's to keep."""

    def __init__(self) -> None:
        self.frames = 0

    def enqueue(self, frame: bytes) -> None:
        self.frames += 1

    def flush(self) -> None:
        return

    def backlog(self) -> int:
        return 0


class Quoter:
    """A client that requotes both sides all the time, amends, takes, and is filled."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.standing: dict[int, int] = {}
        self.sent = 0

    def turn(self, now_ms: int) -> None:
        exchange, book = self.desk.exchange, self.desk.btc.book
        held = exchange.account(CLIENT).position(SYMBOL).lots
        for side in (BUY, SELL):
            order_id = self.standing.pop(side, None)
            order = None if order_id is None else exchange.orders.open.get(order_id)
            best = book.best(side)[0]
            if best == 0:
                continue
            price = best - side * (self.sent % 7)
            try:
                if order is not None and self.sent % 5 == 0:
                    exchange.amend(CLIENT, _amended(order, price), now_ms)
                if order is not None and order.is_open:
                    exchange.cancel(CLIENT, OrderKey(SYMBOL, order.order_id, None), now_ms)
                if held * side < 50:
                    self._place(side, price, now_ms)
            except RejectError as error:
                assert error.code in (-5027, -2019, -5022), error

    def _place(self, side: int, price: int, now_ms: int) -> None:
        self.sent += 1
        takes = self.sent % 9 == 0
        request = PlaceRequest(
            symbol=SYMBOL, side=side, kind="MARKET" if takes else "LIMIT",
            tif="IOC" if takes else "GTC", qty_lots=2, price_ticks=0 if takes else price,
            reduce_only=False, client_id=f"q{self.sent}", stp=0, full_reply=False,
        )  # fmt: skip
        order = self.desk.exchange.place(CLIENT, request, now_ms)
        self.standing[side] = order.order_id


def _amended(order: Order, price: int) -> AmendRequest:
    return AmendRequest(
        symbol=SYMBOL, side=order.side, qty_lots=order.qty_lots, price_ticks=price,
        order_id=order.order_id, client_id=None, reduce_only=False,
    )  # fmt: skip


def census(roots: Iterable[Any]) -> tuple[int, int]:
    """Entries of all containers that can be reached from `roots`, and of the largest of them."""
    seen: set[int] = set()
    waiting = list(roots)
    entries = largest = 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | ModuleType):
            continue
        seen.add(id(one))
        if isinstance(one, dict | list | set | deque | bytearray):
            entries += len(one)
            largest = max(largest, len(one))
        if isinstance(one, FunctionType):
            # Not its globals: only what it closes over can be an event's.
            waiting.extend(one.__closure__ or ())
        else:
            waiting.extend(gc.get_referents(one))
    return entries, largest


def test_containers_do_not_grow_with_events_and_orders(tmp_path: Path) -> None:
    config = VenueConfig(seed=5)
    config = config.model_copy(update={"flow": config.flow.model_copy(update=FEW_LEVELS)})
    desk = Desk(config)
    exchange, markets = desk.exchange, desk.exchange.markets
    memory = Memory(desk.core, Journal(tmp_path, "me"))
    memory.restore()
    hub, feed, reader = Hub(), UserFeed(markets, desk.core.listen_keys), Reader()
    key = desk.core.listen_keys.open(CLIENT, START_MS)
    feed.listen(Listener(reader, key, CLIENT, combined=False))
    publisher = Publisher(desk.core, hub)
    for name in ("btcusdt@trade", "btcusdt@aggTrade", "btcusdt@kline_1m", "btcusdt@depth@100ms"):
        hub.subscribe(name, reader, combined=True)
    pump = Pump(desk.core, memory, publisher, hub, feed)
    quoter = Quoter(desk)
    agents = make_agents([market.spec for market in markets.values()], config.flow, config.seed)

    def after_step(now_ms: int) -> None:
        desk.now_ms = now_ms
        pump.after_step(now_ms)

    driver = FlowDriver(desk.core, agents, START_MS, after_step, lambda: pump.last_event_ms)
    driver.open_markets()
    roots = (desk, memory, publisher, hub, feed, pump, driver)

    steps, turns, until_s, counts = 0, 0, 0.0, []
    for goal in (EVENTS // 4, EVENTS):
        while steps < goal:
            until_s += QUOTE_EVERY / (len(markets) * 320.0)
            steps += driver.run_until(until_s)
            quoter.turn(desk.now_ms)
            pump.commit()
            pump.after_command(desk.now_ms)
            pump.tick(desk.now_ms)
            turns += 1
        # Send what the slower depth streams still collect: it comes and goes with the moment.
        pump.tick(desk.now_ms + 1_000)
        counts.append(census(roots))
    assert quoter.sent > EVENTS // QUOTE_EVERY
    sizes = exchange.orders.sizes()
    assert sizes["traded"] == MAX_TRADED
    assert sizes["untraded"] == MAX_UNTRADED
    assert sizes["finished_by_client"] == MAX_TRADED + MAX_UNTRADED
    assert sizes["open"] == sizes["open_by_client"] <= 2
    assert len(exchange.user_trades) == MAX_USER_TRADES
    # Whatever else there is, named above or not: 150,000 events more, and no more entries than a
    # breathing book explains.
    (early, _), (late, largest) = counts
    assert late < early + 150, f"{early} entries after a quarter, {late} at the end"
    assert largest <= 1_500, f"a container of {largest} entries"
    assert reader.frames > EVENTS // 10
    desk.assert_balanced()


def test_clients_deep_in_the_book_do_not_make_the_makers_lose_count() -> None:
    config = VenueConfig(seed=3)
    desk = Desk(config)
    markets = desk.exchange.markets.values()
    agents = make_agents([market.spec for market in markets], config.flow, config.seed)
    driver = FlowDriver(desk.core, agents, START_MS, lambda now_ms: desk.core.tape.clear())
    driver.open_markets()
    book = desk.btc.book
    assert isinstance(book, CompiledBook)
    best = book.best(BUY)[0]
    for number in range(195):
        desk.exchange.place(
            CLIENT,
            PlaceRequest(
                symbol=SYMBOL, side=BUY, kind="LIMIT", tif="GTC", qty_lots=2,
                price_ticks=best - 150 - number, reduce_only=False, client_id=None, stp=0,
                full_reply=False,
            ),
            START_MS,
        )  # fmt: skip
    sizes = []
    for seconds in (1.0, 20.0):
        driver.run_until(seconds)
        sizes.append(len(book))
    assert sizes[1] < sizes[0] + 30, f"{sizes} orders in the book"


def _finished(number: int, traded: bool, client_id: str | None = None) -> Order:
    return Order(
        order_id=number, client_id=client_id or f"c{number}", account_id=CLIENT, symbol=SYMBOL,
        side=BUY, kind="LIMIT", tif="GTC", price_ticks=1, qty_lots=1, reduce_only=False, stp=0,
        created_ms=number, updated_ms=number, status=FILLED if traded else CANCELED,
        filled_lots=int(traded),
    )  # fmt: skip


def _found(store: OrderStore, number: int) -> list[bool]:
    by_id = store.find(CLIENT, SYMBOL, number, None)
    by_client = store.find(CLIENT, SYMBOL, None, f"c{number}")
    return [one is not None and one.order_id == number for one in (by_id, by_client)]


def test_cancellations_do_not_push_out_fills() -> None:
    store = OrderStore(max_traded=3, max_untraded=5)
    for number in range(1, 5):
        store.add(_finished(number, traded=True))
    for number in range(5, 105):
        store.add(_finished(number, traded=False))
    assert [order.order_id for order in store.all_of(CLIENT)] == [2, 3, 4, *range(100, 105)]
    assert [_found(store, number) for number in (1, 2, 99, 100)] == [
        [False, False], [True, True], [False, False], [True, True],
    ]  # fmt: skip


@pytest.mark.parametrize("traded", [False, True])
def test_a_client_id_used_again_names_the_newer_order(traded: bool) -> None:
    store = OrderStore(max_traded=2, max_untraded=2)
    store.add(_finished(1, traded, "again"))
    store.add(_finished(2, not traded, "again"))
    for number in (3, 4):
        store.add(_finished(number, traded))
    # The first is forgotten; its name belongs to the second.
    found = store.find(CLIENT, SYMBOL, None, "again")
    assert found is not None and found.order_id == 2
    for number in (5, 6):
        store.add(_finished(number, not traded))
    assert store.find(CLIENT, SYMBOL, None, "again") is None
    assert store.sizes()["finished_by_client"] == 4

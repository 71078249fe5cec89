"""Stream messages: chains of ids, books that a client can follow, aggregates and marks."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest

from aegis.config.models import VenueConfig
from aegis.venue.flow import SymbolFlow
from aegis.venue.flow_driver import FlowDriver
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.publisher import Publisher
from tests.venue.desk import START_MS, Desk


class Collector:
    """A sink that wants everything."""

    def __init__(self) -> None:
        self.streams: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def wants(self, stream: str) -> bool:
        return True

    def publish(self, stream: str, message: bytes) -> None:
        self.streams[stream].append(json.loads(message))


class Show:
    """A flow and its publisher, run together."""

    def __init__(self, seconds: float, modern: bool = True) -> None:
        config = VenueConfig(seed=1)
        self.desk = Desk(config)
        self.sink = Collector()
        self.publisher = Publisher(self.desk.exchange.markets.values(), self.sink, modern)
        flows = [
            SymbolFlow(self.desk.exchange, market, config.flow, name, market.spec.start_price_ticks)
            for name, market in self.desk.exchange.markets.items()
        ]
        self.driver = FlowDriver(flows, START_MS)
        self.driver.open_markets()
        for market in self.desk.exchange.markets.values():
            self.after_step(market, START_MS)
        self.publisher.tick(START_MS)
        self.driver.run_until(seconds, self.after_step)

    def after_step(self, market: Market, now_ms: int) -> None:
        batch = market.take_batch(now_ms)
        if batch is not None:
            self.publisher.batch(batch)
        self.publisher.tick(now_ms)


@pytest.fixture(scope="module")
def show() -> Show:
    return Show(12.0)


@pytest.mark.parametrize("suffix", ["@0ms", "@100ms", "", "@500ms"])
@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_diff_streams_chain_and_build_the_book(show: Show, symbol: str, suffix: str) -> None:
    events = show.sink.streams[f"{symbol.lower()}@depth{suffix}"]
    assert len(events) > 10
    book: dict[str, dict[str, str]] = {"b": {}, "a": {}}
    for before, event in zip([None, *events], events, strict=False):
        assert event["U"] <= event["u"]
        if before is not None:
            assert event["pu"] == before["u"] < event["U"]
            assert event["E"] >= before["E"]
        for side in ("b", "a"):
            prices = [float(price) for price, _ in event[side]]
            assert prices == sorted(prices)
            for price, qty in event[side]:
                book[side][price] = qty
    market = show.desk.exchange.markets[symbol]
    if suffix != "@0ms":
        return
    for side, sign in (("b", BUY), ("a", SELL)):
        followed = {price: qty for price, qty in book[side].items() if float(qty)}
        depth = market.book.depth(sign, 10_000)
        spec = market.spec
        assert followed == {spec.price_text(p): spec.qty_text(q) for p, q in depth}


def test_book_tickers_agree_with_the_depth_at_equal_ids(show: Show) -> None:
    book: dict[str, dict[float, str]] = {"b": {}, "a": {}}
    tickers = {event["u"]: event for event in show.sink.streams["btcusdt@bookTicker"]}
    checked = 0
    for event in show.sink.streams["btcusdt@depth@0ms"]:
        for side in ("b", "a"):
            for price, qty in event[side]:
                book[side][float(price)] = qty
            book[side] = {price: qty for price, qty in book[side].items() if float(qty)}
        ticker = tickers.get(event["u"])
        if ticker is not None:
            checked += 1
            assert float(ticker["b"]) == max(book["b"])
            assert float(ticker["a"]) == min(book["a"])
            assert ticker["B"] == book["b"][max(book["b"])]
            assert ticker["A"] == book["a"][min(book["a"])]
    assert checked == len(tickers) > 50


def test_trades_are_gapless_and_aggregates_add_up(show: Show) -> None:
    trades = [*show.sink.streams["btcusdt@trade"], *show.sink.streams["ethusdt@trade"]]
    ids = sorted(event["t"] for event in trades)
    assert ids == list(range(ids[0], ids[-1] + 1))
    own = show.sink.streams["btcusdt@trade"]
    aggregates = show.sink.streams["btcusdt@aggTrade"]
    assert [event["a"] for event in aggregates] == list(range(1, len(aggregates) + 1))
    by_id = {event["t"]: event for event in own}
    for event in aggregates:
        assert event["E"] >= event["T"]
        inside = [by_id[t] for t in range(event["f"], event["l"] + 1) if t in by_id]
        assert {(part["p"], part["m"]) for part in inside} == {(event["p"], event["m"])}
        total = sum(round(float(part["q"]) * 1000) for part in inside)
        assert total == round(float(event["q"]) * 1000)


def test_marks_klines_and_partial_depth(show: Show) -> None:
    marks = show.sink.streams["btcusdt@markPrice@1s"]
    assert [event["E"] % 1000 for event in marks] == [0] * len(marks)
    assert len(marks) in (11, 12)
    assert len(show.sink.streams["btcusdt@markPrice"]) in (3, 4)
    klines = show.sink.streams["btcusdt@kline_1m"]
    assert klines[-1]["k"]["n"] > klines[0]["k"]["n"]
    partial = show.sink.streams["btcusdt@depth5@100ms"][-1]
    assert len(partial["b"]) == len(partial["a"]) == 5
    assert float(partial["b"][0][0]) > float(partial["b"][1][0])


def test_the_dialect_of_2024_lacks_the_new_fields() -> None:
    old, new = Show(1.0, modern=False), Show(1.0, modern=True)
    for stream, extra in (
        ("btcusdt@depth@0ms", {"ps", "st"}),
        ("btcusdt@bookTicker", {"ps", "st"}),
        ("btcusdt@aggTrade", {"nq", "st"}),
        ("btcusdt@trade", set()),
    ):
        got = set(new.sink.streams[stream][0]) - set(old.sink.streams[stream][0])
        assert got == extra, stream

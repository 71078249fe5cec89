"""The whole way of public events: the flow's markets, the pump, the streams as one hears them."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest

from aegis.config.models import VenueConfig
from aegis.venue.flow.population import make_agents
from aegis.venue.flow_driver import FlowDriver
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.memory import Memory
from aegis.venue.publish.kinds import MARKET_STREAMS, symbol_streams
from aegis.venue.publish.publisher import Publisher
from aegis.venue.pump import Pump
from aegis.venue.requests import PlaceRequest
from aegis.venue.wire.hub import Hub
from aegis.venue.wire.userfeed import Listener, UserFeed
from tests.venue.desk import CLIENT, START_MS, Desk
from tests.venue.publish.world import Ear

SYMBOLS = ("BTCUSDT", "ETHUSDT")


class Show:
    """A venue without sockets, run for a while in front of somebody who hears everything."""

    def __init__(self, seconds: float, turn_s: float = 0.05, everything: bool = True) -> None:
        config = VenueConfig(seed=1, universe=len(SYMBOLS))
        self.desk = Desk(config)
        core = self.desk.core
        self.hub, self.ear = Hub(), Ear()
        self.feed = UserFeed(core.exchange.markets, core.listen_keys)
        publisher = Publisher(core, self.hub)
        names = [name for symbol in SYMBOLS for name in symbol_streams(symbol)]
        for name in [*names, *MARKET_STREAMS] if everything else []:
            self.hub.subscribe(name, self.ear, combined=True)
        publisher.refresh()
        self.pump = Pump(core, Memory(core, None), publisher, self.hub, self.feed)
        specs = [market.spec for market in core.exchange.markets.values()]
        agents = make_agents(specs, config.flow, config.seed)
        core.treasury.marks.follow(agents.fair_ticks)
        self.driver = FlowDriver(core, agents, START_MS, self.after_step)
        self.driver.open_markets()
        turns = round(seconds / turn_s)
        for turn in range(1, turns + 1):
            self.driver.run_until(turn * turn_s)
            self.pump.tick(self.driver.reached_ms)
            self.hub.flush()
        self.heard = self.ear.heard
        self.streams: dict[str, list[Any]] = defaultdict(list)
        for raw in self.heard:
            message = json.loads(raw)
            self.streams[message["stream"]].append(message["data"])

    def after_step(self, now_ms: int) -> None:
        self.desk.now_ms = now_ms
        self.pump.after_step(now_ms)


@pytest.fixture(scope="module")
def show() -> Show:
    return Show(12.0)


@pytest.mark.parametrize("turn_s", [0.005, 0.73, 6.0])
def test_how_often_somebody_looks_changes_no_byte_and_no_order(turn_s: float) -> None:
    """Everything is cut by the time of the events: one turn or a thousand, the same messages."""
    usual = Show(6.0, 0.05).heard
    other = Show(6.0, turn_s).heard
    assert len(usual) > 1_500
    # The last turn of a coarse run ends before the end of the others.
    assert other[: len(usual)] == usual[: len(other)]
    assert len(other) > len(usual) * 0.9


@pytest.mark.parametrize("suffix", ["@0ms", "@100ms", "", "@500ms"])
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_diff_streams_chain_and_build_the_book(show: Show, symbol: str, suffix: str) -> None:
    events = show.streams[f"{symbol.lower()}@depth{suffix}"]
    assert len(events) > 10
    book: dict[str, dict[str, str]] = {"b": {}, "a": {}}
    for before, event in zip([None, *events], events, strict=False):
        assert event["U"] <= event["u"]
        assert event["T"] <= event["E"]
        if before is not None:
            assert event["pu"] == before["u"] < event["U"]
            assert event["E"] >= before["E"]
        for side in ("b", "a"):
            prices = [float(price) for price, _ in event[side]]
            assert prices == sorted(prices)
            book[side].update(event[side])
    if suffix != "@0ms":
        return
    market = show.desk.exchange.markets[symbol]
    for side, sign in (("b", BUY), ("a", SELL)):
        followed = {price: qty for price, qty in book[side].items() if float(qty)}
        depth = market.book.depth(sign, 10_000)
        spec = market.spec
        assert followed == {spec.price_text(p): spec.qty_text(q) for p, q in depth}


def test_book_tickers_agree_with_the_depth_at_equal_ids(show: Show) -> None:
    book: dict[str, dict[float, str]] = {"b": {}, "a": {}}
    tickers = {event["u"]: event for event in show.streams["btcusdt@bookTicker"]}
    checked = 0
    for event in show.streams["btcusdt@depth@0ms"]:
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
    for symbol in SYMBOLS:
        ids = [event["t"] for event in show.streams[f"{symbol.lower()}@trade"]]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
    aggregates = show.streams["btcusdt@aggTrade"]
    assert [event["a"] for event in aggregates] == list(range(1, len(aggregates) + 1))
    by_id = {event["t"]: event for event in show.streams["btcusdt@trade"]}
    for event in aggregates:
        assert 0 <= event["E"] - event["T"] <= 200
        inside = [by_id[t] for t in range(event["f"], event["l"] + 1) if t in by_id]
        assert {(part["p"], part["m"]) for part in inside} == {(event["p"], event["m"])}
        assert len(inside) == event["l"] - event["f"] + 1
        total = sum(round(float(part["q"]) * 1000) for part in inside)
        assert total == round(float(event["q"]) * 1000)


def test_timed_streams_come_at_their_times(show: Show) -> None:
    for stream, width, fewest in (
        ("btcusdt@markPrice@1s", 1_000, 11), ("btcusdt@markPrice", 3_000, 3),
        ("btcusdt@kline_1m", 250, 30), ("btcusdt@miniTicker", 500, 15),
        ("ethusdt@ticker", 2_000, 5), ("!bookTicker", 5_000, 4), ("!markPrice@arr@1s", 1_000, 11),
    ):  # fmt: skip
        events = [one[0] if isinstance(one, list) else one for one in show.streams[stream]]
        assert len(events) >= fewest, stream
        assert {event["E"] % width for event in events} == {0}
        assert [event["E"] for event in events] == sorted(event["E"] for event in events)
    partial = show.streams["btcusdt@depth5@100ms"][-1]
    assert len(partial["b"]) == len(partial["a"]) == 5
    assert float(partial["b"][0][0]) > float(partial["b"][1][0])


def test_marks_and_candles_are_those_of_the_exchange(show: Show) -> None:
    bars = show.streams["btcusdt_perpetual@continuousKline_1s"]
    closed = {one["k"]["t"]: one["k"] for one in bars if one["k"]["x"]}
    assert len(closed) >= 8
    for open_ms, bar in closed.items():
        kept = show.desk.core.history.bar(0, "1s", open_ms)
        assert kept is not None
        assert (kept.trades, kept.first_id, kept.last_id) == (bar["n"], bar["f"], bar["L"])
    marks = {one["E"]: one for one in show.streams["btcusdt@markPrice@1s"]}
    newest = marks[max(marks)]
    reading = show.desk.core.treasury.marks.reading(0, 0, START_MS)
    assert float(newest["p"]) == reading.mark_e8 / 1e8
    assert float(newest["i"]) == reading.index_e8 / 1e8
    assert newest["p"] != newest["i"]


def test_an_owner_hears_of_his_fill_behind_what_was_before_it() -> None:
    """One connection for both: his events overtake nothing that was published before them."""
    show = Show(0.5)
    desk, pump = show.desk, show.pump
    key = desk.core.listen_keys.open(CLIENT, desk.wall_ms)
    show.feed.listen(Listener(show.ear, key, CLIENT, combined=False))
    show.ear.heard.clear()
    show.hub.publish("btcusdt@trade", b'"before"')
    order = PlaceRequest("BTCUSDT", BUY, "MARKET", "GTC", 10, 0, False, "mine", 0, False)
    desk.exchange.place(CLIENT, order, desk.now_ms)
    pump.commit()
    pump.after_command(desk.now_ms)
    heard = [json.loads(raw) for raw in show.ear.heard]
    names = [one.get("e") or one["stream"] for one in heard]
    assert names[0] == "btcusdt@trade"
    own = [place for place, name in enumerate(names) if "@" not in name]
    public = [place for place, name in enumerate(names) if "@" in name]
    # First who was concerned, then everybody.
    assert max(own) < min(public[1:])
    assert "btcusdt@trade" in names[max(own) :]


@pytest.mark.parametrize("stream", ["depth@0ms", "depth@100ms", "depth"])
def test_a_snapshot_behind_a_subscription_is_never_older_than_its_first_event(stream: str) -> None:
    """The first step after a subscription is heard; a client may hold the book from before it."""
    show = Show(0.5, everything=False)
    ear = Ear()
    book = show.desk.exchange.markets["BTCUSDT"].book
    reached_s = 0.5

    def run() -> None:
        nonlocal reached_s
        for _ in range(10):
            reached_s += 0.05
            show.driver.run_until(reached_s)
            show.pump.tick(show.driver.reached_ms)
            show.hub.flush()

    for _ in range(20):
        show.hub.subscribe(f"btcusdt@{stream}", ear, combined=False)
        snapshot_id = book.last_update_id()
        run()
        events = [json.loads(raw) for raw in ear.heard]
        assert events[0]["pu"] <= snapshot_id <= events[-1]["u"]
        show.hub.unsubscribe(f"btcusdt@{stream}", ear)
        run()
        ear.heard.clear()

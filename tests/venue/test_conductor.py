"""Lockstep: every message passed unchanged, and a trader that decides the same at any speed."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection

from aegis.venue import conductor as conductor_module
from aegis.venue.build import VenueOptions
from aegis.venue.errors import OptionsError
from aegis.venue.serve import Venue, running
from tests.venue.client import Book, api_request, client, receive, stream
from tests.venue.desk import KEYS

LINES = 3_000
STREAMS = "btcusdt@depth@0ms/btcusdt@bookTicker/btcusdt@trade"


@pytest.fixture(scope="module")
def tape(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first lines of the real recording."""
    path = tmp_path_factory.mktemp("tape") / "tape.gz"
    with gzip.open(shared_data / "usdm" / "btcusdt_20240808.gz") as stream_:
        path.write_bytes(gzip.compress(b"".join(itertools.islice(stream_, LINES))))
    return path


class Trader:
    """A toy trader: quotes the touch whenever the bid has moved; counts what it has digested."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.bytes_seen: list[bytes] = []
        self.book = Book()
        self.waiting: list[dict[str, Any]] = []
        self.answers: list[tuple[int, str]] = []
        self.events: list[str] = []
        self.sent = 0
        self.joined = False
        self.last_bid = ""

    async def watch(self, market: ClientConnection, api: ClientConnection) -> None:
        while True:
            raw = await market.recv(decode=False)
            if self.dice.random() < 0.01:
                await asyncio.sleep(self.dice.random() * 0.003)
            data = json.loads(raw)["data"]
            if data["e"] == "depthUpdate":
                self.waiting.append(data)
                self.digest_depth()
            elif data["e"] == "bookTicker" and self.joined and data["b"] != self.last_bid:
                self.last_bid = data["b"]
                await self.requote(api, data)
            # Last of all: whoever reads the count may rely on what it led to.
            self.bytes_seen.append(raw)

    def digest_depth(self) -> None:
        if self.book.last_id == 0:
            return
        for event in self.waiting:
            assert self.book.apply(event)
        self.waiting.clear()
        self.joined = self.book.joined

    async def requote(self, api: ClientConnection, ticker: dict[str, Any]) -> None:
        if self.sent:
            self.sent += 1
            await api.send(
                api_request(KEYS[0], "order.cancel", symbol="BTCUSDT",
                            origClientOrderId=f"q{self.sent - 1}")
            )  # fmt: skip
        self.sent += 1
        await api.send(
            api_request(
                KEYS[0], "order.place", symbol="BTCUSDT", side="BUY", type="LIMIT",
                timeInForce="GTX", quantity="0.010", price=ticker["b"],
                newClientOrderId=f"q{self.sent}",
            )
        )  # fmt: skip

    async def hear_answers(self, api: ClientConnection) -> None:
        while True:
            answer = await receive(api)
            body = answer.get("result", answer.get("error"))
            self.answers.append((answer["status"], str(body.get("status", body.get("code")))))

    async def hear_events(self, private: ClientConnection) -> None:
        while True:
            event = await receive(private)
            order = event.get("o", {})
            self.events.append(
                f"{event['e']} {event['T']} {order.get('c')} {order.get('x')} {order.get('L')}"
            )


class ToyPace:
    """The trader's counts against the venue's."""

    def __init__(self, venue: Venue, trader: Trader) -> None:
        self.venue = venue
        self.trader = trader
        self.rebased = 0

    def trader_ready(self) -> bool:
        return True

    def market_digested(self) -> bool:
        return (
            len(self.trader.bytes_seen) == self.venue.hub.sent
            and self.venue.core.tally.ws_requests == self.trader.sent
        )

    def private_digested(self) -> bool:
        return (
            self.market_digested()
            and len(self.trader.answers) == self.venue.core.tally.ws_answers
            and len(self.trader.events) == self.venue.feed.sent
        )

    def books_joined(self, count: int) -> bool:
        return self.trader.joined

    def released(self) -> bool:
        return False

    def rebase(self) -> None:
        self.rebased += 1


async def perform(tape: Path, seed: int, speed: float) -> tuple[Trader, Venue]:
    trader = Trader(random.Random(seed))
    options = VenueOptions(keys=KEYS, mirrors=(tape,), speed=speed)
    async with contextlib.AsyncExitStack() as stack:
        venue = await stack.enter_async_context(running(options, lambda one: ToyPace(one, trader)))
        rest = await stack.enter_async_context(client(venue.url, KEYS[0]))
        key = await rest.listen_key()
        api = await stack.enter_async_context(stream(venue.url, "/ws-fapi/v1"))
        private = await stack.enter_async_context(stream(venue.url, f"/private/ws/{key}"))
        market = await stack.enter_async_context(
            stream(venue.url, f"/public/stream?streams={STREAMS}")
        )
        tasks = [
            asyncio.create_task(trader.watch(market, api)),
            asyncio.create_task(trader.hear_answers(api)),
            asyncio.create_task(trader.hear_events(private)),
        ]
        snapshot = await rest.good("GET", "/fapi/v1/depth", False, symbol="BTCUSDT", limit=1000)
        trader.book.load(snapshot)
        trader.digest_depth()
        conductor = venue.conductor
        assert conductor is not None
        while not conductor.done:
            await asyncio.sleep(0.01)
            for task in [*tasks, *venue._tasks]:
                if task.done():
                    task.result()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert venue.core.exchange.ledger.imbalance_e8() == 0
    return trader, venue


def play(tape: Path, seed: int, speed: float = 0.0) -> tuple[Trader, Venue]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(perform(tape, seed, speed), 60))


def test_a_replay_is_the_same_whatever_the_trader_is_delayed_by(tape: Path) -> None:
    first, venue = play(tape, seed=1)
    second, _ = play(tape, seed=2)
    assert venue.conductor is not None
    assert (venue.conductor.timeouts, venue.conductor.lines_done) == (0, LINES)
    with gzip.open(tape) as stream_:
        recorded = [line.rstrip(b"\n").partition(b" ")[2] for line in stream_]
    assert first.bytes_seen == [text for text in recorded if text.startswith(b'{"stream"')]
    assert first.book.last_id == second.book.last_id
    assert first.sent > 10
    assert first.answers == second.answers
    assert first.events == second.events
    assert any(" TRADE " in event for event in first.events), "the toy trader was never filled"


class Deaf(ToyPace):
    """A trader that never confirms anything."""

    def market_digested(self) -> bool:
        return False


def test_a_barrier_that_never_opens_is_bounded_and_given_up(
    tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conductor_module, "BARRIER_TIMEOUT_S", 0.05)
    paces: list[Deaf] = []

    async def run() -> None:
        def make_pace(venue: Venue) -> Deaf:
            paces.append(Deaf(venue, Trader(random.Random(1))))
            return paces[-1]

        options = VenueOptions(keys=KEYS, mirrors=(tape,), speed=0.0)
        async with running(options, make_pace) as venue:
            path = f"/public/stream?streams={STREAMS}"
            async with stream(venue.url, path) as market, client(venue.url, KEYS[0]) as rest:
                snapshot = asyncio.create_task(
                    rest.good("GET", "/fapi/v1/depth", False, symbol="BTCUSDT", limit=5)
                )
                for _ in range(LINES - 1):
                    await receive(market)
                assert (await snapshot)["lastUpdateId"] > 0
                conductor = venue.conductor
                assert conductor is not None
                while not conductor.done:
                    await asyncio.sleep(0.01)
                assert conductor.timeouts >= 3
                # The exchange itself is alive: orders are carried out at once again.
                assert not venue.dispatcher.queueing

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(run(), 60))
    assert paces[0].rebased >= 3


def test_alone_it_keeps_the_time_it_is_told(tape: Path) -> None:
    """Without anybody to wait for, recorded time over speed is all that counts."""

    async def run() -> float:
        options = VenueOptions(keys=KEYS, mirrors=(tape,), speed=20.0)
        path = f"/public/stream?streams={STREAMS}"
        async with running(options) as venue, stream(venue.url, path) as market:
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            for _ in range(LINES - 1):
                await receive(market)
            return loop.time() - began_s

    with gzip.open(tape) as stream_:
        times = [int(line.partition(b" ")[0]) for line in stream_]
    recorded_s = (times[-1] - times[0]) / 1e9
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        took_s = runner.run(asyncio.wait_for(run(), 60))
    assert took_s >= recorded_s / 20 * 0.95


def test_a_restarted_mirror_goes_on_where_it_was(tape: Path, tmp_path: Path) -> None:
    """The lines before are not sent again; the book behind them is there, and so are our orders."""

    async def run(skip: int, place: bool) -> tuple[list[Any], list[Any]]:
        options = VenueOptions(
            keys=KEYS, mirrors=(tape,), speed=1.0, skip_lines=skip, state_dir=tmp_path
        )
        venue = Venue(options)
        try:
            await venue.start()
            async with client(venue.url, KEYS[0]) as rest:
                if place:
                    await rest.good(
                        "POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="LIMIT",
                        timeInForce="GTC", quantity="0.010", price="60000", newClientOrderId="kept",
                    )  # fmt: skip
                path = f"/public/stream?streams={STREAMS}"
                async with stream(venue.url, path) as market:
                    first = await receive(market)
                    depth = await rest.good(
                        "GET", "/fapi/v1/depth", False, symbol="BTCUSDT", limit=5
                    )
                    orders = await rest.good("GET", "/fapi/v1/openOrders", symbol="BTCUSDT")
                    assert depth["lastUpdateId"] > 0
                    return [first["data"]["E"]], [order["clientOrderId"] for order in orders]
        finally:
            await venue.close()

    def go(skip: int, place: bool) -> tuple[list[Any], list[Any]]:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(asyncio.wait_for(run(skip, place), 60))

    began, orders = go(0, True)
    went_on, kept = go(1_000, False)
    assert orders == kept == ["kept"]
    assert went_on > began


@pytest.fixture(scope="module")
def other_tape(tape: Path) -> Path:
    """The same market under another symbol's name, recorded a little later."""
    path = tape.with_name("other.gz")
    with gzip.open(tape, "rb") as stream_:
        lines = []
        for line in stream_:
            time_ns, _, text = line.partition(b" ")
            text = text.replace(b"btcusdt", b"ethusdt").replace(b"BTCUSDT", b"ETHUSDT")
            lines.append(b"%d %b" % (int(time_ns) + 40_000_000, text))
    path.write_bytes(gzip.compress(b"".join(lines)))
    return path


def test_two_recordings_play_side_by_side(tape: Path, other_tape: Path) -> None:
    """Each stream is its file's, all in the order of their times; each symbol has its own book."""

    async def run() -> list[bytes]:
        options = VenueOptions(keys=KEYS, mirrors=(tape, other_tape), speed=0.0)
        async with running(options) as venue, client(venue.url, KEYS[0]) as rest:
            both = f"{STREAMS}/{STREAMS.replace('btc', 'eth')}"
            held = [
                asyncio.create_task(rest.good("GET", "/fapi/v1/depth", False, symbol=symbol))
                for symbol in ("BTCUSDT", "ETHUSDT")
            ]
            while not all(venue.dispatcher.held_count(one) for one in ("BTCUSDT", "ETHUSDT")):
                await asyncio.sleep(0.01)
            seen = []
            async with stream(venue.url, f"/public/stream?streams={both}") as market:
                for _ in range(2 * (LINES - 1)):
                    seen.append(await market.recv(decode=False))
            first, second = [await one for one in held]
            assert first["lastUpdateId"] == second["lastUpdateId"] > 0
            assert first["bids"] == second["bids"]
            tickers = await rest.good("GET", "/fapi/v1/ticker/bookTicker", False)
            assert {row["symbol"] for row in tickers} == {"BTCUSDT", "ETHUSDT"}
            assert tickers[0]["bidPrice"] == tickers[1]["bidPrice"]
            return seen

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(asyncio.wait_for(run(), 60))
    recorded = []
    for path in (tape, other_tape):
        with gzip.open(path) as stream_:
            lines = [line.rstrip(b"\n").partition(b" ") for line in stream_]
        recorded.append([(int(time), text) for time, _, text in lines if b"stream" in text[:10]])
    merged = sorted([*recorded[0], *recorded[1]], key=lambda one: one[0])
    assert seen == [text for _, text in merged]


def test_recordings_that_cannot_play_together_are_refused(tape: Path, tmp_path: Path) -> None:
    later = tmp_path / "later"
    later.write_bytes(b'1800000000000000000 {"stream":"ethusdt@trade","data":{}}\n')
    unknown = tmp_path / "unknown"
    unknown.write_bytes(b'1723161256000000000 {"stream":"nonesuchusdt@trade","data":{}}\n')
    for paths, text in (
        ((tape, tape), "as another recording does"),
        ((tape, later), "must have been made at the same time"),
        ((tape, unknown), "does not list"),
    ):
        with pytest.raises(OptionsError, match=text):
            Venue(VenueOptions(keys=KEYS, mirrors=paths))


def test_streams_that_were_not_recorded_are_made_from_those_that_were(tape: Path) -> None:
    """Depth every 100 ms builds the same book, aggregates add up to the trades."""

    async def listen(market: ClientConnection, venue: Venue, events: list[dict[str, Any]]) -> None:
        while True:
            try:
                events.append((await asyncio.wait_for(receive(market), 0.5))["data"])
            except TimeoutError:
                if venue.conductor is None or venue.conductor.done:
                    return

    async def run() -> None:
        options = VenueOptions(keys=KEYS, mirrors=(tape,), speed=200.0)
        public, others = "btcusdt@depth@100ms/btcusdt@trade", "btcusdt@aggTrade"
        seen: list[dict[str, Any]] = []
        book = Book()
        async with (
            running(options) as venue,
            client(venue.url, KEYS[0]) as rest,
            stream(venue.url, f"/market/stream?streams={others}") as second,
            stream(venue.url, f"/public/stream?streams={public}") as first,
        ):
            tasks = [asyncio.create_task(listen(one, venue, seen)) for one in (first, second)]
            wanted = {"symbol": "BTCUSDT", "limit": 1000}
            snapshot = await rest.good("GET", "/fapi/v1/depth", False, **wanted)
            book.load(snapshot)
            await asyncio.gather(*tasks)
            depth = await rest.good("GET", "/fapi/v1/depth", False, **wanted)
        events = [one for one in seen if one["e"] == "depthUpdate"]
        for earlier, event in itertools.pairwise(events):
            assert event["pu"] == earlier["u"] and event["U"] <= event["u"]
        assert all(book.apply(event) for event in events)
        assert book.last_id == depth["lastUpdateId"]
        bids = sorted(book.levels["b"].items(), key=lambda level: -float(level[0]))
        assert [list(level) for level in bids[:20]] == depth["bids"][:20]
        # The newest trades may still be waiting for others to join them.
        aggregates = [one for one in seen if one["e"] == "aggTrade"]
        trades = [one for one in seen if one.get("X") == "MARKET"]
        closed = [one for one in trades if one["t"] <= aggregates[-1]["l"]]
        assert len(closed) > 0.9 * len(trades) > 100
        assert sum(float(one["q"]) for one in aggregates) == pytest.approx(
            sum(float(one["q"]) for one in closed)
        )

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(run(), 60))


def test_a_looped_recording_goes_on_for_ever(tape: Path) -> None:
    """A client that stays connected follows one chain, and rising clocks, over several passes."""

    async def run() -> None:
        options = VenueOptions(keys=KEYS, mirrors=(tape,), loop=True, speed=20.0)
        book, newest_ms, trade_id, count = Book(), dict[str, int](), 0, 0
        path = f"/public/stream?streams={STREAMS}"
        async with running(options) as venue, client(venue.url, KEYS[0]) as rest:
            held = asyncio.create_task(
                rest.good("GET", "/fapi/v1/depth", False, symbol="BTCUSDT", limit=1000)
            )
            while not venue.dispatcher.held_count("BTCUSDT"):
                await asyncio.sleep(0.01)
            async with stream(venue.url, path) as market:
                waiting: list[dict[str, Any]] = []
                while count < 2.5 * LINES:
                    data = (await receive(market))["data"]
                    count += 1
                    assert data["E"] >= newest_ms.get(data["e"], 0)
                    newest_ms[data["e"]] = data["E"]
                    if data["e"] == "trade":
                        assert data["t"] > trade_id
                        trade_id = data["t"]
                    elif data["e"] == "depthUpdate":
                        waiting.append(data)
                    if held.done():
                        if book.last_id == 0:
                            book.load(held.result())
                        assert all(book.apply(event) for event in waiting)
                        waiting.clear()
            assert book.joined
            conductor = venue.conductor
            assert conductor is not None and not conductor.done
            assert conductor.lines_done > 2 * LINES
            server = await rest.good("GET", "/fapi/v1/ticker/bookTicker", False, symbol="BTCUSDT")
            assert float(server["bidPrice"]) < float(server["askPrice"])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(run(), 60))

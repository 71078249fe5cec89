"""The whole feed on real sockets against a small exchange that misbehaves on request."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from aegis.config.load import load_config
from aegis.config.settings import Settings
from aegis.feed.deadlines import Deadlines
from aegis.feed.process import Feed, run
from aegis.host.clock import monotonic_ns
from aegis.shm.absence import Reason
from aegis.shm.control import RUN, STOP
from aegis.shm.instance import InstanceMemory
from aegis.shm.rate_ledger import RateLedger, ledger_path
from aegis.shm.tick import CANARY, GAP, QUOTE, STATUS, TRADE
from aegis.shm.wiring import Wiring
from tests.feed.fake_exchange import FakeExchange, exchange_info
from tests.feed.market import Market

TIMEOUT_S = 20.0
QUICK = Deadlines(
    connect_s=2.0, ack_s=0.5, first_message_s=1.0, silence_s=60.0, frozen_s=0.6, grace_s=0.4,
    ping_s=0.4, pong_s=0.4, rest_s=1.0,
)  # fmt: skip


async def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition without blocking the loop that must bring it about."""
    deadline = asyncio.get_running_loop().time() + TIMEOUT_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.005)


@pytest.fixture
def settings(repository: Path, tmp_path: Path) -> Settings:
    config = load_config(repository / "aegis.toml")
    # A recording has no mark prices: one connection is enough for most of these tests.
    recording = tmp_path / "recording.gz"
    return Settings.of(config, "btc", repository / "aegis.toml", mirrors=(recording,))


@pytest.fixture
def wiring(memory: InstanceMemory) -> Any:
    made = Wiring.make("feed-test", memory)
    memory.control.command = RUN
    yield made
    made.close()


class Stand:
    """A feed and its exchange."""

    def __init__(self, feed: Feed, exchange: FakeExchange) -> None:
        self.feed = feed
        self.exchange = exchange
        self.memory = feed.memory
        self.reader = feed.memory.ticks.reader(from_start=True, batch=8192)
        self.ticks: list[Any] = []

    def counter(self, name: str) -> int:
        return self.memory.counters["feed"][name]

    @property
    def is_valid(self) -> bool:
        return self.memory.books.is_valid(0)

    def read(self, kind: int) -> list[Any]:
        self.ticks += self.reader.poll().copy().tolist()
        return [tick for tick in self.ticks if tick[1] == kind]

    def reasons(self) -> list[int]:
        """Why books became invalid, the start of the feed left out."""
        found = [int(tick[6]) for tick in self.read(STATUS) if tick[5] == 3.0]
        assert found[0] == Reason.STARTING
        return found[1:]

    async def subscribed(self) -> None:
        await eventually(lambda: self.counter("subscribed") >= 3, "the subscription")

    async def synchronise(self) -> None:
        """Turn the market until the book is in force."""
        await self.subscribed()

        async def turn() -> None:
            while not self.is_valid:
                await self.exchange.step()
                await asyncio.sleep(0.01)

        await asyncio.wait_for(turn(), TIMEOUT_S)

    async def settle(self) -> None:
        """Wait until every message that was sent has been processed."""
        await eventually(
            lambda: self.counter("messages") >= self.exchange.sent, "all messages to arrive"
        )

    async def assert_right(self) -> None:
        await self.settle()
        view = self.memory.books.read(0)
        assert view is not None
        assert view.valid
        bids, asks = self.exchange.market.truth[view.update_id]
        assert view.update_id == self.exchange.market.update_id
        assert view.bids[0].tolist() == [max(bids) / 100, bids[max(bids)] / 1000]
        assert view.asks[0].tolist() == [min(asks) / 100, asks[min(asks)] / 1000]


Body = Callable[[Stand], Awaitable[None]]


@pytest.fixture
def play(settings: Settings, memory: InstanceMemory, wiring: Wiring) -> Callable[..., int]:
    """Run a feed against a fake exchange while `body` acts; returns the feed's exit code."""

    def start(
        body: Body,
        prepare: Callable[[FakeExchange], None] = lambda exchange: None,
        chosen: Settings = settings,
        limits: Deadlines = QUICK,
    ) -> int:
        async def act() -> int:
            exchange = FakeExchange(Market(4))
            prepare(exchange)
            async with exchange:
                memory.counters["venue"]["port"] = exchange.port
                feed = Feed(chosen, memory, wiring, limits)
                life = asyncio.create_task(feed.main())
                work = asyncio.create_task(as_coroutine(body(Stand(feed, exchange))))
                await asyncio.wait((life, work), return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    work.result()
                else:
                    work.cancel()
                memory.control.command = STOP
                return await asyncio.wait_for(life, TIMEOUT_S)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(act())

    return start


async def as_coroutine(awaited: Awaitable[None]) -> None:
    await awaited


def test_a_feed_synchronises_and_follows(play: Callable[..., int], memory: InstanceMemory) -> None:
    async def body(stand: Stand) -> None:
        await stand.synchronise()
        for _ in range(100):
            await stand.exchange.step()
        await stand.assert_right()
        quotes, trades = stand.read(QUOTE), stand.read(TRADE)
        assert len(quotes) == stand.counter("quotes")
        assert len(trades) == stand.counter("trades") >= 100
        assert stand.counter("messages") == stand.exchange.sent
        assert stand.counter("top_checks") > 90
        assert stand.counter("top_mismatches") == 0
        assert (stand.counter("connected"), stand.counter("subscribed")) == (1, 3)
        assert int(memory.instruments.row(0)["version"]) == 1
        assert abs(float(memory.instruments.row(0)["tick_size"]) - 0.01) < 1e-12
        await eventually(lambda: stand.counter("state") == 2, "READY")
        beats = stand.counter("loop_seq")
        await eventually(lambda: len(stand.read(CANARY)) >= 3, "canaries")
        assert stand.counter("loop_seq") > beats
        numbers = [tick[5] for tick in stand.read(CANARY)]
        assert numbers == [float(number) for number in range(1, len(numbers) + 1)]

    assert play(body) == 0
    counters = memory.counters["feed"]
    assert (counters["state"], counters["books_valid"], counters["connected"]) == (5, 0, 0)
    assert counters["gc_collections_in_cycle"] == 0
    assert not memory.books.is_valid(0)


def test_a_lost_event_is_noticed_and_repaired(play: Callable[..., int]) -> None:
    async def body(stand: Stand) -> None:
        await stand.synchronise()
        await stand.exchange.step(lose=True)
        await stand.exchange.step()
        await stand.settle()
        assert Reason.GAP in stand.reasons()
        assert len(stand.read(GAP)) == stand.counter("gaps") == 1
        await stand.synchronise()
        await stand.exchange.step()
        await stand.assert_right()
        assert stand.counter("reconnects") == 0
        assert stand.counter("resyncs") == 2

    assert play(body) == 0


@pytest.mark.parametrize("cut", ["cut_inside_a_frame", "abort"])
def test_a_cut_makes_the_book_invalid_and_is_mended(play: Callable[..., int], cut: str) -> None:
    async def body(stand: Stand) -> None:
        await stand.synchronise()
        getattr(stand.exchange, cut)()
        await eventually(lambda: not stand.is_valid, "the book to become invalid")
        assert stand.reasons() == [Reason.DISCONNECTED]
        await eventually(lambda: stand.counter("reconnects") == 1, "another connection")
        await stand.synchronise()
        await stand.exchange.step()
        await stand.assert_right()
        assert stand.counter("decode_errors") == 0

    assert play(body) == 0


def test_a_venue_that_is_started_anew_is_found_again(play: Callable[..., int]) -> None:
    async def body(stand: Stand) -> None:
        await stand.synchronise()
        await stand.exchange.stop()
        await eventually(lambda: not stand.is_valid, "the book to become invalid")
        market = Market(99)
        market.update_id = market.previous_id = 7
        market.trade_id = 0
        async with FakeExchange(market) as another:
            stand.memory.counters["venue"]["port"] = another.port
            another.sent = stand.exchange.sent
            stand.exchange = another
            await stand.synchronise()
            await another.step()
            await stand.assert_right()

    assert play(body) == 0


def test_frozen_depth_is_noticed_though_socket_and_quotes_live(play: Callable[..., int]) -> None:
    async def body(stand: Stand) -> None:
        await stand.synchronise()
        stand.exchange.silent = {"depth@0ms"}
        reconnects = stand.counter("reconnects")

        async def turn() -> None:
            while stand.counter("reconnects") == reconnects:
                await stand.exchange.tell({**stand.exchange.market.step(), "b": [], "a": []})
                await stand.exchange.tell(stand.exchange.market.quote())
                await asyncio.sleep(0.02)

        await asyncio.wait_for(turn(), TIMEOUT_S)
        assert Reason.STALE in stand.reasons()
        assert not stand.is_valid
        stand.exchange.silent = set()
        await stand.synchronise()

    assert play(body) == 0


def test_frozen_quotes_are_noticed_though_depth_lives(play: Callable[..., int]) -> None:
    async def body(stand: Stand) -> None:
        await stand.synchronise()
        stand.exchange.silent = {"bookTicker"}

        async def turn() -> None:
            while stand.counter("reconnects") == 0:
                await stand.exchange.step()
                await asyncio.sleep(0.02)

        await asyncio.wait_for(turn(), TIMEOUT_S)
        assert stand.reasons() == [Reason.STALE]

    assert play(body) == 0


@pytest.mark.parametrize("fault", ["acknowledges", "answers_pings"])
def test_a_deaf_exchange_is_left(play: Callable[..., int], fault: str) -> None:
    """No acknowledgement, or no answer to a ping on an otherwise silent socket."""

    def prepare(exchange: FakeExchange) -> None:
        setattr(exchange, fault, False)

    async def body(stand: Stand) -> None:
        await eventually(lambda: stand.counter("reconnects") >= 1, "another attempt")
        setattr(stand.exchange, fault, True)
        await stand.synchronise()

    assert play(body, prepare) == 0


def test_a_subscription_that_stays_empty_is_made_again(play: Callable[..., int]) -> None:
    async def body(stand: Stand) -> None:
        await eventually(lambda: stand.counter("reconnects") >= 1, "another attempt")
        assert stand.exchange.requests["ping"] >= 1

    assert play(body) == 0


def test_pings_of_the_exchange_are_answered(play: Callable[..., int]) -> None:
    async def body(stand: Stand) -> None:
        await stand.synchronise()
        for socket in list(stand.exchange.sockets):
            await stand.exchange.tell(stand.exchange.market.trade())
            await socket.ping(b"are you there")
        await eventually(lambda: stand.exchange.requests["pong"] >= 1, "a pong")
        await stand.settle()

    assert play(body) == 0


def test_an_old_snapshot_is_refused_and_another_fetched(play: Callable[..., int]) -> None:
    def prepare(exchange: FakeExchange) -> None:
        old = exchange.market.snapshot()
        for _ in range(5):
            exchange.market.step()
        exchange.old_snapshots = [old, old, old]

    async def body(stand: Stand) -> None:
        await stand.synchronise()
        await stand.exchange.step()
        await stand.assert_right()
        assert stand.exchange.requests["depth"] >= 3
        assert not stand.exchange.old_snapshots

    assert play(body, prepare) == 0


def test_refused_snapshots_are_asked_for_again_when_the_exchange_allows(
    play: Callable[..., int],
) -> None:
    asked: list[float] = []

    def prepare(exchange: FakeExchange) -> None:
        limited = b'{"code":-1003,"msg":"Too many requests"}'
        exchange.refusals = [
            (500, {}, b""),
            (200, {}, b"<html>not json</html>"),
            (429, {"Retry-After": "1"}, limited),
        ]

    async def body(stand: Stand) -> None:
        loop = asyncio.get_running_loop()
        await eventually(lambda: len(stand.exchange.refusals) == 0, "three refusals")
        asked.append(loop.time())
        await stand.synchronise()
        asked.append(loop.time())
        await stand.exchange.step()
        await stand.assert_right()

    assert play(body, prepare) == 0
    assert asked[1] - asked[0] >= 0.9, "the exchange asked for a second of silence"


def test_nothing_is_asked_inside_a_ban_that_the_list_met(play: Callable[..., int]) -> None:
    def prepare(exchange: FakeExchange) -> None:
        exchange.refused_lists = [(418, {"Retry-After": "2"})]

    async def body(stand: Stand) -> None:
        requests = stand.exchange.requests
        await eventually(lambda: stand.counter("rate_limited") == 1, "the refusal")
        assert stand.counter("banned_until_ns") == stand.counter("quiet_until_ns") > 0
        while monotonic_ns() < stand.feed.gate.until_ns:
            assert dict(requests) == {"exchangeInfo": 1}
            await asyncio.sleep(0.01)
        await stand.synchronise()
        assert stand.counter("discovery_failures") == 0
        await eventually(lambda: stand.counter("quiet_until_ns") == 0, "the end of the ban")
        assert stand.counter("banned_until_ns") == 0

    assert play(body, prepare) == 0


def test_a_feed_that_is_started_inside_a_ban_waits_for_its_end(
    play: Callable[..., int], memory: InstanceMemory
) -> None:
    predecessor = RateLedger.open(ledger_path(memory.directory, None), 0)
    until_ms = monotonic_ns() // 1_000_000 + 4_000
    predecessor.stop(until_ms)
    predecessor.close()

    async def body(stand: Stand) -> None:
        while monotonic_ns() < until_ms * 1_000_000:
            assert stand.exchange.requests.total() == 0
            await asyncio.sleep(0.01)
        await stand.synchronise()

    assert play(body) == 0


def test_handshakes_wait_while_nothing_may_be_asked(play: Callable[..., int]) -> None:
    def prepare(exchange: FakeExchange) -> None:
        exchange.refused_sockets = [(429, {"Retry-After": "1"})]

    async def body(stand: Stand) -> None:
        exchange = stand.exchange

        async def silence(known: int) -> None:
            while monotonic_ns() < stand.feed.gate.until_ns:
                assert exchange.requests["/public/stream"] == known
                await asyncio.sleep(0.01)

        await eventually(lambda: stand.counter("rate_limited") == 1, "the refusal")
        await silence(1)
        await stand.synchronise()
        known = exchange.requests["/public/stream"]
        stand.feed.gate.note(418, 1.0)
        exchange.abort()
        await silence(known)
        await eventually(lambda: exchange.requests["/public/stream"] > known, "a connection")
        await stand.synchronise()

    assert play(body, prepare) == 0


def test_garbage_on_the_socket_is_counted_told_and_survived(
    play: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    async def body(stand: Stand) -> None:
        await stand.synchronise()
        for socket in list(stand.exchange.sockets):
            for text in ("", "{", "nonsense", '{"stream":"btcusdt@trade","data":{"e":"trade"}}'):
                stand.exchange.sent += 1
                await socket.send_str(text)
            stand.exchange.sent += 1
            await socket.send_bytes(b"\x00\xff")
        await stand.exchange.step()
        await eventually(lambda: stand.counter("decode_errors") == 4, "the errors to be counted")
        stand.exchange.sent -= 1
        await stand.assert_right()
        await eventually(lambda: "messages refused" in capfd.readouterr().err, "a line about it")

    assert play(body) == 0


def test_mark_prices_come_over_their_own_route(
    play: Callable[..., int], settings: Settings
) -> None:
    async def body(stand: Stand) -> None:
        await eventually(lambda: stand.counter("subscribed") == 6, "both routes")
        assert stand.counter("connected") == 2
        assert stand.exchange.requests["/market/stream"] == 1
        assert "btcusdt@markPrice@1s" in stand.exchange.subscribed

    assert play(body, chosen=replace(settings, mirrors=())) == 0


def test_an_unknown_symbol_ends_the_process_with_code_2(
    play: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    def prepare(exchange: FakeExchange) -> None:
        exchange.info = exchange_info("OTHERUSDT")

    async def body(stand: Stand) -> None:
        await asyncio.sleep(TIMEOUT_S)

    assert play(body, prepare) == 2
    assert "not BTCUSDT" in capfd.readouterr().err


def test_sigterm_drains(play: Callable[..., int], memory: InstanceMemory) -> None:
    async def body(stand: Stand) -> None:
        await stand.synchronise()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(TIMEOUT_S)

    assert play(body) == 0
    assert not memory.books.is_valid(0)
    assert memory.counters["feed"]["state"] == 5


def test_run_waits_for_a_venue_and_leaves_when_told(
    settings: Settings, memory: InstanceMemory, wiring: Wiring
) -> None:
    memory.counters["venue"]["port"] = 0
    memory.control.command = STOP
    assert run(settings, memory, wiring) == 0

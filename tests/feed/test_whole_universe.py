"""The feed on the whole of an exchange: the embedded one, on real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from aegis.config.load import load_config
from aegis.config.models import FeedConfig, VenueConfig, VenueLimitsConfig
from aegis.config.settings import Settings
from aegis.feed.deadlines import Deadlines
from aegis.feed.endpoints import Endpoints
from aegis.feed.process import Feed
from aegis.feed.snapshots import MAX_ATTEMPTS
from aegis.feed.universe import EXCHANGE, FALLBACK, FALLBACK_SYMBOLS
from aegis.shm.candles import CandlePlan
from aegis.shm.instance import NO_CANDLES, InstanceMemory
from aegis.shm.instruments import TRADING, UNCONFIRMED
from aegis.shm.tick import STATUS, TRADE
from aegis.shm.wiring import Wiring
from aegis.venue.build import VenueOptions
from aegis.venue.serve import Venue, running
from tests.feed.venue_stand import FeedLife, Relay, arm, certify, disarm, plain

DEADLINES = Deadlines(quiet_s=600.0, silence_s=600.0, first_message_s=600.0)


@pytest.fixture
def settings(repository: Path) -> Settings:
    config = load_config(repository / "aegis.toml")
    found = Settings.of(config, "btc", repository / "aegis.toml")
    instance = found.instance.model_copy(update={"symbols": [], "max_symbols": 512})
    return replace(found, instance=instance)


@pytest.fixture
def make_memory(tmp_path: Path) -> Iterator[Callable[..., InstanceMemory]]:
    made: list[InstanceMemory] = []

    def make(rows: int, kept: CandlePlan = NO_CANDLES) -> InstanceMemory:
        made.append(InstanceMemory.create("all", instruments=rows, kept=kept, shm_dir=tmp_path))
        return made[-1]

    yield make
    for memory in made:
        memory.close()
        memory.unlink()


@asynccontextmanager
async def exchange(symbols: int, **more: Any) -> AsyncIterator[Venue]:
    config = VenueConfig(universe=symbols, **more)
    async with running(VenueOptions(config=config)) as venue:
        yield venue


def play(body: Awaitable[None]) -> None:
    async def main() -> None:
        await body

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def make_feed(
    settings: Settings, memory: InstanceMemory, endpoints: Endpoints, **feed: Any
) -> Feed:
    chosen = replace(settings, feed=FeedConfig(**feed)) if feed else settings
    return Feed(chosen, memory, Wiring.make("all", memory), DEADLINES, endpoints)


def test_three_hundred_symbols_from_cold_start_to_valid_books(
    settings: Settings,
    make_memory: Callable[..., InstanceMemory],
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def body() -> None:
        async with exchange(300) as venue:
            memory = make_memory(512)
            began = time.monotonic()
            async with FeedLife(make_feed(settings, memory, plain(venue.port))) as life:
                await life.until("300 snapshots", lambda: life.count("resyncs") >= 300)
                loaded_s = time.monotonic() - began
                await life.until_valid(300)
                took_s = time.monotonic() - began
                counts = memory.counters["feed"].snapshot()
                with capsys.disabled():
                    print(
                        f"\n300 symbols: snapshots in {loaded_s:.1f} s, all books valid in "
                        f"{took_s:.1f} s; weight {counts['weight_spent']} of "
                        f"{counts['weight_limit']} a minute, {counts['snapshot_levels']} levels, "
                        f"{counts['connected']} connections, {counts['subscribed']} streams"
                    )
                assert counts["rate_limited"] == 0
                assert counts["weight_spent"] <= 0.75 * counts["weight_limit"]
                assert counts["connected"] == counts["connections_wanted"] == 7
                assert counts["subscribed"] == counts["streams_wanted"] == 300 * 4 + 2
                assert counts["universe_listed"] == counts["universe_trading"] == 300
                assert memory.instruments.listed == life.feed.universe.symbols
                assert counts["gaps"] == counts["top_mismatches"] == counts["duplicates"] == 0
            assert life.code == 0

    play(body())


@pytest.mark.long
def test_three_hundred_symbols_with_the_history_of_their_candles(
    settings: Settings,
    make_memory: Callable[..., InstanceMemory],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """480 candles of two intervals each come after the books, out of what weight is left."""

    async def body() -> None:
        async with exchange(300) as venue:
            memory = make_memory(512, CandlePlan((60, 300), 480))
            began = time.monotonic()
            async with FeedLife(make_feed(settings, memory, plain(venue.port))) as life:
                await life.until_valid(300)
                valid_s = time.monotonic() - began
                await life.until(
                    "600 histories", lambda: life.count("history_done") >= 600, within_s=150.0
                )
                took_s = time.monotonic() - began
                counts = memory.counters["feed"].snapshot()
                with capsys.disabled():
                    print(
                        f"\n300 symbols: all books valid in {valid_s:.1f} s, 600 histories of "
                        f"candles in {took_s:.1f} s; weight {counts['weight_spent']} in all, "
                        f"{0.75 * counts['weight_limit']:.0f} a minute allowed, "
                        f"{counts['rate_limited']} times refused"
                    )
                assert counts["history_total"] == 600
                assert counts["rate_limited"] == 0
                assert counts["books_valid"] == 300
            assert life.code == 0

    play(body())


def test_a_halt_closes_streams_and_its_end_opens_them(
    settings: Settings, make_memory: Callable[..., InstanceMemory]
) -> None:
    async def body() -> None:
        async with exchange(6) as venue:
            memory = make_memory(8)
            reader = memory.ticks.reader(from_start=True, batch=16_384)
            async with FeedLife(make_feed(settings, memory, plain(venue.port))) as life:
                await life.until_valid(6)
                row = memory.instruments.index("ETHUSDT")
                version = int(memory.instruments.row(row)["version"])
                await arm(venue.url, kind="symbol_status", symbol="ETHUSDT", status="SETTLING")
                await life.until("the halt", lambda: life.count("universe_trading") == 5)
                assert int(memory.instruments.row(row)["status"]) == 4
                assert int(memory.instruments.row(row)["version"]) > version
                assert not memory.books.is_valid(row)
                await life.until("fewer streams", lambda: life.count("subscribed") == 5 * 4 + 2)
                assert life.count("books_valid") == 5, "the others never noticed"
                told = [tick for tick in reader.poll().tolist() if tick[1] == STATUS]
                assert [tick[6] for tick in told if (tick[0], tick[5]) == (row, 4.0)] == [4.0]
                await disarm(venue.url)
                await life.until_valid(6)
                assert int(memory.instruments.row(row)["status"]) == TRADING
                assert life.count("reconnects") == 0

    play(body())


def test_what_is_listed_while_it_runs_gets_a_row_and_what_finds_none_is_counted(
    settings: Settings, make_memory: Callable[..., InstanceMemory]
) -> None:
    async def body() -> None:
        async with exchange(6) as venue:
            memory = make_memory(5)
            await arm(venue.url, kind="symbol_status", symbol="BTCUSDT", status="PENDING_TRADING")
            await arm(venue.url, kind="symbol_status", symbol="ETHUSDT", status="PENDING_TRADING")
            async with FeedLife(make_feed(settings, memory, plain(venue.port))) as life:
                await life.until_valid(4)
                before = memory.instruments.listed
                assert "BTCUSDT" not in before
                assert len(before) == 4
                await disarm(venue.url)
                await life.until_valid(5)
                assert memory.instruments.listed[:4] == before, "rows never move"
                assert memory.instruments.listed[4] == "BTCUSDT"
                assert life.count("universe_overflow") == 1
                assert (life.count("reconnects"), life.count("gaps")) == (0, 0)

    play(body())


def test_a_feed_that_is_started_anew_keeps_the_rows(
    settings: Settings, make_memory: Callable[..., InstanceMemory]
) -> None:
    async def body() -> None:
        async with exchange(4) as venue:
            memory = make_memory(8)
            async with FeedLife(make_feed(settings, memory, plain(venue.port))) as life:
                await life.until_valid(4)
            rows = memory.instruments.rows.copy()
            async with FeedLife(make_feed(settings, memory, plain(venue.port))) as life:
                await life.until_valid(4)
                assert (memory.instruments.rows == rows).all()

    play(body())


def test_well_known_pairs_stand_in_until_the_list_can_be_had(
    settings: Settings,
    make_memory: Callable[..., InstanceMemory],
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def body() -> None:
        async with exchange(30) as venue:
            memory = make_memory(40)
            nowhere = ["http://127.0.0.1:9"]
            endpoints = plain(venue.port)
            endpoints.rest = lambda: nowhere[0]
            feed = make_feed(settings, memory, endpoints, discovery_tries=2)
            async with FeedLife(feed) as life:
                await life.until("streams", lambda: life.count("quotes") > 0)
                assert life.count("universe_source") == FALLBACK
                assert memory.instruments.listed == list(FALLBACK_SYMBOLS)
                assert (memory.instruments.rows["status"][:20] == UNCONFIRMED).all()
                assert life.count("discovery_failures") >= 2
                nowhere[0] = venue.url
                await life.until("the real list", lambda: life.count("universe_source") == EXCHANGE)
                await life.until("all books", lambda: life.count("books_total") == 30)
                await life.until_valid(30)
                assert memory.instruments.listed[:20] == list(FALLBACK_SYMBOLS)
                listed = set(VenueConfig(universe=30).symbols)
                trading = memory.instruments.rows["status"][:20] == TRADING
                assert trading.tolist() == [name in listed for name in FALLBACK_SYMBOLS]

    play(body())
    said = capfd.readouterr().err
    assert "WARNING: after 2 attempts" in said
    assert "the exchange's list has come" in said


def test_connections_are_replaced_without_a_gap(
    settings: Settings, make_memory: Callable[..., InstanceMemory]
) -> None:
    async def body() -> None:
        async with exchange(6) as venue:
            memory = make_memory(8)
            reader = memory.ticks.reader(from_start=True, batch=16_384)
            feed = make_feed(
                settings, memory, plain(venue.port),
                lifetime_s=2.0, overlap_s=0.4, symbols_per_connection=3,
            )  # fmt: skip
            trades: dict[int, list[int]] = {}
            gone: list[Any] = []

            def read() -> None:
                found = reader.poll().tolist()
                for tick in found:
                    if tick[1] == TRADE:
                        trades.setdefault(tick[0], []).append(int(tick[8]))
                gone.extend(tick for tick in found if tick[1] == STATUS and tick[5] == 3.0)

            async with FeedLife(feed) as life:
                await life.until_valid(6)
                read()
                gone.clear()
                trades.clear()
                while life.count("handovers") < 9:
                    assert life.count("handovers_failed") == 0
                    assert life.count("books_valid") == 6
                    read()
                    await asyncio.sleep(0.02)
                read()
                assert gone == [], "no book was ever taken out of force"
                assert (life.count("gaps"), life.count("reconnects")) == (0, 0)
                assert life.count("resyncs") == 6
                assert life.count("top_mismatches") == 0
                # A symbol's trade ids are consecutive: none was lost, none came twice.
                assert sum(map(len, trades.values())) > 50
                for ids in trades.values():
                    assert ids == list(range(ids[0], ids[0] + len(ids)))

    play(body())


def test_one_broken_shard_takes_only_its_own_books(
    settings: Settings, make_memory: Callable[..., InstanceMemory]
) -> None:
    async def body() -> None:
        async with exchange(6) as venue:
            memory = make_memory(8)
            endpoints = plain(venue.port)
            feed = make_feed(settings, memory, endpoints, symbols_per_connection=3)
            async with FeedLife(feed) as life:
                await life.until_valid(6)
                first, second = [one for one in feed.connections if one.shard.carries_books]
                first.restart("a test wants it")
                for instrument in first.shard.instruments:
                    assert not memory.books.is_valid(instrument)
                for instrument in second.shard.instruments:
                    assert memory.books.is_valid(instrument)
                await life.until_valid(6)
                assert life.count("reconnects") == 1

    play(body())


def test_a_symbol_beyond_help_is_asked_for_anew_and_its_neighbours_are_spared(
    settings: Settings,
    make_memory: Callable[..., InstanceMemory],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def body() -> None:
        async with exchange(4) as venue:
            memory = make_memory(4)
            feed = make_feed(settings, memory, plain(venue.port))
            async with FeedLife(feed) as life:
                await life.until_valid(4)
                for _ in range(MAX_ATTEMPTS + 1):
                    feed.intake.snapshots.failed(1, 0)
                await life.until("another try", lambda: life.count("streams_asked_again") == 1)
                assert not memory.books.is_valid(1)
                assert life.count("books_valid") == 3
                await life.until_valid(4)
                assert life.count("subscribed") == life.count("streams_wanted")
                assert life.count("reconnects") == 0

                # Long after that it is the first time again; soon after it, the connection's fault.
                monkeypatch.setattr("aegis.feed.connection.ASKED_LATELY_S", 0.0)
                for _ in range(MAX_ATTEMPTS + 1):
                    feed.intake.snapshots.failed(1, 0)
                await life.until("another try", lambda: life.count("streams_asked_again") == 2)
                await life.until_valid(4)
                assert life.count("reconnects") == 0
                monkeypatch.setattr("aegis.feed.connection.ASKED_LATELY_S", 60.0)
                for _ in range(MAX_ATTEMPTS + 1):
                    feed.intake.snapshots.failed(1, 0)
                await life.until("a new connection", lambda: life.count("reconnects") == 1)
                await life.until_valid(4)

    play(body())


@pytest.mark.parametrize("through_proxy", [False, True])
def test_encrypted_addresses_are_verified_and_proxies_used(
    settings: Settings,
    make_memory: Callable[..., InstanceMemory],
    tmp_path: Path,
    through_proxy: bool,
) -> None:
    ca_file, context = certify(tmp_path)

    async def body() -> None:
        near = Relay(0, context)
        async with exchange(3) as venue, near as terminator, Relay(None) as proxy:
            terminator.target = venue.port
            memory = make_memory(4)
            feed = FeedConfig(
                rest_url=f"https://127.0.0.1:{terminator.port}",
                stream_url=f"wss://127.0.0.1:{terminator.port}",
                proxy=f"http://127.0.0.1:{proxy.port}" if through_proxy else None,
                ca_file=str(ca_file),
            )
            remote = settings.venue.model_copy(update={"mode": "remote"})
            chosen = replace(settings, venue=remote, feed=feed)
            made = Feed(chosen, memory, Wiring.make("all", memory), DEADLINES)
            async with FeedLife(made) as life:
                await life.until_valid(3)
                assert life.count("connected") == 2
            named = {f"127.0.0.1:{terminator.port}"}
            assert set(proxy.tunnels) == (named if through_proxy else set())
            assert not through_proxy or len(proxy.tunnels) >= 3

    play(body())


def test_a_certificate_of_another_authority_is_refused(
    settings: Settings,
    make_memory: Callable[..., InstanceMemory],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    _, context = certify(tmp_path)

    async def body() -> None:
        async with exchange(3) as venue, Relay(venue.port, context) as terminator:
            memory = make_memory(40)
            feed = FeedConfig(
                rest_url=f"https://127.0.0.1:{terminator.port}",
                stream_url=f"wss://127.0.0.1:{terminator.port}",
                discovery_tries=1,
            )
            chosen = replace(settings, feed=feed)
            wiring = Wiring.make("all", memory)
            made = Feed(chosen, memory, wiring, DEADLINES, Endpoints.named(feed))
            async with FeedLife(made) as life:
                await life.until("the refusal", lambda: life.count("discovery_failures") >= 2)
                assert life.count("universe_source") == FALLBACK
                assert life.count("messages") == 0

    play(body())
    assert "CERTIFICATE_VERIFY_FAILED" in capfd.readouterr().err


@pytest.mark.long
def test_a_budget_that_is_too_small_for_one_minute_waits_for_the_next(
    settings: Settings,
    make_memory: Callable[..., InstanceMemory],
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def body() -> None:
        limits = VenueLimitsConfig(weight_per_minute=40)
        async with exchange(20, limits=limits) as venue:
            memory = make_memory(24)
            began = time.monotonic()
            async with FeedLife(make_feed(settings, memory, plain(venue.port))) as life:
                while life.count("books_valid") < 20:
                    assert life.count("rate_limited") == 0
                    assert time.monotonic() - began < 150.0
                    await asyncio.sleep(0.05)
                took_s = time.monotonic() - began
                assert life.count("snapshot_levels") == 50
                assert life.count("weight_waits") >= 1
            with capsys.disabled():
                print(f"\n20 symbols, 40 a minute of weight: all books valid in {took_s:.0f} s")

    play(body())

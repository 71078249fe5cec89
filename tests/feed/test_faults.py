"""Whatever goes wrong between the exchange and us: a valid book is right, and soon there is one.

The real feed on real sockets against the embedded exchange's synthetic flow, every fault of the
catalogue's section A injected from a seed. A failing drill prints its seed; replay it, or run the
ten minutes, with

    AEGIS_DRILL_SEED=7 AEGIS_DRILL_S=600 pytest -s --long tests/feed/test_faults.py
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from aegis.config.load import load_config
from aegis.config.models import FlowConfig, VenueConfig
from aegis.config.settings import Settings
from aegis.feed.deadlines import Deadlines
from aegis.feed.endpoints import Endpoints
from aegis.feed.process import Feed
from aegis.host.clock import monotonic_ns
from aegis.shm.instance import InstanceMemory
from aegis.shm.wiring import Wiring
from aegis.venue.build import VenueOptions
from aegis.venue.serve import running
from tests.feed.bad_net import BadNet
from tests.feed.fault_deck import DECK, Card
from tests.feed.fault_drill import Drill
from tests.feed.venue_stand import FeedLife

QUICK = Deadlines(
    connect_s=2.0, ack_s=0.6, first_message_s=0.8, quiet_s=1.5, silence_s=1.0, frozen_s=0.5,
    grace_s=0.2, lag_s=0.4, bridge_s=2.0, ping_s=0.3, pong_s=0.4, rest_s=2.0,
)  # fmt: skip
SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
# What the event loop of the test, which is the exchange's as well, may be late with looking.
SLACK_S = 0.5
SHORT_NAMES = frozenset(
    {
        "cut inside a frame", "half open: net swallows all", "silent: depth", "depth twice",
        "depth reordered", "gap in depth", "trade lost",
        "stale snapshot", "snapshot 503", "crossed depth", "locked depth", "empty depth",
        "crossed bookTicker", "nan in b of depth", "huge in pu of depth", "burst of all",
        "missing in b of depth", "bad print: bookTicker", "bad print: trade", "symbol settles",
        "depth an hour ahead", "depth an hour back", "closed after 24 hours",
        "silent: all of a symbol", "tick size changed", "price really jumps",
    }
)  # fmt: skip
SHORT = tuple(card for card in DECK if card.name in SHORT_NAMES)
assert len(SHORT) == len(SHORT_NAMES), "a name of the short drill is in no card"


def drill(
    repository: Path,
    folder: Path,
    seed: int,
    limits: Deadlines,
    seconds: float,
    deck: tuple[Card, ...],
    patience_s: float = 60.0,
) -> Drill:
    """Whole decks, shuffled, until the time is over."""
    config = load_config(repository / "aegis.toml")
    settings = Settings.of(config, "btc", repository / "aegis.toml")
    chosen = settings.instance.model_copy(update={"symbols": SYMBOLS})
    settings = replace(settings, instance=chosen)
    memory = InstanceMemory.create("drill", instruments=len(SYMBOLS), shm_dir=folder)
    listed = {
        name: VenueConfig().symbols[name].model_copy(update={"activity": 1.0}) for name in SYMBOLS
    }
    venue_config = VenueConfig(
        universe=1, seed=seed, symbols=listed, flow=FlowConfig(book_updates_per_s=40.0)
    )

    async def play() -> Drill:
        async with running(VenueOptions(config=venue_config)) as venue, BadNet(venue.port) as net:
            endpoints = Endpoints(lambda: venue.url, lambda: f"ws://127.0.0.1:{net.port}")
            feed = Feed(settings, memory, Wiring.make("drill", memory), limits, endpoints)
            life = FeedLife(feed)
            found = Drill(
                venue, life, net, seed, patience_s, limits.stale_s + 0.3, tell=_progress(seed)
            )
            found.checker.watch()
            async with life:
                until_ns = monotonic_ns() + int(seconds * 1e9)
                while not found.records or monotonic_ns() < until_ns:
                    cards = list(deck)
                    random.Random(seed + len(found.records)).shuffle(cards)
                    await found.run(cards)
            return found

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(play())
    finally:
        memory.close()
        memory.unlink()


def _progress(seed: int) -> Callable[[str], object]:
    """Each fault's line goes to the file that AEGIS_DRILL_LOG names, as it ends."""
    path = os.environ.get("AEGIS_DRILL_LOG")
    if path is None:
        return lambda text: None

    def tell(text: str) -> None:
        with Path(path).open("a") as log:
            log.write(f"seed {seed}: {text}\n")

    return tell


def judge(done: Drill, limits: Deadlines) -> None:
    again = f"replay with AEGIS_DRILL_SEED={done.seed}"
    assert done.checker.wrong == [], f"{again}: {done.checker.wrong[:3]}"
    assert done.failures() == [], again
    stalest_s = max(done.checker.stalest_ns.values()) / 1e9
    assert stalest_s < limits.stale_s + SLACK_S, f"{again}: {stalest_s} s old and valid"
    assert done.checker.valid_moments > 20 * len(done.records)
    assert done.checker.whole_books > 0
    assert done.tap.engine_checks > 0


def show(done: Drill, capsys: pytest.CaptureFixture[str]) -> None:
    checker = done.checker
    stalest_s = max(checker.stalest_ns.values()) / 1e9
    with capsys.disabled():
        print(
            f"\n{done.table()}\nseed {done.seed}: {len(done.records)} faults, "
            f"{checker.valid_moments} valid books compared, {checker.whole_books} to full depth, "
            f"{done.tap.engine_checks} times the engine agreed; wrong but valid "
            f"{len(checker.wrong)}; oldest valid book {stalest_s:.2f} s"
        )


def test_a_valid_book_is_right_under_every_fault(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("AEGIS_DRILL_SEED", "1"))
    done = drill(repository, tmp_path, seed, QUICK, 0.0, SHORT, patience_s=8.0)
    show(done, capsys)
    judge(done, QUICK)


@pytest.mark.long
def test_a_valid_book_is_right_for_ten_minutes_of_faults(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("AEGIS_DRILL_SEED", "1"))
    limits = Deadlines()
    seconds = float(os.environ.get("AEGIS_DRILL_S", "600"))
    done = drill(repository, tmp_path, seed, limits, seconds, DECK)
    show(done, capsys)
    judge(done, limits)

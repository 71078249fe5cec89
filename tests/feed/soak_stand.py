"""The two processes of a soak: the embedded exchange and a feed, each alone in its own.

Started by test_soak with the spawn method, so that neither shares memory with the test but what is
in /dev/shm. The exchange closes every market connection once a minute.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from aegis.config.load import load_config
from aegis.config.models import FeedConfig, FlowConfig, VenueConfig
from aegis.config.settings import Settings
from aegis.feed.endpoints import Endpoints
from aegis.feed.process import Feed
from aegis.shm.instance import InstanceMemory
from aegis.shm.wiring import Wiring
from aegis.venue.build import VenueOptions
from aegis.venue.faults.schema import Fault, Schedule
from aegis.venue.serve import Venue

CLOSE_EVERY_MS = 60_000
# Between two closes a connection is also replaced as planned.
LIFETIME_S = 37.0
# Some 230 messages a second of each symbol, depth and bookTicker in equal parts.
FLOW = FlowConfig(book_updates_per_s=115.0, trades_per_s=20.0)


def venue_config(symbols: int) -> VenueConfig:
    """So many symbols, all of them as busy as the first."""
    names = VenueConfig(universe=symbols).symbols
    equal = {name: row.model_copy(update={"activity": 1.0}) for name, row in names.items()}
    return VenueConfig(universe=symbols, symbols=equal, flow=FLOW, seed=3)


def be_venue(symbols: int, port: Connection) -> None:
    """Serve until SIGTERM; the port is told through the pipe."""

    async def serve() -> None:
        close = Fault(kind="day_close", connection="*", at_ms=CLOSE_EVERY_MS,
                      every_ms=CLOSE_EVERY_MS)  # fmt: skip
        venue = Venue(VenueOptions(config=venue_config(symbols), faults=Schedule(3, (close,))))
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await venue.start()
        port.send(venue.port)
        try:
            await venue.wait(stop)
        finally:
            await venue.close()
            venue.memory.discard()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def be_feed(name: str, folder: Path, repository: Path, symbols: list[str], port: int) -> None:
    """Be the feed of an instance whose memory exists, until its control says stop."""
    config = load_config(repository / "aegis.toml")
    settings = Settings.of(config, "btc", repository / "aegis.toml")
    instance = settings.instance.model_copy(update={"symbols": symbols})
    chosen = FeedConfig(lifetime_s=LIFETIME_S, overlap_s=1.0, symbols_per_connection=25)
    settings = replace(settings, instance=instance, feed=chosen)
    memory = InstanceMemory.attach(name, shm_dir=folder, readonly=False)
    host = f"127.0.0.1:{port}"
    endpoints = Endpoints(lambda: f"http://{host}", lambda: f"ws://{host}")
    feed = Feed(settings, memory, Wiring.make(name, memory), None, endpoints)
    # Books grow into the pages that they were given at the start; an instance locks them there.
    for array in (*feed.intake.memory.arrays.values(), feed.intake.held.words):
        array.reshape(-1).view("u1")[::4096] |= 0
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(feed.main())

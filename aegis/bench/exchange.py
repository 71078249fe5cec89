"""The embedded exchange as a benchmark's child process: served until told to stop, then counted.

Used by the benchmarks that need a market on the other core. Its last words are how many market
messages it has sent, so that whoever listened can be held to them.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["NO_LIMIT", "serve_exchange", "stream_paths"]

NO_LIMIT = 10_000_000


def serve_exchange(options: Any, tell: Callable[[object], None]) -> None:
    """Serve a venue with these options (`VenueOptions`) until SIGTERM; tells port, then count."""
    import uvloop

    from aegis.venue.serve import Venue

    async def serve() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        venue = Venue(options)
        await venue.start()
        tell(venue.port)
        await venue.wait(stop)
        tell(venue.hub.sent)
        await venue.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def stream_paths(universe: int, streams: Sequence[str], connections: int) -> list[str]:
    """Combined streams of every symbol of a catalogue's size, spread over the connections."""
    from aegis.config.models import VenueConfig

    symbols = [symbol.lower() for symbol in VenueConfig(universe=universe).symbols]
    paths = []
    for number in range(connections):
        part = symbols[number::connections]
        names = "/".join(f"{symbol}@{stream}" for symbol in part for stream in streams)
        paths.append(f"/public/stream?streams={names}")
    return paths

"""A running venue: the port, the clockwork behind it, and a venue of one's own for `aegis venue`.

`Venue` is the whole exchange inside one event loop; ``process`` runs it as a child of a supervisor,
`main` runs it alone, tests run it inside themselves. Everything it serves on comes from options.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop
from aiohttp import web

from aegis.config import ConfigError, load_config
from aegis.venue.build import Built, VenueOptions, build
from aegis.venue.conductor import Conductor, Pace
from aegis.venue.errors import OptionsError, VenueError
from aegis.venue.flow import SymbolFlow
from aegis.venue.flow_driver import FlowDriver
from aegis.venue.journal import Journal
from aegis.venue.memory import Memory, identity_of
from aegis.venue.mirror.player import Player
from aegis.venue.publisher import Publisher
from aegis.venue.pump import Pump
from aegis.venue.streams import StreamNames
from aegis.venue.wire.dispatch import Dispatcher
from aegis.venue.wire.door import FrontDoor
from aegis.venue.wire.http import make_server
from aegis.venue.wire.hub import Hub
from aegis.venue.wire.keeper import Keeper
from aegis.venue.wire.sessions import Switchboard
from aegis.venue.wire.socket import Socket
from aegis.venue.wire.userfeed import UserFeed

log = logging.getLogger(__name__)

FLOW_TURN_S: Final = 0.005
FLOW_BEHIND_S: Final = 1.0
BEAT_S: Final = 0.05
PRICE_NOTE_S: Final = 1.0
BIND_PATIENCE_S: Final = 2.0
CLOSE_PATIENCE_S: Final = 1.0
MakePace = Callable[["Venue"], Pace]


class Venue:
    """An exchange on one port of one event loop. Use `running` or `start` and `close`."""

    def __init__(self, options: VenueOptions) -> None:
        options, self.minted = options.with_keys()
        self.options = options
        self._conductor: Conductor | None = None
        self.built: Built = build(options, _wall_ms, self.event_ms)
        self.core = self.built.core
        markets = self.core.exchange.markets
        modern = self.core.modern
        raw = frozenset[str]()
        if self.built.recording is not None:
            raw = self.built.recording.summary.streams
        self.hub = Hub()
        self.feed = UserFeed(markets, self.core.listen_keys)
        self.publisher = Publisher(markets.values(), self.hub, modern, raw)
        self.memory = Memory(self.core, self._journal())
        self.pump = Pump(self.core, self.memory, self.publisher, self.hub, self.feed)
        self.dispatcher = Dispatcher(self.core, self.pump)
        self.keeper = Keeper()
        self.port = 0
        self.beats = 0
        self._board = Switchboard(
            self.core, self.hub, self.feed, StreamNames(markets, modern), self.dispatcher
        )
        self._http: web.Server | None = None
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # --- life ---

    async def start(self, make_pace: MakePace | None = None) -> None:
        """Recover, open the markets, open the port. Raises VenueError."""
        if self.built.recording is not None:
            self._conductor = self._make_conductor(make_pace)
            self._conductor.fast_forward()
            self.memory.restore()
            play: Callable[[], Coroutine[Any, Any, None]] = self._conductor.run
        else:
            play = partial(self._run_flow, self._open_markets())
        await self._open_port()
        self._tasks = [
            asyncio.create_task(play(), name="market"),
            asyncio.create_task(self._keep_house(), name="house"),
        ]

    async def wait(self, stop: asyncio.Event, on_beat: Callable[[], None] | None = None) -> None:
        """Run until `stop`, calling `on_beat` about 20 times a second. Raises what broke."""
        while not stop.is_set():
            if on_beat is not None:
                on_beat()
            for task in self._tasks:
                if task.done() and task.exception() is not None:
                    await task
            if self.dispatcher.broken is not None:
                raise self.dispatcher.broken
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), BEAT_S)

    async def close(self) -> None:
        """Close the port and every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        self.keeper.close_all()
        if self._http is not None:
            await self._http.shutdown(CLOSE_PATIENCE_S)
        await self.keeper.wait_closed(CLOSE_PATIENCE_S)

    # --- facts ---

    @property
    def url(self) -> str:
        return f"http://{self.options.config.host}:{self.port}"

    @property
    def conductor(self) -> Conductor | None:
        return self._conductor

    def event_ms(self) -> int:
        """The market's time: the recording's in a mirror, the wall's otherwise.

        Never before the newest event. The synthetic flow's own times depend on the seed alone, so
        only an event moves them, never a question.
        """
        now = _wall_ms() if self._conductor is None else self._conductor.event_ms
        return max(self.pump.last_event_ms, now)

    # --- inside ---

    def _journal(self) -> Journal | None:
        folder = self.options.state_dir
        return None if folder is None else Journal(folder, identity_of(self.options.keys))

    def _make_conductor(self, make_pace: MakePace | None) -> Conductor:
        recording, book = self.built.recording, self.built.mirror_book
        assert recording is not None and book is not None, "a conductor needs a recording"
        (symbol,) = recording.summary.symbols
        exchange = self.core.exchange
        conductor = Conductor(
            self.core,
            recording,
            Player(exchange, exchange.markets[symbol], book),
            self.hub,
            self.pump,
            self.publisher,
            self.dispatcher,
            speed=self.options.speed,
            slice_ms=self.options.slice_ms,
            skip_lines=self.options.skip_lines,
            pace=None if make_pace is None else make_pace(self),
        )
        self.core.holds_depth = conductor.holds_depth
        return conductor

    def _open_markets(self) -> FlowDriver:
        found = self.memory.restore()
        prices = {} if found is None else found.prices
        seed, config = self.options.config.seed, self.options.config.flow
        exchange = self.core.exchange
        flows = []
        for symbol, market in exchange.markets.items():
            start = prices.get(symbol, market.spec.start_price_ticks)
            flows.append(SymbolFlow(exchange, market, config, f"{seed}:{symbol}", start))
        driver = FlowDriver(flows, _wall_ms(), lambda: self.pump.last_event_ms)
        self.pump.digest_origin_ms = driver.origin_ms
        driver.open_markets()
        for market in exchange.markets.values():
            self.pump.after_step(market, driver.origin_ms)
        return driver

    async def _run_flow(self, driver: FlowDriver) -> None:
        loop = asyncio.get_running_loop()
        speed = self.options.speed
        began_s = loop.time()
        noted_s = began_s
        while True:
            elapsed_s = (loop.time() - began_s) * speed
            behind_s = elapsed_s - min(flow.next_s for flow in driver.flows)
            if behind_s > FLOW_BEHIND_S * speed:
                # The process was stopped: an exchange that was away does not replay what it missed.
                began_s += behind_s / speed
                driver.origin_ms += int(behind_s * 1000)
                elapsed_s -= behind_s
            driver.run_until(elapsed_s, self.pump.after_step)
            self.publisher.tick(self.event_ms())
            self.hub.flush()
            if loop.time() - noted_s > PRICE_NOTE_S:
                noted_s = loop.time()
                self.memory.note_prices(
                    {flow.market.spec.symbol: int(flow.fair_ticks) for flow in driver.flows}
                )
            await asyncio.sleep(FLOW_TURN_S)

    async def _keep_house(self) -> None:
        """What happens by the clock of the wall: countdowns, listen keys, idle connections."""
        loop = asyncio.get_running_loop()
        while True:
            self.beats += 1
            now_ms = _wall_ms()
            exchange = self.core.exchange
            if exchange.fire_countdowns(now_ms, self.event_ms()):
                self.pump.commit()
                self.pump.after_command(self.event_ms())
            for key in self.core.listen_keys.take_expired(now_ms):
                self.feed.expire(key, now_ms)
                self.pump.commit()
            self.keeper.sweep(loop.time())
            await asyncio.sleep(BEAT_S)

    async def _open_port(self) -> None:
        loop = asyncio.get_running_loop()
        listener = await _bind(self.options.config.host, self.options.config.port)
        self.port = int(listener.getsockname()[1])
        self._http = make_server(self.core, self.dispatcher)
        self._server = await loop.create_server(self._open_door, sock=listener)

    def _open_door(self) -> FrontDoor:
        assert self._http is not None, "the port opens after the HTTP server is made"
        return FrontDoor(self._http, self._make_socket)

    def _make_socket(self) -> Socket:
        socket_ = Socket(self._board.make_session, self.keeper.gone, self.options.max_buffer_bytes)
        self.keeper.came(socket_)
        return socket_


@contextlib.asynccontextmanager
async def running(options: VenueOptions, make_pace: MakePace | None = None) -> AsyncIterator[Venue]:
    """A venue for the length of a `with` block."""
    venue = Venue(options)
    try:
        await venue.start(make_pace)
        yield venue
    finally:
        await venue.close()
        venue.memory.discard()


async def _bind(host: str, port: int) -> socket.socket:
    """A listening socket; waits a little for a remembered port that is not free yet."""
    deadline_s = time.monotonic() + BIND_PATIENCE_S
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind((host, port))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if port == 0 or time.monotonic() > deadline_s:
                raise OptionsError(f"cannot listen on {host}:{port}: {error.strerror}") from error
            await asyncio.sleep(BEAT_S)
        else:
            return listener


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def main(config_path: Path, port: int | None, mirror: Path | None, speed: float) -> int:
    """`aegis venue`: serve until Ctrl-C. Returns 0, 1 if it failed, 2 if it was asked wrongly."""
    try:
        config = load_config(config_path).venue
        if port is not None:
            config = config.model_copy(update={"port": port})
        options = VenueOptions(config=config, mirror=mirror, speed=speed)
        venue = Venue(options)
    except (ConfigError, VenueError) as error:
        return _failed(error, 2)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve_alone(venue))
    except (VenueError, OSError) as error:
        return _failed(error, 1)
    return 0


def _failed(error: Exception, code: int) -> int:
    sys.stderr.write(f"aegis venue: {error}\n")
    return code


async def _serve_alone(venue: Venue) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await venue.start()
        _introduce(venue)
        await venue.wait(stop)
    finally:
        await venue.close()


def _introduce(venue: Venue) -> None:
    """Tell where it is and which keys are good. The only place where a secret is printed."""
    host, port = venue.options.config.host, venue.port
    lines = [
        ("REST", f"http://{host}:{port}"),
        ("streams", f"ws://{host}:{port}/public  /market  /private"),
        ("WebSocket API", f"ws://{host}:{port}/ws-fapi/v1"),
        ("symbols", ", ".join(venue.core.exchange.markets)),
    ]
    recording = venue.built.recording
    if recording is not None:
        lines.append(("mirror", f"{recording.path}, {recording.summary.lines} messages"))
    out = sys.stdout
    out.write("embedded exchange, simulated fills, no money\n")
    for name, value in lines:
        out.write(f"  {name:<14} {value}\n")
    for credentials in venue.minted:
        out.write(f"  {'API key':<14} {credentials.api_key}\n")
        out.write(f"  {'HMAC secret':<14} {credentials.hmac_secret}\n")
        out.write("  Ed25519 private key:\n")
        out.write(credentials.ed25519_private_pem.decode())
    out.flush()

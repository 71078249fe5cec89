"""A running venue: the port, and the clockwork behind it.

`Venue` is the whole exchange inside one event loop; ``process`` runs it as a child of a supervisor,
``alone`` as `aegis venue`, tests inside themselves. Everything it serves on comes from options.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import resource
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, Final

from aiohttp import web

from aegis.venue.build import Built, VenueOptions, build
from aegis.venue.conductor import Conductor, Pace
from aegis.venue.errors import OptionsError
from aegis.venue.faults.room import FaultRoom
from aegis.venue.flow.population import make_agents
from aegis.venue.flow_driver import FlowDriver, FlowPace, whole_second
from aegis.venue.journal import Journal
from aegis.venue.memory import Memory, identity_of
from aegis.venue.paper.follower import Follower
from aegis.venue.publish.publisher import Publisher
from aegis.venue.pump import Pump
from aegis.venue.streams import StreamNames
from aegis.venue.wire.dispatch import Dispatcher
from aegis.venue.wire.door import ClosedDoor, FrontDoor
from aegis.venue.wire.http import make_server
from aegis.venue.wire.hub import Hub
from aegis.venue.wire.keeper import Keeper
from aegis.venue.wire.sessions import Switchboard
from aegis.venue.wire.socket import Socket
from aegis.venue.wire.userfeed import UserFeed

log = logging.getLogger(__name__)

FLOW_TURN_S: Final = 0.005
BEAT_S: Final = 0.05
PRICE_NOTE_S: Final = 1.0  # for few symbols; the more, the less often
MANY_SYMBOLS: Final = 20
CLOSE_PATIENCE_S: Final = 1.0
MOST_CONNECTIONS: Final = 20_000
SPARE_DESCRIPTORS: Final = 128
BACKLOG: Final = 128
MakePace = Callable[["Venue"], Pace]
MakeFollower = Callable[["Venue"], Follower]
Play = Callable[[], Coroutine[Any, Any, None]]


class Venue:
    """An exchange on one port of one event loop. Use `running` or `start` and `close`."""

    def __init__(self, options: VenueOptions) -> None:
        options, self.minted = options.with_keys()
        self.options = options
        self._conductor: Conductor | None = None
        self._driver: FlowDriver | None = None
        self.follower: Follower | None = None
        self._pace: FlowPace | None = None
        self._catching_up = False  # a fault may act as a client does, in the middle of it
        self.built: Built = build(options, _wall_ms, self.event_ms)
        self.core = self.built.core
        markets = self.core.exchange.markets
        modern = self.core.modern
        raw = frozenset[str]().union(*(reel.recording.summary.streams for reel in self.built.reels))
        self.hub = Hub()
        self.feed = UserFeed(markets, self.core.listen_keys, self.core.modern)
        self.publisher = Publisher(self.core, self.hub, raw)
        self.memory = Memory(self.core, self._journal())
        self.pump = Pump(
            self.core, self.memory, self.publisher, self.hub, self.feed,
            recorded=bool(self.built.reels or self.built.followed),
        )  # fmt: skip
        self.dispatcher = Dispatcher(self.core, self.pump)
        self.keeper = Keeper(self.core.limiter.limits)
        self.port = 0
        self.beats = 0
        self.faults = FaultRoom(
            self.core,
            options.faults,
            options.config.seed,
            self.hub,
            self.feed,
            self.dispatcher,
            _later,
            lambda: self.pump.last_event_ms,
            self._tell,
        )
        self._board = Switchboard(
            self.core, self.hub, self.feed, StreamNames(markets, modern), self.faults
        )
        self._doors: set[FrontDoor] = set()
        self._most_connections = _most_connections()
        self._http: web.Server | None = None
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # --- life ---

    async def start(
        self, make_pace: MakePace | None = None, make_follower: MakeFollower | None = None
    ) -> None:
        """Recover, open the markets, open the port. Raises VenueError."""
        options = self.options
        # First of all: who cannot have the port must not touch what is kept of the accounts.
        listener = await _bind(options.config.host, options.config.port, options.bind_patience_s)
        try:
            play = self._prepare(make_pace, make_follower)
            await self._open_port(listener)
        except BaseException:
            listener.close()
            raise
        self._tasks = [
            asyncio.create_task(play(), name="market"),
            asyncio.create_task(self._keep_house(), name="house"),
        ]

    def _prepare(self, make_pace: MakePace | None, make_follower: MakeFollower | None) -> Play:
        """Bring the accounts back and open the markets; what is returned runs them."""
        if make_follower is not None:
            self.follower = make_follower(self)
            # No book is in force yet: what rested rests again, and nothing trades.
            self.memory.restore()
            self.faults.open(self.event_ms())
            self.core.catch_up = self.follower.catch_up
            self.follower.begin()
            return self.follower.run
        if self.built.reels:
            self._conductor = self._make_conductor(make_pace)
            self._conductor.fast_forward()
            self.memory.restore()
            self.faults.open(self._conductor.event_ms)
            self._conductor.on_time = self.faults.advance
            return self._conductor.run
        driver = self._open_markets()
        self.faults.open(driver.origin_ms)
        return partial(self._run_flow, driver)

    async def wait(self, stop: asyncio.Event, on_beat: Callable[[], None] | None = None) -> None:
        """Run until `stop`, calling `on_beat` about 20 times a second. Raises what broke."""
        while not stop.is_set():
            if on_beat is not None:
                on_beat()
            self.check()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), BEAT_S)

    def check(self) -> None:
        """Raise what broke, if anything has."""
        for task in self._tasks:
            if task.done():
                task.result()
        if self.dispatcher.broken is not None:
            raise self.dispatcher.broken

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
        if self._conductor is not None:
            now = self._conductor.event_ms
        else:
            now = _wall_ms() if self._pace is None else self._pace.now_ms(time.time())
        return max(self.pump.last_event_ms, now)

    @property
    def is_local(self) -> bool:
        """Does only this machine reach it?"""
        return ipaddress.ip_address(self.options.config.host).is_loopback

    # --- inside ---

    def _tell(self, now_ms: int) -> None:
        """Something happened that no client asked for: keep it, tell the owners and the market."""
        self.pump.commit()
        self.pump.after_command(now_ms)

    def _journal(self) -> Journal | None:
        folder = self.options.state_dir
        return None if folder is None else Journal(folder, identity_of(self.options.keys))

    def _make_conductor(self, make_pace: MakePace | None) -> Conductor:
        conductor = Conductor(
            self.core,
            self.built.reels,
            self.hub,
            self.pump,
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
        config, core = self.options.config, self.core
        specs = [market.spec for market in core.exchange.markets.values()]
        agents = make_agents(specs, config.flow, config.seed, prices)
        core.treasury.marks.follow(agents.fair_ticks)
        origin_ms = whole_second(_wall_ms())
        driver = FlowDriver(
            core, agents, origin_ms, self._after_step, lambda: self.pump.last_event_ms
        )
        self._driver = driver
        self._pace = FlowPace(driver, time.time(), self.options.speed)
        driver.open_markets()
        core.halt = driver.halt
        core.catch_up = self._catch_up
        return driver

    def _after_step(self, now_ms: int) -> None:
        assert self._driver is not None, "steps are the driver's"
        self.pump.digest_origin_ms = self._driver.origin_ms
        self.pump.after_step(now_ms)

    async def _run_flow(self, driver: FlowDriver) -> None:
        loop = asyncio.get_running_loop()
        note_every_s = PRICE_NOTE_S * max(1.0, len(self.core.exchange.markets) / MANY_SYMBOLS)
        noted_s = loop.time()
        while True:
            self._catch_up()
            self.pump.tick(driver.reached_ms)
            self.hub.flush()
            if loop.time() - noted_s > note_every_s:
                noted_s = loop.time()
                self.memory.note_prices(driver.fair_prices())
            await asyncio.sleep(FLOW_TURN_S)

    def _catch_up(self) -> None:
        """Run the flow up to the clock, halting where a fault begins, is due or ends."""
        driver, pace = self._driver, self._pace
        if driver is None or pace is None or self._catching_up:
            return
        self._catching_up = True
        try:
            until_s = pace.reach(time.time())
            until_ms = driver.origin_ms + int(until_s * 1000)
            while (edge_ms := self.faults.next_edge_ms()) <= until_ms:
                driver.run_until((edge_ms - driver.origin_ms) / 1000)
                self.faults.advance(edge_ms)
            driver.run_until(until_s)
            self.faults.advance(until_ms)
        finally:
            self._catching_up = False

    async def _keep_house(self) -> None:
        """What happens by the clock of the wall: countdowns, listen keys, idle connections."""
        loop = asyncio.get_running_loop()
        while True:
            self.beats += 1
            now_ms = _wall_ms()
            exchange = self.core.exchange
            if exchange.fire_countdowns(now_ms, self.event_ms()):
                self._tell(self.event_ms())
            for key in self.core.listen_keys.take_expired(now_ms):
                self.feed.expire(key, now_ms)
                self.pump.commit()
            self.keeper.sweep(loop.time())
            self.faults.keep_house()
            if self._conductor is not None and self._conductor.done:
                # The recording's clock stands: what is armed must still come to its end.
                self.faults.advance(self.faults.board.now_ms + int(BEAT_S * 1000))
            await asyncio.sleep(BEAT_S)

    async def _open_port(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self.port = int(listener.getsockname()[1])
        self._http = make_server(self.core, self.faults, self.is_local)
        if not self.is_local:
            log.warning(
                "listening on %s:%d: whoever reaches this machine can reach the exchange, "
                "without encryption; faults cannot be controlled while it is so",
                self.options.config.host,
                self.port,
            )
        self._server = await loop.create_server(self._open_door, sock=listener)

    def _open_door(self) -> asyncio.Protocol:
        assert self._http is not None, "the port opens after the HTTP server is made"
        if len(self._doors) + len(self.keeper) >= self._most_connections:
            return ClosedDoor()
        return FrontDoor(self._http, self._make_socket, self._doors)

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


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OptionsError if the port is in use or not ours to use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise OptionsError(f"cannot listen on {host}:{port}: {reason}") from error
    return listener


async def _bind(host: str, port: int, patience_s: float) -> socket.socket:
    """A listening socket. Raises OptionsError if there is none when patience has run out."""
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            return listen(host, port)
        except OptionsError:
            if port == 0 or time.monotonic() > deadline_s:
                raise
            await asyncio.sleep(BEAT_S)


def _most_connections() -> int:
    """As many as there are descriptors for, with some to spare for everything else."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(1, min(MOST_CONNECTIONS, most - SPARE_DESCRIPTORS))


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _later(delay_s: float, do: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(delay_s, do)

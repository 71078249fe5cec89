"""The feed as a process: the event loop, its timers, and what happens between messages.

Called by the supervisor in the forked child (`run`), and once in the parent before the fork
(`warm_up`). It owns the connections and REST; the market state is the intake's. It never waits for
a reader, and it leaves only when told to: every failure of the exchange ends in another attempt,
with the books marked invalid meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections.abc import Coroutine
from typing import Any

import uvloop

from aegis.config.settings import Settings
from aegis.feed.connection import MarketConnection
from aegis.feed.deadlines import Deadlines, Sighting
from aegis.feed.errors import FeedError, RateLimitedError, SymbolUnknownError
from aegis.feed.exchange_info import instrument_fields, update_rows
from aegis.feed.intake import Intake
from aegis.feed.layout import DEPTH_RECV_NS, QUOTE_RECV_NS, TRADE_RECV_NS
from aegis.feed.rest import MarketRest
from aegis.feed.snapshots import SnapshotRequest
from aegis.feed.streams import plan_streams
from aegis.feed.sync import Reason
from aegis.feed.warm_up import warm_up
from aegis.host.clock import monotonic_ns
from aegis.host.gc_scope import GcScope
from aegis.shm.instance import InstanceMemory
from aegis.shm.wiring import Wiring

__all__ = ["Feed", "run", "warm_up"]

STARTING, READY, DEGRADED, DRAINING, STOPPED = 1, 2, 3, 4, 5

_TURN_S = 0.02
_CANARY_NS = 200_000_000
_WATCH_NS = 200_000_000
_SECOND_NS = 1_000_000_000
_REFRESH_NS = 60_000_000_000
_RETRY_S = 0.25
# Shorter than a drain may take: a venue that hangs must not keep us from leaving.
_INFO_DEADLINE_S = 3.0
_SNAPSHOT_LEVELS = "1000"


def run(settings: Settings, memory: InstanceMemory, wiring: Wiring) -> int:
    """Be the feed until told to stop; returns 0, or 2 for a symbol the exchange does not list."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Feed(settings, memory, wiring).main())


class Feed:
    """One feed process. `main` is its life; the rest are its timers."""

    def __init__(
        self,
        settings: Settings,
        memory: InstanceMemory,
        wiring: Wiring,
        limits: Deadlines | None = None,
    ) -> None:
        self.settings = settings
        self.memory = memory
        self.wiring = wiring
        self.symbols = list(settings.instance.symbols)
        self.counters = memory.counters["feed"]
        self.limits = limits or (Deadlines.for_mirror() if settings.mirror else Deadlines())
        # Jitter only: no decision and no record depends on it.
        self.source = random.Random(memory.control.generation("feed"))
        self.intake = Intake(
            self.symbols, memory.ticks, memory.books, self.counters, source=self.source
        )
        hardware = settings.hardware
        self.scope = GcScope(
            self.counters.__setitem__,
            interval_ms=hardware.gc_interval_ms,
            force_ms=hardware.gc_force_ms,
        )
        self.connections: list[MarketConnection] = []
        self.rest = MarketRest(self.limits.rest_s)
        self._terminated = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._was_ready = False
        self._canary = self.counters["canary_number"]
        self._reconnects = self.counters["reconnects"]
        self._due_ns = {"canary": 0, "watch": 0, "second": 0, "refresh": 0}
        self._refreshing = False
        self._told_errors = self.intake.total("decode_errors")

    async def main(self) -> int:
        """Start, turn until told to stop, drain; returns the exit code."""
        self.counters["state"] = STARTING
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        beating = asyncio.create_task(self._beat_for_ever())
        try:
            async with self.rest:
                with self.scope:
                    if await self._load_instruments():
                        await self._work()
                    else:
                        return self._leave(2 if not self.is_stopping else 0)
        finally:
            beating.cancel()
            loop.remove_signal_handler(signal.SIGTERM)
        return self._leave(0)

    @property
    def is_stopping(self) -> bool:
        """Whether SIGTERM came or the supervisor wants us to finish."""
        return self._terminated or self.wiring.stopping("feed")

    def say(self, text: str) -> None:
        """One line for people, on standard error."""
        sys.stderr.write(f"aegis {self.settings.name} feed: {text}\n")

    # ---- start and end

    async def _load_instruments(self) -> bool:
        """Fill the instruments table, trying until the exchange answers; False: give up."""
        told = ""
        while not self.is_stopping:
            try:
                await self._refresh_instruments()
                return True
            except SymbolUnknownError as error:
                self.say(str(error))
                return False
            except FeedError as error:
                # Said once, not at every attempt: the exchange may be a minute late.
                if str(error) != told:
                    self.say(str(error))
                told = str(error)
            await asyncio.sleep(_RETRY_S)
        return False

    async def _refresh_instruments(self) -> None:
        url = self.wiring.venue_url()
        if url is None:
            return await self._wait_for_venue()
        body = await self.rest.get(f"{url}/fapi/v1/exchangeInfo", _INFO_DEADLINE_S)
        rows = instrument_fields(body, self.symbols)
        for change in update_rows(self.memory.instruments, rows):
            self.say(f"the exchange changed {change}")
        return None

    async def _wait_for_venue(self) -> None:
        while self.wiring.venue_url() is None and not self.is_stopping:
            await asyncio.sleep(_TURN_S)
        if not self.is_stopping:
            await self._refresh_instruments()

    async def _work(self) -> None:
        """The connections' lifetime."""
        now_ns = monotonic_ns()
        self.intake.announce_up(now_ns)
        self._due_ns["refresh"] = now_ns + _REFRESH_NS
        plans = plan_streams(
            self.symbols, self.settings.venue.dialect, with_marks=self.settings.mirror is None
        )
        self.connections = [
            MarketConnection(
                plan,
                self.intake,
                lambda: self.wiring.venue_url("ws"),
                self.limits,
                self.scope,
                self.source,
                self.say,
                self._on_change,
            )
            for plan in plans
        ]
        running = [asyncio.create_task(connection.run()) for connection in self.connections]
        if self.settings.hardware.wait == "spin":
            self._spin()
        try:
            while not self.is_stopping:
                self._turn(monotonic_ns())
                for task in running:
                    if task.done():
                        task.result()
                await asyncio.sleep(_TURN_S)
        finally:
            self.counters["state"] = DRAINING
            instruments = list(range(len(self.symbols)))
            self.intake.on_disconnected(instruments, Reason.STOPPING, monotonic_ns())
            for task in (*running, *self._tasks):
                task.cancel()
            await asyncio.gather(*running, *self._tasks, return_exceptions=True)

    def _spin(self) -> None:
        """Keep the loop from sleeping in epoll: a profile that spins gives us a core of our own."""
        if not self.is_stopping:
            asyncio.get_running_loop().call_soon(self._spin)

    def _leave(self, code: int) -> int:
        self.counters["state"] = STOPPED
        return code

    def _terminate(self) -> None:
        self._terminated = True

    # ---- timers

    async def _beat_for_ever(self) -> None:
        """Proof of progress: the loop really turns, also while the exchange is being waited for."""
        counters, last_ns = self.counters, monotonic_ns()
        while True:
            now_ns = monotonic_ns()
            # What the loop did beside sleeping: the longest time it was deaf.
            late_ns = now_ns - last_ns - int(_TURN_S * 1e9)
            counters["max_cycle_ns"] = max(counters["max_cycle_ns"], late_ns)
            last_ns = now_ns
            counters["loop_seq"] += 1
            counters["loop_ts_ns"] = now_ns
            await asyncio.sleep(_TURN_S)

    def _is_due(self, timer: str, now_ns: int, every_ns: int) -> bool:
        if now_ns < self._due_ns[timer]:
            return False
        self._due_ns[timer] = now_ns + every_ns
        return True

    def _turn(self, now_ns: int) -> None:
        """What is due between messages."""
        self._send_requests(now_ns)
        if self._is_due("canary", now_ns, _CANARY_NS):
            self._canary += 1
            self.intake.canary(self._canary, now_ns)
        if self._is_due("watch", now_ns, _WATCH_NS):
            self._watch(now_ns)
        if self._is_due("second", now_ns, _SECOND_NS):
            self._track_clock()
            self._tell_errors()
        if self._is_due("refresh", now_ns, _REFRESH_NS) and not self._refreshing:
            self._spawn(self._refresh_quietly())
        idle = now_ns - self.counters["last_message_ns"] > int(_TURN_S * 1e9)
        self.scope.safe_point(now_ns, idle)

    def _watch(self, now_ns: int) -> None:
        for connection in self.connections:
            connection.tend(now_ns)
            if connection.watch is None:
                continue
            instruments = connection.plan.instruments
            sightings = [self._sighting(instrument) for instrument in instruments]
            complaint = connection.watch.complaint(sightings, now_ns)
            if complaint is None and any(
                self.intake.is_hopeless(instrument, now_ns, self.limits.bridge_s)
                for instrument in instruments
            ):
                complaint = "no snapshot joins the stream"
            if complaint is not None:
                connection.restart(complaint)
        self._judge_state()

    def _sighting(self, instrument: int) -> Sighting:
        row = self.intake.rows[instrument]
        return Sighting(
            depth_ns=int(row[DEPTH_RECV_NS]),
            quote_ns=int(row[QUOTE_RECV_NS]),
            trade_ns=int(row[TRADE_RECV_NS]),
            tops_differ=self.intake.tops_differ(instrument),
        )

    def _track_clock(self) -> None:
        lead_ns = self.intake.take_clock_lead_ns()
        if lead_ns is not None:
            # Receive times are monotonic; the exchange's are of the wall clock.
            wall_ns = time.time_ns() - monotonic_ns()
            self.counters["clock_offset_ns"] = lead_ns - wall_ns

    def _tell_errors(self) -> None:
        """Say that messages were refused, once a second at most, with the last one's fault."""
        refused = self.intake.total("decode_errors") - self._told_errors
        if refused:
            self._told_errors += refused
            self.say(f"{refused} messages refused, the last one: {self.intake.last_error}")

    def _judge_state(self) -> None:
        whole = bool(self.connections) and all(
            connection.is_up and connection.subscribed == len(connection.plan.names)
            for connection in self.connections
        )
        if whole and all(self.intake.valid):
            self._was_ready = True
            self.counters["state"] = READY
        elif self._was_ready or whole:
            self.counters["state"] = DEGRADED

    def _on_change(self) -> None:
        """A connection came or went, or its subscription was acknowledged."""
        counters = self.counters
        counters["connected"] = sum(connection.is_up for connection in self.connections)
        counters["subscribed"] = sum(connection.subscribed for connection in self.connections)
        again = sum(max(connection.opened - 1, 0) for connection in self.connections)
        counters["reconnects"] = self._reconnects + again
        self._send_requests(monotonic_ns())

    # ---- REST

    def _send_requests(self, now_ns: int) -> None:
        for request in self.intake.snapshots.due(now_ns):
            self._spawn(self._fetch_snapshot(request))

    async def _fetch_snapshot(self, request: SnapshotRequest) -> None:
        intake, snapshots = self.intake, self.intake.snapshots
        symbol = self.symbols[request.instrument]
        try:
            url = self.wiring.venue_url()
            if url is None:
                raise FeedError("the exchange has no address")
            body = await self.rest.get(
                f"{url}/fapi/v1/depth", symbol=symbol, limit=_SNAPSHOT_LEVELS
            )
        except FeedError as error:
            now_ns = monotonic_ns()
            if isinstance(error, RateLimitedError):
                snapshots.pause(now_ns, error.retry_after_s)
            if snapshots.is_current(request):
                snapshots.failed(request.instrument, now_ns)
                self.say(f"snapshot of {symbol}: {error}")
            return
        intake.on_snapshot(request, body, monotonic_ns())

    async def _refresh_quietly(self) -> None:
        self._refreshing = True
        try:
            await self._refresh_instruments()
        except FeedError as error:
            self.say(f"instruments not refreshed: {error}")
        finally:
            self._refreshing = False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
import time

import uvloop

from aegis.config.settings import Settings
from aegis.feed.backoff import Backoff
from aegis.feed.candle_history import CandleHistory
from aegis.feed.connection import MarketConnection
from aegis.feed.deadlines import Deadlines
from aegis.feed.discovery import Discovery
from aegis.feed.endpoints import Endpoints
from aegis.feed.errors import FeedError, SymbolUnknownError
from aegis.feed.exchange_clock import ExchangeClock
from aegis.feed.freshness import Freshness
from aegis.feed.gate import AddressGate
from aegis.feed.intake import SIDE_CAPACITY, Intake
from aegis.feed.rest import MarketRest
from aegis.feed.resync import Resync
from aegis.feed.streams import Shard, ShardPlan
from aegis.feed.universe import FALLBACK, Changes, Universe
from aegis.feed.warm_up import warm_up
from aegis.feed.weight import WeightBudget
from aegis.host.clock import monotonic_ns
from aegis.host.gc_scope import GcScope
from aegis.shm.absence import Reason
from aegis.shm.instance import InstanceMemory
from aegis.shm.rate_ledger import RateLedger, ledger_path
from aegis.shm.said import Said
from aegis.shm.wiring import Wiring

__all__ = ["Feed", "run", "warm_up"]

STARTING, READY, DEGRADED, DRAINING, STOPPED = 1, 2, 3, 4, 5

_TURN_S = 0.02
_CANARY_NS = 200_000_000
_WATCH_NS = 200_000_000
_SECOND_NS = 1_000_000_000
_REFRESH_NS = 60_000_000_000
_RETRY_NS = 5_000_000_000
# How soon the list of symbols may be asked for again because of `!contractInfo`.
_NOTICE_NS = 2_000_000_000
_FIRST_RETRY_S, _LAST_RETRY_S = 0.25, 5.0
# Beyond so many symbols full books keep fewer levels: snapshots are shallower too.
_MANY_SYMBOLS = 64
_FEW_LEVELS = 2_048
# An instance that takes everything is ready with this share of its books in force: among hundreds
# of symbols somebody is always being synchronised, or has not traded for a minute.
_READY_SHARE = 0.95


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
        endpoints: Endpoints | None = None,
    ) -> None:
        """Raises FeedError for endpoints in the settings that cannot be used."""
        self.settings = settings
        self.memory = memory
        self.wiring = wiring
        self.counters = memory.counters["feed"]
        self._said = Said(memory.directory, settings.name, "feed")
        self.universe = Universe(settings.instance.symbols, memory.instruments)
        self.limits = limits or (Deadlines.for_mirror() if settings.mirrored else Deadlines())
        # Jitter only: no decision and no record depends on it.
        self.source = random.Random(memory.control.generation("feed"))
        rows = memory.instruments.rows.size if self.universe.takes_all else 0
        self.intake = Intake(
            self.universe.symbols,
            memory.ticks,
            memory.books,
            self.counters,
            side_capacity=SIDE_CAPACITY if rows <= _MANY_SYMBOLS else _FEW_LEVELS,
            source=self.source,
            rows=rows,
            marks=memory.marks,
            candles=memory.candles,
            candle_update_ms=settings.feed.candle_update_ms,
        )
        self.intake.snapshots.at_once = settings.feed.snapshots_at_once
        self.intake.conflate(settings.feed.conflate_ms, by_event=settings.mirrored)
        for instrument in range(len(self.universe.symbols)):
            self.intake.set_wanted(instrument, False)
        hardware = settings.hardware
        self.scope = GcScope(
            self.counters.__setitem__,
            interval_ms=hardware.gc_interval_ms,
            force_ms=hardware.gc_force_ms,
        )
        self.connections: list[MarketConnection] = []
        self.plan = ShardPlan(
            settings.venue.dialect,
            settings.feed.symbols_per_connection,
            # A recording has no mark prices.
            with_marks=not settings.mirrored,
        )
        self._prepare_questions(endpoints or Endpoints.of(settings, wiring.venue_url))
        self._terminated = False
        self._running: dict[MarketConnection, asyncio.Task[None]] = {}
        self._refreshing: asyncio.Task[None] | None = None
        self._was_ready = False
        self._canary = self.counters["canary_number"]
        self._reconnects = self.counters["reconnects"]
        self._handovers = (self.counters["handovers"], self.counters["handovers_failed"])
        timers = ("canary", "watch", "second", "refresh", "notice", "gate")
        self._due_ns = dict.fromkeys(timers, 0)
        self._noticed = False
        self._told_errors = self.intake.total("decode_errors")
        # A market that runs faster or slower than time has no clock to judge its times by.
        self.clock = None if settings.mirrored or settings.speed != 1.0 else ExchangeClock()
        self.freshness = Freshness(
            self.intake, self.limits, self.clock, counters=self.counters, say=self.say
        )

    def _prepare_questions(self, endpoints: Endpoints) -> None:
        """Everything that asks over REST, with one budget for all of it."""
        feed, counters = self.settings.feed, self.counters
        self.endpoints = endpoints
        self.budget = WeightBudget(feed.weight_reserve)
        self.gate = AddressGate(counters)
        self.rest = MarketRest(
            self.limits.rest_s,
            endpoints.tls,
            endpoints.proxy,
            lambda used: self.budget.observe(used, self.exchange_ms()),
            self.gate,
        )
        self.discovery = Discovery(
            self.universe, self.rest, endpoints, self.budget, counters,
            Backoff(_FIRST_RETRY_S, _LAST_RETRY_S, self.source), self.exchange_ms, self.say,
        )  # fmt: skip
        self.resync = Resync(
            self.intake, self.rest, endpoints, self.budget, counters, self.exchange_ms, self.say
        )
        self.history = CandleHistory(
            self.intake, self.rest, endpoints, self.budget, counters, self.exchange_ms, self.say,
            self.source,
        )  # fmt: skip

    async def main(self) -> int:
        """Start, turn until told to stop, drain; returns the exit code."""
        self.counters["state"] = STARTING
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        beating = asyncio.create_task(self._beat_for_ever())
        environment = self.settings.market
        host = environment.host if environment is not None else None
        # No account of ours: what the feed asks for counts by address alone.
        ledger = RateLedger.open(ledger_path(self.memory.directory, host), 0)
        self.budget.ledger = self.gate.ledger = ledger
        self.gate.write_counters()
        try:
            async with self.rest:
                with self.scope:
                    return self._leave(await self._live())
        finally:
            self.budget.ledger = None
            self.gate.ledger = RateLedger.private()
            ledger.close()
            beating.cancel()
            loop.remove_signal_handler(signal.SIGTERM)

    async def _live(self) -> int:
        """Find the symbols, then follow them; returns the exit code."""
        tries = self.settings.feed.discovery_tries
        try:
            changes = await self.discovery.begin(tries, lambda: self.is_stopping)
        except SymbolUnknownError as error:
            self.say(str(error))
            return 2
        if changes is not None:
            await self._work(changes)
        return 0

    @property
    def is_stopping(self) -> bool:
        """Whether SIGTERM came or the supervisor wants us to finish."""
        return self._terminated or self.wiring.stopping("feed")

    def exchange_ms(self) -> int:
        """The exchange's time in ms since 1970, as far as its events have told it."""
        return (time.time_ns() + self.counters["clock_offset_ns"]) // 1_000_000

    def say(self, text: str) -> None:
        """One line for people, on standard error."""
        self._said.say(text)

    # ---- start and end

    async def _work(self, changes: Changes) -> None:
        """The connections' lifetime."""
        now_ns = monotonic_ns()
        self.intake.announce_up(now_ns)
        self._due_ns["refresh"] = now_ns + self._refresh_pause_ns()
        self._apply(changes)
        if self.settings.hardware.wait == "spin":
            self._spin()
        try:
            while not self.is_stopping:
                self._turn(monotonic_ns())
                for task in list(self._running.values()):
                    if task.done():
                        task.result()
                await asyncio.sleep(_TURN_S)
        finally:
            self.counters["state"] = DRAINING
            streamed = self.universe.streamed
            self.intake.on_disconnected(streamed, Reason.STOPPING, monotonic_ns())
            refreshing = [self._refreshing] if self._refreshing is not None else []
            tasks = [*self._running.values(), *refreshing]
            for task in tasks:
                task.cancel()
            await asyncio.gather(
                *tasks, self.resync.close(), self.history.close(), return_exceptions=True
            )

    # ---- the universe, and who brings it

    def _apply(self, changes: Changes) -> None:
        """Let rows, streams and books follow what the exchange lists."""
        now_ns = monotonic_ns()
        for instrument in changes.added:
            given = self.intake.add_symbol(self.universe.symbols[instrument])
            assert given == instrument, "rows and numbers go together"
            self.intake.set_wanted(instrument, False)
        for instrument in changes.statuses:
            self.intake.tell_status(instrument, self.universe.status(instrument), now_ns)
        for instrument in changes.closed:
            self.intake.set_wanted(instrument, False)
        self.history.drop(changes.closed)
        touched = self.plan.remove(changes.closed)
        self.intake.on_disconnected(changes.closed, Reason.NOT_TRADING, now_ns)
        for instrument in changes.opened:
            self.intake.set_wanted(instrument, True)
        self.history.follow(changes.opened)
        symbols = self.universe.symbols
        touched += self.plan.add((row, symbols[row]) for row in changes.opened)
        self._follow(touched)

    def _follow(self, touched: list[Shard]) -> None:
        """Have every shard that changed subscribed as it is now; make and end connections."""
        connections = {connection.shard: connection for connection in self.connections}
        for shard in dict.fromkeys(touched):
            connection = connections.get(shard)
            if connection is None:
                self._connect(shard)
            elif shard.names:
                connection.follow()
            else:
                self.plan.drop(shard)
                self.connections.remove(connection)
                done, failed = self._handovers
                failed += connection.handovers_failed
                self._handovers = (done + connection.handovers, failed)
                self._running.pop(connection).cancel()
        self._on_change()

    def _connect(self, shard: Shard) -> None:
        feed = self.settings.feed
        connection = MarketConnection(
            shard, self.intake, self.endpoints, self.limits, self.scope, self.source, self.say,
            self._on_change, feed.lifetime_s, feed.overlap_s, self.gate,
        )  # fmt: skip
        self.connections.append(connection)
        self._running[connection] = asyncio.create_task(connection.run())

    def _take_notices(self, now_ns: int) -> None:
        """Act on `!contractInfo`: the status at once, all else by asking for the list."""
        notices, self.intake.notices = self.intake.notices, []
        for payload in notices:
            changes = self.discovery.notice(payload)
            if changes is not None:
                self._apply(changes)
        self._noticed = self._noticed or bool(notices)
        if self._noticed and self._is_due("notice", now_ns, _NOTICE_NS):
            self._noticed = False
            self._due_ns["refresh"] = 0

    def _refresh_pause_ns(self) -> int:
        """Without the real list every second counts; with it a look a minute is enough."""
        return _RETRY_NS if self.universe.source == FALLBACK else _REFRESH_NS

    def _refresh(self) -> None:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh_quietly())

    async def _refresh_quietly(self) -> None:
        try:
            changes = await self.discovery.refresh()
        except FeedError as error:
            self.say(f"instruments not refreshed: {error}")
            return
        if changes is not None:
            self._apply(changes)

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
            if self._is_due("gate", now_ns, _WATCH_NS):
                self.gate.write_counters()
            await asyncio.sleep(_TURN_S)

    def _is_due(self, timer: str, now_ns: int, every_ns: int) -> bool:
        if now_ns < self._due_ns[timer]:
            return False
        self._due_ns[timer] = now_ns + every_ns
        return True

    def _turn(self, now_ns: int) -> None:
        """What is due between messages."""
        self.resync.send(now_ns)
        self.intake.release(now_ns)
        self.history.send(now_ns)
        if self.intake.notices or self._noticed:
            self._take_notices(now_ns)
        if self._is_due("canary", now_ns, _CANARY_NS):
            self._canary += 1
            self.intake.canary(self._canary, now_ns)
        if self._is_due("watch", now_ns, _WATCH_NS):
            self._watch(now_ns)
        if self._is_due("second", now_ns, _SECOND_NS):
            self._track_clock()
            self._tell_errors()
            self.resync.write_counters()
        if self._is_due("refresh", now_ns, self._refresh_pause_ns()):
            self._refresh()
        idle = now_ns - self.counters["last_message_ns"] > int(_TURN_S * 1e9)
        self.scope.safe_point(now_ns, idle)

    def _watch(self, now_ns: int) -> None:
        for connection in self.connections:
            connection.tend(now_ns)
        self.freshness.look(self.connections, now_ns)
        self._judge_state()

    def _track_clock(self) -> None:
        lead_ns = self.intake.take_clock_lead_ns()
        if lead_ns is None:
            return
        now_ns = monotonic_ns()
        if self.clock is not None:
            self.clock.observe(lead_ns, now_ns)
            assert self.clock.lead_ns is not None, "it has just been told"
            lead_ns = self.clock.lead_ns
            self.intake.set_clock_lead_ns(lead_ns)
        # Receive times are monotonic; the exchange's are of the wall clock.
        offset_ns = lead_ns - (time.time_ns() - now_ns)
        self.counters["clock_offset_ns"] = offset_ns
        self.intake.news.tell_clock(offset_ns, now_ns + lead_ns, now_ns)

    def _tell_errors(self) -> None:
        """Say that messages were refused, once a second at most, with the last one's fault."""
        refused = self.intake.total("decode_errors") - self._told_errors
        if refused:
            self._told_errors += refused
            self.say(f"{refused} messages refused, the last one: {self.intake.last_error}")

    def _judge_state(self) -> None:
        """READY with every stream and (nearly) every book; once ready, DEGRADED without."""
        counters, wanted = self.counters, sum(self.intake.wanted)
        valid = sum(self.intake.valid)
        needed = wanted * _READY_SHARE if self.universe.takes_all else wanted
        whole = bool(self.connections) and counters["subscribed"] == counters["streams_wanted"]
        if whole and valid >= needed and self.universe.source != FALLBACK:
            self._was_ready = True
            counters["state"] = READY
        elif self._was_ready or whole:
            counters["state"] = DEGRADED

    def _on_change(self) -> None:
        """A connection came or went, or its subscription was acknowledged."""
        counters, connections = self.counters, self.connections
        counters["connections_wanted"] = len(connections)
        counters["streams_wanted"] = sum(len(one.shard.names) for one in connections)
        counters["connected"] = sum(one.is_up for one in connections)
        counters["subscribed"] = sum(one.subscribed for one in connections)
        again = sum(max(one.opened - 1, 0) for one in connections)
        counters["reconnects"] = max(counters["reconnects"], self._reconnects + again)
        done, failed = self._handovers
        counters["handovers"] = done + sum(one.handovers for one in connections)
        counters["handovers_failed"] = failed + sum(one.handovers_failed for one in connections)
        self.resync.send(monotonic_ns())

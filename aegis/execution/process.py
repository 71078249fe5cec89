"""Execution as a process: what happens around a trading session, from the fork to the exit.

Called by the supervisor in the forked child. Start-up is crash recovery, the same every time: read
the account's rules, make the session, bring its lines up, reconcile, and only then `ready`. A turn
every 20 ms proves progress, copies counters, watches the other processes and takes reloads over.
The end (the control word, SIGTERM, the supervisor's death) cancels every order of ours and confirms
by query that none rests, within the drain's time.

It decides no trade. No line that it writes holds a secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
from time import monotonic_ns
from typing import Any

import numpy as np
import uvloop

from aegis.config.settings import Settings
from aegis.execution.access import ExchangeAccess
from aegis.execution.client_id import MAX_EPOCH, ClientIds
from aegis.execution.connections import NetworkConnections
from aegis.execution.ending import end_tasks
from aegis.execution.errors import ExecutionError, UnusableSetupError
from aegis.execution.gauges import Gauges
from aegis.execution.intake import Parking, WaitingRoom
from aegis.execution.journal.journal import Journal
from aegis.execution.journal.layout import RECORD
from aegis.execution.journal.state import apply_records
from aegis.execution.journal_opening import open_instance_journal
from aegis.execution.latch_keeper import LatchKeeper
from aegis.execution.operator_commands import OperatorCommands
from aegis.execution.operator_desk import OperatorDesk
from aegis.execution.reconcile import read_rules
from aegis.execution.rest import RestClient
from aegis.execution.session import TradingSession
from aegis.execution.tables import Tables
from aegis.execution.vitals import Signs, Vitals
from aegis.host.gc_scope import GcScope
from aegis.host.prctl import forbid_core_dumps
from aegis.risk.control_numbers import Control
from aegis.risk.gate_state import Gate
from aegis.risk.latch import LatchState
from aegis.risk.latch_record import record_file
from aegis.risk.limits import LimitsError
from aegis.shm.instance import InstanceMemory
from aegis.shm.said import Said
from aegis.shm.wiring import Wiring

__all__ = ["run", "warm_up"]

STARTING, READY, DEGRADED, DRAINING, STOPPED = 1, 2, 3, 4, 5
_TURN_S = 0.02
_LATE_TURN_NS = 250_000_000
_LONGEST_PAUSE_S = 2.0
# The supervisor kills at the drain's end: be done a little earlier.
_DRAIN_SHARE = 0.8
_DRAIN_SLACK_S = 0.2
_NS_PER_MS = 1_000_000


def warm_up(settings: Settings) -> None:
    """Load every kernel; those with signatures are loaded by the imports above."""
    gate = Gate(1, settings.instance.limits.model_dump(), 0)
    assert gate.day_pnl_e8 == 0.0
    # The replay of a journal, which a restart cannot wait for.
    nothing = np.zeros(0, RECORD)
    assert int(apply_records(Tables.detached(gate).directory, nothing, 0, 0)) == 0


def run(settings: Settings, memory: InstanceMemory, wiring: Wiring) -> int:
    """Be execution until told to stop. 0: no order of ours rests, asked; 1: that is not certain.

    Raises UnusableSetupError for an account, key or symbol that cannot be traded with.
    """
    # What it holds is worth more than what a dump of it would tell.
    forbid_core_dumps()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code: int = runner.run(ExecutionProcess(settings, memory, wiring).main())
        return code


class ExecutionProcess:
    """The life of the process."""

    def __init__(self, settings: Settings, memory: InstanceMemory, wiring: Wiring) -> None:
        self._settings = settings
        self._memory = memory
        self._wiring = wiring
        self._counters = memory.counters["execution"]
        self._loop_seq = self._counters.index("loop_seq")
        self._loop_ts = self._counters.index("loop_ts_ns")
        self._max_cycle = self._counters.index("max_cycle_ns")
        self._said = Said(memory.directory, settings.name, "execution")
        self._access = ExchangeAccess(settings, memory, wiring, self._say)
        self._waiting = WaitingRoom(memory)
        self._parking = Parking(memory, wiring.intents_fd, settings.hardware.wait)
        self._session: TradingSession | None = None
        self._journal: Journal | None = None
        self._gauges: Gauges | None = None
        self._parent = os.getppid()
        self._stop = asyncio.Event()
        self._told = ""
        self._looked_ns = 0
        self._reload_version = 0
        # A latch that a predecessor tripped stays tripped: a restart is no person.
        self._inherited = (self._counters["gate_state"], self._counters["gate_reason"])
        self._latch_seen = LatchState.ACTIVE
        self._keeper = LatchKeeper(
            None if settings.mirrored else record_file(settings.name),
            settings.instance.strategy,
            self._say,
        )
        self._was_idle = True
        self._again: asyncio.Handle | None = None
        supervisor = settings.supervisor
        self._vitals = Vitals(
            heartbeat_ns=supervisor.heartbeat_timeout_ms * _NS_PER_MS,
            silence_ns=0
            if settings.mirrored
            else settings.instance.limits.max_stale_ms * _NS_PER_MS,
        )
        commands = OperatorCommands(lambda: self._session, self._say, self._keeper.demand)
        self._desk = OperatorDesk(memory.directory, commands.carry_out)
        hardware = settings.hardware
        self._gc = GcScope(
            self._counters.__setitem__,
            interval_ms=hardware.gc_interval_ms,
            force_ms=hardware.gc_force_ms,
        )

    async def main(self) -> int:
        """Start, serve, drain."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        counters = self._counters
        counters["state"] = STARTING
        for name in ("ready", "private_connected", "order_connected"):
            counters[name] = 0
        turning = loop.create_task(self._turn_for_ever())
        # A turn that breaks is a bug: end, and start again from the account.
        turning.add_done_callback(lambda _: self._stop.set())
        confirmed = True
        with self._gc:
            try:
                await self._desk.open()
                await self._unless_stopped(self._start())
                if self._session is not None and self._session.is_started:
                    await self._stop.wait()
            finally:
                counters["ready"] = 0
                counters["state"] = DRAINING
                await self._desk.close()
                confirmed = await self._finish()
                self._access.close()
                await self._end([turning])
                loop.remove_reader(self._parking.descriptor)
        counters["state"] = STOPPED
        session = self._session
        if session is not None and session.failure is not None:
            raise session.failure
        if turning.done() and not turning.cancelled() and turning.exception() is not None:
            raise turning.exception() or RuntimeError("the turn ended")
        return 0 if confirmed else 1

    async def _unless_stopped(self, work: Any) -> None:
        """Run `work` until it is done or the process must stop."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
        await self._end([stopped, task])
        if task.done() and not task.cancelled() and task.exception() is not None:
            raise task.exception() or RuntimeError("the start failed")

    async def _end(self, tasks: list[asyncio.Future[Any]]) -> None:
        for task in await end_tasks(tasks):
            self._say(f"did not end: {task}")

    # Start

    async def _start(self) -> None:
        """Try until the session stands; an account that cannot be traded with ends the process."""
        pause_s, told = 0.02, ""
        while True:
            try:
                await self._try_start()
                self._say("ready")
                return
            except UnusableSetupError:
                raise
            except ExecutionError as error:
                if str(error) != told:
                    self._say(f"not ready, and tried again: {error}")
                pause_s, told = max(pause_s, error.pause_s), str(error)
            await self._abandon()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _try_start(self) -> None:
        keys = await self._access.keys()
        url = self._access.endpoints.rest_url()
        if url is None:
            raise ExecutionError("the exchange has no address yet")
        dispatcher = self._access.dispatcher(keys)
        rest = RestClient(
            url, keys.api_key, keys.signer, tls=self._access.endpoints.tls, dispatcher=dispatcher
        )
        try:
            rules = await read_rules(rest, self._symbols(), self._settings)
            if not dispatcher.set_limits(rest.rate_limits):
                raise UnusableSetupError("exchangeInfo tells no rate limits: none can be kept")
            opened = open_instance_journal(self._settings, self._memory, keys.api_key, self._say)
            journal = self._journal = opened.journal
            session = TradingSession(
                self._settings,
                self._memory,
                rest,
                rules,
                ClientIds(self._settings.name, journal.run, self._settings.instance.strategy),
                NetworkConnections(self._access.endpoints, keys, rest, dispatcher),
                journal,
                opened.recovered,
                dispatcher,
                self._say,
            )
        except LimitsError as error:
            self._close_journal()
            await rest.close()
            raise UnusableSetupError(str(error)) from error
        except BaseException:
            self._close_journal()
            await rest.close()
            raise
        limits = self._settings.instance.limits.model_dump()
        self._keeper.restore(session.gate, limits, monotonic_ns())
        state, reason = self._inherited
        if state in (LatchState.REDUCING, LatchState.HALTED):
            session.gate.latch.trip(LatchState(state), reason, monotonic_ns())
        if opened.has_lost_books:
            session.gate.latch.trip(LatchState.HALTED, Control.JOURNAL_LOST, monotonic_ns())
        for text in session.unplaced:
            self._say(f"journal: {text}")
        self._session, self._looked_ns = session, 0
        self._gauges = Gauges(self._counters, session.core, journal.base_e8)
        # From here on the core answers the brain, with NOT_READY until it is.
        self._waiting.consume()
        self._watch_intents()
        self._vitals.generation = self._memory.control.generation("brain")
        await session.start(self._epoch(), self._waiting.resync or 0)
        self._counters["reconciles"] += 1
        self._write_gauges(session)
        self._counters["ready"] = 1

    def _close_journal(self) -> None:
        """Let go of a journal whose session never came to be."""
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.close()

    def _symbols(self) -> list[str]:
        """Our symbols in row order; where the exchange decides, those that the feed has found."""
        symbols = self._settings.instance.symbols or self._memory.instruments.listed
        if not symbols:
            raise ExecutionError("the feed has not found out yet which symbols there are")
        return symbols

    async def _abandon(self) -> None:
        """Give a session up that did not come to stand."""
        session, self._session, self._gauges = self._session, None, None
        if session is None:
            return
        asyncio.get_running_loop().remove_reader(self._parking.descriptor)
        self._waiting.resync = session.asked_by or self._waiting.resync
        await session.close()
        await session.rest.close()

    def _epoch(self) -> int:
        """The brain's generation, as the brain counts it; at least 1."""
        generation = int(self._memory.control.generation("brain"))
        return min(max(generation, 1), MAX_EPOCH)

    # The intents

    def _watch_intents(self) -> None:
        asyncio.get_running_loop().add_reader(self._parking.descriptor, self._woken)
        self._serve()

    def _woken(self) -> None:
        self._parking.clear()
        if self._again is None:
            self._serve()

    def _serve(self) -> None:
        """Take what is pending, then park; comes back by itself while there is more."""
        self._again = None
        session = self._session
        if session is None:
            return
        begun_ns = monotonic_ns()
        if begun_ns - self._looked_ns > _LATE_TURN_NS:
            # We were stopped: what was decided meanwhile must not overtake the look at who lives.
            self._look_at_vitals(session, begun_ns)
        self._gc.cycle_begin()
        batches, more = session.intake.drain()
        self._gc.cycle_end()
        ended_ns = monotonic_ns()
        if batches:
            self._was_idle = False
            self._note_cycle(ended_ns - begun_ns)
        sleepy = not more and self._parking.may_sleep(ended_ns, batches > 0)
        if not (sleepy and self._parking.park()) and self._again is None:
            self._again = asyncio.get_running_loop().call_soon(self._serve)

    # The turn

    async def _turn_for_ever(self) -> None:
        while True:
            begun_ns = monotonic_ns()
            self._counters.add(self._loop_seq, 1)
            self._counters.set(self._loop_ts, begun_ns)
            self._turn(begun_ns)
            self._note_cycle(monotonic_ns() - begun_ns)
            self._gc.safe_point(monotonic_ns(), self._was_idle)
            self._was_idle = True
            await asyncio.sleep(_TURN_S)

    def _turn(self, now_ns: int) -> None:
        if self._wiring.stopping("execution") or os.getppid() != self._parent:
            self._stop.set()
        session = self._session
        if session is None:
            self._waiting.consume()
            return
        if session.failure is not None:
            self._stop.set()
        self._follow_address(session)
        self._look_at_vitals(session, now_ns)
        if session.is_started:
            session.core.revalue(now_ns)
        self._follow_latch(session, now_ns)
        session.turn()
        session.turn_of_day()
        if session.journal is not None:
            session.journal.turn()
        self._reload(session)
        session.intake.publish()
        self._write_gauges(session)
        if session.is_started and not self._stop.is_set():
            whole = session.gate.blocks == 0 and session.gate.latch.state is LatchState.ACTIVE
            self._counters["state"] = READY if whole else DEGRADED

    def _write_gauges(self, session: TradingSession) -> None:
        assert self._gauges is not None
        self._gauges.write(session.routes, session.stream, is_reconciled=session.is_reconciled)

    def _look_at_vitals(self, session: TradingSession, now_ns: int) -> None:
        self._looked_ns = now_ns
        session.dead_man.judge(now_ns)
        feed, brain = self._memory.counters["feed"], self._memory.counters["brain"]
        verdict = self._vitals.look(
            Signs(
                now_ns=now_ns,
                supervisor_ns=self._memory.control.heartbeat_ns,
                brain_ns=brain["loop_ts_ns"],
                brain_generation=self._memory.control.generation("brain"),
                feed_ns=feed["loop_ts_ns"],
                feed_connected=feed["connected"] > 0,
                feed_message_ns=feed["last_message_ns"],
            )
        )
        session.is_calm = verdict.calm
        session.gate.clear(Vitals.BITS & ~verdict.blocks)
        session.gate.block(verdict.blocks)
        if verdict.cancel and session.is_started:
            session.core.follow_epoch(self._epoch())
            cancelled = session.intake.cancel_all()
            if cancelled:
                self._say(f"{', '.join(verdict.cancel)}: cancelling {cancelled} orders")

    def _follow_latch(self, session: TradingSession, now_ns: int) -> None:
        """A latch that has moved takes the resting orders with it, and is written down."""
        state = session.gate.latch.state
        if state is not self._latch_seen:
            self._latch_seen = state
            self._say(f"latch {session.gate.latch}")
            if state is not LatchState.ACTIVE:
                session.intake.cancel_all()
        self._keeper.follow(session.gate.latch, now_ns)

    def _follow_address(self, session: TradingSession) -> None:
        """An exchange that came back may have another port."""
        url = self._access.endpoints.rest_url()
        if url is not None:
            session.rest.base_url = url

    def _reload(self, session: TradingSession) -> None:
        """Take new limits over; the supervisor has validated them and they are never looser."""
        version = self._memory.control.config_version
        if version == self._reload_version:
            return
        text = self._memory.control.read_text()
        if text is None:
            return
        self._reload_version = version
        try:
            limits = json.loads(text).get("limits") if text else None
            if limits is not None:
                session.set_limits(limits)
            self._counters["parameters_version"] = version
        except (ValueError, AttributeError, LimitsError) as error:
            assert self._gauges is not None
            self._gauges.errors += 1
            self._say(f"new limits refused, the old ones stay: {error}")

    def _note_cycle(self, duration_ns: int) -> None:
        if duration_ns > self._counters.get(self._max_cycle):
            self._counters.set(self._max_cycle, duration_ns)

    # The end

    async def _finish(self) -> bool:
        """Drain and close. True when no order of ours rests, as far as this run can have any."""
        session = self._session
        # The supervisor asks our own exchange itself; of another one nothing has been asked yet.
        confirmed = self._settings.has_own_venue
        if session is None:
            await self._keeper.close()
            return confirmed
        if session.is_started:
            patience_ms = int(self._settings.supervisor.drain_timeout_ms * _DRAIN_SHARE)
            confirmed = False
            with contextlib.suppress(TimeoutError):
                # The drain has a deadline of its own; this one holds whatever it meets.
                async with asyncio.timeout(patience_ms / 1_000 + _DRAIN_SLACK_S):
                    confirmed = await session.drain(monotonic_ns() + patience_ms * _NS_PER_MS)
            if not confirmed:
                self._say("could not confirm that nothing rests at the exchange")
        self._keeper.follow(session.gate.latch, monotonic_ns())
        await self._keeper.close()
        await session.close()
        await session.rest.close()
        self._write_gauges(session)
        return confirmed

    def _say(self, text: str) -> None:
        """One line for a person, and not the same one over and over."""
        if text != self._told:
            self._told = text
            self._said.say(text)

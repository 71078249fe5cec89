"""One trial: a seed, a world, execution's process in it, first with faults and then without.

Safety: for some virtual seconds everything that the plan allows goes wrong, the process is killed,
stopped and restarted, and the oracles look after every step. Liveness: all of it heals, and within
a bounded time execution must agree with the exchange and trade again, or stand HALTED with a reason
that the trial knows of and with nothing of its own at risk. At the end it must drain, and confirm
truthfully. The same seed gives the same steps, on every machine.
"""

from __future__ import annotations

import random
import traceback
import zlib
from collections.abc import Callable
from typing import Any

from aegis.execution.errors import UnusableSetupError
from aegis.execution.process import ExecutionProcess
from aegis.execution.session import TradingSession
from aegis.execution.words import OPEN_COUNT
from aegis.risk.controls import Control, control_name
from aegis.risk.latch import LatchState
from aegis.shm.intent import POST_ONLY
from aegis.shm.outcome import ACCEPTED
from aegis.simulator.agenda import Agenda
from aegis.simulator.brain import Brain
from aegis.simulator.deadlines import Deadlines
from aegis.simulator.disk import SimulatedSync, Storage
from aegis.simulator.exchange import Exchange
from aegis.simulator.faults import Plan, draw_amends, draw_plan
from aegis.simulator.front import EXCHANGE_EPOCH_MS, Front
from aegis.simulator.loop import Timeline, VirtualLoop
from aegis.simulator.mishaps import go_wrong
from aegis.simulator.network import HttpSession, Line, Network
from aegis.simulator.oracles import Oracles, Violation
from aegis.simulator.premises import Premises
from aegis.simulator.result import Result

__all__ = ["Trial"]

_MS = 1_000_000
_S = 1_000_000_000
_START_NS = 1_000 * _S
_LOOK_NS = 50 * _MS
# After the healing everything must have settled within this time.
CONVERGENCE_NS = 60 * _S
_MOST_STEPS = 60_000
_FUNDING_LOOKS_NS = 600 * _S


class Trial:
    """Run one with `run`; `trace` gets a line for everything that happens."""

    def __init__(
        self, seed: int, premises: Premises, trace: Callable[[str], None] | None = None
    ) -> None:
        self.seed = seed
        self.premises = premises
        self._trace = trace
        self.rng = random.Random(seed)
        self.plan: Plan = draw_plan(self.rng)
        draw_amends(self.plan, random.Random(seed + 6))
        self.timeline = Timeline(_START_NS)
        self.agenda = Agenda(self.timeline)
        self.memory = premises.fresh_memory()
        self.checksum = 0
        self.steps = 0
        self.wall_offset_ns = self.plan.clock_offset_ns
        self.network = Network(
            self.agenda, self.plan, random.Random(seed + 1), self._on_send, self.note
        )
        self.exchange = Exchange(random.Random(seed + 2), lambda event: self.front.tell(event))
        self.front = Front(
            self.agenda, self.plan, random.Random(seed + 3), self.exchange, self._violated
        )
        self.network.server = self.front
        self.brain = Brain(
            self.memory,
            self.plan,
            random.Random(seed + 4),
            self.exchange,
            self._wake,
            self._violated,
            random.Random(seed + 7),
        )
        self.storage = Storage(self.plan, random.Random(seed + 5))
        self.storage.on_fault = self.count
        self.oracles = Oracles(
            self.timeline,
            self.exchange,
            self.brain,
            self.storage,
            premises.secrets,
            premises.limits,
            premises.settings.supervisor.heartbeat_timeout_ms * _MS,
        )
        self.network.on_http = self.oracles.on_http
        supervisor = premises.settings.supervisor
        self.countdown_ns = int(supervisor.countdown_s * _S)
        self.deadlines = Deadlines(
            self.memory,
            self.exchange,
            self.front,
            self.network,
            self.brain,
            supervisor.heartbeat_timeout_ms * _MS,
            self.countdown_ns,
            self.oracles.ways_out,
        )
        self.loop: VirtualLoop | None = None
        self.process: ExecutionProcess | None = None
        self.main: Any = None
        self._graveyard: list[VirtualLoop] = []
        self.paused_until_ns = 0
        self.brain_back_ns = self.feed_back_ns = self.supervisor_back_ns = 0
        self.had_place_faults = self.plan.place_fault > 0
        self.had_disk_faults = self.plan.disk_fault > 0
        self.raves = self.plan.nonsense > 0
        self.is_calm = False
        self.is_over = self.is_ending = self.is_absent = False
        self.counts: dict[str, int] = {}
        self._put_on_stage()

    def _put_on_stage(self) -> None:
        world = self.premises.stage.world
        world.monotonic_ns = lambda: self.timeline.now_ns
        world.wall_ns = self._wall_ns
        world.ws_connect = self.network.connect
        world.http_session = lambda **options: HttpSession(self.network, options["timeout"])
        world.tell = self._told
        world.disk = self.storage.mount
        self.premises.stage.boot_at(0)
        world.sync_thread = lambda work, ms: SimulatedSync(work, ms, self.agenda.after)

    def _wall_ns(self) -> int:
        """Execution's wall clock: offset, steps and drift against the truth."""
        run_ns = self.timeline.now_ns - _START_NS
        drift_ns = run_ns * self.plan.clock_drift_ppm // 1_000_000
        return EXCHANGE_EPOCH_MS * _MS + self.timeline.now_ns + self.wall_offset_ns + drift_ns

    # What is noted

    def note(self, *words: Any) -> None:
        """Something that crosses execution's edge: part of the checksum, a line of the trace."""
        text = " ".join(map(str, words))
        self.checksum = zlib.crc32(text.encode(), self.checksum + self.timeline.now_ns & 0xFFFFFFFF)
        if self._trace is not None:
            self._trace(f"{(self.timeline.now_ns - _START_NS) / 1e9:10.6f}  {text}")

    def count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1
        self.note("*", name)

    def _told(self, text: str) -> None:
        self.note("says", text.rstrip())
        self.oracles.check_text(text)

    def _violated(self, oracle: str, text: str) -> None:
        self.oracles.flag(Violation(oracle, text))

    def _on_send(self, line: Line, data: bytes) -> None:
        self.note("up", line.url[:8], data.decode())
        self.oracles.on_request(data)

    # Execution's process

    def start_process(self) -> None:
        """Start execution, as the supervisor would."""
        if self.main is not None or self.is_over or self.is_ending or self.is_absent:
            return
        self.count("start")
        self.loop = self.network.loop = VirtualLoop(self.timeline)
        self.loop.open_pipe = self.network.open_pipe
        self.oracles.session = None
        self.oracles.forget_rate()
        self.memory.control.undrain("execution")
        self.process = ExecutionProcess(self.premises.settings, self.memory, self.premises.wiring)
        self.main = self.loop.create_task(self.process.main())

    def kill_process(self) -> None:
        """SIGKILL: nothing of it runs any more; what it had sent still travels."""
        if self.main is None:
            return
        self.count("kill")
        assert self.loop is not None
        self._graveyard.append(self.loop)
        self.loop = self.network.loop = self.main = self.process = None
        self.oracles.session = None
        self.paused_until_ns = 0
        self.oracles.read_back()
        for line in self.network.lines:
            line.up_ends_ns = min(line.up_ends_ns, self.network.arrival_ns())

    def _wake(self) -> None:
        """The brain's eventfd."""
        if self.loop is not None:
            for callback in self.loop.readers.values():
                self.loop.call_soon(callback)

    def _look_after_process(self) -> None:
        """Follow the session that the process has made; notice that it has ended."""
        process, main = self.process, self.main
        if process is None or main is None:
            return
        if process._session is not self.oracles.session:
            self.oracles.session = process._session
            self._note_books(process._session)
        if not main.done():
            return
        error = main.exception()
        self.note("ended", error if error is not None else main.result())
        if error is not None and not isinstance(error, UnusableSetupError):
            text = "".join(traceback.format_exception(error)) if self._trace else repr(error)
            self._violated("failure", f"execution broke: {text}")
        self.exit_code = None if error is not None else main.result()
        self.oracles.read_back()
        assert self.loop is not None
        self._graveyard.append(self.loop)
        self.main = self.process = self.loop = self.network.loop = None
        self.oracles.session = None
        if main is self._from_before and isinstance(error, UnusableSetupError):
            # What it could not use it had met before the healing: the supervisor starts the next.
            self.agenda.after(100 * _MS, self.start_process)

    def _note_books(self, session: TradingSession | None) -> None:
        """A session without books begins its sums now, whatever was traded before."""
        if session is not None and not session.reconciler.has_books and self.exchange.trades:
            self.oracles.is_begun_anew = True

    exit_code: int | None = None
    # When execution's last step was.
    _ran_ns = 0
    # What ran when everything healed.
    _from_before: Any = None

    # The world

    def _look(self) -> None:
        """Every 50 ms: the market moves, the other processes beat, something may go wrong."""
        now_ns = self.timeline.now_ns
        self.agenda.at(now_ns + _LOOK_NS, self._look)
        if not self.is_calm:
            go_wrong(self, now_ns)
        self.exchange.now_ms = self.front.now_ms()
        self.front.run_countdown()
        if not self.is_calm:
            self.exchange.move(self.plan.fill_rate)
        alive = now_ns >= self.brain_back_ns
        self.brain.beat(
            now_ns,
            feed=now_ns >= self.feed_back_ns,
            brain=alive,
            supervisor=now_ns >= self.supervisor_back_ns,
        )
        runs = self.main is not None and self.paused_until_ns <= now_ns
        found = self.deadlines.finding(now_ns, self.oracles.session, runs=runs, ran_ns=self._ran_ns)
        if found is not None:
            self._violated(*found)
        if alive:
            self.brain.listen()
            if not self.is_calm:
                self.brain.think(now_ns)

    # Steps

    def _step(self) -> bool:
        """Let the next thing happen; False when nothing ever will."""
        world_ns = self.agenda.due_ns()
        loop = self.loop
        mine_ns = loop.due_ns() if loop is not None else None
        if mine_ns is not None:
            mine_ns = max(mine_ns, self.paused_until_ns)
        if world_ns is not None and (mine_ns is None or world_ns <= mine_ns):
            self.timeline.now_ns = max(self.timeline.now_ns, world_ns)
            self.agenda.step()
        elif mine_ns is not None and loop is not None:
            self._ran_ns = self.timeline.now_ns = max(self.timeline.now_ns, mine_ns)
            loop.step()
            if loop.complaints:
                self._violated("failure", f"left unheard: {loop.complaints[0]}")
            self._look_after_process()
            self.oracles.after_step()
        else:
            return False
        self.steps += 1
        if self.steps > _MOST_STEPS:
            self._violated("I6", f"{_MOST_STEPS} steps and no end")
        return True

    def _until(self, end_ns: int, condition: Callable[[], object] | None = None) -> bool:
        """Go on to a time or a condition; True when the condition came."""
        next_look_ns = 0
        while self.oracles.found is None:
            if condition is not None and self.timeline.now_ns >= next_look_ns:
                next_look_ns = self.timeline.now_ns + 100 * _MS
                if condition():
                    return True
            if self.timeline.now_ns >= end_ns or not self._step():
                return False
        return False

    def run(self) -> Result:
        """The whole trial."""
        halted = ""
        try:
            self._safety()
            if self.oracles.found is None:
                halted = self._liveness()
        except Violation as violation:
            self.oracles.flag(violation)
        except Exception as error:
            # A callback that broke, of execution or of the trial: a finding with a seed as well.
            text = "".join(traceback.format_exception(error)) if self._trace else repr(error)
            self.oracles.flag(Violation("failure", f"something broke: {text}"))
        finally:
            self.is_over = True
            self._bury()
        found = self.oracles.found
        return Result(
            seed=self.seed,
            steps=self.steps,
            virtual_s=(self.timeline.now_ns - _START_NS) / _S,
            oracle=found.oracle if found is not None else "",
            text=found.text if found is not None else "",
            checksum=self.checksum,
            halted=halted,
            counts=self.counts,
        )

    def _bury(self) -> None:
        self.note = lambda *_: None  # type: ignore[method-assign]
        if self.loop is not None:
            self._graveyard.append(self.loop)
        self.network.loop = None
        for loop in self._graveyard:
            loop.bury()

    def _safety(self) -> None:
        self.note("plan", self.plan)
        self.memory.control.command = 1
        self.brain.beat(self.timeline.now_ns)
        self.brain.start_epoch(self.timeline.now_ns)
        self.start_process()
        self._look()
        self._until(self.timeline.now_ns + self.rng.randrange(1 * _S, 5 * _S))
        if self.plan.absence:
            self._be_absent()

    def _be_absent(self) -> None:
        """Execution is gone, or stands still, for longer than the exchange's countdown runs."""
        end_ns = self.timeline.now_ns + self.countdown_ns + self.network.longest_trip_ns + 1 * _S
        self.count(f"{self.plan.absence} for long")
        if self.plan.absence == "killed":
            self.kill_process()
        elif self.main is not None:
            self.paused_until_ns = end_ns
        self.is_absent = True
        self._until(end_ns)
        self.is_absent = False

    def _liveness(self) -> str:
        """Heal, and require convergence; the reason of a HALT, or nothing."""
        self.note("* healed")
        self.is_calm = True
        self.plan.calm()
        self.network.heal()
        self.front.quiet_until_ns = self.front.banned_until_ns = 0
        self.paused_until_ns = 0
        self.brain_back_ns = self.feed_back_ns = self.supervisor_back_ns = 0
        self._from_before = self.main
        self.start_process()
        self._let_looks_be_due()
        end_ns = self.timeline.now_ns + CONVERGENCE_NS
        if not self._until(end_ns, lambda: not self.oracles.differences()):
            if self.oracles.found is None:
                left = "; ".join(self.oracles.differences())
                raise Violation("I6", f"not converged after {CONVERGENCE_NS // _S} s: {left}")
            return ""
        halted = self._check_latch()
        if not halted and self.oracles.found is None:
            self._check_progress()
            # News of what the trial had done may have been on its way until now.
            halted = self._check_latch()
        if self.oracles.found is None:
            self._check_drain()
        return halted

    def _let_looks_be_due(self) -> None:
        """The ten minutes between two looks at the list of funding have passed."""
        if self.oracles.session is not None:
            self.oracles.session.reconciler.funding._looked_ns -= _FUNDING_LOOKS_NS

    def _check_latch(self) -> str:
        """HALTED only for what the trial did."""
        session = self.oracles.session
        if session is None or session.gate.latch.state is LatchState.ACTIVE:
            return ""
        latch = session.gate.latch
        counts = self.counts
        meddling = ("foreign order", "liquidation", "position edited")
        outside = sum(counts.get(name, 0) for name in meddling)
        reasons = {
            Control.FOREIGN_ORDER: outside,
            Control.POSITION_MISMATCH: outside,
            Control.EXCHANGE_RESTRICTION: int(self.had_place_faults),
            Control.JOURNAL_FULL: int(self.had_disk_faults),
            Control.JOURNAL_SYNC: int(self.had_disk_faults),
            Control.BANNED: counts.get("418", 0),
            Control.NONSENSE_BURST: int(self.raves),
            # By what the brain was told: the refused decisions themselves came too fast.
            Control.MAX_MSG_RATE: int(self.brain.has_run_away(self.oracles.rate)),
        }
        name = control_name(latch.reason)
        if not reasons.get(Control(latch.reason), 0):
            raise Violation("I6", f"{latch}, and nothing in the trial is a reason for it")
        return name

    def _check_progress(self) -> None:
        """What converged must also trade: cancel all, place one order, hear of it."""
        brain = self.brain
        # Whoever decides lives.
        brain.beat(self.timeline.now_ns)
        brain._emit(self.timeline.now_ns, kind=4)
        self._wake()
        self._until(self.timeline.now_ns + 20 * _S, self._is_empty)
        side = -1 if self.exchange.position > 0 else 1
        touch = self.exchange.bid if side > 0 else self.exchange.ask
        self._wait_out_the_pause()
        # A line that is half open is found out by its keep-alive only, after up to 20 s.
        for _ in range(10):
            wish = brain.place(self.timeline.now_ns, side, touch - side * 30, 5, POST_ONLY)
            self._wake()
            self._until(self.timeline.now_ns + 4 * _S, wish.told.__len__)
            if ACCEPTED in wish.told or self._latch_state() is not LatchState.ACTIVE:
                return
            self._until(self.timeline.now_ns + 1 * _S)
        if self.oracles.found is None:
            by = control_name(wish.refused_by)
            raise Violation("I6", f"converged, and an order comes to nothing: {wish.told} {by}")

    def _latch_state(self) -> LatchState:
        session = self.oracles.session
        return LatchState.ACTIVE if session is None else session.gate.latch.state

    def _is_empty(self) -> bool:
        session = self.oracles.session
        return session is not None and not int(session.core.words[OPEN_COUNT])

    def _wait_out_the_pause(self) -> None:
        """While the exchange wants to hear nothing, nothing is placed or confirmed.

        A 429 of before the healing may ask for ten seconds; a pause beyond all sense is a failure.
        """
        session = self.oracles.session
        if session is not None:
            quiet_ms = session.dispatcher.quiet_until_ms - session.rest.now_ms()
            if quiet_ms * _MS > CONVERGENCE_NS:
                raise Violation("I6", f"nothing is asked for another {quiet_ms / 1e3:.1f} s")
            self._until(self.timeline.now_ns + max(quiet_ms, 0) * _MS)

    def _check_drain(self) -> None:
        """The end: drain, and nothing of ours may rest when that was confirmed."""
        assert self.oracles.session is not None, "what converged has a session"
        self._wait_out_the_pause()
        self.exit_code = -1
        self.is_ending = True
        self.memory.control.drain("execution")
        self._until(self.timeline.now_ns + 10 * _S, lambda: self.main is None)
        if self.oracles.found is not None:
            return
        done = self.main is None
        own = [name for name in self.exchange.open if name.startswith("at-")]
        if not done or self.exit_code != 0 or own:
            raise Violation("I6", f"drained with {self.exit_code}, done {done}, resting {own}")

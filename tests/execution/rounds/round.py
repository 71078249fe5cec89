"""One round with real processes: start, trade, hurt, recover, judge.

The caller's process is supervisor, feed and brain at once, in one thread; execution is its child.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aegis.config.limits import LimitsConfig
from aegis.config.models import (
    CoresConfig,
    HardwareConfig,
    InstanceConfig,
    JournalConfig,
    SupervisorConfig,
    VenueConfig,
)
from aegis.config.settings import Settings
from aegis.risk.controls import control_name
from aegis.shm.control import RUN
from aegis.shm.instance import InstanceMemory
from aegis.shm.operator import SOCKET_NAME
from aegis.shm.wiring import Wiring
from tests.execution.harness import BTC, LIMITS
from tests.execution.rounds.brain import Brain
from tests.execution.rounds.exchange import SYMBOL, Account, Exchange, pause
from tests.execution.rounds.oracle import MAX_POSITION_LOTS, Oracle
from tests.execution.rounds.plan import COUNTDOWN_S, FAULTS, MOVED, SLOW, Act, Plan
from tests.execution.rounds.victim import Death, become_victim, fork_execution

INSTANCE = "rounds"
_TURN_S = 0.002
# Somebody who has asked too often is refused until the minute is over.
_START_S = 75.0
_END_S = 10.0
# A difference that nothing else shows is found by the look that execution takes every 30 s.
_EQUAL_S, _HALTED_S = 45.0, 3.0
# Where the exchange has wanted silence, nobody can look before it is over: a minute at the most.
_SILENCE_S = 60.0
# Its exit code when it cannot confirm that nothing rests.
_UNSURE = 1
_REST_S = COUNTDOWN_S + 2.0
_LIMITS = LIMITS | {
    "max_position_qty": MAX_POSITION_LOTS / 1_000,
    "price_collar_bps": 100.0,
    "max_stale_ms": 20_000,
}


class ViolationError(Exception):
    """A promise that was not kept; the text says which."""


@dataclass
class Record:
    """What became of a round."""

    plan: Plan
    outcomes: list[str] = field(default_factory=list)
    violation: str = ""
    seconds: float = 0.0
    orders: int = 0
    fills: int = 0
    deaths: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    passed: set[str] = field(default_factory=set)
    killed_at: set[str] = field(default_factory=set)
    slowest_clear_s: float = 0.0
    slowest_recovery_s: float = 0.0


def make_settings(folder: Path, plan: Plan) -> Settings:
    """An instance with a short countdown, its journal below `folder`."""
    cores = CoresConfig(feed=0, brain=0, execution=0, venue=0)
    supervisor = SupervisorConfig(
        drain_timeout_ms=5_000,
        countdown_s=COUNTDOWN_S,
        countdown_refresh_s=0.2,
        protective_stop_bps=500.0 if plan.has_stops else 0.0,
    )
    return Settings(
        name=INSTANCE,
        instance=InstanceConfig(symbols=[SYMBOL], strategy="none", limits=LimitsConfig(**_LIMITS)),
        hardware=HardwareConfig(cores=cores),
        venue=VenueConfig(),
        supervisor=supervisor,
        source=Path("aegis.toml"),
        journal=JournalConfig(
            dir=str(folder / "journal"),
            sync_ms=20,
            segment_bytes=4 << 20,
            on_start="adopt" if plan.adopts else "cancel",
        ),
    )


class Round:
    """Everything one round needs; `run` plays it and `close` leaves nothing behind."""

    def __init__(self, plan: Plan, exchange: Exchange) -> None:
        self.record = Record(plan)
        self._plan = plan
        self._folder = Path(tempfile.mkdtemp(prefix="aegis.rounds-", dir="/dev/shm"))
        os.environ["XDG_STATE_HOME"] = str(self._folder / "state")
        self._account = Account(exchange, plan.number % len(exchange.keys))
        self._settings = make_settings(self._folder, plan)
        self._memory = InstanceMemory.create(INSTANCE, shm_dir=self._folder, owner=(os.getpid(), 1))
        self._memory.instruments.set(
            0, symbol=BTC.symbol.encode(), status=1, tick_size=0.1, step_size=0.001
        )
        self._memory.control.command = RUN
        self._memory.counters["venue"]["port"] = exchange.port
        self._wiring = Wiring.make(INSTANCE, self._memory, self._account.keys)
        self._counters = self._memory.counters["execution"]
        source = random.Random(plan.number)
        self._brain = Brain(self._memory, self._account, source, plan.rate_per_s)
        self._oracle = Oracle(INSTANCE, self._account, self._brain, self._counters)
        self._pid = 0
        self._code: int | None = None
        self._desks: list[socket.socket] = []
        self._is_moved = False
        # Whether execution had ever reconciled when the faults of this act were armed: before that
        # it has no position of its own that another could be compared with.
        self._had_begun = False

    # Waiting

    def _turn(self) -> None:
        self._brain.turn()
        if self._pid and self._code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        pause(_TURN_S)

    def _until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Go on until a condition holds; False when it does not in time."""
        until_s = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > until_s:
                return False
            self._turn()
        return True

    def _for(self, seconds: float) -> None:
        self._until(lambda: self._is_dead, seconds)

    @property
    def _is_dead(self) -> bool:
        return self._code is not None

    # The life of the child

    def _start(self, death: Death | None = None) -> None:
        self._code = None
        self._pid = fork_execution(
            self._settings,
            self._memory,
            self._wiring,
            self._folder,
            lambda: become_victim(death, self._folder / "passed"),
        )

    def _signal(self, number: int) -> None:
        if not self._is_dead:
            os.kill(self._pid, number)

    def _until_ready(self) -> None:
        """Wait for the end of the recovery, or of the process."""
        began_s = time.monotonic()
        self._until(lambda: self._is_dead or bool(self._counters["ready"]), _START_S)
        if self._is_dead:
            return
        if not self._counters["ready"]:
            raise self._hangs(f"not ready within {_START_S} s")
        took_s = time.monotonic() - began_s
        self.record.slowest_recovery_s = max(self.record.slowest_recovery_s, took_s)

    # The acts

    def run(self) -> None:
        """Play all acts. Raises ViolationError."""
        self._brain.turn()
        for number, act in enumerate(self._plan.acts):
            if act.death is not None and number and not self._is_dead:
                self._end()
            if self._pid == 0 or self._is_dead:
                self._start(act.death)
            self._play(act)
        self._judge_orders()
        if not self._is_dead:
            self._end()
        self._must_not_rest("after the end")

    def _play(self, act: Act) -> None:
        self._until_ready()
        self._had_begun = self._had_begun or not self._is_dead
        faults = [self._aimed(name, fault) for name in act.faults for fault in FAULTS[name]]
        if faults:
            self._account.arm(faults)
        self._brain.is_trading = True
        self._for(act.trade_s)
        if act.operator and not self._is_dead:
            for command in act.operator:
                self._tell(command)
            self._for(0.3)
        _ACTS[act.what](self, act)
        self._brain.is_trading = False
        if act.stays and self._is_dead:
            # The start meets them as well, for a while.
            self._start()
            self._for(0.6)
            self._check_life()
        self._end_faults()
        if self._is_dead and act.waits:
            self._wait_for_countdown()
        self._recover(act)

    def _aimed(self, name: str, fault: dict[str, object]) -> dict[str, object]:
        """A fault of the menu under a name of this round, for this account alone if possible."""
        named = {**fault, "name": f"{self._plan.number}: {name}"}
        everybody = fault["kind"] == "maintenance"
        return named if everybody else {**named, "account": self._account.number}

    def _end_faults(self) -> None:
        self._account.disarm()
        prefix = f"{self._plan.number}: "
        moved_before = self.record.struck[MOVED]
        for name, count in self._account.struck().items():
            if name.startswith(prefix):
                self.record.struck[name.removeprefix(prefix)] = count
        if self._had_begun and self.record.struck[MOVED] > moved_before:
            self._is_moved = True

    def _kill(self, act: Act) -> None:
        self._check_life()
        self._signal(signal.SIGKILL)
        self._reap("SIGKILL")

    def _kill_inside(self, act: Act) -> None:
        """It has killed itself by now, or does so on its way down, or never comes by."""
        assert act.death is not None
        if not self._is_dead:
            self._memory.control.drain("execution")
            self._reap("", _END_S)
        if self._code == -signal.SIGKILL:
            self.record.killed_at.add(act.death.at)
            self.record.deaths["at an await or a step"] += 1
            return
        self._check_exit(_UNSURE if act.faults else 0)
        self.record.deaths["did not come by"] += 1

    def _stop(self, act: Act) -> None:
        self._check_life()
        self._signal(signal.SIGSTOP)
        self.record.deaths["SIGSTOP, SIGCONT"] += 1
        self._watch_stopped(act)
        self._signal(signal.SIGCONT)

    def _stop_and_kill(self, act: Act) -> None:
        self._check_life()
        self._signal(signal.SIGSTOP)
        self._watch_stopped(act)
        self._signal(signal.SIGKILL)
        self._reap("SIGSTOP, SIGKILL")

    def _watch_stopped(self, act: Act) -> None:
        """While it stands, the exchange's countdown takes its orders."""
        self._end_faults()
        stopped_s = time.monotonic()
        self._for(act.stop_s)
        if act.stop_s > _REST_S:
            self._must_not_rest(f"{time.monotonic() - stopped_s:.1f} s after SIGSTOP")

    def _end_act(self, act: Act) -> None:
        self._end(_UNSURE if act.faults else 0)

    def _brain_act(self, act: Act) -> None:
        self._brain.reborn()
        self.record.deaths["the brain's"] += 1
        self._for(0.2)

    def _hangs(self, text: str) -> ViolationError:
        """Have the process say where it stands."""
        self._signal(signal.SIGUSR1)
        self._for(1.0)
        counters = {name: self._counters[name] for name in ("state", "loop_seq", "gate_state")}
        return ViolationError(f"{text}: {counters}")

    def _reap(self, name: str, within_s: float = _END_S) -> None:
        if not self._until(lambda: self._is_dead, within_s):
            raise self._hangs(f"does not end within {within_s} s")
        if name:
            self.record.deaths[name] += 1

    def _end(self, most: int = 0) -> None:
        """Ask it to end, which must leave nothing."""
        self._memory.control.drain("execution")
        self._reap("asked to end")
        self._check_exit(most)

    def _check_exit(self, most: int = 0) -> None:
        """It has left as it should: 0, or 1 where it may be unsure that nothing rests."""
        if self._code is None or not 0 <= self._code <= most:
            raise ViolationError(f"execution left with {self._code}")

    def _check_life(self) -> None:
        """Nobody has killed it, so it lives."""
        if self._is_dead:
            raise ViolationError(f"execution left with {self._code}, unasked")

    def _tell(self, command: str) -> None:
        """Give an operator's command, whoever may hear it; the answer is not waited for."""
        desk = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        desk.settimeout(0.2)
        self._desks.append(desk)
        try:
            desk.connect(str(self._memory.directory / SOCKET_NAME))
            desk.sendall(json.dumps({"command": command}).encode() + b"\n")
        except OSError:
            self.record.outcomes.append("nobody heard the operator")

    def _wait_for_countdown(self) -> None:
        """Nobody starts it anew: the exchange's countdown takes its orders."""
        died_s = time.monotonic()
        if not self._until(lambda: not self._oracle.resting(), _REST_S):
            rest = self._oracle.resting()
            raise ViolationError(f"{len(rest)} orders rest {_REST_S} s after a death: {rest[:3]}")
        took_s = time.monotonic() - died_s
        self.record.slowest_clear_s = max(self.record.slowest_clear_s, took_s)

    # The judgement

    def _recover(self, act: Act) -> None:
        """Start it again if it is dead; then books and exchange must be equal, or it has halted."""
        if self._is_dead:
            self._start()
        self._until_ready()
        if self._is_dead:
            raise ViolationError(f"execution left with {self._code} instead of recovering")
        runs = self._oracle.runs_resting()
        if len(runs) > 1 and not self._plan.adopts:
            raise ViolationError(f"orders of runs {sorted(runs)} rest after a recovery")
        self._settle()

    def _settle(self) -> None:
        began_s = time.monotonic()
        is_slow = any(SLOW in act.faults for act in self._plan.acts)
        equal_s = _EQUAL_S + (_SILENCE_S if is_slow else 0.0)
        # One that our countdown has cancelled in the meantime is no news.
        is_shared = self._oracle.has_foreign_orders()
        difference = "the positions are not told"
        asked = self._brain.resync()
        # Somebody else's order whose event was lost is seen at the next look at what rests.
        while difference or self._must_halt_yet(is_shared):
            if not self._until_told(asked):
                asked = self._brain.resync()
            elif self._is_dead:
                raise ViolationError(f"execution left with {self._code}")
            else:
                difference = self._oracle.difference(self._brain.positions[asked])
                if difference or self._must_halt_yet(is_shared):
                    self._for(0.1)
                    asked = self._brain.resync()
            halted = self._oracle.is_halted
            if time.monotonic() - began_s > (_HALTED_S if halted else equal_s):
                break
        halted = self._oracle.is_halted
        if self._must_halt_yet(is_shared):
            raise ViolationError("somebody else is at work on the account, and it is not HALTED")
        if difference and not halted:
            raise ViolationError(f"after {equal_s} s: {difference}")
        verdict = "equal" if not difference else f"differs ({difference})"
        if self._counters["gate_state"] != 1:
            name = ("", "ACTIVE", "REDUCING", "HALTED")[self._counters["gate_state"]]
            verdict += f", {name}: {control_name(self._counters['gate_reason'])}"
        self.record.outcomes.append(verdict)
        if time.monotonic() - began_s > 10.0:
            self.record.outcomes.append(f"after {time.monotonic() - began_s:.0f} s")

    def _must_halt_yet(self, is_shared: bool) -> bool:
        """Whether somebody else was at work on the account, and it is not HALTED."""
        by_person = any(act.operator for act in self._plan.acts)
        return (self._is_moved or is_shared) and not (by_person or self._oracle.is_halted)

    def _until_told(self, asked: int) -> bool:
        """Wait for the positions that a RESYNC has asked for, or for the end of the process."""
        return self._until(lambda: self._is_dead or asked in self._brain.positions, 2.0)

    def _judge_orders(self) -> None:
        for violation in self._oracle.orders() + self._oracle.limit():
            raise ViolationError(violation)
        self.record.orders = len(self._account.orders())
        self.record.fills = len(self._account.trades())

    def _must_not_rest(self, when: str) -> None:
        rest = self._oracle.resting()
        if rest:
            raise ViolationError(f"{len(rest)} orders rest {when}: {rest[:3]}")

    # The end

    @property
    def said(self) -> str:
        """What execution has told people."""
        file = self._folder / "said"
        return file.read_text() if file.exists() else ""

    def close(self, keep: Path | None = None) -> None:
        """Remove what is left; `keep` gets a copy of the journal and of what was said."""
        if self._pid and not self._is_dead:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        passed = self._folder / "passed"
        if passed.exists():
            self.record.passed = set(passed.read_text().split())
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copytree(self._folder / "journal", keep / "journal", dirs_exist_ok=True)
            shutil.copy(self._folder / "said", keep / "said")
        for desk in self._desks:
            desk.close()
        self._account.close()
        self._wiring.close()
        self._memory.close()
        self._memory.unlink()
        shutil.rmtree(self._folder, ignore_errors=True)


_ACTS: dict[str, Callable[[Round, Act], None]] = {
    "kill": Round._kill,
    "kill inside": Round._kill_inside,
    "stop": Round._stop,
    "stop and kill": Round._stop_and_kill,
    "end": Round._end_act,
    "brain": Round._brain_act,
}

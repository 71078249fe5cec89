"""The brain as a process: what happens around the duty cycle, fifty milliseconds apart.

Called by the supervisor in the forked child. Between two calls of the compiled loop it beats the
heart, lets the collector work, takes over a reloaded configuration, asks execution again when it
has not answered, and looks whether it should stop. It must never decide a trade, and it does no
I/O but a line on standard error when something is wrong.
"""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from aegis.brain.duty_cycle import withdraw_all
from aegis.brain.layout import make_desk, make_wires
from aegis.brain.load import compile_brain, compiled_cycle, fit_parameters, show_again
from aegis.brain.trust import Trust
from aegis.config.settings import Settings
from aegis.host.clock import monotonic_ns
from aegis.host.gc_scope import GcScope
from aegis.shm.instance import InstanceMemory
from aegis.shm.said import Said
from aegis.shm.wait import BY_NAME
from aegis.shm.wiring import Wiring
from aegis.strategies.contract import StrategyParameters
from aegis.strategies.errors import StrategyError
from aegis.strategies.registry import load_strategy, validate_parameters

__all__ = ["Brain", "run", "warm_up"]

STARTING, READY, DEGRADED, DRAINING, STOPPED = 1, 2, 3, 4, 5

_TURN_NS: Final = 50_000_000
_START_POLL_S: Final = 0.01
# Ask for the positions again when a ready execution has not answered for so long.
_ASK_AGAIN_NS: Final = 2_000_000_000
# How long a full lane may hold back the last cancellations.
_DRAIN_NS: Final = 500_000_000


def warm_up(settings: Settings) -> None:
    """Compile what the brain runs, in the parent, before the fork. Raises StrategyError."""
    compile_brain(settings.strategy)


def run(settings: Settings, memory: InstanceMemory, wiring: Wiring) -> int:
    """Be the brain until told to stop; returns 0. Raises StrategyError for what cannot start."""
    brain = Brain(settings, memory)
    counters = memory.counters["brain"]
    counters["state"] = STARTING
    while not brain.has_instruments():
        if wiring.stopping("brain"):
            counters["state"] = STOPPED
            return 0
        brain.beat()
        time.sleep(_START_POLL_S)
    brain.start()
    hardware = settings.hardware
    scope = GcScope(
        counters.__setitem__,
        interval_ms=hardware.gc_interval_ms,
        force_ms=hardware.gc_force_ms,
    )
    with scope:
        while not wiring.stopping("brain"):
            with scope.cycle:
                handled = brain.turn()
            scope.safe_point(monotonic_ns(), handled == 0)
            brain.tend()
        counters["state"] = DRAINING
        brain.drain()
    counters["state"] = STOPPED
    return 0


class Brain:
    """The duty cycle with its memory, and the few things that Python does for it."""

    def __init__(self, settings: Settings, memory: InstanceMemory) -> None:
        self.settings = settings
        self.memory = memory
        self.counters = memory.counters["brain"]
        self._said = Said(memory.directory, settings.name, "brain")
        self.strategy = load_strategy(settings.strategy)
        self.cycle = compiled_cycle(self.strategy)
        count = settings.instance.rows
        # Generation 0 means that no supervisor counts: a brain run by hand.
        epoch = max(memory.control.generation("brain"), 1)
        self.desk = make_desk(count, epoch)
        self.wires = make_wires(memory)
        self.params = np.zeros(count, self.strategy.parameters_dtype)
        self.states = np.zeros(count, self.strategy.state_dtype)
        self.trust = Trust(self.strategy, self.desk, memory, self._complain)
        self.wait = BY_NAME[settings.hardware.wait]
        self.given: Mapping[str, object] = settings.instance.parameters
        self.version = 0
        self.asked_ns = 0
        self.execution_generation = memory.control.generation("execution")
        self.closed_lanes = False

    @property
    def core(self) -> Any:
        """The brain's one CORE record."""
        return self.desk.core[0]

    @property
    def synced(self) -> bool:
        """Whether execution has answered, for every instrument that it knew at its start.

        It answers for all of them at once. What the exchange lists later stays unsynced, and is
        watched but not traded, until execution is started anew.
        """
        synced = self.desk.lanes["synced"]
        return bool(synced.any() if self.settings.instance.takes_all else synced.all())

    def has_instruments(self) -> bool:
        """Whether the feed has filled the row of every symbol; of any, where it finds them."""
        filled = self.memory.instruments.rows[: self.desk.lanes.size]["version"] > 0
        return bool(filled.any() if self.settings.instance.takes_all else filled.all())

    def start(self) -> None:
        """Take over the configuration and stand at the right place of both rings.

        Half a ring of older ticks is read again, only to warm the strategy up: no canary among
        them is answered and no order follows from them. Raises StrategyError.
        """
        version, given = self._current_configuration()
        self._fit(self._read(given))
        self.given, self.version = given, version
        self.counters["parameters_version"] = version
        self.trust.inherit()
        ticks = self.memory.ticks
        published = ticks.published
        # After `published`: a book that becomes valid later says so in a record still to come.
        for index, market in enumerate(self.desk.markets):
            market["book_usable"] = int(self.memory.books.is_valid(index))
        self.desk.cursor[0] = max(0, published - ticks.capacity // 2)
        core = self.core
        core["live_from_seq"] = published
        core["outcomes_consumed"] = self.memory.outcomes.consumed
        core["config_version"] = version
        # A replayed recording waits for us, however long we take: nothing may be passed over.
        feed = self.settings.feed
        core["catch_up_records"] = 0 if self.settings.mirrored else feed.catch_up_records

    def turn(self) -> int:
        """One call of the compiled loop, at most fifty milliseconds; returns records handled.

        What a strategy raises ends the call and the trust in it, never the brain.
        """
        deadline_ns = monotonic_ns() + _TURN_NS
        try:
            handled = self.cycle(
                self.desk, self.wires, self.params, self.states, self.wait, deadline_ns
            )
        except Exception as error:
            self.trust.lose(error)
            return 0
        return int(handled)

    def tend(self) -> None:
        """What is due between two turns."""
        self.beat()
        self.trust.tell()
        if self.core["stale_instruments"] or self._has_new_rows():
            self._fit(self._read(self.given))
        if self.memory.control.config_version != self.version:
            self._reload()
        self._greet_execution()
        synced = self.synced
        self.counters["synced"] = int(synced)
        if synced:
            degraded = self.closed_lanes or self.trust.lost
            self.counters["state"] = DEGRADED if degraded else READY
        else:
            self.counters["state"] = STARTING
            self._ask_again()

    def _has_new_rows(self) -> bool:
        """Whether the feed has filled rows that no lane has taken over yet."""
        if not self.settings.instance.takes_all:
            return False
        filled = self.memory.instruments.rows["version"][: self.desk.lanes.size] > 0
        return bool((filled & (self.desk.markets["instrument_version"] == 0)).any())

    def beat(self) -> None:
        """Show progress."""
        self.counters["loop_seq"] += 1
        self.counters["loop_ts_ns"] = monotonic_ns()

    def drain(self) -> None:
        """Ask for the cancellation of everything, once; a full lane is given a moment."""
        deadline_ns = monotonic_ns() + _DRAIN_NS
        sent = bool(withdraw_all(self.desk, self.wires))
        while not sent and monotonic_ns() < deadline_ns:
            self.cycle(self.desk, self.wires, self.params, self.states, self.wait, 0)
            sent = int(self.core["staged"]) == 0
            self.beat()

    def _greet_execution(self) -> None:
        """Ask an execution that was started anew: it knows neither this epoch nor our orders."""
        generation = self.memory.control.generation("execution")
        if self.execution_generation not in (0, generation):
            self._ask()
        self.execution_generation = generation

    def _ask_again(self) -> None:
        """Repeat an unanswered RESYNC: the execution that it was meant for may have died."""
        now_ns = monotonic_ns()
        if self.asked_ns == 0:
            self.asked_ns = now_ns
        ready = self.memory.counters["execution"]["ready"] == 1
        if ready and now_ns - self.asked_ns > _ASK_AGAIN_NS:
            self._ask()

    def _ask(self) -> None:
        self.core["resync_intent_id"] = 0
        self.core["resync_due"] = 1
        self.asked_ns = monotonic_ns()

    def _current_configuration(self) -> tuple[int, Mapping[str, object]]:
        """(version, parameters): those of the last reload, or what the process was forked with."""
        control = self.memory.control
        version = control.config_version
        text = control.read_text() if version else None
        if not text:
            return (self.version, self.given) if version else (0, self.given)
        found = json.loads(text).get("parameters", self.given)
        if not isinstance(found, dict):
            raise StrategyError(f"reloaded parameters are a {type(found).__name__}, not a table")
        return version, found

    def _reload(self) -> None:
        """Swap in new parameters when they are good; keep the old ones and say so when not."""
        version = self.memory.control.config_version
        try:
            version, given = self._current_configuration()
            if version == self.version:
                return  # Being written at this moment; the next turn sees it whole.
            model = self._read(given)
        except (StrategyError, ValueError) as error:
            self._complain(f"reload {version} refused: {error}")
            # Do not read the same mistake again; parameters_version shows that it is not in force.
            self.version = version
            return
        self._fit(model)
        if given != self.given:
            self.trust.rearm(self.states)
            show_again(self.desk)
        self.given, self.version = given, version
        self.core["config_version"] = version
        self.counters["parameters_version"] = version

    def _read(self, given: Mapping[str, object]) -> StrategyParameters:
        """The parameters as the model of the strategy that runs has them. Raises StrategyError."""
        return validate_parameters(self.strategy.parameters_model, self.strategy.name, given)

    def _fit(self, model: StrategyParameters) -> None:
        """Pack the parameters for every lane; say which lanes had to be closed."""
        new = self.desk.markets["instrument_version"] == 0
        # Among hundreds of symbols some are always halted; `aegis universe` names them.
        problems = fit_parameters(
            self.strategy, model, self.desk, self.params, self.states, self.memory.instruments,
            tell_halted=not self.settings.instance.takes_all,
        )  # fmt: skip
        filled = np.flatnonzero(new & (self.desk.markets["instrument_version"] > 0))
        for index in filled if self.settings.instance.takes_all else ():
            # What its records said of the book was dropped: there was no market to tell it to.
            self.desk.markets[index]["book_usable"] = int(self.memory.books.is_valid(int(index)))
        self.closed_lanes = bool(problems)
        for problem in problems:
            self._complain(problem)

    def _complain(self, text: str) -> None:
        self.counters["errors"] += 1
        for line in text.splitlines():
            self._said.say(line)

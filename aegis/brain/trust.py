"""Whether the strategy is still asked: what happens when it has raised, hung or talked nonsense.

`process.Brain` calls this between two turns. A latched strategy is asked nothing more; the duty
cycle goes on without it, answers canaries, learns outcomes and has every order withdrawn. The latch
stands in a shared counter, so that a brain that is restarted does not begin to trust again: only a
person re-arms, by a reload with other parameters or a restart of the instance.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aegis.brain.layout import NONSENSICAL, RAISED, TOO_SLOW, TRUSTED, Desk
from aegis.shm.instance import InstanceMemory
from aegis.strategies.contract import Strategy

__all__ = ["Trust"]

_REASONS: Final = {
    RAISED: "it raised an error",
    NONSENSICAL: "too many of its wishes were no orders (not finite, no such slot, or too many)",
    TOO_SLOW: "it did not come back in time",
}


class Trust:
    """The latch of one brain's strategy; `complain` takes a line for a person."""

    def __init__(
        self,
        strategy: Strategy,
        desk: Desk,
        memory: InstanceMemory,
        complain: Callable[[str], None],
    ) -> None:
        self.strategy = strategy
        self.desk = desk
        self.memory = memory
        self.counters = memory.counters["brain"]
        self._complain = complain
        self._told = TRUSTED
        self._told_errors = 0

    @property
    def lost(self) -> bool:
        """Whether the strategy is latched."""
        return bool(self.desk.core[0]["strategy_latch"] != TRUSTED)

    def inherit(self) -> None:
        """A predecessor's latch holds for this brain too."""
        core = self.desk.core[0]
        latch = self.counters["strategy_latch"]
        core["strategy_latch"] = latch
        core["strategy_errors"] = self._told_errors = self.counters["strategy_errors"]
        self.counters["in_step"] = 0
        self._told = latch
        if latch != TRUSTED:
            self._complain(f"the strategy stays latched: {_REASONS.get(latch, 'a reason unknown')}")

    def lose(self, error: Exception) -> None:
        """A compiled step has raised in the midst of a batch.

        What came after it in the batch is lost: outcomes, so execution is asked what there is;
        ticks, so no market is believed before its next top.
        """
        core = self.desk.core[0]
        core["strategy_latch"] = RAISED
        core["strategy_errors"] += 1
        core["resync_due"] = 1
        self.desk.markets["valid"] = 0
        for index, market in enumerate(self.desk.markets):
            market["book_usable"] = int(self.memory.books.is_valid(index))
        core["outcomes_consumed"] = self.memory.outcomes.consumed
        self.counters["in_step"] = 0
        self._latched(error)

    def tell(self) -> None:
        """Say once when the duty cycle itself has latched the strategy, or refused a result."""
        core = self.desk.core[0]
        latch, errors = int(core["strategy_latch"]), int(core["strategy_errors"])
        if latch != self._told:
            self._latched(getattr(self.strategy.plain, "fault", None))
        elif errors != self._told_errors and self._told_errors == 0:
            self._complain(f"the strategy {self.strategy.name} wished what is no order; refused")
        self._told_errors = errors

    def rearm(self, states: npt.NDArray[Any]) -> None:
        """A person has given it other parameters: it begins anew."""
        core = self.desk.core[0]
        if not self.lost:
            return
        core["strategy_latch"] = TRUSTED
        core["blamed"] = 0
        states[:] = np.zeros(states.size, states.dtype)
        if self.strategy.plain is not None:
            self.strategy.plain.rearm()
        self._told = TRUSTED
        self.counters["strategy_latch"] = TRUSTED
        self.counters["strategy_line"] = 0
        self._complain("the strategy is asked again, with its new parameters")

    def _latched(self, error: BaseException | None) -> None:
        core = self.desk.core[0]
        self._told = int(core["strategy_latch"])
        self._told_errors = int(core["strategy_errors"])
        self.counters["strategy_latch"] = self._told
        self.counters["strategy_errors"] = self._told_errors
        line = line_of(error, self.strategy.source) if error is not None else 0
        self.counters["strategy_line"] = line
        reason = _REASONS[self._told]
        if error is not None:
            place = f" (line {line})" if line else ""
            message = " ".join(str(error).split())
            reason += f": {type(error).__name__}: {message}{place}"
        self._complain(
            f"the strategy {self.strategy.name} is latched: {reason}; its orders are withdrawn"
        )


def line_of(error: BaseException, source: Path) -> int:
    """The last line of the strategy's own files in a traceback; 0 when there is none."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if path == source or source in path.parents:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line

"""The duty cycle of a plain Python strategy: the same loop uncompiled, guarded and bounded in time.

`load.compiled_cycle` makes one where a strategy has no compiled step. Whatever a user's method
raises ends here: the strategy is latched, its wishes are withdrawn, and the loop goes on answering
canaries and execution. A method that does not come back is interrupted by an alarm; one that no
alarm can interrupt is left to the supervisor's watch.
"""

import signal
import threading
from types import FrameType
from typing import Any, Final

from aegis.brain.duty_cycle import plain_duty_cycle
from aegis.brain.layout import RAISED, TOO_SLOW, Desk, Wires, as_records, with_attributes
from aegis.strategies.contract import Strategy
from aegis.strategies.plain import PlainHost, TookTooLongError

__all__ = ["PlainCycle"]

# What one call of the loop may take. Half of the shortest sensible stall_timeout_ms; a loop that
# is this far behind its market has no business quoting.
PATIENCE_S: Final = 1.0


class PlainCycle:
    """Called as a compiled duty cycle is; the arrays of its first call are those of all others."""

    def __init__(self, strategy: Strategy, patience_s: float = PATIENCE_S) -> None:
        self.host: PlainHost = strategy.plain
        self.patience_s = patience_s
        self._strategy = strategy
        self._cycle: Any = None
        self._desk: Desk | None = None
        self._arrays: tuple[Any, ...] = ()

    def __call__(
        self, desk: Desk, wires: Wires, params: Any, states: Any, wait: Any, deadline_ns: Any
    ) -> int:
        """Work until `deadline_ns`; returns the number of records handled."""
        if self._desk is not desk:
            self._desk = desk
            self._arrays = (
                with_attributes(desk),
                with_attributes(wires),
                as_records(params),
                as_records(states),
            )
            self._cycle = plain_duty_cycle(self._guarded(self._arrays[0].core[0]))
        armed = threading.current_thread() is threading.main_thread()
        if armed:
            signal.signal(signal.SIGALRM, self._on_alarm)
            signal.setitimer(signal.ITIMER_REAL, self.patience_s)
        try:
            return int(self._cycle(*self._arrays, wait, deadline_ns))
        finally:
            if armed:
                signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _guarded(self, core: Any) -> Any:
        """The host's step; what it raises latches the strategy and has its orders cancelled."""
        host = self.host

        def step(*arguments: Any) -> int:
            try:
                return host.step(*arguments)
            except (Exception, TookTooLongError) as error:
                host.fault = error
                core.strategy_latch = TOO_SLOW if isinstance(error, TookTooLongError) else RAISED
                core.strategy_errors += 1
                core.resync_due = 1
                return 0

        return step

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        if self.host.inside:
            raise TookTooLongError(f"no answer within {self.patience_s:g} s")

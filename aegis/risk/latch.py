"""The latch: ACTIVE, then REDUCING, then HALTED, and only a person turns it back.

Execution trips it; the gate reads its word inside kernels; `aegis status` shows state, reason and
time. It must never re-arm itself: a condition that heals (a stale book, a lost heartbeat) is a
block of the gate, not the latch (RTS 6 art. 15(3): disabled "until re-enabled by a designated staff
member").
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy.typing as npt

from aegis.risk.controls import control_name

__all__ = ["LATCH_REASON", "LATCH_SINCE_NS", "LATCH_STATE", "Latch", "LatchState"]

# Where the latch lives in the gate's words (`aegis.risk.gate`), so that kernels can read and trip.
LATCH_STATE, LATCH_REASON, LATCH_SINCE_NS = 0, 1, 2


class LatchState(IntEnum):
    """Ordered by severity: a trip may only raise it."""

    ACTIVE = 1
    REDUCING = 2
    HALTED = 3


class Latch:
    """A view of the three latch words of the gate."""

    def __init__(self, words: npt.NDArray[Any]) -> None:
        self._words = words

    @property
    def state(self) -> LatchState:
        """The state; a word that is none of the three reads as HALTED (fails closed)."""
        value = int(self._words[LATCH_STATE])
        return LatchState(value) if value in (1, 2, 3) else LatchState.HALTED

    @property
    def reason(self) -> int:
        """The control that tripped it, 0 while it is ACTIVE."""
        return int(self._words[LATCH_REASON])

    @property
    def since_ns(self) -> int:
        """When it took its present state, CLOCK_MONOTONIC."""
        return int(self._words[LATCH_SINCE_NS])

    def trip(self, state: LatchState, reason: int, now_ns: int) -> bool:
        """Raise the latch; a weaker or equal state changes nothing. True when it moved."""
        assert state is not LatchState.ACTIVE, "arming is a person's act, see arm()"
        if state <= self.state:
            return False
        self._words[LATCH_REASON] = int(reason)
        self._words[LATCH_SINCE_NS] = now_ns
        self._words[LATCH_STATE] = int(state)
        return True

    def arm(self, now_ns: int) -> None:
        """Back to ACTIVE: at a start, and by the operator's command; never by a rule."""
        self._words[LATCH_REASON] = 0
        self._words[LATCH_SINCE_NS] = now_ns
        self._words[LATCH_STATE] = int(LatchState.ACTIVE)

    def __str__(self) -> str:
        state = self.state
        if state is LatchState.ACTIVE:
            return "ACTIVE"
        return f"{state.name} because of {control_name(self.reason)}"

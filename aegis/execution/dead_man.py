"""What stands at the exchange while nobody here does: the countdown and the protective stops.

The session has one and runs it beside its other keepers. A replayed recording must be the same each
time, so it has neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import numpy as np

from aegis.config.settings import Settings
from aegis.execution.core import ExecutionCore
from aegis.execution.countdown import Countdown, CountdownKeeper
from aegis.execution.protective_stop import ProtectiveStops
from aegis.execution.rest import RestClient
from aegis.risk.gate_state import BLOCK_COUNTDOWN

__all__ = ["DeadMan"]

_MOST_ALWAYS_GUARDED = 4


class Guarded(Protocol):
    """What a session shows of itself. `is_calm`: the vital signs of the others are good."""

    core: ExecutionCore
    rest: RestClient
    is_calm: bool
    is_reconciled: bool


class DeadMan:
    """Both layers of one session, as far as [supervisor] asks for them."""

    def __init__(
        self,
        settings: Settings,
        session: Guarded,
        say: Callable[[str], None],
    ) -> None:
        self._session = session
        supervisor = settings.supervisor
        self.countdown: CountdownKeeper | None = None
        self.stops: ProtectiveStops | None = None
        if settings.mirrored:
            return
        if supervisor.countdown_s > 0:
            countdown = Countdown(supervisor.countdown_s, supervisor.countdown_refresh_s)
            self.countdown = CountdownKeeper(
                countdown, session.rest, lambda: self.is_well, self._guarded_symbols
            )
        if supervisor.protective_stop_bps > 0:
            distance = supervisor.protective_stop_bps * 1e-4
            self.stops = ProtectiveStops(
                session.core, session.rest, distance, lambda: session.is_reconciled, say
            )

    @property
    def is_well(self) -> bool:
        """Whether everything that trading rests on is alive: feed, brain, supervisor, streams."""
        session = self._session
        # What only a winding can mend must not keep it from being wound up.
        amiss = session.core.gate.blocks & ~BLOCK_COUNTDOWN
        return session.is_calm and session.is_reconciled and amiss == 0

    def judge(self, now_ns: int) -> None:
        """No new risk while the exchange's countdown may have run out; called every turn."""
        if self.countdown is None:
            return
        gate = self._session.core.gate
        if self.countdown.countdown.is_lapsing(now_ns):
            gate.block(BLOCK_COUNTDOWN)
        elif gate.blocks & BLOCK_COUNTDOWN:
            gate.clear(BLOCK_COUNTDOWN)

    async def begin(self) -> None:
        """Before the first order. Raises an ExchangeError."""
        if self.countdown is not None:
            await self.countdown.begin()

    async def run(self) -> None:
        """For ever, or for nothing."""
        layers = [layer for layer in (self.countdown, self.stops) if layer is not None]
        await asyncio.gather(*(layer.run() for layer in layers))

    def _guarded_symbols(self) -> list[str]:
        """What the exchange's countdown is to guard: all of few symbols, of many the busy ones."""
        instruments = self._session.core.instruments
        if len(instruments) <= _MOST_ALWAYS_GUARDED:
            return [rules.symbol for rules in instruments]
        places = np.flatnonzero(self._session.core.gate.exposure["open_orders"])
        return [instruments[place].symbol for place in places]

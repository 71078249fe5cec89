"""Liquidations and the exchange's clock: rare news that become a record each.

Owned by the intake, which hands over what the careful decoder has read.
"""

from __future__ import annotations

from aegis.feed.emit import flush, push_tick
from aegis.feed.intake_memory import IntakeMemory
from aegis.feed.wire import ForceOrder
from aegis.shm.tick import CLOCK, LIQUIDATION

__all__ = ["MarketNews"]

_MS = 1_000_000


class MarketNews:
    """The way of rare news into the ring."""

    def __init__(self, memory: IntakeMemory) -> None:
        self._context = memory.context

    def take_liquidation(self, instrument: int, message: ForceOrder, recv_ns: int) -> None:
        """LIQUIDATION: the exchange trades somebody's position away."""
        order = message.o
        push_tick(
            self._context, instrument, LIQUIDATION, 0, order.T * _MS, recv_ns,
            order.p, order.q, 1.0 if order.S == "BUY" else -1.0, order.ap, order.z,
        )  # fmt: skip

    def tell_clock(self, ahead_ns: int, event_ns: int, now_ns: int) -> None:
        """CLOCK: how far the exchange's clock is ahead of ours, and what it shows."""
        push_tick(self._context, 0, CLOCK, 0, event_ns, now_ns, float(ahead_ns), 0.0, 0.0, 0.0, 0.0)
        flush(self._context)

"""Mark prices, funding, liquidations and the exchange's clock: the rare messages, a record or two.

Owned by the intake, which hands over what the careful decoder has read. A funding is told when the
mark price stream turns to the next funding time: the rate that was paid is the last one that stood
before. With INCOMPLETE in its flags the stream was silent just then and the rate is the last known.
"""

from __future__ import annotations

from aegis.feed.emit import flush, push_tick
from aegis.feed.intake_memory import IntakeMemory
from aegis.feed.mark_prices import MarkPrices
from aegis.feed.wire import ForceOrder, MarkPrice
from aegis.shm.tick import CLOCK, FUNDING, INCOMPLETE, LIQUIDATION, MARK

__all__ = ["MarketNews"]

_MS = 1_000_000
# Mark prices come every second: an older one may not have been the last before the funding.
_FRESH_MS = 5_000


class MarketNews:
    """What the last mark price of each of so many instruments said."""

    def __init__(self, memory: IntakeMemory, instruments: int) -> None:
        self._context = memory.context
        self._prices = MarkPrices(memory, instruments)
        self._last: list[MarkPrice | None] = [None] * instruments

    def take_mark(self, instrument: int, message: MarkPrice, recv_ns: int) -> int | None:
        """MARK, and FUNDING before it when the funding time has passed.

        Returns the time in ms that the message is of, None when it is not believed (yet).
        """
        event_ms = self._prices.take(instrument, message.p, message.E, recv_ns)
        if event_ms is None:
            return None
        last = self._last[instrument]
        self._last[instrument] = message
        if last is not None and 0 < last.T <= event_ms and message.T > last.T:
            flags = INCOMPLETE if last.T - last.E > _FRESH_MS else 0
            push_tick(
                self._context, instrument, FUNDING, flags, event_ms * _MS, recv_ns,
                last.r, float(last.T), message.p, float(message.T), message.r,
            )  # fmt: skip
        push_tick(
            self._context, instrument, MARK, 0, event_ms * _MS, recv_ns,
            message.p, message.i, message.r, float(message.T), 0.0,
        )  # fmt: skip
        return event_ms

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

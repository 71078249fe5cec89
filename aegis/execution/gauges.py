"""Execution's counters: copied from the core's words to shared memory, off the hot path.

What others wait for (orders sent, intents consumed, answers and events taken, outcomes published)
is written where it happens, not here. Counts go on over a restart of the process (the region
outlives it), so each is written as what stood there at the start plus what this process counted.
Profit and fees are the journal's sums; the base that turns them into those of this run of the
instance is noted in the journal, too (record RUN), so that a kill between a fill and its counter
loses nothing.
"""

from __future__ import annotations

from aegis.execution.core import ExecutionCore
from aegis.execution.order_routes import OrderRoutes
from aegis.execution.transports import PrivateStream
from aegis.execution.words import (
    ACCEPTED_ORDERS,
    ANOMALIES,
    DENIED_INTENTS,
    DUPLICATE_FILLS,
    EXPIRED_INTENTS,
    FILLS,
    OPEN_COUNT,
    REJECTED_ORDERS,
    STALE_DENIED,
    UNKNOWN_COUNT,
)
from aegis.shm.counters import Counters

__all__ = ["Gauges"]

_COUNTS = (
    ("orders_accepted", ACCEPTED_ORDERS),
    ("orders_rejected", REJECTED_ORDERS),
    ("orders_denied", DENIED_INTENTS),
    ("expired_intents", EXPIRED_INTENTS),
    ("stale_denied", STALE_DENIED),
    ("fills", FILLS),
    ("duplicates", DUPLICATE_FILLS),
)
_LEVELS = (("orders_unknown", UNKNOWN_COUNT), ("open_orders", OPEN_COUNT))


class Gauges:
    """Writes the counters of one core; made when the core is."""

    def __init__(self, counters: Counters, core: ExecutionCore, base_e8: tuple[int, int]) -> None:
        """`base_e8`: what the counters of profit and fees show beyond the core's own sums."""
        self._counters = counters
        self._core = core
        self._counts = [
            (counters.index(name), word, counters[name] - int(core.words[word]))
            for name, word in _COUNTS
        ]
        self._levels = [(counters.index(name), word) for name, word in _LEVELS]
        self._errors = counters.index("errors")
        self._errors_before = counters["errors"]
        self._sums_before = dict(zip(("realized_pnl_e8", "fees_e8"), base_e8, strict=True))
        self.errors = 0

    def write(self, routes: OrderRoutes, stream: PrivateStream, *, is_reconciled: bool) -> None:
        """Copy everything that may have moved."""
        counters, core = self._counters, self._core
        words = core.words
        for place, word, base in self._counts:
            counters.set(place, base + int(words[word]))
        for place, word in self._levels:
            counters.set(place, int(words[word]))
        sums = core.snapshot()
        counters["position_lots"] = sums["position_lots"]
        for name, before in self._sums_before.items():
            counters[name] = before + sums[name]
        errors = self.errors + routes.undecodable + stream.undecodable + int(words[ANOMALIES])
        counters.set(self._errors, self._errors_before + errors)
        latch = core.gate.latch
        counters["gate_state"] = int(latch.state)
        counters["gate_reason"] = latch.reason
        counters["order_connected"] = int(routes.first.is_connected)
        counters["private_connected"] = int(stream.is_connected and is_reconciled)

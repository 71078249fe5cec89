"""Whether the exchange may be asked at all: the pause that a 429 or a ban (418) imposes on us.

Owned by the process, asked before every REST question and every WebSocket handshake. The pause is
written to the rate ledger, so it holds for every process of this box and survives whoever met it:
an exchange bans an address, not a process, and makes the ban longer for each question inside it.
The ledger's pauses are of CLOCK_MONOTONIC, so no clock of the exchange has to be known.
"""

from __future__ import annotations

from aegis.host.clock import monotonic_ns
from aegis.shm.counters import Counters
from aegis.shm.rate_ledger import RateLedger

__all__ = ["BANNED", "REFUSALS", "AddressGate"]

BANNED = 418
# The statuses that mean silence, whatever was asked.
REFUSALS = (429, BANNED)
_NS_PER_MS = 1_000_000


class AddressGate:
    """One address's gate. `ledger` is the box's once it is open; until then nobody shares it."""

    def __init__(self, counters: Counters | None = None) -> None:
        """`counters` are those of the feed, which show what is met."""
        self.ledger = RateLedger.private()
        self._counters = counters

    def note(self, status: int, pause_s: float) -> None:
        """The exchange refused with one of `REFUSALS`, and wants silence for so long."""
        assert status in REFUSALS, f"{status} asks for no silence"
        now_ms = monotonic_ns() // _NS_PER_MS
        # A part of a millisecond more: never too early.
        until_ms = now_ms + int(pause_s * 1e3) + 1 + self.ledger.offset_ms
        if status == BANNED:
            self.ledger.stop(until_ms)
        else:
            self.ledger.be_quiet(until_ms)
        if self._counters is not None:
            self._counters["rate_limited"] += 1
        self.write_counters()

    @property
    def until_ns(self) -> int:
        """Until when nothing may be asked, by CLOCK_MONOTONIC; in the past when it may."""
        ledger = self.ledger
        until_ms = max(ledger.quiet_until_ms, ledger.stopped_until_ms) - ledger.offset_ms
        return until_ms * _NS_PER_MS

    @property
    def left_s(self) -> float:
        """Seconds until the exchange may be asked, 0 when it may."""
        return max(self.until_ns - monotonic_ns(), 0) / 1e9

    def write_counters(self) -> None:
        """Show the pause, for as long as it lasts."""
        if self._counters is not None:
            now_ns, until_ns = monotonic_ns(), self.until_ns
            self._counters["quiet_until_ns"] = until_ns if until_ns > now_ns else 0
            banned_ns = (self.ledger.stopped_until_ms - self.ledger.offset_ms) * _NS_PER_MS
            self._counters["banned_until_ns"] = banned_ns if banned_ns > now_ns else 0

"""The exchange's clock against ours, as its messages tell it: an estimate that lies cannot move.

Owned by the process, which hands it once a second the largest lead (time in a message minus time of
its arrival) of all messages of that second: the one that was least late. Pure. The estimate falls
no faster than clocks drift, so messages that come later and later are seen to be late; and it jumps
only after three seconds in a row have said the same, so a single wrong time is nobody's clock.
"""

from __future__ import annotations

__all__ = ["ExchangeClock"]

_NS = 1_000_000_000
# Two quartz clocks, both disciplined, differ by far less than 200 millionths.
_DRIFT_NS_PER_S = 200_000
_JUMP_NS = 1_000_000_000
_SAME_NS = 200_000_000
_WITNESSES = 3


class ExchangeClock:
    """`lead_ns` is the exchange's clock minus our CLOCK_MONOTONIC; None before the first word."""

    def __init__(self) -> None:
        self.lead_ns: int | None = None
        self._told_ns = 0
        self._doubts: list[int] = []

    def observe(self, lead_ns: int, now_ns: int) -> None:
        """The largest lead of the last second, at `now_ns`."""
        if self.lead_ns is None:
            self._take(lead_ns, now_ns)
            return
        drift_ns = (now_ns - self._told_ns) * _DRIFT_NS_PER_S // _NS
        if abs(lead_ns - self.lead_ns) <= _JUMP_NS:
            self._take(max(lead_ns, self.lead_ns - drift_ns), now_ns)
            return
        self._doubts = [*self._doubts, lead_ns][-_WITNESSES:]
        agree = max(self._doubts) - min(self._doubts) <= _SAME_NS
        if len(self._doubts) == _WITNESSES and agree:
            self._take(lead_ns, now_ns)

    def late_ns(self, event_ms: int, recv_ns: int) -> int:
        """How much later than the fastest messages one came that is of `event_ms`."""
        if self.lead_ns is None:
            return 0
        return recv_ns + self.lead_ns - event_ms * 1_000_000

    def _take(self, lead_ns: int, now_ns: int) -> None:
        self.lead_ns = lead_ns
        self._told_ns = now_ns
        self._doubts.clear()

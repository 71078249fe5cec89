"""Mark prices as they come: which are believed, and when they are of. One second, one message.

Called by the intake for every markPrice message. The believed ones stand in the kernels' memory,
where trades, quotes and books are judged by them.
"""

from __future__ import annotations

from aegis.feed import layout
from aegis.feed.intake_memory import IntakeMemory
from aegis.feed.layout import ROW_WORDS

__all__ = ["MarkPrices"]

_MS = 1_000_000
# A mark price moves so far from one second to the next only if the one after it says the same.
_JUMP = 0.10
_TIME_SLACK_MS = 5_000


class MarkPrices:
    """The mark prices of all instruments, over the intake's memory."""

    def __init__(self, memory: IntakeMemory, instruments: int) -> None:
        self._believed = memory["marks"]
        self._rows = memory["rows"].reshape(-1, ROW_WORDS)
        self._control = memory["control"]
        self._totals = memory["totals"]
        self._newest = [0.0] * instruments

    def take(self, instrument: int, mark: float, event_ms: int, recv_ns: int) -> int | None:
        """The time in ms that a message is of, or None for a price that is not believed (yet)."""
        lead_ns = int(self._control[layout.CLOCK_LEAD_NS])
        now_ms = (recv_ns + lead_ns) // _MS
        if lead_ns != layout.NO_CLOCK and abs(event_ms - now_ms) > _TIME_SLACK_MS:
            self._totals[layout.TIMES_REFUSED] += 1
            self._note_lead(layout.CLOCK_DOUBT_NS, event_ms, recv_ns)
            event_ms = now_ms
        else:
            self._note_lead(layout.CLOCK_AHEAD_NS, event_ms, recv_ns)
        self._rows[instrument][layout.MARK_RECV_NS] = recv_ns
        if not self._is_believed(instrument, mark):
            self._totals[layout.PRICES_REFUSED] += 1
            return None
        self._believed[instrument] = mark
        return event_ms

    def _note_lead(self, word: int, event_ms: int, recv_ns: int) -> None:
        self._control[word] = max(int(self._control[word]), event_ms * _MS - recv_ns)

    def _is_believed(self, instrument: int, mark: float) -> bool:
        """Whether it is near the last one, or the second of two that say the same."""
        known, before = float(self._believed[instrument]), self._newest[instrument]
        self._newest[instrument] = mark
        if known == 0.0 or abs(mark - known) <= _JUMP * known:
            return True
        return before > 0.0 and abs(mark - before) <= _JUMP * before

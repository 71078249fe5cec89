"""Since when books are out of force, and why: what a RESYNC record says when they are back.

Called by the intake when a book is taken out of force and when it is put into it. Pure.
"""

from __future__ import annotations

from aegis.feed import digest as codes
from aegis.shm.absence import Reason

__all__ = ["REASONS", "Absences"]

_NS = 1_000_000_000
# Why a book went, by what the kernels found.
REASONS = {
    codes.BROKEN_EMPTY: Reason.EMPTY,
    codes.BROKEN_CROSSED: Reason.CROSSED,
    codes.BROKEN_ABSURD: Reason.ABSURD,
    codes.TOPS_DIFFER: Reason.TOP_MISMATCH,
    codes.BROKEN_RANGE: Reason.GAP,
    codes.BROKEN_SHALLOW: Reason.SHALLOW,
}


class Absences:
    """All instruments' absences; at the start every book is absent."""

    def __init__(self, instruments: int) -> None:
        # Why, the last update id, and since when in ns (0: since ever).
        self._absent = [(Reason.STARTING, 0, 0)] * instruments

    def begin(self, instrument: int, reason: Reason, last_id: int, now_ns: int) -> None:
        """The book is out of force from here on; `last_id` was its last update."""
        self._absent[instrument] = (reason, last_id, now_ns)

    def end(self, instrument: int, update_id: int, now_ns: int) -> tuple[float, ...]:
        """The fields a to d of the RESYNC record of a book that is back with `update_id`."""
        reason, last_id, since_ns = self._absent[instrument]
        away_s = (now_ns - since_ns) / _NS if since_ns else 0.0
        return float(update_id), float(last_id), float(reason), away_s

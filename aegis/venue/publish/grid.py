"""Cuts the tape at the multiples of GRID_MS of event time, at which timed streams may be due.

``pump`` asks it: whenever event time passes a multiple, everything before it is read first, then
what is due goes out, then the rest is read. So what a timed stream says depends on the events
alone, not on how many of them were on the tape at a time.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final

from aegis.venue.publish.kinds import GRID_MS
from aegis.venue.tape import Tape

__all__ = ["MAX_GAP_MS", "Grid"]

MAX_GAP_MS: Final = 60_000
assert MAX_GAP_MS % GRID_MS == 0


class Grid:
    """Where event time stands on the grid."""

    def __init__(self) -> None:
        self._next_ms = 0

    def reach(self, now_ms: int) -> int | None:
        """The next multiple up to `now_ms`, the present event time, or None if there is no more.

        To be called again until it is None: what is due at each multiple is as of then. Of a long
        time without any event only the last MAX_GAP_MS are gone through.
        """
        if now_ms < self._next_ms:
            return None
        newest_ms = now_ms - now_ms % GRID_MS
        if newest_ms - self._next_ms > MAX_GAP_MS:
            # The first time, or after a standstill.
            self._next_ms = newest_ms - (MAX_GAP_MS if self._next_ms else 0)
        multiple_ms = self._next_ms
        self._next_ms += GRID_MS
        return multiple_ms

    def end(self, tape: Tape, begin: int) -> int:
        """The first place after `begin` whose record lies beyond the next multiple, or the end.

        The tape's times must not fall.
        """
        count = len(tape)
        times: Any = tape.records["time_ms"]
        if times[count - 1] < self._next_ms:
            return count
        return bisect_left(times, self._next_ms, begin, count)

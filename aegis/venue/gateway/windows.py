"""Parameters that many public lists share: limits, names out of a set, and time windows.

``market_data`` and ``statistics`` read their requests with it. Each function reads one thing, or
raises the documented refusal.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from aegis.venue.codes import reject
from aegis.venue.requests import Parameters, bounded, required

HOUR_MS: Final = 3_600_000
MAX_MS: Final = 2**62


class Window(NamedTuple):
    """First and last millisecond asked for; no start means: the newest up to the end."""

    start_ms: int | None
    end_ms: int

    @property
    def is_open(self) -> bool:
        """Neither a start nor an end was sent."""
        return self.start_ms is None and self.end_ms == MAX_MS


def limit_of(parameters: Parameters, default: int, most: int) -> int:
    """How many rows are asked for. Raises RejectError -1102 or -1130."""
    return bounded(parameters, "limit", default, 1, most)


def one_of(parameters: Parameters, name: str, allowed: frozenset[str], code: int = -1130) -> str:
    """A mandatory name out of a set. Raises RejectError -1102, -1105, or `code` for any other."""
    value = required(parameters, name)
    if value not in allowed:
        raise reject(code, name) if code == -1130 else reject(code)
    return value


def window(parameters: Parameters) -> Window:
    """startTime and endTime. Raises RejectError -1023, -1102 or -1130."""
    end = bounded(parameters, "endTime", MAX_MS, 0, MAX_MS)
    if "startTime" not in parameters:
        return Window(None, end)
    start = bounded(parameters, "startTime", 0, 0, MAX_MS)
    if start > end:
        raise reject(-1023)
    return Window(start, end)

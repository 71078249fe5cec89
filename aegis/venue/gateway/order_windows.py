"""The time windows that lists of orders and trades are asked for.

All of the exchange's private lists have the same rule: at most seven days, by default the newest.
Times are event times: in a mirror, the recording's.
"""

from __future__ import annotations

from typing import Final

from aegis.venue.codes import reject
from aegis.venue.requests import Parameters, bounded

DAY_MS: Final = 86_400_000
WEEK_DAYS: Final = 7
MAX_MS: Final = 2**62


def is_windowed(parameters: Parameters) -> bool:
    """Whether the request says anything about time."""
    return "startTime" in parameters or "endTime" in parameters


def window_of(parameters: Parameters, now_ms: int) -> tuple[int, int]:
    """First and last millisecond asked for. Raises RejectError -1023, -1130 or -4165.

    Without a start it is seven days before the end, without an end seven days after the start or
    now. A start and an end are at most seven days apart.
    """
    week = WEEK_DAYS * DAY_MS
    start = bounded(parameters, "startTime", -1, 0, MAX_MS)
    end = bounded(parameters, "endTime", -1, 0, MAX_MS)
    if end < 0:
        # What happens in this very millisecond is in the list as well.
        end = now_ms if start < 0 else max(start, min(start + week, now_ms))
    if start < 0:
        start = max(0, end - week)
    if start > end:
        raise reject(-1023)
    if end - start > week:
        raise reject(-4165, WEEK_DAYS, variant=1)
    return start, end

"""The world's agenda: what will happen outside execution, and when, in virtual time.

Network deliveries, the exchange's moves, the brain's ticks and the faults all stand here. Equal
times run in the order in which they were entered, so a seed always gives the same order.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from aegis.simulator.loop import Timeline

__all__ = ["Agenda"]


class Agenda:
    """A heap of (time, entry number, function, arguments) over one timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self._heap: list[tuple[int, int, Callable[..., Any], Any]] = []
        self._count = 0

    def at(self, due_ns: int, function: Callable[..., Any], *arguments: Any) -> None:
        """Let something happen at a time, at once when that is past."""
        self._count += 1
        due_ns = max(due_ns, self.timeline.now_ns)
        heapq.heappush(self._heap, (due_ns, self._count, function, arguments))

    def after(self, delay_ns: int, function: Callable[..., Any], *arguments: Any) -> None:
        """Let something happen in a while."""
        self.at(self.timeline.now_ns + delay_ns, function, *arguments)

    def due_ns(self) -> int | None:
        """When the next entry is due."""
        return self._heap[0][0] if self._heap else None

    def step(self) -> None:
        """Let the next entry happen; the timeline must have reached it."""
        _, _, function, arguments = heapq.heappop(self._heap)
        function(*arguments)

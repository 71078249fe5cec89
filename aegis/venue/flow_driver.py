"""When the synthetic markets move: the flows of all symbols on one simulated clock.

``serve`` asks it to catch up with the wall; a test asks it for the next thousand steps. The order
of events depends on the seed alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from aegis.venue.flow import SymbolFlow
from aegis.venue.market import Market


class FlowDriver:
    """Runs flows in the order of their simulated times, `origin_ms` being second zero.

    `newest_ms` is the time of the newest event of the exchange; no step is stamped before it.
    """

    def __init__(
        self, flows: Iterable[SymbolFlow], origin_ms: int, newest_ms: Callable[[], int] = int
    ) -> None:
        self.flows = list(flows)
        self.origin_ms = origin_ms
        self._newest_ms = newest_ms
        # Ties go to the symbol that was listed first.
        self._due = [(flow.next_s, number) for number, flow in enumerate(self.flows)]
        heapq.heapify(self._due)

    def open_markets(self) -> None:
        """Fill every book."""
        for flow in self.flows:
            flow.open_market(self.origin_ms)

    def run_until(self, until_s: float, after_step: Callable[[Market, int], None]) -> int:
        """Do everything due up to `until_s`; `after_step` gets the market and the time of each.

        Returns the number of steps.
        """
        steps = 0
        while self._due and self._due[0][0] <= until_s:
            due_s, number = self._due[0]
            flow = self.flows[number]
            now_ms = max(self.origin_ms + int(due_s * 1000), self._newest_ms())
            flow.step(now_ms)
            heapq.heapreplace(self._due, (flow.next_s, number))
            after_step(flow.market, now_ms)
            steps += 1
        return steps

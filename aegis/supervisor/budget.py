"""How often a process may be restarted: a number within a sliding window, with growing pauses.

Pure: the supervisor gives the time and acts on the answer. A first death is answered at once (it
may be chance, and a dead execution leaves orders resting); each further one within the window waits
twice as long as the one before, so that a crash loop does not burn the box.
"""

from __future__ import annotations

from collections import deque

__all__ = ["RestartBudget"]

FIRST_PAUSE_NS = 200_000_000
LONGEST_PAUSE_NS = 5_000_000_000


class RestartBudget:
    """At most `limit` restarts in any `window_ns`. Holds at most `limit` timestamps."""

    def __init__(self, limit: int, window_ns: int) -> None:
        if limit < 0 or window_ns <= 0:
            raise ValueError(f"restart budget of {limit} in {window_ns} ns makes no sense")
        self.limit = limit
        self.window_ns = window_ns
        self._spent: deque[int] = deque()

    def resize(self, limit: int, window_ns: int) -> None:
        """Take new figures from a reload; what was spent stays spent."""
        self.limit = limit
        self.window_ns = window_ns

    def spent(self, now_ns: int) -> int:
        """Restarts inside the window that ends now."""
        while self._spent and now_ns - self._spent[0] >= self.window_ns:
            self._spent.popleft()
        return len(self._spent)

    def spend(self, now_ns: int) -> int | None:
        """Take one restart. Returns the pause before it in ns, or None when the budget is gone."""
        spent = self.spent(now_ns)
        if spent >= self.limit:
            return None
        self._spent.append(now_ns)
        if spent == 0:
            return 0
        return int(min(FIRST_PAUSE_NS << (spent - 1), LONGEST_PAUSE_NS))

"""Jittered exponential backoff, without a clock: how long to wait before the next attempt.

Called by the snapshot queue and by connections. The jitter comes from the caller's seeded random
source, so a test can replay it; it keeps many symbols and many boxes from knocking in step.
"""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Delays that double from `first_s` to `limit_s`, each scaled by a random 0.5 to 1.0."""

    def __init__(self, first_s: float, limit_s: float, source: random.Random) -> None:
        assert 0.0 < first_s <= limit_s, f"backoff from {first_s} s to {limit_s} s"
        self.first_s = first_s
        self.limit_s = limit_s
        self.attempts = 0
        self._source = source

    def next_s(self) -> float:
        """Count a failure; returns the seconds to wait before the next attempt."""
        # 2**30 is far beyond any limit; the exponent must not grow with the attempts.
        delay_s = min(self.limit_s, self.first_s * 2.0 ** min(self.attempts, 30))
        self.attempts += 1
        return delay_s * self._source.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Forget the failures: it worked."""
        self.attempts = 0

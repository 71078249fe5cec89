"""How many messages a client may send in a second: the sliding window of one connection.

``sessions`` gives each connection its own; the socket asks before it passes a message on. The rule
is the exchange's: 10 a second on a stream connection (SUBSCRIBE and its kin, ping, pong), 5 pings
and pongs a second on the WebSocket API; who exceeds it is disconnected.
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 1.0


class Allowance:
    """`per_second` messages in any second; the times are those of a monotonic clock, in seconds."""

    __slots__ = ("_times",)

    def __init__(self, per_second: int) -> None:
        assert per_second > 0, f"an allowance of {per_second} messages lets nobody speak"
        self._times: deque[float] = deque(maxlen=per_second)

    def take(self, now_s: float) -> bool:
        """Count a message; False if it is one too many."""
        times = self._times
        if len(times) == times.maxlen and now_s - times[0] < WINDOW_S:
            return False
        times.append(now_s)
        return True

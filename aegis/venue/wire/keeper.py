"""Keeps the WebSocket connections: counts them, pings them, ends those that are too old or dead.

The server pings every three minutes, drops who has not answered for ten, and everybody after 24
hours, as the exchange does; the limits can make these times shorter. ``serve`` sweeps it a few
times a second.
"""

from __future__ import annotations

import asyncio

from aegis.venue.limits import RateLimits
from aegis.venue.wire.socket import GOING_AWAY, Socket


class Keeper:
    """All open WebSocket connections and when they began."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._began: dict[Socket, float] = {}
        self._closed = asyncio.Event()
        self.cut = 0  # slow readers that were cut

    def __len__(self) -> int:
        return len(self._began)

    def came(self, socket: Socket) -> None:
        self._began[socket] = asyncio.get_running_loop().time()

    def gone(self, socket: Socket) -> None:
        self._began.pop(socket, None)
        self.cut += socket.cut_for_slowness
        if not self._began:
            self._closed.set()

    def sweep(self, now_s: float) -> None:
        """Ping who is due, drop who is silent, end who is too old."""
        limits = self._limits
        for socket, began_s in list(self._began.items()):
            if now_s - began_s > limits.lifetime_s:
                socket.close(GOING_AWAY, "24 hours")
            elif now_s - socket.last_pong_s > limits.pong_within_s:
                socket.abort()
            elif now_s - socket.last_ping_s > limits.ping_every_s:
                socket.last_ping_s = now_s
                socket.ping(str(int(now_s * 1000)).encode())

    def close_all(self) -> None:
        """Say goodbye to everybody."""
        for socket in list(self._began):
            socket.close(GOING_AWAY, "going away")

    async def wait_closed(self, patience_s: float) -> None:
        """Wait for the goodbyes to be answered; cut who does not."""
        self._closed.clear()
        if not self._began:
            return
        try:
            await asyncio.wait_for(self._closed.wait(), patience_s)
        except TimeoutError:
            for socket in list(self._began):
                socket.abort()
            await asyncio.sleep(0)

"""What `aegis bench feed` is compared with: a market-data client in the usual Python way.

The same streams of the same exchange through the `websockets` library, `json.loads`, floats and a
dict of the newest tops and a list of trades: what one would write first. Nothing is checked, no
book is kept and no record is shared with another process, so it does less than the feed does.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import deque
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

__all__ = ["listen_plainly"]


class _Stamped(ClientConnection):
    """Remembers when the bytes of each message were read from the socket."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self.stamps: deque[int] = deque()
        self._read_ns = 0
        super().__init__(*given, **named)

    def data_received(self, data: bytes) -> None:
        self._read_ns = time.monotonic_ns()
        super().data_received(data)

    def process_event(self, event: Any) -> None:
        if getattr(event, "fin", False):
            self.stamps.append(self._read_ns)
        super().process_event(event)


class _Market:
    """The newest top of each symbol and the last trades, as plain Python keeps them."""

    def __init__(self) -> None:
        self.tops: dict[str, tuple[float, float, float, float]] = {}
        self.trades: deque[tuple[str, int, float, float]] = deque(maxlen=10_000)
        self.depth: dict[str, int] = {}
        self.messages = 0
        self.delays_ns: list[int] = []

    def take(self, text: str | bytes, read_ns: int) -> None:
        data = json.loads(text)["data"]
        kind, symbol = data["e"], data["s"]
        if kind == "bookTicker":
            self.tops[symbol] = (
                float(data["b"]), float(data["B"]), float(data["a"]), float(data["A"])
            )  # fmt: skip
        elif kind == "trade":
            self.trades.append((symbol, data["t"], float(data["p"]), float(data["q"])))
        else:
            levels = [(float(p), float(q)) for side in "ba" for p, q in data[side]]
            self.depth[symbol] = len(levels)
        self.messages += 1
        if self.messages % 16 == 0:
            self.delays_ns.append(time.monotonic_ns() - read_ns)


def listen_plainly(port: int, paths: list[str], seconds: float) -> dict[str, Any]:
    """Listen for so long, from the first message on; messages a second and delays in us.

    Keys: messages_per_s, message_to_ring_us, core_used, cut (connections that the exchange closed
    because we were too slow).
    """
    market, cut = _Market(), 0

    async def follow(path: str) -> None:
        nonlocal cut
        url = f"ws://127.0.0.1:{port}{path}"
        async with connect(
            url, create_connection=_Stamped, compression=None, max_queue=None, ping_interval=None
        ) as socket:
            assert isinstance(socket, _Stamped)
            async for text in socket:
                market.take(text, socket.stamps.popleft())
        cut += 1

    async def run() -> tuple[float, float]:
        tasks = [asyncio.create_task(follow(path)) for path in paths]
        while market.messages == 0:
            await asyncio.sleep(0.01)
        began_s, busy_s, first = time.perf_counter(), _busy_s(), market.messages
        market.delays_ns.clear()
        await asyncio.sleep(seconds)
        elapsed_s = time.perf_counter() - began_s
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return (market.messages - first) / elapsed_s, (_busy_s() - busy_s) / elapsed_s

    per_s, used = asyncio.run(run())
    delays = sorted(market.delays_ns) or [0]
    return {
        "messages_per_s": round(per_s),
        "message_to_ring_us": {
            name: round(delays[min(len(delays) - 1, int(share * len(delays)))] / 1000, 1)
            for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
        },
        "core_used": round(used, 3),
        "cut": cut,
    }


def _busy_s() -> float:
    times = os.times()
    return times.user + times.system

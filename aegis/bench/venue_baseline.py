"""What `aegis bench venue` is compared with: the same jobs in the usual Python way.

Messages: an `asyncio` server of the `websockets` library that writes each book ticker with
`json.dumps` and sends it to every connection. Matching: a book of sorted prices and queues in plain
Python. Both are what one would write first, and neither does anything else beside.
"""

from __future__ import annotations

import asyncio
import bisect
import json
import random
import time
from collections import deque
from collections.abc import Callable

__all__ = ["match_plainly", "serve_plainly"]

SYMBOLS = 320
TURN = 200


def serve_plainly(tell_port: Callable[[int], object], seconds: float) -> int:
    """Serve book tickers as fast as they can be written; returns how many were sent."""
    from websockets.asyncio.server import ServerConnection, serve

    clients: set[ServerConnection] = set()
    sent = 0

    async def keep(connection: ServerConnection) -> None:
        clients.add(connection)
        await connection.wait_closed()
        clients.discard(connection)

    async def run() -> None:
        nonlocal sent
        async with serve(keep, "127.0.0.1", 0, compression=None) as server:
            tell_port(next(iter(server.sockets)).getsockname()[1])
            deadline_s = time.monotonic() + seconds
            number = 0
            while time.monotonic() < deadline_s:
                for connection in list(clients):
                    for _ in range(TURN):
                        number += 1
                        await connection.send(json.dumps(_ticker(number)))
                        sent += 1
                await asyncio.sleep(0)

    asyncio.run(run())
    return sent


def _ticker(number: int) -> dict[str, str | int]:
    return {
        "e": "bookTicker",
        "u": 5_000_000_000_000 + number,
        "s": f"SYMBOL{number % SYMBOLS}USDT",
        "b": f"{60_000 + number % 100 / 10:.2f}",
        "B": f"{number % 1_000 / 1_000:.3f}",
        "a": f"{60_000.1 + number % 100 / 10:.2f}",
        "A": f"{number % 999 / 1_000:.3f}",
        "T": 1_795_255_838_685 + number,
        "E": 1_795_255_838_685 + number,
    }


class _Side:
    """One side of a plain book: sorted prices, and a queue of [id, lots] at each."""

    def __init__(self) -> None:
        self.prices: list[int] = []
        self.queues: dict[int, deque[list[int]]] = {}

    def rest(self, key: int, order: list[int]) -> None:
        if key not in self.queues:
            bisect.insort(self.prices, key)
            self.queues[key] = deque()
        self.queues[key].append(order)

    def take(self, limit: int, lots: int) -> int:
        """Trade up to the limit; the best price is the smallest key."""
        while lots and self.prices and self.prices[0] <= limit:
            queue = self.queues[self.prices[0]]
            while lots and queue:
                traded = min(lots, queue[0][1])
                lots -= traded
                queue[0][1] -= traded
                if queue[0][1] == 0:
                    queue.popleft()
            if not queue:
                del self.queues[self.prices.pop(0)]
        return lots


def match_plainly(orders: int, seed: int = 1) -> float:
    """Orders a second: nine of ten rest near the touch, one takes; old ones are cancelled."""
    source = random.Random(seed)
    sides = {1: _Side(), -1: _Side()}
    resting: deque[tuple[int, int, list[int]]] = deque()
    mid, began_s = 1_000_000, time.perf_counter()
    for number in range(orders):
        mid += source.randrange(3) - 1
        side = 1 if source.random() < 0.5 else -1
        lots = 1 + source.randrange(20)
        if source.random() < 0.1:
            sides[-side].take(side * mid + 3, 2 * lots)
        else:
            key = -side * mid + 1 + source.randrange(64)
            order = [number, lots]
            sides[side].rest(key, order)
            resting.append((side, key, order))
        if len(resting) > 256:
            old_side, key, order = resting.popleft()
            queue = sides[old_side].queues.get(key)
            if queue is not None and order in queue:
                queue.remove(order)
                if not queue:
                    del sides[old_side].queues[key]
                    sides[old_side].prices.remove(key)
    return orders / (time.perf_counter() - began_s)

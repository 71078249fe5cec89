"""Fetching the snapshots that books wait for, within the request weight of a minute.

Owned by the process, which calls `send` between messages. Which book needs one, and when to try
again, is the snapshot queue's business; how many may be asked for is the budget's. How deep they
are depends on how many symbols there are: all of them should be had within one minute's weight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aegis.feed.endpoints import Endpoints
from aegis.feed.errors import FeedError, InvalidSymbolError, RateLimitedError
from aegis.feed.intake import Intake
from aegis.feed.rest import MarketRest
from aegis.feed.snapshots import SnapshotRequest
from aegis.feed.weight import WeightBudget, snapshot_choice
from aegis.host.clock import monotonic_ns
from aegis.shm.counters import Counters

__all__ = ["Resync"]

Say = Callable[[str], None]


class Resync:
    """`now_ms` is the exchange's time. `spawn` runs a coroutine beside the process's loop."""

    def __init__(
        self,
        intake: Intake,
        rest: MarketRest,
        endpoints: Endpoints,
        budget: WeightBudget,
        counters: Counters,
        now_ms: Callable[[], int],
        say: Say,
    ) -> None:
        self._intake = intake
        self._rest = rest
        self._endpoints = endpoints
        self._budget = budget
        self._counters = counters
        self._now_ms = now_ms
        self._say = say
        self._is_short = False
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, now_ns: int) -> None:
        """Ask for what is due, as far as the weight of this minute reaches."""
        queue = self._intake.snapshots
        if not queue.is_waiting:
            self._tell_short(is_short=False)
            return
        left_s = self._rest.gate.left_s
        if left_s > 0.0:
            queue.pause(now_ns, left_s)
        symbols = max(sum(self._intake.wanted), 1)
        levels, weight = snapshot_choice(symbols, self._budget.per_minute)
        room = self._budget.room(weight, self._now_ms())
        self._tell_short(is_short=room == 0)
        for request in queue.due(now_ns, room):
            self._counters["snapshot_levels"] = levels
            self._counters["snapshots"] += 1
            self._budget.begin(weight)
            task = asyncio.get_running_loop().create_task(self._fetch(request, levels, weight))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.write_counters()

    def write_counters(self) -> None:
        """Show the weight."""
        self._counters["weight_limit"] = self._budget.limit
        self._counters["weight_used"] = self._budget.used
        self._counters["weight_spent"] = self._budget.spent

    def _tell_short(self, *, is_short: bool) -> None:
        if is_short is not self._is_short:
            self._is_short = is_short
            self._counters["weight_waits"] += int(is_short)
        self._counters["weight_waiting"] = int(is_short)

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _fetch(self, request: SnapshotRequest, levels: int, weight: int) -> None:
        intake, snapshots = self._intake, self._intake.snapshots
        symbol = intake.symbols.symbols[request.instrument]
        was_told = False
        try:
            url = self._endpoints.rest()
            if url is None:
                raise FeedError("the exchange has no address")
            body = await self._rest.get(f"{url}/fapi/v1/depth", symbol=symbol, limit=str(levels))
            was_told = True
        except FeedError as error:
            now_ns = monotonic_ns()
            was_told = isinstance(error, RateLimitedError | InvalidSymbolError)
            if isinstance(error, InvalidSymbolError) and snapshots.is_current(request):
                # Asking again cannot help; the next list of the exchange takes the symbol off.
                snapshots.cancel(request.instrument)
                self._say(f"snapshot of {symbol}: the exchange does not know the symbol")
            elif snapshots.is_current(request):
                snapshots.failed(request.instrument, now_ns)
                self._say(f"snapshot of {symbol}: {error}")
            return
        finally:
            self._budget.end(weight, self._now_ms(), was_told=was_told)
        intake.on_snapshot(request, body, monotonic_ns(), levels)
        # The next one is not kept waiting for the process's turn.
        self.send(monotonic_ns())

"""A local order book by the exchange's rules for futures, and its comparison with the venue's.

For clients that leave the book to their user. It keeps what it looked like at its newest update
ids, because a snapshot can only be compared with the book of the very same id.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

Level = Sequence[str]
Snapshot = tuple[int, Iterable[Level], Iterable[Level]]
REMEMBERED = 400
ATTEMPTS = 400
MEETINGS = 3
COMPARED_LEVELS = 500


class LocalBook:
    """Applies diff events; `broken` counts the times it had to start again."""

    def __init__(self) -> None:
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.last_id = 0
        self.events = 0
        self.broken = 0
        self.past: OrderedDict[int, tuple[dict[str, str], dict[str, str]]] = OrderedDict()
        self._waiting: list[tuple[int, int, int, Any, Any]] = []
        self._joined = False

    def load(self, snapshot: Snapshot) -> bool:
        """Start from a snapshot; False if it is older than the first event that waits."""
        last_id, bids, asks = snapshot
        self.bids, self.asks = _levels(bids), _levels(asks)
        self.last_id = last_id
        self._joined = False
        waiting = [event for event in self._waiting if event[1] >= last_id]
        if not waiting or waiting[0][0] > last_id:
            self.last_id = 0
            return False
        self._waiting = []
        for event in waiting:
            self.apply(*event)
        return True

    def apply(self, first_id: int, last_id: int, previous_id: int, bids: Any, asks: Any) -> None:
        """One event of the diff stream."""
        if not self.last_id:
            self._waiting.append((first_id, last_id, previous_id, bids, asks))
            return
        follows = previous_id == self.last_id if self._joined else first_id <= self.last_id
        if not follows:
            self.broken += 1
            self.last_id = 0
            return
        self._joined = True
        for side, changes in ((self.bids, bids), (self.asks, asks)):
            for price, quantity in changes:
                if float(quantity) == 0:
                    side.pop(price, None)
                else:
                    side[price] = quantity
        self.last_id = last_id
        self.events += 1
        self.past[last_id] = (dict(self.bids), dict(self.asks))
        if len(self.past) > REMEMBERED:
            self.past.popitem(last=False)


async def compare(
    local: LocalBook, snapshot: Callable[[], Awaitable[Snapshot]], seconds: float
) -> dict[str, Any]:
    """Follow the stream for `seconds`, then meet snapshots of the venue at equal update ids."""
    for _ in range(ATTEMPTS):
        if local.load(await snapshot()):
            break
        await asyncio.sleep(0.05)
    assert local.last_id, "snapshot and stream never met"
    began_s = time.monotonic()
    while time.monotonic() - began_s < seconds:
        await asyncio.sleep(0.05)
    met = 0
    for _ in range(ATTEMPTS):
        last_id, bids, asks = await snapshot()
        deadline_s = time.monotonic() + 5
        while local.last_id < last_id and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)
        if last_id in local.past:
            for mine, theirs, best in zip(local.past[last_id], (bids, asks), (-1, 1), strict=True):
                assert _best(mine, best) == _best(_levels(theirs), best), f"at {last_id}"
            met += 1
            if met == MEETINGS:
                break
    assert met == MEETINGS, f"only {met} snapshots met an event of the stream"
    assert local.broken == 0, f"{local.broken} gaps in the stream"
    return {"events": local.events, "levels": len(local.bids) + len(local.asks), "met": met}


def _best(side: dict[str, str], sign: int) -> list[tuple[str, str]]:
    """The levels that both can know: a snapshot ends at 1000, and what was beyond it is unknown."""
    return sorted(side.items(), key=lambda level: sign * float(level[0]))[:COMPARED_LEVELS]


def _levels(levels: Iterable[Level]) -> dict[str, str]:
    return {level[0]: level[1] for level in levels}

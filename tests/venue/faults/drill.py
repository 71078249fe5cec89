"""A running venue under faults: real sockets, its client, and the control endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import uvloop

from aegis.config.models import VenueConfig
from aegis.venue.build import VenueOptions
from aegis.venue.faults.schema import Fault, Schedule
from aegis.venue.serve import Venue, running
from tests.venue.client import Client, client
from tests.venue.desk import KEYS

KEY = KEYS[0]
ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010",
}  # fmt: skip


class Drill:
    """A venue, its client, and the control endpoint."""

    def __init__(self, venue: Venue, rest: Client, web: aiohttp.ClientSession) -> None:
        self.venue = venue
        self.rest = rest
        self.web = web

    async def control(
        self, method: str, path: str = "", body: Any = None, **headers: str
    ) -> tuple[int, Any]:
        url = f"{self.venue.url}/venue/faults{path}"
        data = None if body is None else json.dumps(body)
        async with self.web.request(method, url, data=data, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def arm(self, kind: str, **details: Any) -> int:
        status, answer = await self.control("POST", body={"kind": kind, **details})
        assert status == 200, answer
        return int(answer["added"][0])

    async def end(self, number: int) -> None:
        assert (await self.control("DELETE", f"?number={number}"))[0] == 200

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0.005)


Scene = Callable[[Drill], Awaitable[None]]


def play(scene: Scene, *faults: Fault, **config: Any) -> Venue:
    """Run a scene against a fresh venue in this process; returns the closed venue."""
    options = VenueOptions(
        config=VenueConfig(**config), keys=KEYS, faults=Schedule(None, tuple(faults))
    )
    seen: list[Venue] = []

    async def run() -> None:
        async with _drill(options) as drill:
            seen.append(drill.venue)
            await asyncio.wait_for(scene(drill), 30)
            ledger = drill.venue.core.exchange.ledger
            assert (ledger.imbalance_e8(), ledger.imbalance_lots()) == (0, {})
            for task in drill.venue._tasks:
                assert not task.done(), task

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return seen[0]


@contextlib.asynccontextmanager
async def _drill(options: VenueOptions) -> AsyncIterator[Drill]:
    async with (
        running(options) as venue,
        client(venue.url, KEY) as rest,
        aiohttp.ClientSession() as web,
    ):
        yield Drill(venue, rest, web)

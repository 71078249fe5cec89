"""The protective stop when its own placing fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aegis.execution import protective_stop
from aegis.execution.errors import FateUnknownError
from aegis.execution.protective_stop import ProtectiveStops
from tests.execution.harness import Desk


class ForgetfulExchange:
    """Takes the first stop, and its answer is lost on the way."""

    def __init__(self) -> None:
        self.stops: list[dict[str, Any]] = []
        self.looks = 0

    async def open_algo_orders(self) -> list[dict[str, Any]]:
        self.looks += 1
        return self.stops

    async def place_algo(self, parameters: dict[str, Any]) -> dict[str, Any]:
        self.stops.append(dict(parameters))
        if len(self.stops) == 1:
            raise FateUnknownError("POST /fapi/v1/algoOrder", 0, 0, "no answer")
        return {}


def test_a_stop_whose_answer_is_lost_is_looked_for_and_not_doubled(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protective_stop, "_LOOK_EVERY_S", 0.002)
    monkeypatch.setattr(protective_stop, "_AGAIN_S", 0.002)

    async def day() -> None:
        desk.core.accept_position(0, 5, 5 * 600_000 * 10_000 * 10, desk.now_ns)
        exchange: Any = ForgetfulExchange()
        stops = ProtectiveStops(desk.core, exchange, 0.02, lambda: True, lambda _: None)
        keeper = asyncio.create_task(stops.run())
        try:
            async with asyncio.timeout(5.0):
                while not stops.resting:
                    await asyncio.sleep(0.002)
            await asyncio.sleep(0.02)
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        (stop,) = exchange.stops
        assert stops.resting[0].client_id == stop["clientAlgoId"]
        assert exchange.looks == 2

    asyncio.run(day())

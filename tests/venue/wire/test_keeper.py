"""Connections that are too old, silent or due for a ping."""

from __future__ import annotations

import asyncio

from aegis.venue.limits import RateLimits
from aegis.venue.wire.keeper import Keeper

LIMITS = RateLimits()
PING_EVERY_S, PONG_WITHIN_S = LIMITS.ping_every_s, LIMITS.pong_within_s
LIFETIME_S = LIMITS.lifetime_s


class Line:
    """A connection that writes down what is done to it."""

    cut_for_slowness = False

    def __init__(self, now_s: float) -> None:
        self.last_pong_s = self.last_ping_s = now_s
        self.log: list[str] = []

    def ping(self, payload: bytes) -> None:
        self.log.append("ping")

    def abort(self) -> None:
        self.log.append("abort")

    def close(self, code: int, reason: str = "") -> None:
        self.log.append(f"close {code}")


def test_a_connections_life() -> None:
    async def run() -> None:
        now_s = asyncio.get_running_loop().time()
        keeper, line = Keeper(LIMITS), Line(now_s)
        keeper.came(line)  # type: ignore[arg-type]
        assert len(keeper) == 1
        keeper.sweep(now_s + PING_EVERY_S - 1)
        assert line.log == []
        keeper.sweep(now_s + PING_EVERY_S + 1)
        keeper.sweep(now_s + PING_EVERY_S + 2)
        assert line.log == ["ping"]
        keeper.sweep(now_s + PONG_WITHIN_S + 1)
        assert line.log == ["ping", "abort"]
        line.last_pong_s = line.last_ping_s = now_s + LIFETIME_S
        keeper.sweep(now_s + LIFETIME_S + 1)
        assert line.log[2:] == ["close 1001"]
        line.cut_for_slowness = True
        keeper.gone(line)  # type: ignore[arg-type]
        assert (len(keeper), keeper.cut) == (0, 1)

    asyncio.run(run())

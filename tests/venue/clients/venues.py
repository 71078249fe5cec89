"""The two venues a client is let loose on: a lively market, and a quiet one with the same symbol.

``test_sessions`` opens them inside its own process and event loop, so that after a session the
books behind the sockets can be audited.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from aegis.config.models import FlowConfig, VenueConfig
from aegis.venue.build import VenueOptions
from aegis.venue.credentials import Credentials, mint
from aegis.venue.limits import RateLimits
from aegis.venue.serve import Venue, running

BALANCE_USDT = 1_000_000.0
# A session asks more in a minute than a client may; the chapter about limits meets the real ones.
ROOMY = RateLimits(weight_per_minute=100_000, orders_per_10s=5_000, orders_per_minute=20_000)
NEVER_PER_S = 1e-9
QUIET = FlowConfig(
    trades_per_s=NEVER_PER_S, book_updates_per_s=NEVER_PER_S, volatility_bps_per_sqrt_s=0.0,
    jumps_per_hour=0.0, spread_ticks=2_000, depth_levels=100,
)  # fmt: skip


@dataclass(frozen=True)
class Grounds:
    """Both venues and the keys that are good on both: the client's first, then its rivals'."""

    lively: Venue
    quiet: Venue
    limited: Venue
    keys: tuple[Credentials, ...]


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Grounds]:
    """Open the venues; close them and forget their accounts afterwards."""
    keys = (mint(), mint(), mint())
    config = VenueConfig(balance_usdt=BALANCE_USDT)
    calm = VenueConfig(balance_usdt=BALANCE_USDT, flow=QUIET, universe=1)
    async with (
        running(VenueOptions(config=config, keys=keys, limits=ROOMY)) as lively,
        running(VenueOptions(config=calm, keys=keys, limits=ROOMY)) as quiet,
        running(VenueOptions(config=calm, keys=keys)) as limited,
    ):
        await _bars(lively.url)
        yield Grounds(lively, quiet, limited, keys)


async def _bars(url: str) -> None:
    """Wait for the first bars of the mark price: a market that has just opened has none yet."""
    path = f"{url}/fapi/v1/markPriceKlines?symbol=BTCUSDT&interval=1m"
    async with aiohttp.ClientSession() as session:
        for _ in range(500):
            async with session.get(path) as reply:
                if await reply.json():
                    return
            await asyncio.sleep(0.02)
    raise AssertionError("the lively market has no mark price")

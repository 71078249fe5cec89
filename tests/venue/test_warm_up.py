"""No kernel is compiled or loaded while the exchange serves: all were there before."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import uvloop
from numba.core.dispatcher import Dispatcher

from aegis.config.models import VenueConfig
from aegis.venue.build import VenueOptions
from aegis.venue.serve import running
from aegis.venue.warm_up import warm_up
from tests.venue.client import client, receive, stream
from tests.venue.desk import KEYS

STREAMS = "btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@depth5@100ms/btcusdt@trade"
MARKET_STREAMS = "btcusdt@aggTrade/btcusdt@kline_1m/btcusdt@markPrice@1s/!ticker@arr"
QUESTIONS = (
    "depth", "trades", "historicalTrades", "aggTrades", "ticker/24hr", "ticker/bookTicker",
    "ticker/price", "premiumIndex", "fundingRate", "openInterest",
)  # fmt: skip


def loaded() -> dict[str, int]:
    """How many versions of each kernel this process has, compiled here or loaded from the cache."""
    return {
        f"{name}.{attribute}": len(one.overloads)
        for name, module in sorted(sys.modules.items())
        if name.startswith("aegis.")
        for attribute, one in vars(module).items()
        if isinstance(one, Dispatcher)
    }


async def serve_for_a_moment() -> None:
    """Orders, questions and streams of every sort, for more than a second of event time."""
    options = VenueOptions(keys=KEYS, config=VenueConfig(universe=3))
    async with (
        running(options) as venue,
        client(venue.url, KEYS[0]) as rest,
        stream(venue.url, f"/public/stream?streams={STREAMS}") as first,
        stream(venue.url, f"/market/stream?streams={MARKET_STREAMS}") as second,
    ):
        order = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.010"}
        await rest.good("POST", "/fapi/v1/order", **order, type="MARKET")
        price = venue.core.exchange.markets["BTCUSDT"].spec.price_text(590_000)
        resting = await rest.good(
            "POST", "/fapi/v1/order", **order, type="LIMIT", timeInForce="GTX", price=price
        )
        await rest.good("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=resting["orderId"])
        for name in QUESTIONS:
            await rest.good("GET", f"/fapi/v1/{name}", name == "historicalTrades", symbol="BTCUSDT")
        for interval in ("1m", "1h", "1d"):
            wanted = {"symbol": "BTCUSDT", "interval": interval}
            await rest.good("GET", "/fapi/v1/klines", False, **wanted)
        seen: set[str] = set()
        while not {"depthUpdate", "bookTicker", "trade"} <= seen:
            seen.add((await receive(first))["data"]["e"])
        while "markPriceUpdate" not in seen:
            data = (await receive(second))["data"]
            seen.add(data["e"] if isinstance(data, dict) else "array")


def main() -> None:
    """What the test runs in a process of its own: print what came too late."""
    warm_up()
    before = loaded()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(serve_for_a_moment(), 60))
    late = [name for name, count in loaded().items() if count > before.get(name, 0)]
    sys.stdout.write("\n".join(late))


def test_nothing_is_compiled_while_it_serves(repository: Path) -> None:
    code = "from tests.venue.test_warm_up import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""

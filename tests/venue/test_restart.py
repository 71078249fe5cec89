"""SIGKILL and a new start: the same port, the same account, the same orders."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import uvloop

from tests.venue.client import Client, client
from tests.venue.desk import KEYS

PROGRAM = """
import asyncio, pickle, sys
from pathlib import Path
import uvloop
from aegis.config.models import VenueConfig
from aegis.venue.build import VenueOptions
from aegis.venue.serve import Venue

async def main():
    keys = pickle.loads(sys.stdin.buffer.read())
    config = VenueConfig(port=int(sys.argv[2]))
    venue = Venue(VenueOptions(config=config, keys=keys, state_dir=Path(sys.argv[1])))
    await venue.start()
    print(venue.port, flush=True)
    await venue.wait(asyncio.Event())

uvloop.run(main())
"""


class Child:
    """A venue in a process of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(pickle.dumps(KEYS))
        self.process.stdin.close()
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


def ask(port: int, method: str, path: str, **parameters: Any) -> Any:
    async def run() -> Any:
        async with client(f"http://127.0.0.1:{port}", KEYS[0]) as rest:
            return await _once(rest, method, path, parameters)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


async def _once(rest: Client, method: str, path: str, parameters: dict[str, Any]) -> Any:
    return await rest.good(method, path, **parameters)


def test_a_killed_venue_comes_back_as_the_same_exchange(tmp_path: Path) -> None:
    first = Child(tmp_path, 0)
    try:
        ask(first.port, "POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET",
            quantity="0.010", newClientOrderId="taken")  # fmt: skip
        price = ask(first.port, "GET", "/fapi/v1/positionRisk".replace("v1", "v3"))[0]["markPrice"]
        low = f"{float(price) - 1_000:.1f}"
        ask(first.port, "POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="LIMIT",
            timeInForce="GTC", quantity="0.010", price=low, newClientOrderId="rests")  # fmt: skip
        key = ask(first.port, "POST", "/fapi/v1/listenKey")
        before = ask(first.port, "GET", "/fapi/v3/account")
    finally:
        first.kill()
    second = Child(tmp_path, first.port)
    try:
        assert second.port == first.port
        after = ask(second.port, "GET", "/fapi/v3/account")
        assert after["totalWalletBalance"] == before["totalWalletBalance"]
        risk = ask(second.port, "GET", "/fapi/v3/positionRisk")
        assert risk[0]["positionAmt"] == "0.010"
        # The market goes on where it was, give or take what it moves in a moment.
        assert abs(float(risk[0]["markPrice"]) / float(price) - 1) < 0.002
        orders = ask(second.port, "GET", "/fapi/v1/openOrders", symbol="BTCUSDT")
        assert [(o["clientOrderId"], o["price"]) for o in orders] == [
            ("rests", f"{float(low):.2f}")
        ]
        taken = ask(second.port, "GET", "/fapi/v1/order", symbol="BTCUSDT",
                    origClientOrderId="taken")  # fmt: skip
        assert taken["status"] == "FILLED"
        assert ask(second.port, "POST", "/fapi/v1/listenKey") == key
        ask(second.port, "DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="rests")
    finally:
        second.kill()

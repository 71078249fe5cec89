"""The reference recording, read once: messages in order, and books rebuilt the slow way.

Used by the feed's tests. The reconstruction is deliberately naive: a dict a side, sorted anew.
"""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.float64]
RECORDING = "usdm/btcusdt_20240808.gz"


@functools.lru_cache(maxsize=1)
def payloads(path: Path) -> list[bytes]:
    """The recorded payloads, in order, the bare REST snapshot among them."""
    with gzip.open(path) as lines:
        return [line.split(b" ", 1)[1].rstrip(b"\n") for line in lines]


def is_snapshot(payload: bytes) -> bool:
    return payload.startswith(b'{"lastUpdateId"')


class SlowBook:
    """Prices and quantities as the exchange wrote them, in two dicts; nothing clever."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.last_id = int(snapshot["lastUpdateId"])
        self.bids = {float(price): float(quantity) for price, quantity in snapshot["bids"]}
        self.asks = {float(price): float(quantity) for price, quantity in snapshot["asks"]}

    def apply(self, event: dict[str, Any]) -> None:
        if event["u"] < self.last_id:
            return
        for side, levels in ((self.bids, event["b"]), (self.asks, event["a"])):
            for price, quantity in levels:
                if float(quantity) == 0.0:
                    side.pop(float(price), None)
                else:
                    side[float(price)] = float(quantity)

    def levels(self) -> tuple[Levels, Levels]:
        """(bids, asks): f64[n, 2], best first."""
        bids = np.array([list(self.bids), list(self.bids.values())]).T
        asks = np.array([list(self.asks), list(self.asks.values())]).T
        return bids[np.argsort(-bids[:, 0])], asks[np.argsort(asks[:, 0])]


def decoded(payload: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(payload)
    return found

"""The reference recording, read once: messages in order, and books rebuilt the slow way.

Used by the feed's tests. The reconstruction is deliberately naive: decimal strings in dicts.
"""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any

RECORDING = "usdm/btcusdt_20240808.gz"


@functools.lru_cache(maxsize=1)
def payloads(path: Path) -> list[bytes]:
    """The recorded payloads, in order, the bare REST snapshot among them."""
    with gzip.open(path) as lines:
        return [line.split(b" ", 1)[1].rstrip(b"\n") for line in lines]


def is_snapshot(payload: bytes) -> bool:
    return payload.startswith(b'{"lastUpdateId"')


class SlowBook:
    """Prices and quantities as the exchange wrote them; nothing clever."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.last_id = int(snapshot["lastUpdateId"])
        self.bids = dict(snapshot["bids"])
        self.asks = dict(snapshot["asks"])

    def apply(self, event: dict[str, Any]) -> None:
        if event["u"] < self.last_id:
            return
        for side, levels in ((self.bids, event["b"]), (self.asks, event["a"])):
            for price, quantity in levels:
                if float(quantity) == 0.0:
                    side.pop(price, None)
                else:
                    side[price] = quantity

    def levels(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """(bids, asks) as floats, best first."""
        bids = sorted(((float(p), float(q)) for p, q in self.bids.items()), reverse=True)
        asks = sorted((float(p), float(q)) for p, q in self.asks.items())
        return bids, asks


def decoded(payload: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(payload)
    return found

"""A minute of recorded BTCUSDT through the brain: it quotes near the touch, trades, and repeats."""

from __future__ import annotations

import gzip
import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegis.shm.intent import CANCEL, PLACE
from aegis.shm.outcome import ACCEPTED, CANCELED, FILL, REJECTED
from aegis.shm.tick import QUOTE, TICK, TRADE
from tests.brain.harness import Harness, answer

LINES = 16_000
SLICE_NS = 5_000_000
LIMIT_LOTS = 20
PARAMETERS = {
    "order_qty": 0.002,
    "max_inventory_qty": LIMIT_LOTS * 0.001,
    "volatility_warmup_s": 2.0,
    "volatility_sample_ms": 100,
    "min_requote_ms": 250,
    "fair_price": "weighted_mid",
}


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> Any:
    """TICK records of the recording's bookTicker and trade messages, in order."""
    rows = []
    with gzip.open(shared_data / "usdm" / "btcusdt_20240808.gz", "rt") as lines:
        for line in islice(lines, LINES):
            received, text = line.split(" ", 1)
            data = json.loads(text).get("data", {})
            head = (data.get("T", 0) * 1_000_000, int(received))
            if data.get("e") == "bookTicker":
                top = (data["b"], data["B"], data["a"], data["A"], data["u"])
                rows.append((0, QUOTE, 0, *head, *map(float, top)))
            elif data.get("e") == "trade":
                side = -1.0 if data["m"] else 1.0
                price, quantity = float(data["p"]), float(data["q"])
                rows.append((0, TRADE, 0, *head, price, quantity, side, float(data["t"]), 0.0))
    return np.array(rows, TICK)


class Venue:
    """Fills an order when a trade prints through its price; answers at the end of each slice."""

    def __init__(self) -> None:
        self.resting: dict[int, Any] = {}
        self.position = 0
        self.fills = 0

    def trade(self, prices: Any) -> list[Any]:
        told = []
        for reference, intent in list(self.resting.items()):
            side, limit = int(intent["side"]), int(intent["price_ticks"])
            if (side * (limit - prices) > 0).any():
                self.position += side * int(intent["qty_lots"])
                self.fills += 1
                del self.resting[reference]
                lots = int(intent["qty_lots"])
                told.append(answer(FILL, intent, cum_qty_lots=lots, position_lots=self.position))
        return told

    def receive(self, intents: list[Any]) -> list[Any]:
        told = []
        for intent in intents:
            reference = int(intent["order_ref"])
            if intent["kind"] == PLACE:
                self.resting[reference] = intent
                told.append(answer(ACCEPTED, intent))
            elif intent["kind"] == CANCEL:
                known = self.resting.pop(reference, None) is not None
                told.append(answer(CANCELED if known else REJECTED, intent))
        return told


def replay(
    folder: Path, recorded: Any, batch: int, **changes: Any
) -> tuple[int, int, Venue, list[int]]:
    """(hash, decisions, venue, distances of new orders from the touch in ticks)."""
    folder.mkdir()
    harness = Harness(folder, parameters={**PARAMETERS, **changes})
    venue, distances = Venue(), []
    edges = np.flatnonzero(np.diff(recorded["ts_recv_ns"] // SLICE_NS)) + 1
    for part in np.split(recorded, edges):
        intents: list[Any] = []
        for start in range(0, part.size, batch):
            intents += harness.feed(part[start : start + batch])
        market = harness.desk.markets[0]
        for intent in intents:
            if intent["kind"] == PLACE:
                touch = market["bid_ticks"] if intent["side"] > 0 else market["ask_ticks"]
                distances.append(int(intent["side"]) * (int(touch) - int(intent["price_ticks"])))
        trades = part[part["kind"] == TRADE]
        told = venue.trade(np.rint(trades["a"] * 10).astype(np.int64)) + venue.receive(intents)
        if told:
            harness.tell(*told)
        assert abs(venue.position) <= LIMIT_LOTS
    assert harness.core["step_errors"] == 0
    assert harness.core["orphans"] == 0
    found = int(harness.core["intents_hash"]), int(harness.core["intents"]), venue, distances
    harness.close()
    return found


def test_it_quotes_near_the_touch_and_trades(tmp_path: Path, recorded: Any) -> None:
    first = replay(tmp_path / "first", recorded, batch=10_000)
    _, decisions, venue, distances = first
    assert decisions > 100
    assert venue.fills >= 10
    assert 10 < np.median(distances) < 150
    second = replay(tmp_path / "second", recorded, batch=1)
    assert second[:2] == first[:2]


@pytest.mark.parametrize("fair_price", ["mid", "micro_price"])
def test_another_fair_price_repeats_too_and_decides_otherwise(
    tmp_path: Path, recorded: Any, fair_price: str
) -> None:
    changes = {"fair_price": fair_price, "micro_price_min_moves": 20.0}
    first = replay(tmp_path / "first", recorded, batch=10_000, **changes)
    second = replay(tmp_path / "second", recorded, batch=7, **changes)
    assert second[:2] == first[:2]
    weighted = replay(tmp_path / "weighted", recorded, batch=10_000)
    assert first[0] != weighted[0]
    assert first[1] > 100

"""Position plus everything that may still fill never passes the inventory limit, whatever fills."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis.shm.intent import CANCEL, PLACE
from aegis.shm.outcome import ACCEPTED, CANCELED, DENIED, FILL, REJECTED, UNKNOWN
from aegis.shm.tick import TRADE
from tests.brain.harness import Harness, answer, quote, tick

LIMIT_LOTS = 10
PARAMETERS = {
    "order_levels": 4,
    "level_spacing_ticks": 2,
    "max_inventory_qty": LIMIT_LOTS * 0.001,
    "min_requote_ms": 5,
    "refresh_tolerance_ticks": 1,
}


class Adversary:
    """An exchange that fills, answers late, loses answers and refuses, as the seed wants it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.position = 0
        self.resting: dict[int, list[Any]] = {}  # reference -> [place intent, lots left, filled]
        self.cancels: list[Any] = []
        self.unknown: list[Any] = []

    def receive(self, intents: list[Any]) -> list[Any]:
        """What it says at once."""
        told = []
        for intent in intents:
            if intent["kind"] == CANCEL:
                self.cancels.append(intent)
            elif intent["kind"] == PLACE:
                chance = self.random.random()
                if chance < 0.05:
                    told.append(answer(DENIED, intent))
                    continue
                self.resting[int(intent["order_ref"])] = [intent, int(intent["qty_lots"]), 0]
                if chance < 0.1:
                    told.append(answer(UNKNOWN, intent))
                    self.unknown.append(intent)
                else:
                    told.append(answer(ACCEPTED, intent))
        return told

    def act(self) -> list[Any]:
        """Some fills, and some of the answers that were held back."""
        told = []
        for reference, entry in list(self.resting.items()):
            if self.random.random() < 0.25:
                told.append(self.fill(reference, entry))
        for waiting in (self.cancels, self.unknown):
            for intent in list(waiting):
                if self.random.random() < 0.3:
                    waiting.remove(intent)
                    told += self.settle(intent)
        return told

    def fill(self, reference: int, entry: list[Any]) -> Any:
        intent, left, filled = entry
        lots = self.random.randint(1, left)
        self.position += int(intent["side"]) * lots
        entry[1], entry[2] = left - lots, filled + lots
        if entry[1] == 0:
            del self.resting[reference]
        return answer(
            FILL, intent, qty_lots=lots, cum_qty_lots=entry[2], position_lots=self.position
        )

    def settle(self, intent: Any) -> list[Any]:
        reference = int(intent["order_ref"])
        if intent["kind"] == PLACE:
            return [answer(ACCEPTED, intent)] if reference in self.resting else []
        if reference not in self.resting:
            return []
        if self.random.random() < 0.2:
            return [answer(REJECTED, intent)]
        del self.resting[reference]
        return [answer(CANCELED, intent)]

    def exposure(self, side: int) -> int:
        """The position if everything on one side filled now, seen from that side."""
        open_lots = sum(left for intent, left, _ in self.resting.values() if intent["side"] == side)
        return side * self.position + open_lots


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_the_limit_holds_against_an_adversary(seed: int) -> None:
    adversary = Adversary(seed)
    walk = random.Random(seed + 1)
    bid, furthest, placed = 600_000, 0, 0
    with TemporaryDirectory() as folder:
        harness = Harness(Path(folder), parameters=PARAMETERS)
        for turn in range(300):
            bid += walk.randint(-4, 4)
            record = quote(bid, 2.0 * turn)
            if walk.random() < 0.3:
                record = tick(TRADE, at_ms=2.0 * turn, a=bid * 0.1, b=1.0, c=1.0)
            intents = harness.feed(record)
            placed += sum(int(intent["kind"]) == PLACE for intent in intents)
            told = adversary.receive(intents)
            for side in (1, -1):
                assert adversary.exposure(side) <= LIMIT_LOTS, f"turn {turn}, side {side}"
            told += adversary.act()
            furthest = max(furthest, abs(adversary.position))
            if told:
                harness.tell(*told)
        assert harness.desk.positions["lots"][0] == adversary.position
        harness.close()
    assert placed > 20
    assert furthest > LIMIT_LOTS // 2, "an adversary that fills nothing proves nothing"


@pytest.mark.parametrize("lots", [LIMIT_LOTS, -LIMIT_LOTS])
def test_at_the_limit_only_the_reducing_side_is_quoted(tmp_path: Path, lots: int) -> None:
    harness = Harness(tmp_path, parameters=PARAMETERS, synced=False)
    harness.sync(position_lots=lots)
    sent = [*harness.feed(quote(600_000, 0)), *harness.feed(quote(600_000, 20))]
    assert {int(intent["side"]) for intent in sent} == {-1 if lots > 0 else 1}
    harness.close()

"""One tape, one hash: however it is cut into batches, and in whatever order two sockets answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis.brain.layout import SLOTS_PER_LANE
from aegis.shm.intent import CANCEL, PLACE
from aegis.shm.outcome import ACCEPTED, CANCELED, DENIED, FILL
from aegis.shm.tick import BOOK, TICK, TRADE
from tests.brain.harness import Harness, answer, quote, tick

SLICES = 60
SLICE_TICKS = 150
SLICE_MS = 50
PARAMETERS = {"order_levels": 2, "risk_aversion": 0.01, "min_requote_ms": 60}
Cutter = Callable[[int], list[int]]


def tape(seed: int) -> list[Any]:
    """Slices of ticks: a random walk in quotes and books, with trades in between."""
    generator = random.Random(seed)
    bid, update_id, slices = 600_000, 1, []
    for number in range(SLICES):
        records = []
        for place in range(SLICE_TICKS):
            at_ms = (number + place / SLICE_TICKS) * SLICE_MS
            if generator.random() < 0.2:
                price = bid * 0.1
                records.append(tick(TRADE, at_ms=at_ms, a=price, b=0.5, c=1.0, d=float(place)))
                continue
            bid += generator.choice([-3, -1, -1, 0, 0, 0, 1, 1, 3])
            update_id += generator.randrange(1, 5)
            top = quote(bid, at_ms, update_id=update_id, spread=generator.choice([1, 1, 1, 2, 9]))
            if generator.random() < 0.3:
                top["kind"] = BOOK
            top["b"], top["d"] = generator.uniform(0.1, 9), generator.uniform(0.1, 9)
            records.append(top)
        slices.append(np.concatenate(records))
    assert all(part.dtype == TICK for part in slices)
    return slices


class Exchange:
    """Answers a slice's intents at its end: accepts, fills some, denies some, confirms cancels."""

    def __init__(self, seed: int) -> None:
        self.generator = random.Random(seed)
        self.position = 0
        self.resting: dict[int, Any] = {}

    def denies(self, intent: Any) -> bool:
        return bool(intent["kind"] == PLACE and int(intent["order_ref"]) % 7 == 3)

    def answers(self, intents: list[Any], shuffle: random.Random | None) -> list[Any]:
        """Outcomes by order (in order within one), orders shuffled when asked."""
        by_order: dict[int, list[Any]] = {}
        for intent in intents:
            reference = int(intent["order_ref"])
            if intent["kind"] == PLACE and not self.denies(intent):
                by_order[reference] = [answer(ACCEPTED, intent)]
                self.resting[reference] = intent
            elif intent["kind"] == CANCEL and reference in self.resting:
                del self.resting[reference]
                by_order[reference] = [answer(CANCELED, intent)]
        for reference in sorted(self.resting):
            if self.generator.random() < 0.2:
                intent = self.resting.pop(reference)
                by_order.setdefault(reference, []).append(answer(FILL, intent))
        queues = [by_order[reference] for reference in sorted(by_order)]
        if shuffle is not None:
            shuffle.shuffle(queues)
        flat = [record for queue in queues for record in queue]
        for record in flat:
            if record["kind"][0] == FILL:
                self.position += int(record["side"][0]) * int(record["qty_lots"][0])
                record["cum_qty_lots"] = record["qty_lots"]
                record["position_lots"] = self.position
        return flat


def replay(
    seed: int, cut: Cutter, shuffle: random.Random | None = None, deny_at_once: bool = False
) -> tuple[int, int, int]:
    """(hash, decisions, fills' position) of a tape whose slices are cut into batches by `cut`."""
    with TemporaryDirectory() as folder:
        harness = Harness(Path(folder), parameters=PARAMETERS)
        exchange = Exchange(seed)
        for part in tape(seed):
            sent: list[Any] = []
            denied: list[Any] = []
            for batch in np.split(part, cut(part.size)):
                new = harness.feed(batch) if batch.size else []
                sent += new
                denied += [answer(DENIED, intent) for intent in new if exchange.denies(intent)]
                if denied and deny_at_once:
                    harness.tell(*denied)
                    denied = []
            outcomes = denied + exchange.answers(sent, shuffle)
            if outcomes:
                harness.tell(*outcomes)
        core = harness.core
        found = int(core["intents_hash"]), int(core["intents"]), exchange.position
        assert core["orphans"] == 0
        assert core["step_errors"] == 0
        assert harness.desk.slots.size == SLOTS_PER_LANE
        harness.close()
    return found


def whole(size: int) -> list[int]:
    return []


def one_by_one(size: int) -> list[int]:
    return list(range(1, size))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 5), cuts=st.lists(st.integers(0, SLICE_TICKS), max_size=40))
def test_batches_do_not_matter(seed: int, cuts: list[int]) -> None:
    expected = replay(seed, whole)
    assert expected[1] > 100, "a tape on which nothing happens proves nothing"
    assert replay(seed, lambda size: sorted(cuts)) == expected


def test_one_tick_at_a_time_is_the_same_and_another_tape_is_not() -> None:
    assert replay(1, one_by_one) == replay(1, whole) != replay(2, whole)


def test_the_order_in_which_orders_are_answered_does_not_matter() -> None:
    expected = replay(3, whole)
    for shuffle_seed in range(4):
        assert replay(3, whole, shuffle=random.Random(shuffle_seed)) == expected


def test_a_denial_may_come_at_once_or_at_the_end_of_the_slice() -> None:
    assert replay(4, one_by_one, deny_at_once=True) == replay(4, whole)


def test_each_decision_moves_the_hash(harness: Harness) -> None:
    harness.feed(quote(600_000, 0))
    before = int(harness.core["intents_hash"])
    harness.feed(quote(600_000, 20))
    assert int(harness.core["intents_hash"]) != before

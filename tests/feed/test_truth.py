"""Whatever is lost, repeated or reordered on the way: a book is right or it is not valid.

A seeded market sends depth events, quotes and trades through a bad line; snapshots come late, old,
twice, or not at all. After every message the shared book is compared with the market's own book at
the same update id, level by level. A failing seed is printed and replays.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis.feed.intake import Intake
from aegis.feed.snapshots import SnapshotRequest
from aegis.shm.absence import Reason
from aegis.shm.instance import InstanceMemory
from tests.feed.market import Market, compact, frame

MS = 1_000_000


class BadLine:
    """Carries messages from a market to an intake, with faults at the given rates."""

    def __init__(
        self, intake: Intake, memory: InstanceMemory, seed: int, rates: dict[str, float]
    ) -> None:
        self.intake = intake
        self.memory = memory
        self.random = random.Random(seed)
        self.market = Market(seed)
        self.rates = rates
        self.now_ns = 10**12
        self.line: list[bytes] = []
        self.sent: list[bytes] = []
        self.answers: list[tuple[int, SnapshotRequest, bytes]] = []
        self.valid_moments = self.invalid_moments = 0
        intake.on_subscribed(0, self.now_ns)

    def happens(self, fault: str) -> bool:
        return self.random.random() < self.rates.get(fault, 0.0)

    def turn(self) -> None:
        """One step of the market, and whatever the line makes of it."""
        self.now_ns += self.random.randint(1, 50) * MS
        payloads: list[dict[str, Any]] = [self.market.step()]
        if self.random.random() < 0.5:
            payloads.insert(self.random.randint(0, 1), self.market.quote())
        for payload in payloads:
            text = frame(payload)
            if self.happens("drop"):
                continue
            self.line.append(text)
            if self.happens("repeat"):
                self.line.append(text)
        if self.sent and self.happens("replay"):
            self.line.append(self.random.choice(self.sent[-50:]))
        if self.happens("garbage"):
            self.line.append(self.line[-1][: self.random.randint(0, 80)] if self.line else b"{")
        if len(self.line) > 1 and self.happens("reorder"):
            self.random.shuffle(self.line)
        if not self.happens("delay"):
            self._deliver()
        if self.happens("cut"):
            self.line.clear()
            self.intake.on_disconnected([0], Reason.DISCONNECTED, self.now_ns)
            self.intake.on_subscribed(0, self.now_ns)
        self._snapshots()
        self.check()

    def _deliver(self) -> None:
        self.intake.recv_ns = self.now_ns
        batch = self.random.randint(1, 5)
        for number, text in enumerate(self.line):
            self.intake.stage(text, len(text))
            if number % batch == 0:
                self.intake.flush()
                self.check()
        self.intake.flush()
        self.sent += self.line
        self.line.clear()

    def _snapshots(self) -> None:
        for request in self.intake.snapshots.due(self.now_ns):
            if self.happens("refuse"):
                self.intake.snapshots.failed(request.instrument, self.now_ns)
                continue
            body = compact(self.market.snapshot())
            late_ns = self.random.randint(0, 5) * 20 * MS if self.happens("late") else 0
            self.answers.append((self.now_ns + late_ns, request, body))
        for answer in [found for found in self.answers if found[0] <= self.now_ns]:
            self.answers.remove(answer)
            self.intake.on_snapshot(answer[1], answer[2], self.now_ns)
            self.check()

    def check(self) -> None:
        """The one claim: valid means right."""
        view = self.memory.books.read(0)
        assert view is not None
        assert view.valid == self.intake.valid[0]
        if not view.valid:
            self.invalid_moments += 1
            return
        self.valid_moments += 1
        bids, asks = self.market.truth[view.update_id]
        best_bids = sorted(bids.items(), reverse=True)
        best_asks = sorted(asks.items())
        expected_bids = [[ticks / 100, lots / 1000] for ticks, lots in best_bids]
        expected_asks = [[ticks / 100, lots / 1000] for ticks, lots in best_asks]
        assert view.bids.tolist() == expected_bids[:20]
        assert view.asks.tolist() == expected_asks[:20]
        book = self.intake.full_book(0)
        assert book.bids.tolist() == expected_bids
        assert book.asks.tolist() == expected_asks


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**32 - 1),
    rates=st.fixed_dictionaries(
        {
            name: st.sampled_from([0.0, 0.0, 0.02, 0.1, 0.3])
            for name in (
                "drop", "repeat", "replay", "garbage", "reorder", "delay", "cut", "refuse", "late",
            )
        }
    ),
)  # fmt: skip
def test_a_valid_book_is_always_right(
    make_intake: Callable[..., Intake],
    memory: InstanceMemory,
    seed: int,
    rates: dict[str, float],
) -> None:
    line = BadLine(make_intake(), memory, seed, rates)
    for _ in range(60):
        line.turn()


@pytest.mark.parametrize("seed", range(8))
def test_books_come_back_once_the_line_is_good_again(
    make_intake: Callable[..., Intake], memory: InstanceMemory, seed: int
) -> None:
    rates = {"drop": 0.05, "reorder": 0.05, "replay": 0.05, "refuse": 0.3, "late": 0.5}
    line = BadLine(make_intake(), memory, seed, rates)
    for _ in range(300):
        line.turn()
    assert line.invalid_moments > 0
    assert line.valid_moments > 0
    line.rates = {}
    for _ in range(2000):
        line.turn()
        if line.intake.valid[0]:
            break
    assert line.intake.valid == [True], "the book must come back"
    for _ in range(100):
        line.turn()
        assert line.intake.valid == [True]

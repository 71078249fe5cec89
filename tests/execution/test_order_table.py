"""The order table under evidence in any order: money is exact, exposure is exact, ends are ends.

A seeded model exchange decides what really happens to each order and writes all the evidence that
there could be of it: answers, stream events, query results, each perhaps several times. It arrives
shuffled. Whatever the order, the position must be the sum of the distinct fills.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis.execution import order_states as states
from aegis.execution.replies import OrderBody
from aegis.execution.words import (
    ANOMALIES,
    DUPLICATE_FILLS,
    FREE_COUNT,
    OPEN_COUNT,
    UNKNOWN_COUNT,
)
from aegis.shm.outcome import ACCEPTED, CANCELED, EXPIRED, FILL, REJECTED
from tests.execution.harness import Desk, exposure_by_hand

Evidence = Callable[[], None]


@dataclass
class Truth:
    """What really became of one order."""

    ref: int
    side: int
    qty: int
    fills: list[tuple[int, int, int]] = field(default_factory=list)  # lots, price, trade id
    end: str = "LIVE"

    @property
    def filled(self) -> int:
        return sum(lots for lots, _, _ in self.fills)


class Exchange:
    """Decides fates by a seed and writes the evidence of them."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk = desk
        self.random = random.Random(seed)
        self.truths: list[Truth] = []
        self.next_trade = 100

    def place(self) -> list[Evidence]:
        """Place one order; the evidence of its fate, in the exchange's own order."""
        rng, desk = self.random, self.desk
        side = rng.choice((1, -1))
        price = 599_900 if side > 0 else 600_100
        truth = Truth(desk.next_ref + 1, side, rng.randint(1, 9))
        slot = desk.place(side=side, price_ticks=price, qty_lots=truth.qty)
        self.truths.append(truth)
        fate = rng.choice(("rest", "fill", "partly", "cancel", "cancel", "expire", "reject"))
        if fate == "reject":
            truth.end = "REJECTED"
            return [lambda: self.event(slot, states.REJECT, 0)]
        evidence = [lambda: self.update(truth, "NEW", 0)]
        left = truth.qty if fate == "fill" else rng.randint(0, truth.qty - 1)
        while left > 0:
            lots = rng.randint(1, left)
            left -= lots
            self.next_trade += 1
            fill = (lots, price + rng.randint(-5, 5), self.next_trade)
            truth.fills.append(fill)
            evidence.append(self.trade(truth, fill, truth.filled))
        if fate in ("cancel", "expire"):
            truth.end = "CANCELED" if fate == "cancel" else "EXPIRED"
            evidence.append(lambda: self.update(truth, truth.end, truth.filled))
        elif fate == "fill":
            truth.end = "FILLED"
        return evidence

    def doubts(self, truth: Truth, slot: int) -> list[Evidence]:
        """Evidence that adds nothing: lost answers, cancels on the way, late queries."""
        pool: list[Evidence] = [
            lambda: self.event(slot, states.AMBIGUOUS, 0),
            lambda: self.event(slot, states.CANCEL_SENT, 0),
            lambda: self.event(slot, states.CANCEL_LOST, 0),
            lambda: self.event(slot, states.CANCEL_AMBIGUOUS, 0),
            lambda: self.event(slot, states.CANCEL_REFUSED, 0),
        ]
        return self.random.choices(pool, k=self.random.randint(0, 3))

    def query(self, truth: Truth, slot: int) -> None:
        """The final word: what a query says once everything has happened."""
        statuses = {"LIVE": "PARTIALLY_FILLED" if truth.fills else "NEW"}
        if truth.end == "REJECTED":
            self.event(slot, states.NOT_PLACED, 0)
            return
        body = OrderBody(
            order_id=5,
            status=statuses.get(truth.end, truth.end),
            executed_qty=f"{truth.filled / 1000:.3f}",
        )
        self.desk.core.on_order_body(slot, body, self.desk.now_ns)

    def event(self, slot: int, event: int, cum: int) -> None:
        self.desk.core.apply(slot, event, self.desk.now_ns, cum_lots=cum)

    def trade(self, truth: Truth, fill: tuple[int, int, int], cum: int) -> Evidence:
        lots, price, trade_id = fill
        fields = {"l": f"{lots / 1000:.3f}", "L": f"{price / 10:.1f}", "t": trade_id}
        return lambda: self.update(truth, "TRADE", cum, **fields)

    def update(self, truth: Truth, x: str, cum: int, **fields: object) -> None:
        side = "BUY" if truth.side > 0 else "SELL"
        self.desk.update(truth.ref, x, S=side, z=f"{cum / 1000:.3f}", **fields)


def check_exposure(desk: Desk) -> None:
    """What the gate reads equals a count over all rows."""
    words = desk.core.words
    for held, by_hand in zip(desk.gate.exposure, exposure_by_hand(desk.core), strict=True):
        found = (held["open_buy_lots"], held["open_sell_lots"], held["open_orders"])
        assert tuple(map(int, found)) == by_hand
    living = desk.core.open_orders()
    assert words[OPEN_COUNT] == len(living)
    assert words[FREE_COUNT] == desk.core.tables.rows.size - len(living)
    assert words[UNKNOWN_COUNT] == sum(order.state == states.UNKNOWN for order in living)


def check_outcomes(truths: list[Truth], told: list[tuple[int, int, int]]) -> None:
    """(kind, reference, cumulative) per outcome: accepted once and first, the end once and last."""
    for truth in truths:
        mine = [(kind, cum) for kind, ref, cum in told if ref == truth.ref]
        kinds = [kind for kind, _ in mine]
        assert kinds.count(ACCEPTED) == (truth.end != "REJECTED")
        fills = [cum for kind, cum in mine if kind == FILL]
        assert len(fills) == len(truth.fills)
        assert fills == sorted(fills) and (not fills or fills[-1] == truth.filled)
        ends = [kind for kind in kinds if kind in (CANCELED, EXPIRED, REJECTED)]
        wanted = {"CANCELED": [CANCELED], "EXPIRED": [EXPIRED], "REJECTED": [REJECTED]}
        assert ends == wanted.get(truth.end, [])
        assert not ends or kinds[-1] == ends[0], "the end is heard of last"
        if truth.fills:
            assert kinds.index(ACCEPTED) < kinds.index(FILL)


def interleave(rng: random.Random, threads: list[list[Evidence]]) -> list[Evidence]:
    """A random order of all that keeps the order within each thread."""
    mixed: list[Evidence] = []
    left = [list(thread) for thread in threads if thread]
    while left:
        thread = rng.choice(left)
        mixed.append(thread.pop(0))
        left = [rest for rest in left if rest]
    return mixed


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("desk")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), shuffled=st.booleans())
def test_money_is_exact_in_any_order(shared_folder: Path, seed: int, shuffled: bool) -> None:
    desk = Desk(shared_folder)
    try:
        exchange = Exchange(desk, seed)
        rng = exchange.random
        threads: list[list[Evidence]] = []
        for _ in range(rng.randint(1, 6)):
            slot = len(threads)
            true = exchange.place()
            truth = exchange.truths[-1]
            again = rng.choices(true, k=rng.randint(0, 3))
            if shuffled:
                true = rng.sample(true, len(true))
            threads.append([*true, *again])
            if truth.end != "REJECTED":
                threads[-1] = interleave(rng, [threads[-1], exchange.doubts(truth, slot)])
        for deliver in interleave(rng, threads):
            deliver()
            check_exposure(desk)
        for slot, truth in enumerate(exchange.truths):
            exchange.query(truth, slot)
            check_exposure(desk)
        outcomes = desk.outcomes()
        signed = sum(truth.side * truth.filled for truth in exchange.truths)
        assert int(desk.gate.exposure[0]["position_lots"]) == signed
        for slot, truth in enumerate(exchange.truths):
            state = states.STATES[desk.core.state_of(slot)]
            expected = {"LIVE": ("LIVE", "PENDING_CANCEL", "UNKNOWN")}
            assert state in expected.get(truth.end, (truth.end,)), truth
        told = [(int(o["kind"]), int(o["order_ref"]), int(o["cum_qty_lots"])) for o in outcomes]
        check_outcomes(exchange.truths, told)
    finally:
        desk.close()


def test_duplicates_are_counted(desk: Desk) -> None:
    exchange = Exchange(desk, 4)
    for _ in range(20):
        for deliver in exchange.place():
            deliver()
            deliver()
    fills = sum(len(truth.fills) for truth in exchange.truths)
    assert fills > 5 and desk.core.words[DUPLICATE_FILLS] == fills
    assert desk.core.words[ANOMALIES] == 0


def test_an_order_that_fills_beyond_its_size_is_an_anomaly(desk: Desk) -> None:
    desk.place(qty_lots=2)
    desk.update(1, "TRADE", l="0.003", z="0.003", L="59990.0", t=1)
    assert desk.gate.exposure[0]["position_lots"] == 3
    assert desk.core.words[ANOMALIES] == 1
    check_exposure(desk)


@pytest.mark.parametrize(
    ("status", "end", "told"),
    [("FILLED", states.FILLED, EXPIRED), ("CANCELED", states.CANCELED, CANCELED)],
)
def test_trades_that_the_books_had_already_are_counted_to_their_order(
    desk: Desk, status: str, end: int, told: int
) -> None:
    """Taken over with the position: nothing moves but the order, which ends."""
    slot = desk.place(qty_lots=7)
    desk.core.confirmed_trades[0] = 5
    filled = 7 if status == "FILLED" else 3
    body = OrderBody(
        symbol="BTCUSDT", order_id=1, status=status, orig_qty="0.007",
        executed_qty=f"0.00{filled}", price="59990.0", update_time=1,
    )  # fmt: skip
    desk.core.on_order_body(slot, body, desk.now_ns)
    assert desk.core.state_of(slot) == states.CLOSING
    desk.kinds()
    assert not desk.core.on_trade_row(slot, 5, "59990.0", f"0.00{filled}", "0", True, desk.now_ns)
    desk.core.on_trades_listed(slot, [f"0.00{filled}"], desk.now_ns)
    assert desk.core.state_of(slot) == end
    assert desk.gate.exposure[0]["position_lots"] == 0
    assert desk.kinds() == [told]
    check_exposure(desk)
    assert desk.core.words[OPEN_COUNT] == 0 and desk.core.words[ANOMALIES] == 0


def test_a_list_that_lacks_a_trade_settles_nothing(desk: Desk) -> None:
    slot = desk.place(qty_lots=7)
    desk.core.confirmed_trades[0] = 5
    desk.core.apply(slot, states.CANCEL, desk.now_ns, cum_lots=4)
    desk.core.on_trades_listed(slot, ["0.003"], desk.now_ns)
    assert desk.core.state_of(slot) == states.CLOSING
    desk.core.on_trades_listed(slot, ["0.003", "0.001"], desk.now_ns)
    assert desk.core.state_of(slot) == states.CANCELED
    check_exposure(desk)


def test_a_part_that_the_books_had_already_leaves_the_rest_open(desk: Desk) -> None:
    slot = desk.place(qty_lots=7)
    desk.core.apply(slot, states.ACCEPT, desk.now_ns, cum_lots=3)
    desk.core.on_trades_listed(slot, ["0.003"], desk.now_ns)
    assert desk.core.state_of(slot) == states.LIVE
    check_exposure(desk)
    assert desk.gate.exposure[0]["open_buy_lots"] == 4
    # Told twice, and with what is booked as a fill: counted once.
    desk.update(1, "TRADE", l="0.002", z="0.005", L="59990.0", t=9)
    desk.core.on_trades_listed(slot, ["0.003", "0.002"], desk.now_ns)
    assert desk.gate.exposure[0]["open_buy_lots"] == 2
    assert desk.gate.exposure[0]["position_lots"] == 2

"""What an order is held against: our own best orders, the mark, and what is held in between."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.execution import order_states as states
from aegis.execution.open_lists import best_own_ticks
from aegis.risk.controls import Control
from aegis.risk.gate_state import EXECUTION_LIMIT, EXECUTION_WINDOW_NS
from aegis.risk.latch import LatchState
from aegis.shm.intent import IOC
from aegis.shm.outcome import DENIED
from tests.execution.harness import Desk


def denials(desk: Desk) -> list[int]:
    return [int(told["reason"]) for told in desk.outcomes() if told["kind"] == DENIED]


def best(desk: Desk, side: int, instrument: int = 0) -> int:
    return int(best_own_ticks(desk.core.directory, instrument, side))


def test_an_order_that_meets_our_own_is_denied(desk: Desk) -> None:
    desk.place(side=-1, price_ticks=600_100)
    assert desk.send(desk.intent(price_ticks=600_100)) == []
    assert desk.send(desk.intent(price_ticks=600_150, flags=IOC)) == []
    assert denials(desk) == [Control.SELF_TRADE] * 2
    desk.place(price_ticks=600_099)


def test_an_order_that_is_being_cancelled_still_counts(desk: Desk) -> None:
    slot = desk.place(side=-1, price_ticks=600_100)
    desk.cancel(1)
    assert desk.send(desk.intent(price_ticks=600_100)) == []
    desk.core.apply(slot, states.CANCEL, desk.now_ns)
    desk.place(price_ticks=600_100)


def test_of_instruments_each_has_its_own(desk: Desk) -> None:
    desk.place(side=-1, price_ticks=600_100)
    desk.place(instrument=1, price_ticks=260_000, qty_lots=100)
    assert (best(desk, -1), best(desk, 1)) == (600_100, 0)
    assert (best(desk, -1, 1), best(desk, 1, 1)) == (0, 260_000)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), min_size=1, max_size=80))
def test_the_best_is_the_best_of_all(moves: list[tuple[bool, int]]) -> None:
    """Orders come and go in any order; the lists agree with a look at every row."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        walk(desk, moves)
        desk.close()


def walk(desk: Desk, moves: list[tuple[bool, int]]) -> None:
    for is_new, number in moves:
        open_slots = sorted(order.slot for order in desk.core.open_orders())
        if is_new or not open_slots:
            side = 1 if number % 2 else -1
            desk.place(side=side, price_ticks=600_000 - side * (10 + number))
        else:
            desk.core.apply(open_slots[number % len(open_slots)], states.CANCEL, desk.now_ns)
        rows = desk.core.tables.rows
        live = rows[(rows["state"] != states.FREE) & (rows["state"] < states.TERMINAL)]
        buys = live["price_ticks"][live["side"] > 0]
        sells = live["price_ticks"][live["side"] < 0]
        assert best(desk, 1) == max(buys, default=0)
        assert best(desk, -1) == min(sells, default=0)


def test_a_position_that_loses_trips_without_an_order(desk: Desk) -> None:
    # 4 BTC long from 60,000; at 35,000 that is 100,000 lost, and the mark agrees.
    desk.core.accept_position(0, 4_000, 600_000 * 4_000 * 10_000)
    assert desk.core.revalue(desk.now_ns) == Control.PASS
    levels = np.array([[34_998.5, 1.0]]), np.array([[34_999.5, 1.0]])
    desk.memory.books.write(0, 2, 0, desk.now_ns, *levels)
    assert desk.core.revalue(desk.now_ns) == Control.PASS, "a bad print is no loss"
    desk.memory.marks.write(0, 0, desk.now_ns, 34_999.0, 34_999.0)
    assert desk.core.revalue(desk.now_ns) == Control.DAILY_LOSS
    assert desk.gate.latch.state is LatchState.REDUCING


def test_many_fills_of_one_side_halt(desk: Desk) -> None:
    desk.gate.words[EXECUTION_LIMIT] = 3
    desk.gate.words[EXECUTION_WINDOW_NS] = 1_000_000_000
    for trade in range(1, 5):
        desk.place()
        desk.update(desk.next_ref, "NEW")
        # Two trades of one order are one execution.
        for part in (1, 2):
            desk.update(
                desk.next_ref, "TRADE", X="PARTIALLY_FILLED" if part == 1 else "FILLED",
                l="0.001", z=f"0.00{part}", L="59990.0", t=10 * trade + part, n="0.01", rp="0",
            )  # fmt: skip
        state = desk.gate.latch.state
        if trade == 3:
            break
        assert state is LatchState.ACTIVE, trade
    assert state is LatchState.HALTED
    assert desk.gate.latch.reason == Control.REPEATED_EXECUTION

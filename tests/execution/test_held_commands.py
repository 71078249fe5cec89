"""What had to wait leaves within the message rate; cancels and ways out never wait for that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aegis.execution import held_commands
from aegis.execution import order_states as states
from aegis.execution.dispatcher import Dispatcher
from aegis.execution.held_commands import HeldCommands
from aegis.execution.layouts import ACT_AMEND, ACT_CANCEL, ACT_PLACE
from aegis.execution.order_routes import OrderRoutes
from aegis.risk.message_times import note_order_left
from aegis.shm.intent import AMEND, POST_ONLY, REDUCE_ONLY
from aegis.shm.outcome import AMEND_REFUSED
from aegis.shm.rate_ledger import RateLedger
from tests.execution.harness import NOW_MS, NOW_NS, Desk

_MS = 1_000_000
_RATE = 5


class _Line:
    """An order line that is always up and keeps what is sent."""

    is_connected = True
    is_ready = True
    undecodable = 0

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    async def connect(self) -> None:
        pass

    def send(self, request: Any) -> None:
        self.sent.append(json.loads(bytes(request)))

    def close(self) -> None:
        pass


class HeldDesk:
    """A core of five orders a second, its held commands, and a line."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.line = _Line()
        self.sides: list[str | None] = []
        self.dispatcher = Dispatcher(RateLedger.private())
        self.held = HeldCommands(
            desk.core, OrderRoutes(self.line, None), self.dispatcher, self.now_ms
        )

    def now_ms(self) -> int:
        """The exchange's clock."""
        return NOW_MS + (self.desk.now_ns - NOW_NS) // _MS

    def pass_on(self, actions: list[list[int]]) -> list[int]:
        """What the intake does with a batch: send or hold; the slots."""
        core = self.desk.core
        for at, (kind, slot, start, end, request_id, *_) in enumerate(actions):
            request = bytes(core.tables.out[start:end].tobytes())
            if kind in (ACT_PLACE, ACT_CANCEL, ACT_AMEND) and not self.held.may_go(kind, slot):
                self.held.hold(kind, slot, request_id, request, self.desk.now_ns + 3_000 * _MS)
            else:
                self.line.send(request)
                core.tables.done_ns[at] = self.desk.now_ns
        core.settle(len(actions))
        return [action[1] for action in actions]

    def place(self, **fields: Any) -> list[int]:
        """One order, if the gate lets it pass; its slot."""
        return self.pass_on(self.desk.send(self.desk.intent(**fields)))

    def fill_the_second(self) -> None:
        """As many orders as may have left have just left."""
        for _ in range(_RATE):
            note_order_left(self.desk.gate.words, self.desk.gate.rates, self.desk.now_ns)

    def later(self, ms: int) -> list[str]:
        """So much later, release; what has been sent, by method."""
        self.desk.now_ns += ms * _MS
        self.desk.refresh()
        self.held.release()
        sent, self.line.sent = self.line.sent, []
        self.sides = [request["params"].get("side") for request in sent]
        return [request["method"] for request in sent]


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldDesk]:
    desk = Desk(tmp_path, limits={"max_orders_per_s": float(_RATE), "max_cancels_per_s": 1.0})
    monkeypatch.setattr(held_commands, "monotonic_ns", lambda: desk.now_ns)
    yield HeldDesk(desk)
    desk.close()


PLACED = "order.place"


def test_what_waited_together_does_not_leave_beside_another_second_of_orders(
    held: HeldDesk,
) -> None:
    held.dispatcher.on_rate_limited(-1015, 1_100, held.now_ms())
    for _ in range(_RATE):
        assert held.place()
    assert held.later(1_050) == [], "the exchange's pause"
    for _ in range(_RATE):
        assert held.place(), "a second later there is room for as many"
    assert held.later(50) == [PLACED] * _RATE, "the first ones, and no more"
    assert held.later(999) == []
    assert held.place() == [], "nor is anything else let through meanwhile"
    assert held.later(1) == [PLACED] * _RATE


def test_an_order_that_has_just_passed_waits_for_the_exchange_alone(held: HeldDesk) -> None:
    held.dispatcher.on_rate_limited(-1015, 100, held.now_ms())
    for _ in range(_RATE):
        assert held.place()
    assert held.later(100) == [PLACED] * _RATE
    assert held.place() == [], "it leaves as the sixth within a second"


def test_cancels_and_what_only_reduces_never_wait_for_the_rate(held: HeldDesk) -> None:
    resting = held.place()[0]
    held.desk.update(1, "NEW")
    held.line.sent.clear()
    held.desk.now_ns += 1_000 * _MS
    held.desk.refresh()
    held.dispatcher.on_rate_limited(-1015, 1_100, held.now_ms())
    for _ in range(_RATE):
        assert held.place()
    assert held.later(1_100) == [PLACED] * _RATE
    held.dispatcher.on_rate_limited(-1015, 10, held.now_ms())
    held.desk.gate.exposure[0]["position_lots"] = 5
    ways_out = [
        held.place(side=-1, price_ticks=600_100, qty_lots=1, flags=REDUCE_ONLY | POST_ONLY)
        for _ in range(2)
    ]
    assert all(ways_out)
    assert held.later(10) == [PLACED, PLACED]
    held.pass_on(held.desk.cancel(1))
    assert held.desk.core.state_of(resting) == states.PENDING_CANCEL
    assert held.later(0) == ["order.cancel"]


def test_a_reduce_only_order_that_reduces_nothing_waits_for_the_rate(held: HeldDesk) -> None:
    """The gate has judged it as new risk, by the rate as well."""
    held.dispatcher.on_rate_limited(-1015, 10, held.now_ms())
    assert held.place(flags=REDUCE_ONLY | POST_ONLY), "flat: the exchange would refuse it"
    held.fill_the_second()
    assert held.later(10) == []
    assert held.later(989) == []
    assert held.later(1) == [PLACED]


def test_a_way_out_overtakes_a_reduce_only_order_that_waits_for_the_rate(held: HeldDesk) -> None:
    held.dispatcher.on_rate_limited(-1015, 10, held.now_ms())
    assert held.place(flags=REDUCE_ONLY | POST_ONLY, qty_lots=4)
    held.desk.gate.exposure[0]["position_lots"] = 5
    assert held.place(side=-1, price_ticks=600_100, qty_lots=1, flags=REDUCE_ONLY | POST_ONLY)
    held.fill_the_second()
    assert held.later(10) == [PLACED]
    assert held.sides == ["SELL"]
    assert held.later(990) == [PLACED]
    assert held.sides == ["BUY"]


def test_what_is_cancelled_while_it_waits_for_the_rate_never_leaves(held: HeldDesk) -> None:
    held.dispatcher.on_rate_limited(-1015, 1_100, held.now_ms())
    for _ in range(_RATE):
        assert held.place()
    held.desk.now_ns += 1_050 * _MS
    held.desk.refresh()
    (slot,) = held.place()
    assert held.later(50) == [PLACED] * _RATE
    held.pass_on(held.desk.cancel(_RATE + 1))
    held.later(1)
    assert held.desk.core.state_of(slot) == states.REJECTED
    assert held.dispatcher.waiting == 0


def amend(held: HeldDesk, **terms: int) -> int:
    """An order that rests, and an amend of it that must wait; its slot."""
    (slot,) = held.place()
    held.desk.update(held.desk.next_ref, "NEW")
    held.line.sent.clear()
    held.desk.outcomes()
    held.dispatcher.on_rate_limited(-1015, 100, held.now_ms())
    fields = {"order_ref": held.desk.next_ref, "price_ticks": 0, "qty_lots": 0, **terms}
    assert held.pass_on(held.desk.send(held.desk.intent(AMEND, flags=0, **fields))) == [slot]
    assert held.line.sent == [] and held.desk.core.state_of(slot) == states.PENDING_AMEND
    return slot


def test_an_amend_waits_and_leaves_before_new_orders(held: HeldDesk) -> None:
    slot = amend(held, qty_lots=4)
    assert held.place(price_ticks=599_800)
    assert held.later(100) == ["order.modify", PLACED]
    assert held.desk.core.view(slot).amend_sent_ns == held.desk.now_ns


def test_an_amend_waits_for_the_rate(held: HeldDesk) -> None:
    amend(held, qty_lots=4)
    held.fill_the_second()
    assert held.later(100) == []
    assert held.later(1_000) == ["order.modify"]


def test_a_cancel_goes_first_and_takes_a_waiting_amend_with_it(held: HeldDesk) -> None:
    slot = amend(held, qty_lots=4)
    held.pass_on(held.desk.cancel(held.desk.next_ref))
    assert held.later(100) == ["order.cancel"]
    assert held.later(100) == []
    assert [int(kind) for kind in held.desk.outcomes()["kind"]] == [AMEND_REFUSED]
    row = held.desk.core.tables.rows[slot]
    assert (row["state"], row["amends"]) == (states.PENDING_CANCEL, 0)
    assert int(held.desk.gate.exposure[0]["open_buy_lots"]) == 2


def test_an_amend_that_has_waited_for_too_long_was_never_sent(held: HeldDesk) -> None:
    slot = amend(held, qty_lots=4)
    held.dispatcher.on_rate_limited(-1015, 10_000, held.now_ms())
    assert held.later(3_000) == []
    (told,) = held.desk.outcomes()
    assert (told["kind"], told["code"]) == (AMEND_REFUSED, held_commands.TOO_MANY_ORDERS)
    assert held.desk.core.state_of(slot) == states.LIVE
    assert int(held.desk.gate.exposure[0]["open_buy_lots"]) == 2


def test_an_amend_is_judged_again_before_it_leaves(held: HeldDesk) -> None:
    slot = amend(held, qty_lots=4)
    held.desk.core.follow_epoch(2)
    assert held.later(100) == [], "its brain is over"
    assert held.desk.core.state_of(slot) == states.LIVE
    assert [int(kind) for kind in held.desk.outcomes()["kind"]] == [AMEND_REFUSED]

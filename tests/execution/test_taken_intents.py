"""A restarted execution knows the order references that its predecessor has taken."""

from __future__ import annotations

from typing import Any

import numpy as np

from aegis.execution.client_id import ClientIds
from aegis.execution.core import ExecutionCore
from aegis.execution.taken_intents import taken_intents
from aegis.risk.controls import Control
from aegis.risk.gate_state import BLOCK_NOT_READY, HIGHEST_REF, Gate
from aegis.risk.limits import fill_rules
from aegis.shm.intent import CANCEL
from aegis.shm.outcome import DENIED
from tests.execution.harness import BTC, ETH, NOW_NS, STARTED_S, Desk


def restart(desk: Desk, epoch: int = 1) -> None:
    """Another core over the same memory, as after a kill."""
    desk.outcomes()
    desk.gate = Gate(2, desk.limits, NOW_NS)
    for row, rules in zip(desk.gate.rules, (BTC, ETH), strict=True):
        fill_rules(row, rules, desk.limits)
    desk.core = ExecutionCore(
        desk.memory, desk.gate, ClientIds("t", STARTED_S + 1), (BTC, ETH), recv_window_ms=2_000
    )
    desk.gate.clear(BLOCK_NOT_READY)
    desk.gate.set_wallet(10_000_000 * 10**8)
    desk.core.follow_epoch(epoch)


def denied(desk: Desk) -> list[tuple[int, int]]:
    told = desk.outcomes()
    refused = told[told["kind"] == DENIED]
    return [(int(one["order_ref"]), int(one["reason"])) for one in refused]


def test_a_name_that_was_used_before_the_restart_is_no_new_order(desk: Desk) -> None:
    for _ in range(3):
        desk.place()
    desk.cancel(2)
    restart(desk)
    assert desk.send(desk.intent(order_ref=2)) == []
    assert denied(desk) == [(2, Control.DUPLICATE_ORDER)]
    assert len(desk.send(desk.intent(order_ref=4))) == 1, "the next one is new"
    assert desk.send(desk.intent(order_ref=4)) == []


def test_what_was_offered_and_not_taken_is_no_used_name(desk: Desk) -> None:
    desk.place()
    waiting = np.concatenate([desk.intent(), desk.intent()])
    assert desk.memory.intents.offer(waiting) == 2
    restart(desk)
    assert desk.core.take(NOW_NS, 1) == 2


def test_another_brain_begins_anew_and_nonsense_uses_no_name(desk: Desk) -> None:
    desk.place(order_ref=50)
    desk.send(desk.intent(order_ref=1 << 50, side=3))
    restart(desk)
    assert desk.gate.words[HIGHEST_REF] == 50
    desk.core.follow_epoch(2)
    assert desk.gate.words[HIGHEST_REF] == 0
    assert len(desk.send(desk.intent(order_ref=1, epoch=2))) == 1


def test_names_are_known_over_many_intents(desk: Desk) -> None:
    """Also where all that can be seen are the last of them."""
    desk.gate.set_limits(desk.limits | {"max_orders_per_s": 10_000.0})
    desk.place()
    for _ in range(40):
        fill: list[Any] = [desk.intent(CANCEL, order_ref=1) for _ in range(100)]
        desk.send(*fill)
        while desk.core.take(desk.now_ns, 1) >= 0:
            pass
    desk.send(desk.intent(order_ref=900))
    restart(desk)
    assert desk.gate.words[HIGHEST_REF] == 900
    assert desk.send(desk.intent(order_ref=1)) == []
    assert desk.send(desk.intent(order_ref=899)) == []


def test_what_the_brain_may_be_writing_over_is_not_looked_at(desk: Desk) -> None:
    ring = desk.memory.intents
    for _ in range(ring.capacity // 128):
        ring.offer(np.concatenate([desk.intent(CANCEL, order_ref=1) for _ in range(128)]))
        while ring.pending_count():
            ring.take()
    assert taken_intents(ring).size == ring.capacity // 2
    more = np.concatenate([desk.intent(CANCEL, order_ref=1) for _ in range(128)])
    for _ in range(ring.capacity // 256):
        ring.offer(more)
    assert taken_intents(ring).size == ring.capacity // 4
    while ring.offer(more):
        pass
    assert taken_intents(ring).size == 0

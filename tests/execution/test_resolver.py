"""The resolver: what an answer proves about an order whose fate nobody knows."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from time import monotonic

import pytest

from aegis.execution import order_states as states
from aegis.execution import resolver
from aegis.execution.errors import RefusedError
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from aegis.shm.intent import AMEND
from aegis.shm.outcome import AMEND_REFUSED, AMENDED, CANCELED, UNKNOWN
from tests.execution.fake_exchange import FakeExchange, Fault
from tests.execution.rig import run, running

TIMEOUT_1007 = {"status": 408, "error": {"code": -1007, "msg": "Send status unknown."}}


def test_an_answer_that_was_old_when_it_was_read_is_no_proof_of_absence(tmp_path: Path) -> None:
    """Asked within the window, read a minute later: the order came in between."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            exchange.place_faults = [Fault(carried_out=False, answer=TIMEOUT_1007)]
            await rig.outcome(rig.send(), UNKNOWN)
            (order,) = rig.session.core.open_orders()
            rest = rig.session.rest
            offset_ms = rest.offset_ms

            async def absent(symbol: str, client_id: str) -> None:
                rest.offset_ms += 60_000
                raise RefusedError("GET /fapi/v1/order", 400, -2013, "Order does not exist.")

            rest.order = absent  # type: ignore[assignment]
            assert not await rig.session.resolver.settle(order)
            rest.offset_ms = offset_ms
            del rest.order
            assert rig.session.core.state_of(order.slot) == states.UNKNOWN

    run(day())


@pytest.mark.parametrize("is_carried_out", [True, False])
def test_an_amend_without_an_answer_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_carried_out: bool
) -> None:
    """Silence, then a query: its old terms count only once the amend cannot arrive any more."""
    monkeypatch.setattr(resolver, "ANSWER_TIMEOUT_NS", 200_000_000)

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed(qty_lots=4)
            exchange.amend_faults = [Fault(carried_out=False, silent=True)]
            asked_s = monotonic()
            rig.send(AMEND, order_ref=ref, price_ticks=599_800, qty_lots=6, intent_id=7)
            await rig.outcome(ref, UNKNOWN)
            if is_carried_out:
                order = rig.order_of(ref)
                # No event tells of it.
                order.price, order.qty = Decimal("59980.0"), Decimal("0.006")
                order.updated_ms = 2
            told = await rig.outcome(ref, AMENDED if is_carried_out else AMEND_REFUSED)
            assert told["intent_id"] == 7
            assert (monotonic() - asked_s > 2.9) == (not is_carried_out)
            (held,) = rig.session.core.open_orders()
            await rig.until(lambda: rig.session.core.state_of(held.slot) == states.LIVE, "LIVE")
            expected = 6 if is_carried_out else 4
            assert int(rig.session.gate.exposure[0]["open_buy_lots"]) == expected

    run(day())


def test_what_is_no_way_out_any_more_does_not_rest_while_halted(tmp_path: Path) -> None:
    """Two lots could leave a long of two; then the books turn out to hold none."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            held = rig.session.gate.exposure[0]
            held["position_lots"] = 2
            rig.session.gate.latch.trip(LatchState.HALTED, Control.FOREIGN_ORDER, 1)
            await rig.until(lambda: rig.counters["gate_state"] == LatchState.HALTED, "HALTED")
            ref = await rig.placed(side=-1, price_ticks=600_100)
            await rig.session.resolver.turn()
            assert rig.counters["cancels_sent"] == 0, "it is a way out"
            held["position_lots"] = 0
            await rig.outcome(ref, CANCELED)
            await rig.until(lambda: not exchange.open_ids(), "nothing rests")

    run(day())

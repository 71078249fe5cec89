"""The resolver: what an answer proves about an order whose fate nobody knows."""

from __future__ import annotations

from pathlib import Path

from aegis.execution import order_states as states
from aegis.execution.errors import RefusedError
from aegis.shm.outcome import UNKNOWN
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

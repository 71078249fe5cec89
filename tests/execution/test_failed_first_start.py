"""A first start that the exchange does not answer to the end: its journal holds no books yet."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from aegis.risk.latch import LatchState
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import run, running

BUSY = (503, '{"code":-1,"msg":"x"}')


@pytest.mark.parametrize("held", ["0", "0.006"])
@pytest.mark.parametrize(
    "question",
    ["GET v1/openAlgoOrders", "GET v1/userTrades", "GET v3/positionRisk", "GET v1/income"],
)
def test_the_next_try_begins_the_books(tmp_path: Path, question: str, held: str) -> None:
    """It takes the position over, and no trade of before for a missed one."""

    async def day() -> None:
        async with FakeExchange() as exchange:
            for number in range(3):
                exchange.fill(exchange.add(f"web_{number}"), "0.002", told=0)
            exchange.trades[-1]["realizedPnl"] = "-250.0"
            exchange.position = Decimal(held)
            exchange.rest_faults[question] = [BUSY]
            async with running(tmp_path, exchange) as rig:
                assert exchange.requests.count("GET v1/accountConfig") == 2, "two tries"
                books = rig.session.gate.exposure[0]
                assert int(books["position_lots"]) == int(Decimal(held) * 1_000)
                assert (int(books["realized_e8"]), int(books["fees_e8"])) == (0, 0)
                assert rig.session.gate.latch.state is LatchState.ACTIVE
                assert rig.session.core.confirmed_trades == [3]

    run(day())

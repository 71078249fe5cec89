"""A first start that the exchange does not answer to the end: its journal holds no books yet."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from aegis.execution import catching_up
from aegis.execution.errors import RateLimitedError
from aegis.execution.rest import RestClient, UserTrade
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


def test_what_was_read_of_a_long_list_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or an account with more trades than a minute's request weight shows would never start."""
    monkeypatch.setattr(catching_up, "_MOST_TRADES", 1)

    async def day() -> None:
        async with FakeExchange() as exchange:
            for number in range(3):
                exchange.fill(exchange.add(f"web_{number}"), "0.002", told=0)
            exchange.week_ms = exchange.now_ms + 1
            asked: list[int] = []
            since = RestClient.user_trades_since

            async def page(rest: RestClient, symbol: str, first_id: int) -> list[UserTrade]:
                asked.append(first_id)
                if len(asked) == 3:
                    raise RateLimitedError("GET /fapi/v1/userTrades", 429, 0, "no room")
                return [
                    trade for trade in await since(rest, symbol, first_id) if trade.id == first_id
                ]

            monkeypatch.setattr(RestClient, "user_trades_since", page)
            async with running(tmp_path, exchange) as rig:
                assert asked[:5] == [1, 2, 3, 3, 4]
                assert rig.session.core.confirmed_trades == [3]

    run(day())

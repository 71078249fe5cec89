"""A private stream that stays up and does not tell what happens is taken for lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aegis.risk.gate_state import BLOCK_PRIVATE_STREAM
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import run, running


@pytest.mark.parametrize("look", ["_orders_due_ns", "_trades_due_ns"])
def test_a_stream_that_tells_nothing_is_made_anew(tmp_path: Path, look: str) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            session, first = rig.session, set(exchange.streams)
            order = rig.order_of(await rig.placed())
            exchange.fill(order, "0.001", told=0)
            setattr(session, look, 0)
            await rig.until(lambda: exchange.streams - first, "another stream")
            assert session.stream.losses == 1
            await rig.until(lambda: session.is_reconciled, "the comparison")
            assert not session.gate.blocks & BLOCK_PRIVATE_STREAM
            assert int(session.gate.exposure[0]["position_lots"]) == 1

    run(day())


def test_a_stream_that_is_slower_than_a_list_is_kept(tmp_path: Path) -> None:
    """The comparison books the fill first; the stream tells of it a moment later."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            session = rig.session
            order = rig.order_of(await rig.placed())
            exchange.fill(order, "0.001", told=0)

            async def compare() -> None:
                await session.compare()
                told = {"l": "0.001", "L": str(order.price), "t": 1, "n": "0.0100", "m": True}
                asyncio.get_running_loop().call_later(
                    0.3, lambda: exchange.tell(order, "TRADE", **told)
                )

            assert not await session.reconciler.finds_untold(compare, session.stream)
            assert int(session.gate.exposure[0]["position_lots"]) == 1

    run(day())

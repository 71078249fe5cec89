"""`aegis arm` while the exchange does not answer: nothing is armed on trust."""

from __future__ import annotations

from pathlib import Path

from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import run, running
from tests.execution.test_operator import command


def test_an_account_that_cannot_be_compared_is_not_armed(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            assert (await command(rig, "reduce"))["state"] == "REDUCING"
            exchange.rest_faults["GET v3/positionRisk"] = [(503, "Service Unavailable.")]
            answer = await command(rig, "arm")
            assert (answer["ok"], answer["state"]) == (False, "REDUCING")
            latch = rig.session.gate.latch
            assert (latch.state, latch.reason) == (LatchState.REDUCING, Control.OPERATOR)
            assert (await command(rig, "arm"))["state"] == "ACTIVE"

    run(day())


def test_the_latch_stands_until_the_account_has_been_compared(tmp_path: Path) -> None:
    """Whoever is killed in the middle starts latched: the record follows the latch."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await command(rig, "halt")
            latch, compare = rig.session.gate.latch, rig.session.compare
            found = []

            async def watched() -> None:
                await compare()
                found.append(latch.state)

            rig.session.compare = watched  # type: ignore[method-assign]
            assert (await command(rig, "arm"))["ok"]
            assert found == [LatchState.HALTED] and latch.state is LatchState.ACTIVE

    run(day())


def test_a_hedge_mode_position_is_not_armed_over(tmp_path: Path) -> None:
    hedged = (
        '[{"symbol":"BTCUSDT","positionSide":"LONG","positionAmt":"0.002","entryPrice":"60000"}]'
    )

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await command(rig, "halt")
            exchange.rest_faults["GET v3/positionRisk"] = [(200, hedged)]
            answer = await command(rig, "arm")
            assert (answer["ok"], answer["state"]) == (False, "HALTED")
            assert "ACCOUNT_SETUP" in answer["text"]
            assert (await command(rig, "arm"))["state"] == "ACTIVE"

    run(day())

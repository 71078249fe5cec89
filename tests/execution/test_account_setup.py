"""The account's setup: whoever changes it, and however we learn of it, trading halts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aegis.execution.errors import UnusableSetupError
from aegis.execution.process import DEGRADED
from aegis.execution.words import RECONCILE_WANTED
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from aegis.shm.outcome import CANCELED
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import Rig, run, running


async def halted(rig: Rig) -> None:
    await rig.until(lambda: rig.counters["gate_state"] == LatchState.HALTED, "the latch")
    assert rig.counters["gate_reason"] == Control.ACCOUNT_SETUP


@pytest.mark.parametrize(
    "change", [{"ac": {"s": "BTCUSDT", "l": 50}}, {"ai": {"j": True}}], ids=["leverage", "assets"]
)
def test_a_setup_that_changes_halts(tmp_path: Path, change: dict[str, Any]) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            other = {"ac": {"s": "ETHUSDT", "l": 3}}
            exchange.push({"e": "ACCOUNT_CONFIG_UPDATE", "E": 1, "T": 1, **other})
            await rig.placed()
            assert rig.counters["gate_state"] == LatchState.ACTIVE, "not our symbol"
            exchange.push({"e": "ACCOUNT_CONFIG_UPDATE", "E": 1, "T": 1, **change})
            await halted(rig)

    run(day())


def test_a_margin_call_lets_nothing_add_to_the_position(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            in_danger = {"s": "BTCUSDT", "ps": "BOTH", "pa": "0.5", "mt": "CROSSED", "mm": "3.2"}
            exchange.push({"e": "MARGIN_CALL", "E": 1, "cw": "3.16", "p": [in_danger]})
            await rig.until(lambda: rig.counters["gate_state"] == LatchState.REDUCING, "the latch")
            assert rig.counters["gate_reason"] == Control.MARGIN_BUFFER

    run(day())


def test_a_change_that_the_stream_did_not_tell_is_found(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            assert await rig.session.setup.look()
            exchange.leverage = 125
            assert not await rig.session.setup.look()
            await halted(rig)

    run(day())


def test_an_account_with_the_expected_leverage_is_traded_with(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            exchange.leverage = 7
            async with running(tmp_path, exchange, leverage={"BTCUSDT": 7}) as rig:
                await rig.placed()

    run(day())


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (None, r"instances\.t\.leverage\] expects: BTCUSDT has 20 and not 7; nothing was changed"),
        ((200, "[]"), "BTCUSDT has none and not 7"),
        ((404, '{"code": -5000, "msg": "no such path"}'), "does not tell the leverage"),
    ],
    ids=["another", "no row", "no list"],
)
def test_another_leverage_than_expected_ends_the_start(
    tmp_path: Path, answer: tuple[int, str] | None, text: str
) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            if answer is not None:
                exchange.rest_faults["GET v1/symbolConfig"] = [answer]
            rig = Rig(tmp_path, exchange, leverage={"BTCUSDT": 7})
            with pytest.raises(UnusableSetupError, match=text):
                await rig.process.main()
            assert exchange.placements == [] and not rig.counters["ready"]
            assert [asked for asked in exchange.requests if asked.startswith("POST")] == []
            rig.wiring.close()
            rig.memory.close()
            rig.memory.unlink()

    run(day())


def test_a_hedge_mode_position_that_appears_halts_and_the_process_lives(tmp_path: Path) -> None:
    """A process that dies is started again until its budget is gone, and can tell nobody why."""
    hedged = (
        '[{"symbol":"BTCUSDT","positionSide":"LONG","positionAmt":"0.002","entryPrice":"60000"}]'
    )

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed()
            exchange.rest_faults["GET v3/positionRisk"] = [(200, hedged)] * 50
            rig.session.core.words[RECONCILE_WANTED] += 1
            await rig.until(lambda: rig.counters["gate_state"] == 3, "HALTED")
            assert rig.counters["gate_reason"] == Control.ACCOUNT_SETUP
            await rig.outcome(ref, CANCELED)
            assert exchange.open_ids() == []
            assert not rig.session.is_reconciled
            rig.session.core.words[RECONCILE_WANTED] += 1
            await rig.until(lambda: not rig.session.core.words[RECONCILE_WANTED], "another look")
            assert rig.session.failure is None
            assert rig.counters["state"] == DEGRADED

    run(day())

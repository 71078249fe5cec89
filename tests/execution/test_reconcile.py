"""Reconciliation: what contradicts halts with a reason, and nothing is ever traded away."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest
from aiohttp import web

from aegis.config.models import VenueConfig
from aegis.execution import session
from aegis.execution.client_id import ClientIds
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from aegis.shm.outcome import CANCELED, DENIED, STATE
from tests.execution.fake_exchange import FakeExchange, Order
from tests.execution.rig import Rig, run, running


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_DIFFERENCE_NS", 200_000_000)


async def halted(rig: Rig, control: Control) -> None:
    """Wait until the latch is HALTED because of `control`, told and in force."""
    await rig.until(lambda: rig.counters["gate_state"] == 3, "HALTED")
    assert rig.counters["gate_reason"] == control
    await rig.until(lambda: rig.last(STATE) is not None, "the brain to be told")
    assert (rig.last(STATE)["reason"], rig.last(STATE)["code"]) == (3, control)
    assert (await rig.outcome(rig.send(), DENIED))["reason"] == Control.KILL


def test_foreign_order_halts(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            foreign = exchange.add("web_someone", qty="0.5")
            async with running(tmp_path, exchange) as rig:
                await halted(rig, Control.FOREIGN_ORDER)
            assert foreign.status == "NEW", "never touched"
            assert rig.exit_code == 0, "nothing of ours rests"

    run(day())


def test_a_foreign_order_while_running_halts_and_takes_ours_away(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed()
            foreign = exchange.add("web_someone", qty="0.5")
            exchange.tell(foreign, "NEW")
            await halted(rig, Control.FOREIGN_ORDER)
            await rig.outcome(ref, CANCELED)
            assert exchange.open_ids() == ["web_someone"]

    run(day())


def test_position_mismatch_halts(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed()
            exchange.position = Decimal("0.250")
            row = {"s": "BTCUSDT", "pa": "0.250", "ep": "60000", "ps": "BOTH"}
            exchange.push({"e": "ACCOUNT_UPDATE", "E": 1, "a": {"m": "ADJUSTMENT", "P": [row]}})
            await halted(rig, Control.POSITION_MISMATCH)
            await rig.outcome(ref, CANCELED)
            assert len(exchange.placements) == 1, "a difference is never traded away"
            assert rig.session.gate.exposure[0]["position_lots"] == 0

    run(day())


def test_a_passing_difference_is_none(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            row = {"s": "BTCUSDT", "pa": "0.002", "ep": "60000", "ps": "BOTH"}
            ref = await rig.placed()
            exchange.push({"e": "ACCOUNT_UPDATE", "E": 1, "a": {"m": "ORDER", "P": [row]}})
            await asyncio.sleep(0.05)
            exchange.fill(rig.order_of(ref), "0.002")
            await rig.until(lambda: rig.counters["position_lots"] == 2, "the fill")
            await asyncio.sleep(0.4)
            assert rig.counters["gate_state"] == 1

    run(day())


def test_an_account_that_is_traded_on_while_it_is_read_is_no_mismatch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every look at the positions sees one fill more than the books, on a stream that lags."""
    real = FakeExchange._answer
    resting: list[Order] = []

    def answer(exchange: FakeExchange, action: str, query: dict[str, str]) -> web.Response:
        if action == "GET v3/positionRisk" and resting and resting[0].status != "FILLED":
            exchange.fill(resting[0], "0.001", told=0)
        return real(exchange, action, query)

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            resting.append(rig.order_of(await rig.placed(qty_lots=8)))
            assert await rig.session.reconciler.check()
            assert rig.session.gate.latch.state is LatchState.ACTIVE
            assert rig.session.gate.exposure[0]["position_lots"] == 8

    monkeypatch.setattr(FakeExchange, "_answer", answer)
    run(day())


def test_unreadable_account_is_not_flat(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            exchange.position, exchange.entry = Decimal("0.004"), "60000.0"
            failures = [(503, "Service Unavailable."), (200, '[{"symbol":"BTCUSDT"}]'), (200, "{}")]
            exchange.rest_faults["GET v3/positionRisk"] = failures
            async with running(tmp_path, exchange) as rig:
                assert not exchange.rest_faults["GET v3/positionRisk"], "asked again and again"
                assert rig.session.gate.exposure[0]["position_lots"] == 4

    run(day())


def test_an_order_of_ours_that_nobody_knows_is_cancelled(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            lost = ClientIds("t", 100_000_000).text(1, 9)
            exchange.add(lost)
            for stream in list(exchange.streams):
                await stream.close()
            await rig.until(lambda: exchange.orders[lost].status == "CANCELED", "its end")
            await rig.until(lambda: rig.session.gate.blocks == 0, "the return")
            assert rig.counters["gate_state"] == 1

    run(day())


def test_limits_are_tightened_while_running(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            limits = rig.process._settings.instance.limits.model_dump()
            rig.memory.control.write_text('{"limits": {"max_order_qty": 0.001')
            await rig.until(lambda: rig.counters["errors"] == 1, "a refusal of half a text")
            await rig.placed(qty_lots=2)
            text = str(limits | {"max_order_qty": 0.001}).replace("'", '"')
            rig.memory.control.write_text('{"limits": ' + text + "}")
            await rig.until(lambda: rig.counters["parameters_version"] == 2, "the new limits")
            told = await rig.outcome(rig.send(qty_lots=2), DENIED)
            assert told["reason"] == Control.MAX_ORDER_QTY

    run(day())


@pytest.mark.parametrize(("mode", "code"), [("embedded", 0), ("testnet", 1)])
def test_an_exchange_that_was_never_asked_is_not_called_empty(
    tmp_path: Path, mode: Literal["embedded", "testnet"], code: int
) -> None:
    """Of an earlier life something may rest there; the supervisor can ask our own exchange only."""

    async def day() -> None:
        async with FakeExchange() as exchange:
            exchange.rest_faults["GET v1/time"] = [(503, '{"code":-1,"msg":"x"}')] * 1_000
            async with running(tmp_path, exchange, ready=False) as rig:
                rig.process._settings = replace(rig.process._settings, venue=VenueConfig(mode=mode))
                await rig.until(lambda: exchange.requests, "a first question")
            assert rig.exit_code == code

    run(day())

"""Trades of before the books began are no news, however long ago they were."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aegis.execution import catching_up, journal_opening
from aegis.execution.journal.recovery import Recovered, recover
from aegis.risk.latch import LatchState
from aegis.shm.outcome import FILL
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import run, running
from tests.execution.test_recovery import killed


def traded_long_ago(exchange: FakeExchange, symbol: str = "BTCUSDT") -> None:
    """Some trades that the exchange lists by their numbers only; the account is flat."""
    for side in ("BUY", "BUY", "BUY"):
        order = exchange.add(f"web_{len(exchange.orders)}", side)
        exchange.fill(order, "0.002", told=0)
    exchange.trades[-1]["realizedPnl"] = "250.0"
    exchange.position = Decimal(0)
    exchange.week_ms = exchange.now_ms + 1


@pytest.mark.parametrize("most", [1_000, 2])
def test_a_first_start_takes_no_old_trade_for_a_missed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(catching_up, "_MOST_TRADES", most)

    async def day() -> None:
        async with FakeExchange() as exchange:
            traded_long_ago(exchange)
            async with running(tmp_path, exchange) as rig:
                catch_up = rig.session.reconciler.catch_up
                assert await catch_up.compare_trades() and catch_up.missed_fills == 0
                assert await rig.session.reconciler.check()
                held = rig.session.gate.exposure[0]
                assert (int(held["position_lots"]), int(held["realized_e8"])) == (0, 0)
                assert rig.session.gate.latch.state is LatchState.ACTIVE

    run(day())


def as_of_another_symbol(disk: Any, account: str) -> Recovered:
    """The journal of an instance that traded another symbol so far."""
    found = recover(disk, account)
    if found.replay is not None:
        found.replay.instruments[0] = replace(found.replay.instruments[0], symbol="ETHUSDT")
    return found


@pytest.mark.parametrize("is_one_of_many", [False, True])
def test_a_symbol_that_is_new_to_the_books_has_no_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_one_of_many: bool
) -> None:
    if is_one_of_many:
        monkeypatch.setattr(catching_up, "_MOST_SYMBOLS", 0)
    else:
        monkeypatch.setattr(journal_opening, "recover", as_of_another_symbol)

    async def day() -> None:
        async with FakeExchange() as exchange:
            if not is_one_of_many:
                async with running(tmp_path, exchange):
                    pass
            traded_long_ago(exchange)
            exchange.week_ms = 0
            async with running(tmp_path, exchange) as rig:
                assert rig.session.reconciler.has_books is not is_one_of_many
                ref = await rig.placed()
                catch_up = rig.session.reconciler.catch_up
                assert await catch_up.compare_trades() and catch_up.missed_fills == 0
                held = rig.session.gate.exposure[0]
                assert (int(held["position_lots"]), int(held["realized_e8"])) == (0, 0)
                assert rig.session.gate.latch.state is LatchState.ACTIVE
                exchange.fill(rig.order_of(ref), "0.001", told=0)
                assert not await catch_up.compare_trades() and catch_up.missed_fills == 1
                assert int(held["position_lots"]) == 1

    run(day())


@pytest.mark.parametrize("is_rotated", [False, True])
def test_a_crash_soon_after_the_first_trade_forgets_none_of_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_rotated: bool
) -> None:
    """Of many symbols, one first traded a moment before: its books began, and go on."""
    monkeypatch.setattr(catching_up, "_MOST_SYMBOLS", 0)

    async def day() -> None:
        async with FakeExchange() as exchange:
            traded_long_ago(exchange)
            async with killed(tmp_path, exchange) as rig:
                ref = await rig.placed(qty_lots=4)
                exchange.now_ms = rig.session.rest.now_ms()
                exchange.fill(rig.order_of(ref), "0.001")
                await rig.outcome(ref, FILL)
                if is_rotated:
                    assert rig.session.journal is not None
                    rig.session.journal.flush()
                    rig.session.journal._start_segment()
            # Somebody else's, and nobody was there to hear of it.
            exchange.now_ms += 1
            exchange.fill(exchange.add("web_while_dead"), "0.002", told=0)
            async with running(tmp_path, exchange, journal={"foreign_orders": "ignore"}) as rig:
                catch_up = rig.session.reconciler.catch_up
                assert catch_up.missed_fills == 1
                held = rig.session.gate.exposure[0]
                assert (int(held["position_lots"]), int(held["realized_e8"])) == (3, 0)
                assert rig.session.gate.latch.state is LatchState.ACTIVE

    run(day())

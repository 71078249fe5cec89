"""Fills that the exchange has counted and lists nowhere: a bounded wait, and then HALTED."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aegis.execution import resolver
from aegis.execution.errors import RefusedError
from aegis.execution.resolver import Resolver
from aegis.execution.rest import RestClient, UserTrade
from aegis.execution.words import OPEN_COUNT
from aegis.host.clock import monotonic_ns
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from aegis.shm.outcome import CANCELED, FILL
from tests.execution.fake_exchange import FakeExchange, Order
from tests.execution.rig import Rig, run, running
from tests.execution.test_recovery import killed
from tests.execution.test_vanished_orders import forget


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "_VANISHED_NS", 200_000_000)
    monkeypatch.setattr(Resolver, "patience_ns", 500_000_000, raising=False)


async def counted(rig: Rig, exchange: FakeExchange, order: Order) -> None:
    """The exchange counts one lot as filled, and has no trade of it."""
    order.filled, order.status = Decimal("0.001"), "PARTIALLY_FILLED"
    exchange.tell(order, "NEW")
    rows = rig.session.core.tables.rows
    await rig.until(lambda: (rows["reported_lots"] == 1).any(), "the count")


def halted_by(rig: Rig) -> Control | None:
    latch = rig.session.gate.latch
    return Control(latch.reason) if latch.state is LatchState.HALTED else None


async def _refused(*_: Any) -> None:
    raise RefusedError("GET /fapi/v1/userTrades", 400, -1130, "Data sent is not valid.")


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("is_forgotten", [True, False])
def test_fills_that_no_list_has_halt_and_end(
    tmp_path: Path, is_forgotten: bool, is_listed: bool
) -> None:
    """Whether the order is known to be over or was forgotten; a short list, or none at all."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed(qty_lots=4)
            await counted(rig, exchange, rig.order_of(ref))
            if not is_listed:
                rig.session.rest.user_trades = _refused  # type: ignore[assignment]
            if is_forgotten:
                await forget(rig, ref)
            else:
                exchange.cancel(rig.order_of(ref))
            await rig.outcome(ref, CANCELED)
            assert halted_by(rig) is Control.UNACCOUNTED_FILLS
            held = rig.session.gate.exposure[0]
            assert (held["open_buy_lots"], held["position_lots"]) == (0, 0)
            assert int(rig.session.core.words[OPEN_COUNT]) == 0

    run(day())


def test_a_forgotten_order_whose_trades_are_refused_ends_halted(tmp_path: Path) -> None:
    """None of it was counted as filled, but nothing proves that none was."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed(qty_lots=4)
            rig.session.rest.user_trades = _refused  # type: ignore[assignment]
            await forget(rig, ref)
            await rig.outcome(ref, CANCELED)
            assert halted_by(rig) is Control.UNACCOUNTED_FILLS

    run(day())


def test_a_list_that_is_only_late_is_waited_for(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed(qty_lots=4)
            order = rig.order_of(ref)
            await counted(rig, exchange, order)
            exchange.cancel(order)
            asked = rig.session.resolver.queries
            await rig.until(lambda: rig.session.resolver.queries > asked, "a short list")
            order.filled -= Decimal("0.001")
            exchange.fill(order, "0.001", told=0)
            await rig.outcome(ref, CANCELED)
            assert FILL in rig.of(ref) and halted_by(rig) is None
            assert int(rig.session.gate.exposure[0]["position_lots"]) == 1

    run(day())


def test_a_start_with_fills_that_no_list_has_comes_to_stand_halted(tmp_path: Path) -> None:
    """It was tried again for ever, and nothing could be asked of it meanwhile."""

    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                ref = await rig.placed(qty_lots=4)
                order = rig.order_of(ref)
                await counted(rig, exchange, order)
            del exchange.orders[order.client_id]
            async with running(tmp_path, exchange) as rig:
                assert halted_by(rig) is Control.UNACCOUNTED_FILLS
                assert int(rig.session.core.words[OPEN_COUNT]) == 0

    run(day())


def test_a_start_that_waits_for_a_list_does_not_use_its_weight_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a few such orders nothing would be left to ask with once the wait is over."""
    monkeypatch.setattr(Resolver, "patience_ns", 2_500_000_000)
    asked: list[int] = []
    user_trades = RestClient.user_trades

    async def counting(self: RestClient, symbol: str, order_id: int) -> list[UserTrade]:
        asked.append(order_id)
        return await user_trades(self, symbol, order_id)

    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                ref = await rig.placed(qty_lots=4)
                order = rig.order_of(ref)
                await counted(rig, exchange, order)
            del exchange.orders[order.client_id]
            monkeypatch.setattr(RestClient, "user_trades", counting)
            async with running(tmp_path, exchange) as rig:
                assert halted_by(rig) is Control.UNACCOUNTED_FILLS
                assert 3 <= len(asked) <= 10

    run(day())


async def _overloaded(*_: Any) -> None:
    raise RefusedError("GET /fapi/v1/userTrades", 503, -1008, "Server is currently overloaded.")


@pytest.mark.parametrize(
    ("question", "failure"),
    [
        ("user_trades", _overloaded),
        ("open_orders", _overloaded),
        ("open_orders", _refused),
    ],
)
def test_what_was_not_answered_ends_nothing(tmp_path: Path, question: str, failure: Any) -> None:
    """An order that may rest, or whose trades may yet be listed, is asked about on and on."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed(qty_lots=4)
            setattr(rig.session.rest, question, failure)
            await forget(rig, ref)
            begun_ns = monotonic_ns()
            patience_ns = rig.session.resolver.patience_ns
            await rig.until(lambda: monotonic_ns() > begun_ns + 3 * patience_ns, "long enough")
            assert halted_by(rig) is None and CANCELED not in rig.of(ref)
            delattr(rig.session.rest, question)
            await rig.outcome(ref, CANCELED)
            assert halted_by(rig) is None

    run(day())


def test_an_answer_that_is_old_when_it_is_read_ends_nothing(tmp_path: Path) -> None:
    """Asked at once, and read only long after: we ourselves stood still in between."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed(qty_lots=4)
            order = rig.order_of(ref)
            await counted(rig, exchange, order)
            rest, patience_ns = rig.session.rest, rig.session.resolver.patience_ns
            was_asked = 0

            async def old_list(symbol: str, order_id: int) -> list[Any]:
                nonlocal was_asked
                was_asked += 1
                until_ns = monotonic_ns() + 2 * patience_ns
                await rig.until(lambda: monotonic_ns() > until_ns, "a stop of ours")
                del rest.user_trades
                order.filled -= Decimal("0.001")
                exchange.fill(order, "0.001", told=0)
                return []

            rest.user_trades = old_list  # type: ignore[method-assign]
            exchange.cancel(order)
            await rig.outcome(ref, CANCELED)
            assert was_asked == 1 and halted_by(rig) is None
            assert int(rig.session.gate.exposure[0]["position_lots"]) == 1

    run(day())

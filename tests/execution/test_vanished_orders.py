"""An order that the exchange has confirmed, and then does not know any more; a slow question."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aegis.execution import order_states as states
from aegis.execution import resolver
from aegis.execution.errors import RefusedError
from aegis.execution.words import OPEN_COUNT
from aegis.host.clock import monotonic_ns
from aegis.risk.latch import LatchState
from aegis.shm.outcome import CANCELED, FILL
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import Rig, run, running


async def _absent(*_: Any) -> None:
    raise RefusedError("GET /fapi/v1/order", 400, -2013, "Order does not exist.")


async def forget(rig: Rig, ref: int) -> None:
    """The exchange does not know the order any more, nobody has told, and we doubt."""
    # The stream may have told of it before the order line: a late answer would end the doubt.
    await rig.until(lambda: rig.counters["responses"], "the answer to the placement")
    rig.order_of(ref).status = "EXPIRED"
    rig.session.rest.order = _absent  # type: ignore[assignment]
    (order,) = rig.session.core.open_orders()
    rig.session.core.apply(order.slot, states.CANCEL_LOST, monotonic_ns())


@pytest.mark.parametrize("filled", [0, 1])
def test_an_order_that_the_exchange_has_forgotten_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filled: int
) -> None:
    monkeypatch.setattr(resolver, "_VANISHED_NS", 300_000_000)

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed(qty_lots=4)
            begun_ns = monotonic_ns()
            if filled:
                exchange.fill(rig.order_of(ref), "0.001", told=0)
            await forget(rig, ref)
            await rig.outcome(ref, CANCELED)
            assert monotonic_ns() - begun_ns > 300_000_000, "not at the first answer"
            assert (FILL in rig.of(ref)) == bool(filled)
            held = rig.session.gate.exposure[0]
            assert (held["open_buy_lots"], held["position_lots"]) == (0, filled)
            assert rig.session.gate.latch.state is LatchState.ACTIVE

    run(day())


def test_an_order_that_was_thought_to_rest_and_is_forgotten_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody doubted it: the comparison finds it neither in the list nor by its name."""
    monkeypatch.setattr(resolver, "_VANISHED_NS", 300_000_000)

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed(qty_lots=4)
            rig.order_of(ref).status = "EXPIRED"
            rig.session.rest.order = _absent  # type: ignore[assignment]
            await rig.session.compare()
            await rig.outcome(ref, CANCELED)
            assert int(rig.session.core.words[OPEN_COUNT]) == 0
            assert rig.session.gate.latch.state is LatchState.ACTIVE

    run(day())


def test_an_order_that_rests_is_not_taken_for_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "_VANISHED_NS", 100_000_000)

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed(qty_lots=4)
            await forget(rig, ref)
            rig.order_of(ref).status = "NEW"
            asked = rig.session.resolver.queries
            await rig.until(lambda: rig.session.resolver.queries > asked + 5, "five questions")
            assert int(rig.session.core.words[OPEN_COUNT]) == 1
            assert CANCELED not in rig.of(ref)
            del rig.session.rest.order

    run(day())


def test_a_question_that_hangs_leaves_time_to_see_that_nothing_rests(tmp_path: Path) -> None:
    async def hang(*_: Any) -> None:
        await asyncio.Event().wait()

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed(qty_lots=4)
            await forget(rig, ref)
            rig.session.rest.order = hang  # type: ignore[assignment]
            begun_ns = monotonic_ns()
            assert await rig.session.cancel_and_see(begun_ns + 2_000_000_000)
            assert monotonic_ns() - begun_ns < 2_000_000_000

    run(day())

"""Restarts of the process over its journal: nothing forgotten, nothing booked twice.

A kill is the journal as it stood at that moment, put back after the first process has ended; the
exchange meanwhile is told to have gone on as it would have.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aegis.execution import order_states as states
from aegis.execution.journal.disk import FolderDisk
from aegis.execution.journal.layout import VERDICT
from aegis.execution.journal.reader import read_journal
from aegis.host.clock import monotonic_ns
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from aegis.shm.intent import AMEND
from aegis.shm.outcome import FILL
from tests.execution.fake_exchange import FakeExchange, Fault, Order
from tests.execution.rig import Rig, run, running

ETERNAL = ("NEW", "PARTIALLY_FILLED")


@asynccontextmanager
async def killed(folder: Path, exchange: FakeExchange, **options: float) -> AsyncIterator[Rig]:
    """A first process; when the block ends it is as if it had been killed right then."""
    async with running(folder, exchange, **options) as rig:
        yield rig
        shutil.copytree(folder / "journal", folder / "kept")
        open_then = {order.client_id: order.status for order in exchange.orders.values()}
    # What the orderly end has cancelled still rests: nobody has cancelled it.
    for client_id, status in open_then.items():
        exchange.orders[client_id].status = status
    shutil.rmtree(folder / "journal")
    (folder / "kept").rename(folder / "journal")


def books(rig: Rig) -> tuple[int, ...]:
    held = rig.session.gate.exposure[0]
    names = ("position_lots", "cost_e8", "realized_e8", "fees_e8")
    return tuple(int(held[name]) for name in names)


def verdicts(folder: Path) -> list[tuple[int, int]]:
    disk = FolderDisk(folder / "journal" / "t", to_write=False)
    return [
        (int(note["ident"]), int(note["code"]))
        for segment in read_journal(disk)
        for note in segment.records
        if note["kind"] == VERDICT
    ]


async def partly_filled(rig: Rig, exchange: FakeExchange) -> Order:
    """An order of four lots of which one is filled and heard of."""
    ref = await rig.placed(qty_lots=4)
    order: Order = rig.order_of(ref)
    exchange.fill(order, "0.001")
    await rig.until(lambda: rig.counters["fills"] == 1, "the fill")
    return order


def test_fills_missed_while_dead_are_booked_once(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                order = await partly_filled(rig, exchange)
            assert order.status == "PARTIALLY_FILLED"
            exchange.fill(order, "0.002")
            async with running(tmp_path, exchange) as rig:
                assert books(rig) == (3, 3 * 599_900 * 10_000, 0, 2 * 1_000_000)
                assert order.status == "CANCELED", "on_start = cancel"
                assert rig.session.core.open_orders() == []
                assert rig.session.gate.latch.state is LatchState.ACTIVE
                assert rig.session.core.confirmed_trades == [2]
                assert rig.session.reconciler.catch_up.missed_fills == 0, "its order told of it"
            # And once more, with nothing new: the same books.
            async with running(tmp_path, exchange) as rig:
                assert books(rig) == (3, 3 * 599_900 * 10_000, 0, 2 * 1_000_000)
                assert rig.session.gate.latch.state is LatchState.ACTIVE
            assert set(verdicts(tmp_path)) == {(1, 1), (4, 1)}, "positions and funding were equal"

    run(day())


def test_an_order_that_was_filled_whole_while_dead(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                order = await partly_filled(rig, exchange)
            exchange.fill(order, "0.003")
            async with running(tmp_path, exchange) as rig:
                assert books(rig)[0] == 4 and rig.session.core.open_orders() == []
                assert rig.session.gate.latch.state is LatchState.ACTIVE
                assert int(rig.session.gate.exposure[0]["open_buy_lots"]) == 0

    run(day())


def test_a_placement_that_was_written_but_never_sent(tmp_path: Path) -> None:
    """Killed between the journal and the socket: absent, proven when its window has closed."""

    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                ref = await rig.placed()
                lost = rig.order_of(ref)
            del exchange.orders[lost.client_id]
            # Whatever the first process had heard of it is cut off: only the placement is left.
            _forget_after_placement(tmp_path)
            async with running(tmp_path, exchange) as rig:
                assert rig.session.core.open_orders() == []
                assert rig.session.gate.latch.state is LatchState.ACTIVE
                assert lost.client_id not in exchange.orders, "and nothing is ever sent again"
                assert rig.ids.run > 0

    run(day())


def test_a_placement_that_arrives_after_the_restart_has_looked(tmp_path: Path) -> None:
    """Nothing of it rested when what rests was cancelled: it is cancelled when it comes."""

    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                ref = await rig.placed()
                late = rig.order_of(ref)
            del exchange.orders[late.client_id]
            _forget_after_placement(tmp_path)

            def arrive(client_id: str) -> None:
                exchange.orders[client_id] = late

            exchange.after_absent = arrive
            async with running(tmp_path, exchange) as rig:
                assert late.status == "CANCELED"
                assert rig.session.core.open_orders() == []
                assert rig.session.reconciler.catch_up.cancelled_late == 1
                assert rig.session.gate.latch.state is LatchState.ACTIVE

    run(day())


def _forget_after_placement(folder: Path) -> None:
    from aegis.execution.journal.layout import PLACE, RECORD_BYTES

    (path,) = (folder / "journal" / "t").glob("*.journal")
    disk = FolderDisk(path.parent, to_write=False)
    (segment,) = read_journal(disk)
    (place,) = [n for n, note in enumerate(segment.records) if note["kind"] == PLACE]
    with open(path, "r+b") as file:
        file.truncate(512 + (place + 1) * RECORD_BYTES)


def test_a_position_that_differs_halts_and_stays(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                await partly_filled(rig, exchange)
            exchange.position *= 7
            async with running(tmp_path, exchange) as rig:
                latch = rig.session.gate.latch
                assert (latch.state, latch.reason) == (
                    LatchState.HALTED,
                    Control.POSITION_MISMATCH,
                )
                assert books(rig)[0] == 7, "what may be reduced is what is there"
                assert len(exchange.placements) == 1, "nothing was traded away"
            async with running(tmp_path, exchange) as rig:
                assert rig.session.gate.latch.state is LatchState.HALTED, "a restart is no person"
            assert (1, 2) in verdicts(tmp_path)

    run(day())


def test_adopted_orders_rest_and_end_like_any_other(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                order = await partly_filled(rig, exchange)
            options: dict[str, Any] = {"journal": {"on_start": "adopt"}}
            async with running(tmp_path, exchange, **options) as rig:
                (held,) = rig.session.core.open_orders()
                assert (held.client_id, held.state) == (order.client_id, states.LIVE)
                assert order.status in ETERNAL
                assert int(rig.session.gate.exposure[0]["open_buy_lots"]) == 3
                exchange.fill(order, "0.001")
                await rig.until(lambda: books(rig)[0] == 2, "the fill of an adopted order")
            assert order.status == "CANCELED", "the end cancels it as any other"
            assert rig.exit_code == 0

    run(day())


@pytest.mark.parametrize("is_carried_out", [True, False])
def test_an_amend_that_was_under_way_is_adopted_as_told(
    tmp_path: Path, is_carried_out: bool
) -> None:
    """Killed between the journal and the answer: the order rests with one of two terms."""

    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                ref = await rig.placed(qty_lots=4)
                order = rig.order_of(ref)
                exchange.amend_faults = [Fault(carried_out=False, silent=True)]
                rig.send(AMEND, order_ref=ref, price_ticks=599_800, qty_lots=6, intent_id=7)
                await rig.until(lambda: rig.counters["amends_sent"] == 1, "the amend")
                assert int(rig.session.gate.exposure[0]["open_buy_lots"]) == 6
            if is_carried_out:
                exchange.amend(order, "59980.0", "0.006")
            options: dict[str, Any] = {"journal": {"on_start": "adopt"}}
            async with running(tmp_path, exchange, **options) as rig:
                (held,) = rig.session.core.open_orders()
                row = rig.session.core.tables.rows[held.slot]
                terms = (599_800, 6) if is_carried_out else (599_900, 4)
                assert (int(row["price_ticks"]), int(row["qty_lots"])) == terms
                assert (held.state, held.amend_sent_ns) == (states.LIVE, 0)
                assert int(rig.session.gate.exposure[0]["open_buy_lots"]) == terms[1]
            assert rig.exit_code == 0

    run(day())


def test_foreign_orders_may_be_left_alone(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            stranger = exchange.add("web_by_hand")
            async with running(tmp_path, exchange, journal={"foreign_orders": "ignore"}) as rig:
                assert rig.session.gate.latch.state is LatchState.ACTIVE
                assert rig.session.core.foreign_orders > 0
            assert stranger.status == "NEW"

    run(day())


def test_a_foreign_conditional_order_halts_too(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            exchange.algo_orders = [{"symbol": "BTCUSDT", "clientAlgoId": "by_hand", "algoId": 1}]
            async with running(tmp_path, exchange) as rig:
                latch = rig.session.gate.latch
                assert (latch.state, latch.reason) == (LatchState.HALTED, Control.FOREIGN_ORDER)

    run(day())


def test_a_fill_that_the_stream_never_told_is_found(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            order = await partly_filled(rig, exchange)
            exchange.fill(order, "0.001", told=0)
            assert books(rig)[0] == 1
            assert not await rig.session.reconciler.catch_up.compare_trades()
            assert books(rig)[0] == 2 and rig.session.reconciler.catch_up.missed_fills == 1
            assert await rig.session.reconciler.catch_up.compare_trades()

    run(day())


def test_a_fill_of_an_order_without_its_number_waits_for_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Booked as a stranger's it would be missing from the order, which then never ended."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            catch_up = rig.session.reconciler.catch_up
            exchange.place_faults = [Fault(silent=True, before_answer=fill_untold(exchange))]
            monkeypatch.setattr(exchange, "tell", lambda *_, **__: None)
            ref = rig.send(qty_lots=2)
            await rig.until(lambda: exchange.trades, "the fill")
            assert await catch_up.book_missed(catch_up.active_places()) == 1
            assert books(rig)[0] == 0, "it may be ours"
            (order,) = rig.session.core.open_orders()
            rig.session.core.apply(order.slot, states.AMBIGUOUS, monotonic_ns())
            await rig.until(lambda: FILL in rig.of(ref), "the fill by way of the order")
            assert await catch_up.book_missed(catch_up.active_places()) == 0
            assert books(rig)[0] == 2 and rig.session.core.open_orders() == []

    def fill_untold(exchange: FakeExchange) -> Callable[[Order], None]:
        return lambda order: exchange.fill(order, "0.002", told=0)

    run(day())

"""The latch in the running process: who trips it, what goes with it, what it outlives."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aegis.execution.words import INTENTS_TAKEN
from aegis.host.clock import monotonic_ns
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from aegis.risk.latch_record import LatchRecord, read_record, record_file, write_record
from aegis.shm.outcome import ACCEPTED, CANCELED, DENIED
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import Rig, run, running

EMITTED_PER_S = 10_000


async def _run_away(rig: Rig) -> int:
    """Emit 10,000 orders a second through the ring until the latch moves; when it began."""
    begun_ns = monotonic_ns()
    emitted = 0
    latch = rig.session.gate.latch
    async with asyncio.timeout(5.0):
        while latch.state is LatchState.ACTIVE:
            due = (monotonic_ns() - begun_ns) * EMITTED_PER_S // 1_000_000_000
            for _ in range(min(due - emitted, 200)):
                rig.send(price_ticks=599_000)
                emitted += 1
            await asyncio.sleep(0)
    return begun_ns


def test_a_runaway_is_stopped_and_cancels_still_go_out(tmp_path: Path) -> None:
    """10,000 orders/s: halted by the throttle in 100 ms, and everything that rested is gone."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            resting = await rig.placed()
            begun_ns = await _run_away(rig)
            latch = rig.session.gate.latch
            # 100 ms of it are 1,000 orders; the clock itself, where others use the machine too, is
            # given more than that.
            assert rig.session.core.words[INTENTS_TAKEN] <= 1_000
            assert latch.since_ns - begun_ns < 1_000_000_000
            assert (latch.state, latch.reason) == (LatchState.HALTED, Control.MAX_MSG_RATE)
            sent = rig.counters["orders_sent"]
            await rig.until(lambda: CANCELED in rig.of(resting), "the cancel of what rested")
            await rig.until(lambda: not exchange.open_ids(), "nothing rests")
            assert rig.counters["orders_sent"] == sent <= 1 + 300, "no more than the limit went out"
            assert rig.counters["cancels_sent"] >= sent
            assert (await rig.outcome(rig.send(), DENIED))["reason"] == Control.KILL

    run(day())


def test_it_outlives_the_whole_appliance(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = record_file("t")

    async def first() -> None:
        async with FakeExchange() as exchange, running(tmp_path / "one", exchange) as rig:
            rig.session.gate.latch.trip(
                LatchState.HALTED, Control.REPEATED_EXECUTION, monotonic_ns()
            )
            await rig.until(lambda: read_record(file).state is LatchState.HALTED, "the record")

    async def second() -> None:
        async with FakeExchange() as exchange, running(tmp_path / "two", exchange) as rig:
            latch = rig.session.gate.latch
            assert (latch.state, latch.reason) == (LatchState.HALTED, Control.REPEATED_EXECUTION)
            assert (await rig.outcome(rig.send(), DENIED))["reason"] == Control.KILL

    for name, part in (("one", first), ("two", second)):
        (tmp_path / name).mkdir()
        run(part())
    told = capfd.readouterr().err
    assert "left HALTED because of REPEATED_EXECUTION at 20" in told and "aegis arm" in told


def test_a_record_that_makes_no_sense_halts(tmp_path: Path) -> None:
    file = record_file("t")
    file.parent.mkdir(parents=True)
    file.write_text("{")

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            latch = rig.session.gate.latch
            assert (latch.state, latch.reason) == (LatchState.HALTED, Control.LATCH_RECORD)

    run(day())


def test_an_armed_record_trades(tmp_path: Path) -> None:
    write_record(record_file("t"), LatchRecord())

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed()
            assert rig.of(ref) == [ACCEPTED]

    run(day())


def test_a_latch_lets_orders_out_that_reduce(tmp_path: Path) -> None:
    """Also those that say nothing of it: the position says that they can do nothing else."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            bought = rig.order_of(await rig.placed(qty_lots=3))
            exchange.fill(bought, "0.003")
            await rig.until(lambda: rig.counters["position_lots"] == 3, "the position")
            rig.session.gate.latch.trip(LatchState.REDUCING, Control.DAILY_LOSS, 1)
            way_out = rig.send(side=-1, qty_lots=2, price_ticks=600_100)
            assert (await rig.outcome(way_out, ACCEPTED))["order_ref"] == way_out
            too_much = rig.send(side=-1, qty_lots=2, price_ticks=600_100)
            assert (await rig.outcome(too_much, DENIED))["reason"] == Control.KILL
            assert (await rig.outcome(rig.send(), DENIED))["reason"] == Control.KILL

    run(day())

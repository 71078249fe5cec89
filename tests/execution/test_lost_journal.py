"""A journal that is damaged as no kill and no power loss damages it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from aegis.config.models import VenueConfig
from aegis.execution.journal.layout import HEADER_BYTES, RECORD_BYTES, is_segment
from aegis.execution.journal.reader import read_segment
from aegis.execution.journal_opening import open_instance_journal
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from aegis.shm.instance import InstanceMemory
from aegis.shm.said import read_said
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import Rig, make_settings, run, running
from tests.execution.test_recovery import killed


def segments(folder: Path) -> list[Path]:
    """The segments of the journal, in order."""
    found = (folder / "journal" / "t").iterdir()
    return sorted(path for path in found if is_segment(path.name))


def spoil(path: Path, offset: int, count: int = 4) -> None:
    """Other bytes in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        was = file.read(count)
        file.seek(offset)
        file.write(bytes(byte ^ 0x5A for byte in was))


async def fill_in_part(exchange: FakeExchange, rig: Rig) -> None:
    """An order of four lots, and a fill of two that is in the books."""
    ref = await rig.placed(qty_lots=4)
    exchange.fill(rig.order_of(ref), "0.002")
    await rig.until(lambda: rig.counters["fills"] == 1, "the fill")


@pytest.mark.parametrize(("generation", "halts"), [(1, False), (2, True)])
def test_a_journal_that_cannot_be_read_at_all_halts(
    tmp_path: Path, generation: int, halts: bool
) -> None:
    """Its books are gone: that is no first start, and not for a machine to go over.

    Unless they were of an own exchange that has begun anew with its instance.
    """

    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                await fill_in_part(exchange, rig)
            for path in segments(tmp_path):
                spoil(path, 0)
            async with running(tmp_path, exchange, ready=False) as rig:
                for _ in range(generation):
                    rig.memory.control.next_generation("execution")
                await rig.until(lambda: rig.counters["ready"], "ready")
                latch = rig.session.gate.latch
                found = (latch.state, latch.reason)
                lost = (LatchState.HALTED, Control.JOURNAL_LOST)
                assert found == (lost if halts else (LatchState.ACTIVE, 0))
                assert int(rig.session.gate.exposure[0]["position_lots"]) == 2
                said = [line.text for line in read_said(rig.memory.directory, "execution")]
                assert any(".unreadable" in text for text in said), said
            assert exchange.open_ids() == []

    run(day())


def test_a_journal_whose_end_is_damaged_goes_on_and_says_so(tmp_path: Path) -> None:
    """The books of before are there, and what is missing of them the exchange lists."""

    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                await fill_in_part(exchange, rig)
            (path,) = segments(tmp_path)
            noted = len(read_segment(path.name, path.read_bytes()).records)
            spoil(path, HEADER_BYTES + (noted - 2) * RECORD_BYTES)
            async with running(tmp_path, exchange) as rig:
                assert rig.session.gate.latch.state is LatchState.ACTIVE
                assert int(rig.session.gate.exposure[0]["position_lots"]) == 2
                said = [line.text for line in read_said(rig.memory.directory, "execution")]
                assert any("damaged" in text for text in said), said

    run(day())


def test_a_first_start_and_a_torn_end_do_not_halt(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                assert rig.session.gate.latch.state is LatchState.ACTIVE
            (path,) = segments(tmp_path)
            # Killed while the first snapshot was written.
            with path.open("r+b") as file:
                file.truncate(HEADER_BYTES + RECORD_BYTES + 7)
            async with running(tmp_path, exchange) as rig:
                assert rig.session.gate.latch.state is LatchState.ACTIVE

    run(day())


@pytest.mark.parametrize("mode", ["embedded", "testnet"])
def test_books_of_a_real_account_are_missed_at_the_first_start_of_all(
    tmp_path: Path, mode: str
) -> None:
    keys = {"credentials": "/k"} if mode == "testnet" else {}
    settings = replace(make_settings(tmp_path), venue=VenueConfig(mode=mode, **keys))
    memory = SimpleNamespace(
        control=SimpleNamespace(generation=lambda _: 1),
        counters={
            "supervisor": {"start_time_ticks": 1, "pid": 1},
            "execution": {"realized_pnl_e8": 0, "fees_e8": 0},
        },
    )
    folder = tmp_path / "journal" / "t"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "run-0000000001-000001.journal").write_bytes(b"no journal" * 100)
    said: list[str] = []
    opened = open_instance_journal(settings, cast(InstanceMemory, memory), "key", said.append)
    opened.journal.close()
    assert opened.has_lost_books == (mode == "testnet")
    assert len(said) == 1 and "unreadable" in said[0]

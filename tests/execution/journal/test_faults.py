"""What a disk does wrong: full, failing to write, failing to sync. Simulated here, real below."""

from __future__ import annotations

import errno
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis.execution.journal.errors import JournalSpaceError
from aegis.execution.journal.layout import RECORD_BYTES
from aegis.execution.journal.reader import read_journal
from aegis.execution.journal.replay import Replay
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from tests.execution.journal.keeper import SEGMENT_BYTES, Keeper
from tests.execution.journal.memory_disk import MemoryDisk


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    made = Keeper(tmp_path / "memory", MemoryDisk())
    made.trade(random.Random(1), 40)
    yield made
    made.desk.close()


def latch_of(keeper: Keeper) -> tuple[LatchState, int]:
    latch = keeper.core.gate.latch
    return latch.state, latch.reason


def replayed(keeper: Keeper) -> Replay:
    replay = Replay()
    for segment in read_journal(keeper.disk):
        replay.feed(segment.records)
    return replay


def test_a_full_disk_reduces(keeper: Keeper) -> None:
    """No room for the next reserve: told while a whole segment is still there for cancels."""
    keeper.disk.free_bytes = SEGMENT_BYTES + 1
    keeper.journal.work.turn()
    keeper.journal.turn()
    assert latch_of(keeper) == (LatchState.REDUCING, Control.JOURNAL_FULL)
    assert keeper.journal.flush(), "what is left is enough for cancels and reductions"
    ref = next(order.name.order_ref for order in keeper.core.open_orders())
    keeper.desk.cancel(ref)
    assert keeper.journal.flush()
    live = keeper.journal.checkpoint()
    assert replayed(keeper).hash == live
    keeper.disk.free_bytes = 1 << 40
    keeper.journal.work.turn()
    keeper.journal.turn()
    assert keeper.journal.work.space_error == ""
    assert latch_of(keeper)[0] is LatchState.REDUCING, "only a person arms it again"


def test_without_room_for_a_reserve_there_is_no_start(tmp_path: Path) -> None:
    disk = MemoryDisk(free_bytes=SEGMENT_BYTES - 1)
    with pytest.raises(JournalSpaceError, match="make room"):
        Keeper(tmp_path / "memory", disk)


def test_a_write_that_fails_goes_to_the_reserve(keeper: Keeper) -> None:
    keeper.journal.work.turn()
    keeper.disk.write_errors = [errno.ENOSPC]
    keeper.desk.send(keeper.desk.intent())
    assert keeper.journal.flush(), "it is written, to the segment in reserve"
    assert latch_of(keeper) == (LatchState.REDUCING, Control.JOURNAL_FULL)
    live = keeper.journal.checkpoint()
    replay = replayed(keeper)
    assert replay.hash == live and not replay.hash_errors
    survivor = keeper.again()
    assert survivor.found.has_state and survivor.core.gate.latch.state is LatchState.REDUCING
    survivor.desk.close()


def test_a_checkpoint_whose_own_write_trips_the_latch_is_true(keeper: Keeper) -> None:
    """The latch is hashed: that it has moved must be written before the hash of it."""
    keeper.journal.work.turn()
    keeper.desk.send(keeper.desk.intent())
    keeper.disk.write_errors = [errno.EIO]
    live = keeper.journal.checkpoint()
    assert latch_of(keeper) == (LatchState.HALTED, Control.JOURNAL_SYNC)
    replay = replayed(keeper)
    assert replay.hash == live and replay.hash_errors == []
    survivor = keeper.again()
    assert survivor.found.findings == []
    survivor.desk.close()


@pytest.mark.parametrize("torn_bytes", [1, RECORD_BYTES - 1, RECORD_BYTES, RECORD_BYTES + 40])
def test_what_a_failed_write_left_ends_nothing(keeper: Keeper, torn_bytes: int) -> None:
    """A part of it stands in the old segment, perhaps for good; the reserve goes on before it."""
    keeper.journal.work.turn()
    keeper.disk.torn_bytes, keeper.disk.write_errors = torn_bytes, [errno.EIO]
    for _ in range(3):
        keeper.desk.send(keeper.desk.intent())
    assert keeper.journal.flush()
    keeper.trade(random.Random(3), 20)
    live = keeper.journal.checkpoint()
    replay = replayed(keeper)
    assert replay.hash == live and not replay.hash_errors
    survivor = keeper.again()
    assert survivor.found.findings == [], "nothing is missing, and nothing is put aside"
    survivor.desk.close()


def test_nothing_is_placed_that_cannot_be_written(keeper: Keeper) -> None:
    keeper.disk.write_errors = [errno.ENOSPC] * 10
    keeper.desk.send(keeper.desk.intent())
    assert not keeper.journal.flush(), "the caller must not send"
    assert latch_of(keeper) == (LatchState.HALTED, Control.JOURNAL_FULL)
    keeper.disk.write_errors = []
    keeper.desk.now_ns += 2_000_000_000
    assert keeper.journal.flush(), "what waited is written when the disk can"
    assert replayed(keeper).hash == keeper.journal.checkpoint()


def test_a_failed_sync_halts_and_is_not_tried_again(keeper: Keeper) -> None:
    keeper.disk.sync_errors = [errno.EIO]
    keeper.journal.work.turn()
    keeper.journal.turn()
    assert latch_of(keeper) == (LatchState.HALTED, Control.JOURNAL_SYNC)
    assert "errno 5" in keeper.journal.work.sync_error
    before = keeper.disk.events.count("sync")
    keeper.trade(random.Random(2), 20)
    keeper.journal.work.turn()
    assert keeper.disk.events.count("sync") == before, "a second fsync would lie"
    assert not keeper.journal.close()
    assert keeper.disk.events.count("sync") == before

"""When the books are lost: damage that leaves no snapshot, and starts that fail over it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from aegis.execution.journal.disk import FolderDisk
from aegis.execution.journal.layout import HEADER_BYTES, RECORD_BYTES, is_segment
from aegis.execution.journal.recovery import recover
from tests.execution.journal.keeper import ACCOUNT, Keeper

IN_HEADER, IN_SNAPSHOT = 0, HEADER_BYTES + RECORD_BYTES + 40


def segment_of_a_day(folder: Path) -> Path:
    """The one segment of a run that has traded and was killed."""
    disk = FolderDisk(folder / "journal")
    keeper = Keeper(folder / "desk", disk)
    keeper.trade(random.Random(5), 40)
    keeper.desk.close()
    disk.close()
    (path,) = (path for path in disk.folder.iterdir() if is_segment(path.name))
    return path


def spoil(path: Path, offset: int) -> None:
    """A flipped bit."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def looked_at(folder: Path, account: str = ACCOUNT) -> tuple[bool, str]:
    """What a start finds: whether books are lost, and whose others the journal was."""
    disk = FolderDisk(folder / "journal")
    found = recover(disk, account)
    disk.close()
    return found.has_lost_books, found.other_account


@pytest.mark.parametrize("offset", [IN_HEADER, IN_SNAPSHOT])
def test_one_flipped_bit_that_leaves_no_snapshot_has_lost_the_books(
    tmp_path: Path, offset: int
) -> None:
    """So does the start after one that put the file aside, and then failed or was killed."""
    spoil(segment_of_a_day(tmp_path), offset)
    assert looked_at(tmp_path) == (True, "")
    assert looked_at(tmp_path) == (True, "")


def test_a_snapshot_that_was_not_whole_yet_has_lost_nothing(tmp_path: Path) -> None:
    path = segment_of_a_day(tmp_path)
    content = path.read_bytes()[: HEADER_BYTES + RECORD_BYTES + 7]
    path.write_bytes(content)
    assert looked_at(tmp_path) == (False, "")
    assert looked_at(tmp_path) == (False, "")


def test_damage_in_the_journal_of_another_account_is_no_loss_of_this_one(tmp_path: Path) -> None:
    """An embedded exchange that has begun anew, or another key."""
    spoil(segment_of_a_day(tmp_path), IN_SNAPSHOT)
    assert looked_at(tmp_path, "embedded-another") == (False, ACCOUNT)
    assert looked_at(tmp_path, "embedded-another") == (False, "")


def test_books_that_go_on_after_damage_are_not_lost_again(tmp_path: Path) -> None:
    """What was put aside stays there for a person; the books that have begun since then count."""
    spoil(segment_of_a_day(tmp_path), IN_HEADER)
    assert looked_at(tmp_path) == (True, "")
    (tmp_path / "desk").rename(tmp_path / "before")
    segment_of_a_day(tmp_path)
    assert looked_at(tmp_path) == (False, "")

"""Listing, verifying and repairing: nothing is destroyed, and what is wrong has a place."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.recorder import layout
from aegis.recorder.errors import ForeignError, RecorderError
from aegis.recorder.reading import RecordingFile
from aegis.recorder.repair import examine, quarantine_name, recordings_in, repair
from tests.recorder.samples import numbered, random_bits, recording

PARTS = (numbered(40), random_bits(200, 1), numbered(25, 40))


def test_the_good_part_takes_the_name_and_the_original_keeps_its_bytes(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.rec", *PARTS)
    frames = list(RecordingFile(path).frames())
    spoiled = bytearray(path.read_bytes())
    spoiled[frames[4].offset + 60] ^= 1
    path.write_bytes(spoiled)
    found = examine(path)
    assert (found.state, found.bad_frame, found.bad_offset) == ("damaged", 4, frames[4].offset)
    done = repair(path)
    kept = done.kept
    assert (done.gaps, done.missing, done.is_exact) == (1, 200, True)
    assert kept.name == "a.rec.damaged"
    assert kept.read_bytes() == spoiled
    mended = RecordingFile(path)
    assert mended.read_all().tobytes() == PARTS[0].tobytes() + PARTS[2].tobytes()
    assert mended.damage is None
    assert [(loss.lost, loss.reason) for loss in mended.losses] == [
        (5, layout.RING), (200, layout.DAMAGE), (10, layout.RING),
    ]  # fmt: skip
    assert mended.symbol(0) == "BTCUSDT"
    assert recordings_in(tmp_path) == [path], "what is put aside is no recording any more"
    with pytest.raises(RecorderError, match="whole"):
        repair(path)
    assert quarantine_name(path).name == "a.rec.damaged.2"


def test_a_file_without_its_end_gets_one(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.rec", *PARTS)
    whole = RecordingFile(path).read_all().tobytes()
    end = list(RecordingFile(path).frames())[-1].offset
    os.truncate(path, end)
    assert "no END frame" in examine(path).text
    assert repair(path).gaps == 0
    assert (examine(path).state, examine(path).text) == ("whole", "")
    assert RecordingFile(path).read_all().tobytes() == whole


def spoil(path: Path, *places: int) -> None:
    content = bytearray(path.read_bytes())
    for place in places:
        content[place] ^= 1
    path.write_bytes(content)


@settings(max_examples=60, deadline=None)
@given(bits=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 7)), min_size=1, max_size=4))
def test_whatever_bits_are_flipped_what_is_left_and_what_is_missing_make_the_whole(
    bits: list[tuple[float, int]],
) -> None:
    with TemporaryDirectory() as folder:
        parts = [numbered(30, 30 * number) for number in range(8)]
        path = recording(Path(folder) / "a.rec", *parts)
        first = next(iter(RecordingFile(path).frames())).end
        content = bytearray(path.read_bytes())
        for share, bit in bits:
            content[first + int(share * (len(content) - first))] ^= 1 << bit
        path.write_bytes(content)
        if examine(path).state == "whole":
            return  # the same bit twice
        done = repair(path)
        found = examine(path)
        assert found.state == "whole"
        mended = RecordingFile(path)
        left = mended.read_all()["d"].tolist()
        assert left == sorted(left)
        assert all(left.count(30 * n) * 30 == sum(i // 30 == n for i in left) for n in range(8))
        losses = [loss for loss in mended.losses if loss.reason >= layout.DAMAGE]
        assert sum(loss.lost for loss in losses) == done.missing
        told, all_of_it = found.records + found.lost, 240 + 5 * sum(range(8))
        assert told == all_of_it if done.is_exact else told <= all_of_it
        assert done.is_exact == ("more records may be missing" not in found.text)


def test_two_spoiled_places_are_two_gaps_and_a_spoiled_loss_is_counted(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.rec", *[numbered(30, 30 * number) for number in range(5)])
    frames = list(RecordingFile(path).frames())
    # HEADER, INSTRUMENTS, then RECORDS with a LOSS between each two.
    spoil(path, frames[2].offset + 9, frames[5].offset + 50)
    done = repair(path)
    assert (done.gaps, done.missing, done.is_exact) == (2, 30 + 10, True)
    found = RecordingFile(path)
    assert found.read_all()["d"].tolist() == list(range(30, 150))
    assert [loss.lost for loss in found.losses] == [30, 5, 0, 15, 20, 10]


def test_behind_a_spoiled_end_more_may_be_missing_and_it_says_so(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.rec", numbered(30), numbered(30, 30))
    last = list(RecordingFile(path).frames())[-2]
    os.truncate(path, last.end - 1)
    done = repair(path)
    assert (done.gaps, done.missing, done.is_exact) == (1, 30, False)
    assert "at least 30 records are missing (spoiled places: 1)" in str(done)
    found = examine(path)
    assert (found.state, found.records, found.lost) == ("whole", 30, 35)
    assert "more records may be missing" in found.text


def test_of_a_spoiled_end_frame_nothing_is_missing(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.rec", numbered(30))
    spoil(path, path.stat().st_size - 1)
    done = repair(path)
    assert (done.gaps, done.missing, done.is_exact) == (0, 0, True)
    assert RecordingFile(path).read_all()["d"].tolist() == list(range(30))


def test_a_file_with_nothing_good_is_told_and_left_alone(tmp_path: Path) -> None:
    for name, content in (("empty.rec", b""), ("noise.rec", b"x" * 500)):
        path = tmp_path / name
        path.write_bytes(content)
        assert examine(path).state == "foreign"
        with pytest.raises(ForeignError, match=name):
            repair(path)
        assert path.read_bytes() == content


def test_a_file_at_work_is_not_repaired(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.rec", *PARTS)
    os.truncate(path, path.stat().st_size - 30)
    with path.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert examine(path).state == "writing"
        with pytest.raises(RecorderError, match="being written"):
            repair(path)
    assert examine(path).state == "damaged"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="no such"):
        recordings_in(tmp_path / "none")


def test_rows_of_the_table_without_a_name_are_no_symbols(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.rec", numbered(3), symbols=("BTCUSDT", "", "ETHUSDT", "", ""))
    assert examine(path).symbols == 2


def test_heads_alone_find_a_torn_end_but_not_a_spoiled_body(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.rec", *PARTS)
    spoiled = bytearray(path.read_bytes())
    frames = list(RecordingFile(path).frames())
    spoiled[frames[4].offset + 60] ^= 1
    path.write_bytes(spoiled)
    assert examine(path, bodies=False).state == "whole"
    os.truncate(path, frames[4].end - 1)
    assert examine(path, bodies=False).bad_offset == frames[4].offset

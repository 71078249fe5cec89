"""Listing, verifying and repairing: nothing is destroyed, and what is wrong has a place."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

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
    kept = repair(path)
    assert kept.name == "a.rec.damaged"
    assert kept.read_bytes() == spoiled
    mended = RecordingFile(path)
    assert mended.read_all().tobytes() == PARTS[0].tobytes()
    assert mended.damage is None
    assert [loss.lost for loss in mended.losses] == [5]
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
    repair(path)
    assert examine(path).state == "whole"
    assert RecordingFile(path).read_all().tobytes() == whole


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


def test_heads_alone_find_a_torn_end_but_not_a_spoiled_body(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.rec", *PARTS)
    spoiled = bytearray(path.read_bytes())
    frames = list(RecordingFile(path).frames())
    spoiled[frames[4].offset + 60] ^= 1
    path.write_bytes(spoiled)
    assert examine(path, bodies=False).state == "whole"
    os.truncate(path, frames[4].end - 1)
    assert examine(path, bodies=False).bad_offset == frames[4].offset

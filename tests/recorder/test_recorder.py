"""The live recorder on a ring: everything in order, what is missing is said where it is missing."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegis.recorder import layout
from aegis.recorder.errors import RecorderError
from aegis.recorder.header import own_header
from aegis.recorder.reading import RecordingFile
from aegis.recorder.recorder import Recorder
from aegis.recorder.repair import examine
from aegis.recorder.segments import LEAST_MAX_BYTES, BusyError, Segments, segment_paths
from aegis.recorder.writing import FrameFile
from aegis.shm.instance import TICKS_CAPACITY, InstanceMemory
from tests.recorder.samples import numbered, random_bits

NAME = "rec-test"


def files_of(directory: Path) -> list[RecordingFile]:
    return [RecordingFile(path) for path in segment_paths(directory, NAME)]


def read_all(directory: Path) -> Any:
    found = [file.read_all() for file in files_of(directory)]
    return np.concatenate(found)


def test_what_the_ring_carries_is_in_the_file_in_order(
    memory: InstanceMemory, tmp_path: Path
) -> None:
    segments = Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES)
    recorder = Recorder(memory, segments, books_every_s=0)
    published = []
    for turn in range(40):
        part = random_bits(1 + turn * 37 % 900, turn)
        memory.ticks.publish(part)
        published.append(part)
        recorder.turn(float(turn))
    recorder.finish()
    (file,) = files_of(tmp_path / "out")
    assert file.read_all().tobytes() == np.concatenate(published).tobytes()
    assert file.damage is None
    assert file.symbol(0) == "BTCUSDT"
    assert (file.header.source, file.header.instance) == ("live", NAME)
    assert recorder.tally.records == sum(map(len, published))
    assert recorder.tally.lost == 0


def test_a_lap_is_counted_and_stands_in_the_file_where_it_happened(
    memory: InstanceMemory, tmp_path: Path
) -> None:
    said: list[str] = []
    recorder = Recorder(
        memory, Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES), books_every_s=0, say=said.append
    )
    memory.ticks.publish(numbered(100))
    recorder.turn(0.0)
    for start in range(100, 100 + TICKS_CAPACITY + 1_000, 1_000):
        memory.ticks.publish(numbered(1_000, start))
    recorder.turn(0.1)
    recorder.turn(0.2)
    memory.ticks.publish(numbered(50, 1_000_000))
    recorder.turn(0.3)
    recorder.finish()
    (file,) = files_of(tmp_path / "out")
    kinds = [
        (frame.head.kind, frame.head.position)
        for frame in file.frames()
        if frame.head.kind in (layout.RECORDS, layout.LOSS)
    ]
    assert kinds == [(layout.RECORDS, 0), (layout.LOSS, 100), (layout.RECORDS, 100)]
    (loss,) = file.losses
    assert loss.lost == recorder.tally.lost == memory.ticks.published - 150
    assert (loss.laps, loss.reason) == (1, layout.RING)
    assert any(f"{loss.lost} records are missing" in text for text in said)
    assert file.read_all()["d"].tolist() == [*range(100), *range(1_000_000, 1_000_050)]


def test_books_are_pictured_when_they_change_and_again_in_each_file(
    memory: InstanceMemory, tmp_path: Path
) -> None:
    segments = Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES, segment_s=0.0)
    recorder = Recorder(memory, segments, books_every_s=1.0, flush_s=0.0)
    bids = np.array([[100.0, 1.0], [99.0, 2.0]])
    asks = np.array([[101.0, 3.0]])
    memory.books.write(1, 77, 5_000, 6_000, bids, asks)
    recorder.turn(1.0)
    recorder.turn(2.0)
    assert recorder.tally.pictures == 1
    memory.books.write(1, 78, 7_000, 8_000, bids[:1], asks[:0], valid=False)
    recorder.turn(3.0)  # begins a second file, which should not need the first
    recorder.turn(4.0)
    recorder.finish()
    first, second, third = files_of(tmp_path / "out")
    found = first.read_all()
    assert found["kind"].tolist() == [layout.LEVEL] * 3
    assert found["instrument"].tolist() == [1] * 3
    assert found["flags"].tolist() == [
        layout.PICTURE | layout.FIRST, layout.PICTURE, layout.PICTURE,
    ]  # fmt: skip
    assert list(zip(*(found[name].tolist() for name in "abcde"), strict=True)) == [
        (100.0, 1.0, 1.0, 77.0, 0.0),
        (99.0, 2.0, 1.0, 77.0, 1.0),
        (101.0, 3.0, -1.0, 77.0, 0.0),
    ]
    assert found["ts_recv_ns"].tolist() == [6_000] * 3
    for later in (second, third):
        (row,) = later.read_all()
        assert row["flags"] == layout.PICTURE | layout.FIRST | layout.INVALID
        assert row["d"] == 78


def test_a_new_instrument_stands_before_the_records_that_name_it(
    memory: InstanceMemory, tmp_path: Path
) -> None:
    recorder = Recorder(memory, Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES), books_every_s=0)
    memory.ticks.publish(numbered(3))
    recorder.turn(0.0)
    memory.instruments.set(1, symbol="ETHUSDT")
    memory.ticks.publish(numbered(3, 3))
    recorder.turn(5.0)
    recorder.finish()
    (file,) = files_of(tmp_path / "out")
    seen = [
        (frame.head.position, file.symbol(1))
        for frame in file.frames()
        if frame.head.kind == layout.RECORDS
    ]
    assert seen == [(0, ""), (3, "ETHUSDT")]


def test_the_bound_holds_and_the_oldest_files_go(memory: InstanceMemory, tmp_path: Path) -> None:
    said: list[str] = []
    segments = Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES, say=said.append)
    recorder = Recorder(memory, segments, books_every_s=0)
    stranger = tmp_path / "out" / "other-20200101T000000.000000Z-000001.rec"
    stranger.write_bytes(b"not ours")
    most, total = 0, 0
    for turn in range(40):
        part = random_bits(9_000, turn)  # does not compress
        memory.ticks.publish(part)
        total += part.nbytes
        recorder.turn(float(turn))
        held = sum(path.stat().st_size for path in segment_paths(tmp_path / "out", NAME))
        assert held == segments.total_bytes
        most = max(most, held)
    recorder.finish()
    assert most <= LEAST_MAX_BYTES < total
    assert segments.bytes_written == segments.total_bytes + segments.deleted_bytes
    assert segments.deleted_files == len([text for text in said if "deleted" in text]) > 0
    assert segments.deleted_bytes > total - LEAST_MAX_BYTES
    assert stranger.exists()
    files = files_of(tmp_path / "out")
    assert len(files) == segments.files - segments.deleted_files
    for file in files:
        file.read_all()
        assert file.damage is None
    newest = random_bits(9_000, 39).tobytes()
    assert read_all(tmp_path / "out").tobytes().endswith(newest)


def test_files_of_an_earlier_run_count_toward_the_bound(
    memory: InstanceMemory, tmp_path: Path
) -> None:
    for run in range(6):
        segments = Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES)
        recorder = Recorder(memory, segments, books_every_s=0)
        for turn in range(5):
            memory.ticks.publish(random_bits(9_000, run * 5 + turn))
            recorder.turn(float(turn))
        recorder.finish()
        held = sum(path.stat().st_size for path in segment_paths(tmp_path / "out", NAME))
        assert held <= LEAST_MAX_BYTES
    assert segments.deleted_files > 0


def test_two_recorders_of_one_instance_and_directory_are_refused(tmp_path: Path) -> None:
    first = Segments(tmp_path, NAME, LEAST_MAX_BYTES)
    with pytest.raises(BusyError, match="another recorder"):
        Segments(tmp_path, NAME, LEAST_MAX_BYTES)
    Segments(tmp_path, "other", LEAST_MAX_BYTES).close()
    first.close()
    Segments(tmp_path, NAME, LEAST_MAX_BYTES).close()
    with pytest.raises(RecorderError, match="at least"):
        Segments(tmp_path, NAME, LEAST_MAX_BYTES - 1)


class FullDisk:
    """os.write that takes `room` bytes and then says ENOSPC, also in the middle of a frame."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def __call__(self, descriptor: int, data: Any) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = min(self.room, len(data))
        self.room -= taken
        return self._write(descriptor, bytes(data[:taken]))


def test_a_full_disk_is_said_retried_and_costs_nothing_while_memory_lasts(
    memory: InstanceMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    segments = Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES)
    recorder = Recorder(memory, segments, books_every_s=0, flush_s=0.0, say=said.append)
    memory.ticks.publish(numbered(500))
    recorder.turn(0.0)
    monkeypatch.setattr("aegis.recorder.writing.os.write", FullDisk(100))
    for turn in range(1, 20):
        memory.ticks.publish(numbered(500, 500 * turn))
        recorder.turn(turn * 0.3)
    assert recorder.tally.disk_failures == 5, "it is tried again each second, not each turn"
    assert recorder.trouble
    assert len([text for text in said if "No space left" in text]) == 1
    monkeypatch.undo()
    recorder.turn(30.0)
    assert recorder.trouble == ""
    assert "the disk takes records again" in said
    recorder.finish()
    (file,) = files_of(tmp_path / "out")
    assert file.read_all()["d"].tolist() == list(range(10_000))
    assert file.damage is None
    assert not file.losses


def test_a_disk_that_stays_full_costs_records_which_are_counted_and_said(
    memory: InstanceMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES)
    recorder = Recorder(memory, segments, books_every_s=0, flush_s=0.0, backlog_records=1_000)
    memory.ticks.publish(numbered(10))
    recorder.turn(0.0)
    monkeypatch.setattr("aegis.recorder.writing.os.write", FullDisk(0))
    for turn in range(1, 8):
        memory.ticks.publish(numbered(400, 10_000 * turn))
        recorder.turn(turn * 0.1)
    assert recorder.tally.dropped == 5 * 400
    monkeypatch.undo()
    memory.ticks.publish(numbered(5, 90_000))
    recorder.turn(10.0)
    recorder.finish()
    (file,) = files_of(tmp_path / "out")
    found = file.read_all()["d"].tolist()
    assert found[:10] == list(range(10))
    kept = [*range(10_000, 10_400), *range(20_000, 20_400), *range(90_000, 90_005)]
    assert found[10:] == kept
    (loss,) = file.losses
    assert (loss.lost, loss.reason) == (5 * 400, layout.BACKLOG)
    places = [f.head.position for f in file.frames() if f.head.kind == layout.LOSS]
    assert places == [810]


def test_a_disk_full_to_the_end_raises_nothing(
    memory: InstanceMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    recorder = Recorder(
        memory, Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES), books_every_s=0, say=said.append
    )
    monkeypatch.setattr("aegis.recorder.writing.os.write", FullDisk(0))
    memory.ticks.publish(numbered(10))
    recorder.turn(0.0)
    recorder.finish()
    assert recorder.tally.dropped == 10
    assert any("10 records were not written" in text for text in said)
    assert segment_paths(tmp_path / "out", NAME) == []
    Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES).close()  # the lock is free again


class NearlyFullDisk:
    """os.write that takes what fits into `room` bytes whole, and nothing of what does not."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def __call__(self, descriptor: int, data: Any) -> int:
        if len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(data)
        return self._write(descriptor, data)


@pytest.mark.parametrize(
    ("room", "state", "lost"),
    [(0, "damaged", 0), (100, "damaged", 310), (144, "whole", 310), (200, "whole", 310)],
)
def test_what_a_full_disk_costs_at_the_end_stands_before_the_end_or_there_is_none(
    memory: InstanceMemory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    room: int,
    state: str,
    lost: int,
) -> None:
    """A LOSS and an END take 72 bytes each; the records of the last frame need more."""
    segments = Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES)
    recorder = Recorder(memory, segments, books_every_s=0, flush_s=0.0, backlog_records=300)
    memory.ticks.publish(numbered(20))
    recorder.turn(0.0)
    monkeypatch.setattr("aegis.recorder.writing.os.write", FullDisk(0))
    for turn in range(1, 3):
        memory.ticks.publish(random_bits(155, turn))
        recorder.turn(turn * 0.1)
    assert recorder.tally.dropped == 155
    monkeypatch.undo()
    monkeypatch.setattr("aegis.recorder.writing.os.write", NearlyFullDisk(room))
    recorder.finish()
    assert (recorder.tally.records, recorder.tally.dropped) == (20, 310)
    (path,) = segment_paths(tmp_path / "out", NAME)
    found = examine(path)
    assert (found.state, found.records, found.lost) == (state, 20, lost)
    assert segments.bytes_written == path.stat().st_size
    Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES).close()  # the lock is free again


def test_a_file_is_not_ended_while_the_disk_has_no_room_for_the_next(
    memory: InstanceMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES, segment_s=0.0)
    recorder = Recorder(memory, segments, books_every_s=0, flush_s=0.0)
    memory.ticks.publish(numbered(20))
    recorder.turn(0.0)
    monkeypatch.setattr("aegis.recorder.writing.os.write", NearlyFullDisk(144))
    memory.ticks.publish(random_bits(3_000, 1))
    recorder.turn(1.0)
    assert recorder.trouble
    (path,) = segment_paths(tmp_path / "out", NAME)
    recorder.finish()
    found = examine(path)
    assert (found.state, found.records, found.lost) == ("whole", 20, 3_000)


def test_a_frame_that_the_disk_took_in_part_is_cut_off_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = FrameFile(tmp_path / "one.rec", own_header("test"))
    file.write(numbered(10))
    size = file.bytes_written
    monkeypatch.setattr("aegis.recorder.writing.os.write", FullDisk(30))
    with pytest.raises(OSError, match="No space"):
        file.write(numbered(10, 10))
    assert (tmp_path / "one.rec").stat().st_size == size
    monkeypatch.undo()
    file.write(numbered(10, 10))
    file.close()
    found = RecordingFile(tmp_path / "one.rec")
    assert found.read_all()["d"].tolist() == list(range(20))
    assert found.damage is None


def test_it_ends_when_the_supervisor_has_died_and_left_its_memory(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = InstanceMemory.create(NAME, shm_dir=tmp_path, owner=(ended.pid, 1))
    recorder = Recorder(left, Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES), books_every_s=0)
    left.ticks.publish(numbered(3))
    assert recorder.run(lambda: "") == "the instance's supervisor has died"
    (file,) = files_of(tmp_path / "out")
    assert file.read_all().size == 3
    left.close()
    left.unlink()


def test_it_ends_when_the_instance_has_gone_and_takes_the_last_records(
    memory: InstanceMemory, tmp_path: Path
) -> None:
    recorder = Recorder(memory, Segments(tmp_path / "out", NAME, LEAST_MAX_BYTES), books_every_s=0)
    memory.ticks.publish(numbered(30))
    memory.unlink()
    assert recorder.run(lambda: "") == "the instance has stopped"
    (file,) = files_of(tmp_path / "out")
    assert file.read_all().size == 30
    assert file.damage is None

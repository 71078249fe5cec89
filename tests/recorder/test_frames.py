"""Frames to bytes and back: what was written comes back, and nothing else ever does."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.recorder import layout
from aegis.recorder.errors import ForeignError
from aegis.recorder.frames import (
    BadFrame,
    decode_records,
    encode,
    encode_records,
    parse_head,
    unpack,
)
from aegis.recorder.reading import RecordingFile
from tests.recorder.samples import Records, numbered, random_bits, recording

PARTS = (numbered(40), random_bits(7, 1), numbered(25, 40))


@given(st.integers(0, 400), st.integers(0, 2**32))
def test_records_of_any_bits_come_back_as_they_were(count: int, seed: int) -> None:
    records = random_bits(count, seed)
    body = encode_records(records)
    frame = encode(layout.RECORDS, 2**64 - 1, 3, 5, body, records.nbytes)
    head = parse_head(frame)
    assert (head.segment, head.number, head.position) == (2**64 - 1, 3, 5)
    assert head.records == count
    found = decode_records(unpack(head, frame[layout.HEAD_BYTES :]))
    assert found.tobytes() == records.tobytes()


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(noise: bytes) -> None:
    with pytest.raises(BadFrame):
        parse_head(noise)


def small_file(folder: Path) -> tuple[Path, Records]:
    path = recording(folder / "small.rec", *PARTS)
    return path, np.concatenate(PARTS)


def read_good(path: Path) -> tuple[RecordingFile, bytes]:
    found = RecordingFile(path)
    return found, found.read_all().tobytes()


def test_a_whole_file_is_read_whole(tmp_path: Path) -> None:
    path, records = small_file(tmp_path)
    found, read = read_good(path)
    assert read == records.tobytes()
    assert found.damage is None
    assert [loss.lost for loss in found.losses] == [5, 10]
    assert found.symbol(0) == "BTCUSDT"
    assert found.symbol(9) == ""


def test_cut_at_every_byte_the_good_part_is_kept_and_the_place_named(tmp_path: Path) -> None:
    path, records = small_file(tmp_path)
    whole = path.read_bytes()
    first = next(RecordingFile(path).frames()).end
    ends = [frame.end for frame in RecordingFile(path).frames()]
    torn = tmp_path / "torn.rec"
    for size in range(len(whole)):
        torn.write_bytes(whole[:size])
        if size < first:
            with pytest.raises(ForeignError, match=r"torn\.rec"):
                RecordingFile(torn)
            continue
        found, read = read_good(torn)
        assert records.tobytes().startswith(read)
        assert found.damage is not None
        good_end = max(end for end in ends if end <= size)
        assert found.damage.offset == good_end
        assert found.damage.frame == ends.index(good_end) + 1
        assert found.damage.kept_records * layout.RECORD_BYTES == len(read)
        assert found.damage.file_bytes == size


def test_any_byte_changed_is_found_and_named(tmp_path: Path) -> None:
    path, records = small_file(tmp_path)
    whole = path.read_bytes()
    starts = [frame.offset for frame in RecordingFile(path).frames()]
    dice = random.Random(11)
    spoiled = tmp_path / "spoiled.rec"
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= dice.randrange(1, 256)
        spoiled.write_bytes(changed)
        start = max(start for start in starts if start <= place)
        try:
            found, read = read_good(spoiled)
        except ForeignError:
            assert start == 0
            continue
        assert found.damage is not None, f"byte {place} changed unnoticed"
        assert found.damage.offset == start
        assert records.tobytes().startswith(read)


def test_frames_of_another_file_or_out_of_order_are_no_part_of_it(tmp_path: Path) -> None:
    path, _ = small_file(tmp_path)
    whole = path.read_bytes()
    frames = [whole[frame.offset : frame.end] for frame in RecordingFile(path).frames()]
    other = recording(tmp_path / "other.rec", *PARTS).read_bytes()
    other_frames = list(RecordingFile(tmp_path / "other.rec").frames())
    foreign = other[other_frames[2].offset : other_frames[2].end]
    spoiled = tmp_path / "spoiled.rec"
    for mixed, what in (
        (b"".join([*frames[:2], foreign, *frames[3:]]), "another recording"),
        (b"".join([*frames[:2], *frames[3:]]), "frame 3 where 2"),
        (b"".join([*frames[:3], frames[2], *frames[3:]]), "frame 2 where 3"),
        (whole + frames[-1], "after the END"),
    ):
        spoiled.write_bytes(mixed)
        found, _ = read_good(spoiled)
        assert found.damage is not None
        assert what in found.damage.what


def test_a_file_of_a_later_version_is_not_guessed_at(tmp_path: Path) -> None:
    path, _ = small_file(tmp_path)
    whole = path.read_bytes()
    head = parse_head(whole)
    body = unpack(head, whole[layout.HEAD_BYTES : layout.HEAD_BYTES + head.stored_bytes])
    later = body.replace(b'"version":1', b'"version":2')
    (tmp_path / "later.rec").write_bytes(encode(layout.HEADER, head.segment, 0, 0, later))
    with pytest.raises(ForeignError, match="version 2"):
        RecordingFile(tmp_path / "later.rec")


def test_a_body_that_would_grow_beyond_what_its_head_says_is_not_unpacked() -> None:
    body = encode_records(random_bits(100, 1))
    for said in (99 * layout.RECORD_BYTES, 101 * layout.RECORD_BYTES):
        frame = encode(layout.RECORDS, 1, 0, 0, body, said)
        with pytest.raises(BadFrame, match="6400 bytes when decompressed"):
            unpack(parse_head(frame), frame[layout.HEAD_BYTES :])
    noise = encode(layout.RECORDS, 1, 0, 0, b"no zstandard at all", 64)
    with pytest.raises(BadFrame, match="cannot be decompressed"):
        unpack(parse_head(noise), noise[layout.HEAD_BYTES :])

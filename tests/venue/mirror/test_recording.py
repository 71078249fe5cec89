"""Reading recordings: bytes unchanged, errors that name file and line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from aegis.venue.errors import RecordingError
from aegis.venue.mirror.recording import Recording

TRADE = b'{"stream":"btcusdt@trade","data":{"e":"trade", "x": 1}}'
SNAPSHOT = b'{"lastUpdateId":5,"bids":[],"asks":[]}'


def write(path: Path, *lines: bytes, packed: bool = True) -> Path:
    data = b"\n".join(lines) + b"\n"
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


@pytest.mark.parametrize("packed", [True, False])
def test_lines_are_split_without_being_touched(tmp_path: Path, packed: bool) -> None:
    path = write(
        tmp_path / "r", b"100 " + TRADE, b"105 " + SNAPSHOT, b"106 " + TRADE, packed=packed
    )
    recording = Recording(path)
    assert (recording.summary.lines, recording.summary.first_ns) == (3, 100)
    assert recording.summary.symbols == {"BTCUSDT"}
    assert recording.summary.has_snapshot
    first, snapshot, _ = recording.lines()
    assert (first.stream, first.enveloped) == ("btcusdt@trade", TRADE)
    assert first.message == b'{"e":"trade", "x": 1}'
    assert (snapshot.stream, snapshot.message) == ("", SNAPSHOT)
    assert [line.number for line in recording.lines(skip=2)] == [3]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([b"abc " + TRADE], ":1: does not begin with a time"),
        ([b"1 " + TRADE, b"2 {}"], ":2: neither a combined stream message nor"),
        ([b"1 " + SNAPSHOT], "holds no stream message"),
        ([b"1 " + TRADE, b"2 " + TRADE.replace(b"btc", b"eth")], "one symbol per recording"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, lines: list[bytes], text: str) -> None:
    with pytest.raises(RecordingError, match=text):
        Recording(write(tmp_path / "r", *lines))


def test_a_torn_or_missing_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "r", *[b"1 " + TRADE] * 1_000)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordingError, match="cannot be read"):
        Recording(path)
    with pytest.raises(RecordingError, match="cannot be read"):
        Recording(tmp_path / "absent")

"""Other people's files, cut and spoiled anywhere: whole lines from the start, and a sentence."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.recorder.errors import RecorderError
from aegis.recorder.input_files import InputReport, blocks, lines


def text_of(count: int, seed: int) -> bytes:
    dice = random.Random(seed)
    return b"".join(b"%d,%d\n" % (n, dice.randrange(10**9)) for n in range(count))


def read(path: Path) -> tuple[bytes, InputReport, int]:
    """(the lines, what was wrong, bytes of the file that were told to have been read)."""
    report, told = InputReport(path), []
    found = b"".join(line + b"\n" for _, line in lines(path, report, told.append))
    return found, report, sum(told)


class Pipe(io.RawIOBase):
    """Writes on and cannot go back: a zip written to it puts its sums behind the data."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def writable(self) -> bool:
        return True

    def write(self, text: Any) -> int:
        count: int = self.stream.write(text)
        return count


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(0, 2**16), st.floats(0, 1), st.booleans(), st.booleans())
def test_cut_anywhere_whole_lines_are_kept_and_it_is_said(
    tmp_path_factory: pytest.TempPathFactory,
    count: int, seed: int, share: float, packed: bool, members: bool,
) -> None:  # fmt: skip
    text = text_of(count, seed)
    path = tmp_path_factory.mktemp("cut") / "input"
    half = text.index(b"\n", len(text) // 2) + 1
    parts = [text[:half], text[half:]] if members else [text]
    content = b"".join(map(gzip.compress, parts)) if packed else text
    size = int(share * len(content))
    path.write_bytes(content[:size])
    found, report, told = read(path)
    assert text.startswith(found)
    assert found == b"" or found.endswith(b"\n")
    assert told == size
    if size == len(content):
        assert (found, report.cut) == (text, "")
    elif not packed:
        assert found == text[: text[:size].rfind(b"\n") + 1]
        assert bool(report.cut) == (size > len(found))
    elif size > 4 and content[:size] != gzip.compress(text[:half]):
        assert report.cut


def test_a_file_of_many_blocks_is_the_same_in_pieces(tmp_path: Path) -> None:
    text = text_of(900_000, 1)
    path = tmp_path / "large.gz"
    path.write_bytes(gzip.compress(text, 1))
    report = InputReport(path)
    pieces = list(blocks(path, report, lambda size: None))
    assert len(pieces) > 2
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert b"".join(pieces) == text
    assert not report.cut


def test_spoiled_data_is_said(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(text_of(20_000, 1)))
    content[len(content) // 2] ^= 255
    path = tmp_path / "spoiled.gz"
    path.write_bytes(content)
    _, report, _ = read(path)
    assert "spoiled" in report.cut
    assert str(path) in report.sentences()[0]


def test_a_line_without_an_end_is_not_held_in_memory_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "endless.gz"
    path.write_bytes(gzip.compress(bytes(40 << 20), 1))
    with pytest.raises(RecorderError, match="a line of more than"):
        read(path)
    with pytest.raises(RecorderError, match="No such file"):
        read(tmp_path / "none")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_zip_of_several_files_is_not_taken_for_its_first(tmp_path: Path, method: int) -> None:
    text = text_of(300, 1)
    for names, cut in ((["a.csv"], ""), (["a.csv", "b.csv"], "the zip holds more files")):
        path = tmp_path / f"{len(names)}.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for name in names:
                archive.writestr(name, text)
        found, report, _ = read(path)
        assert found == text
        assert report.cut.startswith(cut)
        assert bool(report.cut) == bool(cut)


def test_a_zip_written_as_a_stream_is_read_alike(tmp_path: Path) -> None:
    text = text_of(300, 1)
    for count, cut in ((1, False), (2, True)):
        path = tmp_path / f"{count}.zip"
        with path.open("wb") as stream:
            archive = zipfile.ZipFile(Pipe(stream), "w", zipfile.ZIP_DEFLATED)
            for number in range(count):
                archive.writestr(f"{number}.csv", text)
            archive.close()
        found, report, _ = read(path)
        assert found == text
        assert bool(report.cut) == cut

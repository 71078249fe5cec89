"""The last lines of a process, kept where `status` finds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aegis.shm.said import MOST_CHARACTERS, MOST_LINES, Said, read_said


def texts(folder: Path, process: str = "execution") -> list[str]:
    """What is remembered, without the times."""
    return [line.text for line in read_said(folder, process)]


def test_the_last_lines_are_kept_and_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = Said(tmp_path, "btc", "execution")
    for number in range(MOST_LINES + 3):
        said.say(f"line {number} \N{EURO SIGN}")
    assert texts(tmp_path) == [f"line {n} \N{EURO SIGN}" for n in range(3, MOST_LINES + 3)]
    assert capfd.readouterr().err.startswith("aegis btc execution: line 0 \N{EURO SIGN}\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["said-execution.json"]
    assert (tmp_path / "said-execution.json").stat().st_mode & 0o777 == 0o600
    assert texts(tmp_path, "feed") == []


def test_lines_of_the_longest_characters_are_kept(tmp_path: Path) -> None:
    said = Said(tmp_path, "btc", "execution")
    for _ in range(MOST_LINES):
        said.say("\N{ROCKET}" * MOST_CHARACTERS)
    assert len(read_said(tmp_path, "execution")) == MOST_LINES


def test_a_successor_goes_on_where_its_predecessor_ended(tmp_path: Path) -> None:
    Said(tmp_path, "btc", "feed").say("one")
    Said(tmp_path, "btc", "feed").say("two" * MOST_CHARACTERS)
    one, two = read_said(tmp_path, "feed")
    assert one.text == "one" and len(two.text) == MOST_CHARACTERS
    assert 0 < one.unix_ms <= two.unix_ms


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[[1", b"{}", b"[1]", b'[["a", "b"]]', b"null", b"\xff", b"[[1,2,3]]", b"[]"),
        *(b'[[Infinity, "b"]]', b"[" * 60_000),
    ],
)
def test_what_cannot_be_read_is_silence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "said-execution.json").write_bytes(content)
    assert texts(tmp_path) == []
    Said(tmp_path, "btc", "execution").say("after all")
    assert texts(tmp_path) == ["after all"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text('[[1, "not ours"]]')
    (tmp_path / "said-execution.json").symlink_to(elsewhere)
    assert texts(tmp_path) == []
    Said(tmp_path, "btc", "execution").say("ours")
    assert texts(tmp_path) == ["ours"] and "not ours" in elsewhere.read_text()


def test_no_place_for_the_file_ends_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "gone"
    Said(folder, "btc", "execution").say("words")
    assert capfd.readouterr().err == "aegis btc execution: words\n"
    assert not os.path.lexists(folder)

"""The supervisor's note file: whole or not at all, and bounded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aegis.monitor.notes import (
    MOST_CHARACTERS,
    MOST_EVENTS,
    NOTES_FILE,
    ChildNote,
    Notes,
    read_notes,
    remove_notes,
    write_notes,
)


@pytest.fixture
def notes() -> Notes:
    made = Notes("btc", 12, 34, "boot", "build", children={"feed": ChildNote(pid=56, restarts=1)})
    made.remember(1_000, "something happened: 5 €")
    made.last_reload.text = "nothing changed"
    return made


def test_what_is_written_is_read_back(tmp_path: Path, notes: Notes) -> None:
    assert write_notes(tmp_path, notes)
    assert read_notes(tmp_path) == notes
    assert [entry.name for entry in tmp_path.iterdir()] == [NOTES_FILE]
    assert (tmp_path / NOTES_FILE).stat().st_mode & 0o777 == 0o600
    remove_notes(tmp_path)
    assert read_notes(tmp_path) is None


def test_events_are_bounded_in_number_and_length(notes: Notes) -> None:
    for number in range(10 * MOST_EVENTS):
        notes.remember(number, "x" * 10 * MOST_CHARACTERS)
    assert len(notes.events) == MOST_EVENTS
    assert notes.events[-1].unix_ms == 10 * MOST_EVENTS - 1
    assert len(notes.events[-1].text) == MOST_CHARACTERS


def test_every_truncation_reads_as_no_notes(tmp_path: Path, notes: Notes) -> None:
    write_notes(tmp_path, notes)
    whole = (tmp_path / NOTES_FILE).read_bytes()
    for end in range(len(whole)):
        (tmp_path / NOTES_FILE).write_bytes(whole[:end])
        assert read_notes(tmp_path) is None


@pytest.mark.parametrize(
    "change",
    [
        {"version": 99},
        {"pid": "12"},
        {"children": []},
        {"children": {"feed": {"pid": 1, "surprise": 2}}},
        {"unknown": 1},
    ],
)
def test_a_foreign_shape_reads_as_no_notes(
    tmp_path: Path, notes: Notes, change: dict[str, object]
) -> None:
    write_notes(tmp_path, notes)
    found = json.loads((tmp_path / NOTES_FILE).read_text())
    (tmp_path / NOTES_FILE).write_text(json.dumps({**found, **change}))
    assert read_notes(tmp_path) is None


def test_a_link_in_its_place_is_not_followed(tmp_path: Path, notes: Notes) -> None:
    (tmp_path / "elsewhere").mkdir()
    write_notes(tmp_path / "elsewhere", notes)
    (tmp_path / NOTES_FILE).symlink_to(tmp_path / "elsewhere" / NOTES_FILE)
    assert read_notes(tmp_path) is None


def test_a_directory_that_is_gone_is_survived(tmp_path: Path, notes: Notes) -> None:
    assert not write_notes(tmp_path / "gone", notes)

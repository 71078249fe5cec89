"""The latch on the disk: what is written is read, and what cannot be read is HALTED."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from aegis.risk.controls import CONTROLS, Control
from aegis.risk.latch import LatchState
from aegis.risk.latch_record import LatchRecord, read_record, state_directory, write_record

TRIPPED = LatchRecord(LatchState.HALTED, Control.FOREIGN_ORDER, 1_763_700_000_000, "smc", 17)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "new" / "latch.json"
    write_record(file, TRIPPED)
    assert read_record(file) == TRIPPED
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    write_record(file, TRIPPED.moved(LatchState.ACTIVE, 0, 5))
    assert read_record(file) == LatchRecord(LatchState.ACTIVE, 0, 5, "smc", 17)
    assert [entry.name for entry in file.parent.iterdir()] == ["latch.json"]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_every_control_can_be_kept(tmp_path: Path, control: Control) -> None:
    record = LatchRecord(LatchState.REDUCING, control, 1)
    write_record(tmp_path / "latch.json", record)
    assert read_record(tmp_path / "latch.json") == record


def test_nothing_written_is_active(tmp_path: Path) -> None:
    assert read_record(tmp_path / "latch.json") == LatchRecord()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        b"\xff\xfe",
        b'{"state": "ACTIVE"}',
        b'{"state": "SOMETHING", "control": "", "since_ms": 1, "strategy": "", "first_ms": 0}',
        b'{"state": "ACTIVE", "control": "BANNED", "since_ms": 1, "strategy": "", "first_ms": 0}',
        b'{"state": "HALTED", "control": "", "since_ms": 1, "strategy": "", "first_ms": 0}',
        b'{"state": "HALTED", "control": "X", "since_ms": 1, "strategy": "", "first_ms": 0}',
        b'{"state": "ACTIVE", "control": "", "since_ms": Infinity, "strategy": "", "first_ms": 0}',
        b"[" * 4_000,
        b" " * 10_000,
    ],
)
def test_an_unreadable_record_halts(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "latch.json"
    file.write_bytes(text)
    record = read_record(file)
    assert (record.state, record.control) == (LatchState.HALTED, Control.LATCH_RECORD)


def test_a_folder_in_its_place_halts(tmp_path: Path) -> None:
    assert read_record(tmp_path).state is LatchState.HALTED


def test_every_truncation_halts(tmp_path: Path) -> None:
    file = tmp_path / "latch.json"
    write_record(file, TRIPPED.moved(LatchState.ACTIVE, 0, 5))
    whole = file.read_bytes()
    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        assert read_record(file).state is LatchState.HALTED, size


def test_the_pilot_begins_anew_with_another_strategy() -> None:
    record = LatchRecord().begun("smc", 1_000)
    assert record.begun("smc", 5_000).first_ms == 1_000
    assert record.begun("glft", 5_000).first_ms == 5_000
    assert record.begun("smc", 500).first_ms == 500, "a first start in the future is none"


def test_where_it_lies(tmp_path: Path) -> None:
    assert state_directory("btc", {"STATE_DIRECTORY": "/v/aegis:/v/aegis/btc"}) == Path(
        "/v/aegis/btc"
    )
    own = state_directory("btc", {"XDG_STATE_HOME": str(tmp_path)})
    assert own == tmp_path / "aegis" / "btc"
    assert state_directory("btc", {}).parts[-4:] == (".local", "state", "aegis", "btc")

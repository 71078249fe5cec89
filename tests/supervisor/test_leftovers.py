"""What a killed supervisor left: recognised by pid, start time and boot, and cleared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis.host.process_identity import read_boot_id, start_time_ticks
from aegis.monitor.notes import ChildNote, Notes, write_notes
from aegis.supervisor.leftovers import clear_leftovers, find_leftovers
from aegis.supervisor.startup import take_lock
from tests.waiting import eventually

SECOND_NS = 1_000_000_000


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that would live for a minute and obeys SIGTERM."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield process
    process.kill()
    process.wait()


def leave(directory: Path, child: ChildNote, boot_id: str | None = None) -> None:
    directory.mkdir()
    (directory / "ticks.ring").write_bytes(b"x")
    boot = read_boot_id() if boot_id is None else boot_id
    notes = Notes("one", 999_999, 1, boot, "build", children={"brain": child})
    assert write_notes(directory, notes)


def note_of(process: subprocess.Popen[bytes]) -> ChildNote:
    ticks = start_time_ticks(process.pid)
    assert ticks is not None
    return ChildNote(pid=process.pid, start_time_ticks=ticks)


def pause(timeout_ms: int) -> None:
    signal.sigtimedwait((signal.SIGUSR2,), timeout_ms / 1e3)


def clear(directory: Path, process: subprocess.Popen[bytes], patience_ns: int) -> list[str]:
    """Clear while reaping the orphan: here we are its parent, in life init is."""

    def reaping(timeout_ms: int) -> None:
        process.poll()
        pause(timeout_ms)

    return clear_leftovers(find_leftovers(directory), patience_ns, time.monotonic_ns, reaping)


def test_nothing_left_is_nothing_found(tmp_path: Path) -> None:
    assert not find_leftovers(tmp_path / "aegis-one")


def test_files_without_notes_are_found_and_removed(tmp_path: Path) -> None:
    directory = tmp_path / "aegis-one"
    directory.mkdir()
    (directory / "ticks.ring").write_bytes(b"x")
    said: list[str] = []
    lock = take_lock("one", directory, SECOND_NS, said.append)
    assert list(directory.iterdir()) == []
    assert "1 files" in said[0]
    lock.close()


def test_an_orphan_that_ends_in_time_is_not_killed(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    directory = tmp_path / "aegis-one"
    leave(directory, note_of(sleeper))
    found = find_leftovers(directory)
    assert [name for name, _ in found.orphans] == ["brain"]
    assert f"pid {sleeper.pid}" in str(found)
    sleeper.terminate()
    assert clear(directory, sleeper, 10 * SECOND_NS) == []
    assert not directory.exists()


def test_an_orphan_that_stays_is_killed(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    directory = tmp_path / "aegis-one"
    leave(directory, note_of(sleeper))
    assert clear(directory, sleeper, SECOND_NS // 10) == ["brain"]
    assert sleeper.wait(10) == -signal.SIGKILL


def test_a_stopped_orphan_is_killed_without_waiting(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    directory = tmp_path / "aegis-one"
    leave(directory, note_of(sleeper))
    os.kill(sleeper.pid, signal.SIGSTOP)
    eventually(lambda: _state(sleeper.pid) == "T", "the sleeper to stop")
    began_ns = time.monotonic_ns()
    assert clear(directory, sleeper, 60 * SECOND_NS) == ["brain"]
    assert time.monotonic_ns() - began_ns < 30 * SECOND_NS


@pytest.mark.parametrize("difference", ["start time", "boot"])
def test_a_stranger_with_the_same_pid_is_left_alone(
    difference: str, tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    directory = tmp_path / "aegis-one"
    note = note_of(sleeper)
    if difference == "start time":
        note.start_time_ticks += 1
    leave(directory, note, "another-boot" if difference == "boot" else None)
    assert find_leftovers(directory).orphans == ()
    assert clear(directory, sleeper, SECOND_NS) == []
    assert sleeper.poll() is None
    assert not directory.exists()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

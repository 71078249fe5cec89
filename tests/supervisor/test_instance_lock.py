"""One supervisor per instance: the lock on its directory."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from aegis.monitor.lock_holder import holder_pid
from aegis.supervisor.errors import AlreadyRunningError, MemoryShortError, SupervisorError
from aegis.supervisor.instance_lock import InstanceLock


def test_a_second_lock_is_refused_and_names_the_holder(tmp_path: Path) -> None:
    directory = tmp_path / "aegis-one"
    lock = InstanceLock("one", directory)
    with pytest.raises(AlreadyRunningError, match=f"pid {os.getpid()}") as refused:
        InstanceLock("one", directory)
    assert refused.value.pid == os.getpid() == holder_pid(directory)
    assert refused.value.exit_code == 4
    lock.close()
    InstanceLock("one", directory).close()
    assert holder_pid(directory) == 0


def test_the_directory_is_private(tmp_path: Path) -> None:
    directory = tmp_path / "aegis-one"
    directory.mkdir(mode=0o777)
    directory.chmod(0o777)
    lock = InstanceLock("one", directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    lock.close()


def test_a_directory_made_anew_under_us_is_locked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The former holder removes the directory between our open and our lock."""
    directory = tmp_path / "aegis-one"
    real = fcntl.flock
    calls = []

    def racing(descriptor: int, operation: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            directory.rmdir()
            directory.mkdir()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", racing)
    lock = InstanceLock("one", directory)
    assert len(calls) == 2
    assert os.fstat(lock.descriptor).st_ino == directory.stat().st_ino
    lock.close()


def test_a_link_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    directory = tmp_path / "aegis-one"
    directory.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SupervisorError, match="cannot be opened"):
        InstanceLock("one", directory)


def test_a_missing_parent_is_named(tmp_path: Path) -> None:
    with pytest.raises(SupervisorError, match="shm_dir"):
        InstanceLock("one", tmp_path / "nowhere" / "aegis-one")


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MemoryShortError, match="Not a directory"):
        InstanceLock("one", tmp_path / "file" / "aegis-one")

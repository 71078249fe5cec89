"""The doctor's own instruments on this machine: commands, sockets, the clock, a disk, a core."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from aegis.config.cores import permitted_cores
from aegis.doctor.box import Box, clock_is_kept, cores_of_mask, run_command, sockets_of
from aegis.doctor.disk import sync_times_ms
from aegis.doctor.jitter import spin


def test_a_command_is_run_or_known_to_be_missing() -> None:
    found = run_command(["cat", "/proc/self/comm"])
    assert found is not None and (found.code, found.output) == (0, "cat\n")
    assert run_command(["no-such-command-here"]) is None
    failed = run_command(["cat", "/no/such/file"])
    assert failed is not None and failed.code == 1 and "No such file" in failed.errors


def test_the_sockets_of_a_process_are_read_without_disturbing_them() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as door,
        socket.create_connection(door.getsockname()) as line,
    ):
        other, _ = door.accept()
        with other:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            other.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 9_000)
            try:
                found = {one.peer: one for one in sockets_of(os.getpid())}
            except OSError as error:
                assert error.errno in (errno.EPERM, errno.ENOSYS)
                pytest.skip("this kernel lets nobody take a socket's descriptor")
            host, port = door.getsockname()
            mine = found[f"{host}:{port}"]
            assert (mine.no_delay, mine.keeps_alive, mine.user_timeout_ms) == (True, False, 0)
            host, port = line.getsockname()
            theirs = found[f"{host}:{port}"]
            assert (theirs.keeps_alive, theirs.user_timeout_ms) == (True, 9_000)
            line.sendall(b"still there")
            assert other.recv(32) == b"still there"


def test_the_clock_is_asked_and_not_set() -> None:
    assert clock_is_kept() in (True, False, None)


def test_writes_are_timed_and_leave_nothing(tmp_path: Path) -> None:
    times = sync_times_ms(tmp_path, 5)
    assert len(times) == 5 and times == sorted(times) and times[0] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_core_is_spun_on_and_given_back() -> None:
    before = os.sched_getaffinity(0)
    core = min(permitted_cores())
    found = spin(core, 0.02)
    assert found is not None and found.readings >= 1_024
    assert 0 < found.p999_us <= found.worst_us + 0.016 or found.p999_us > 1_000
    assert os.sched_getaffinity(0) == before
    assert spin(1_000, 0.02) is None and os.sched_getaffinity(0) == before


@pytest.mark.parametrize(
    ("text", "cores"),
    [("1", {0}), ("0", set()), ("", set()), ("ff", set(range(8))), ("1,00000000", {32})],
)
def test_masks_are_lists_of_cores(text: str, cores: set[int]) -> None:
    assert cores_of_mask(text) == cores


def test_the_last_mount_at_a_point_is_on_top(tmp_path: Path) -> None:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    lines = "/dev/vda / ext4 rw 0 0\na /dev/shm tmpfs rw 0 0\nb /dev/shm tmpfs rw,noexec 0 0\n"
    (tmp_path / "proc" / "self" / "mounts").write_text(lines)
    mount = Box(root=tmp_path).mount_of("/dev/shm")
    assert mount is not None and "noexec" in mount.options
    assert Box(root=tmp_path).mount_of("/var").kind == "ext4"  # type: ignore[union-attr]


def test_this_machine_is_read() -> None:
    box = Box()
    assert os.getpid() in set(box.pids())
    assert box.status(os.getpid())["Pid"] == str(os.getpid())
    assert not box.is_kernel_thread(os.getpid())
    assert box.cores("/sys/devices/system/cpu/online")
    assert box.text("/no/such/file") is None and box.number("/proc/version") is None

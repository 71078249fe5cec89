"""The box as the checks read it: files below a root, commands, sockets of processes, time.

The root is `/` of the machine, or a folder in which a test has built one. A file that is not
there reads as None; one that may not be read raises, and the check is skipped for it. Nothing here
writes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aegis.config.cores import parse_core_list

__all__ = ["Box", "CommandResult", "Mount", "Socket", "cores_of_mask"]

_COMMAND_PATIENCE_S: Final = 10.0
_PIDFD_GETFD: Final = 438
_TIMEX_BYTES: Final = 512  # struct timex has 208
_TIME_ERROR: Final = 5
_KERNEL_THREAD: Final = 0x0020_0000
_SELECTED: Final = re.compile(r"\[([\w+-]+)\]")


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command said."""

    code: int
    output: str
    errors: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of /proc/self/mounts."""

    point: str
    kind: str
    options: frozenset[str]


@dataclass(frozen=True, slots=True)
class Socket:
    """The options of a connection that a running process holds; `peer` as address:port."""

    peer: str
    no_delay: bool
    keeps_alive: bool
    user_timeout_ms: int


def run_command(words: Sequence[str]) -> CommandResult | None:
    """Run a command of the system; None where there is none, or it does not end."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            list(words),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMMAND_PATIENCE_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return CommandResult(done.returncode, done.stdout, done.stderr)


def sockets_of(pid: int) -> list[Socket]:
    """The TCP connections of a process, by pidfd_getfd(2). Raises OSError where that is refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    holder = os.pidfd_open(pid)
    found: list[Socket] = []
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                    continue
            except FileNotFoundError:
                continue  # Closed since.
            descriptor = libc.syscall(_PIDFD_GETFD, holder, int(name), 0)
            if descriptor < 0:
                number = ctypes.get_errno()
                if number == errno.EBADF:
                    continue
                raise OSError(number, os.strerror(number))
            with socket.socket(fileno=descriptor) as one:
                looked = _look_at(one)
            if looked is not None:
                found.append(looked)
    finally:
        os.close(holder)
    return found


def _look_at(one: socket.socket) -> Socket | None:
    if one.family not in (socket.AF_INET, socket.AF_INET6) or one.type != socket.SOCK_STREAM:
        return None
    try:
        peer = one.getpeername()
    except OSError:
        return None  # It listens.
    return Socket(
        f"{peer[0]}:{peer[1]}",
        bool(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)),
        bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)),
        one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    )


def clock_is_kept() -> bool | None:
    """Whether the kernel's clock is synchronised (adjtimex(2)); None where that is refused."""
    zeros = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: it only reads
    state: int = ctypes.CDLL(None).adjtimex(zeros)
    return None if state < 0 else state != _TIME_ERROR


@dataclass(slots=True)
class Box:
    """One machine. `environment` is that of the doctor itself, `user_id` who it is."""

    root: Path = Path("/")
    command: Callable[[Sequence[str]], CommandResult | None] = run_command
    pause: Callable[[float], None] = time.sleep
    now_s: Callable[[], float] = time.time
    sockets: Callable[[int], list[Socket]] = sockets_of
    clock_is_kept: Callable[[], bool | None] = clock_is_kept
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    user_id: int = field(default_factory=os.geteuid)

    def path(self, absolute: str | Path) -> Path:
        """Where a path of the box is."""
        return self.root / str(absolute).lstrip("/")

    def text(self, absolute: str) -> str | None:
        """A small file, stripped; None if it is not there. Raises OSError if it may not be read."""
        try:
            return self.path(absolute).read_text(errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            return None

    def number(self, absolute: str) -> int | None:
        """A file that holds one number; None if it is not there, or holds something else."""
        try:
            return int(self.text(absolute) or "")
        except ValueError:
            return None

    def sysctl(self, name: str) -> int | None:
        """A setting of the kernel by its dotted name."""
        return self.number(f"/proc/sys/{name.replace('.', '/')}")

    def cores(self, absolute: str) -> frozenset[int] | None:
        """A file with a list of cores; None if it is not there."""
        text = self.text(absolute)
        if text is None or text == "(null)":
            return None if text is None else frozenset()
        return parse_core_list(text)

    def selected(self, absolute: str) -> str | None:
        """Which of its choices a file marks with brackets."""
        found = _SELECTED.search(self.text(absolute) or "")
        return found[1] if found else None

    def names(self, absolute: str) -> list[str]:
        """The names in a folder, sorted; none if it is not there."""
        try:
            return sorted(os.listdir(self.path(absolute)))
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            return []

    def pids(self) -> Iterator[int]:
        """Every process."""
        return (int(name) for name in self.names("/proc") if name.isdigit())

    def status(self, pid: int, task: int | None = None) -> dict[str, str]:
        """The lines of a process's or a thread's status; empty when it is gone."""
        where = f"/proc/{pid}/status" if task is None else f"/proc/{pid}/task/{task}/status"
        lines = (self.text(where) or "").splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def stat(self, where: str) -> list[str]:
        """The fields of a stat file of proc(5) from the third on: field n is element n - 3."""
        return (self.text(where) or "").rpartition(")")[2].split()

    def is_kernel_thread(self, pid: int) -> bool:
        """Whether a process has no program of its own."""
        fields = self.stat(f"/proc/{pid}/stat")
        return len(fields) > 6 and bool(int(fields[6]) & _KERNEL_THREAD)

    @property
    def is_virtual(self) -> bool:
        """Whether a hypervisor stands below."""
        return "hypervisor" in self.cpu_flags

    @property
    def cpu_flags(self) -> frozenset[str]:
        """The flags of the first core."""
        for line in (self.text("/proc/cpuinfo") or "").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return frozenset(value.split())
        return frozenset()

    @property
    def has_systemd(self) -> bool:
        """Whether systemd runs the box (sd_booted(3))."""
        return self.path("/run/systemd/system").is_dir()

    def boot_parameter(self, name: str) -> str | None:
        """A parameter of the kernel's command line, the last of that name; None without it."""
        words = (self.text("/proc/cmdline") or "").split()
        values = [word.partition("=") for word in words]
        return next((value for key, _, value in reversed(values) if key == name), None)

    def mount_of(self, absolute: str) -> Mount | None:
        """The mount that holds a path: of several at one point the last is on top."""
        best: Mount | None = None
        for line in (self.text("/proc/self/mounts") or "").splitlines():
            fields = line.split(" ")
            point = Path(fields[1])
            fits = Path(absolute).is_relative_to(point)
            if fits and (best is None or len(point.parts) >= len(Path(best.point).parts)):
                best = Mount(fields[1], fields[2], frozenset(fields[3].split(",")))
        return best

    def interfaces(self) -> list[str]:
        """Network interfaces of hardware, real or virtual; not the loopback."""
        names = self.names("/sys/class/net")
        return [name for name in names if self.path(f"/sys/class/net/{name}/device").exists()]


def cores_of_mask(text: str) -> frozenset[int]:
    """The cores of a mask as the kernel writes it: `ff,0000000f`."""
    mask = int(text.replace(",", "") or "0", 16)
    return frozenset(core for core in range(mask.bit_length()) if mask >> core & 1)

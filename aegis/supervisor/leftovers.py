"""What a supervisor that died without cleaning up has left, found and cleared.

Called at every start, and by `aegis clean`, with the instance's lock held. A `kill -9` of the
supervisor leaves its regions and, for a moment, its children: they are told to drain by the kernel
(PR_SET_PDEATHSIG), but a stopped one obeys nothing except SIGKILL. A process is touched only when
pid, start time and boot all match what was written down when it was forked.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aegis.host.proc import stat_fields
from aegis.host.process_identity import ProcessIdentity, is_alive
from aegis.monitor.notes import read_notes
from aegis.shm.instance import remove_directory

__all__ = ["Leftovers", "clear_leftovers", "find_leftovers"]

_STOPPED = "T"


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What was found; `orphans` are children of the dead supervisor that still run."""

    directory: Path
    supervisor_pid: int
    files: tuple[str, ...]
    orphans: tuple[tuple[str, ProcessIdentity], ...]

    def __bool__(self) -> bool:
        return bool(self.files or self.orphans)

    def __str__(self) -> str:
        who = f"pid {self.supervisor_pid}" if self.supervisor_pid else "a former start"
        text = f"{len(self.files)} files of {who} in {self.directory}"
        if self.orphans:
            named = ", ".join(f"{name} pid {identity.pid}" for name, identity in self.orphans)
            text += f", and its processes still running: {named}"
        return text


def find_leftovers(directory: Path) -> Leftovers:
    """Look, change nothing."""
    try:
        files = tuple(sorted(entry.name for entry in directory.iterdir()))
    except OSError:
        files = ()
    notes = read_notes(directory)
    if notes is None:
        return Leftovers(directory, 0, files, ())
    orphans = []
    for name, child in notes.children.items():
        identity = ProcessIdentity(child.pid, child.start_time_ticks, notes.boot_id)
        if child.pid > 0 and is_alive(identity):
            orphans.append((name, identity))
    return Leftovers(directory, notes.pid, files, tuple(orphans))


def clear_leftovers(
    found: Leftovers,
    patience_ns: int,
    monotonic_ns: Callable[[], int],
    pause: Callable[[int], None],
) -> list[str]:
    """Let the orphans drain for `patience_ns`, kill those that stay, remove every file.

    `pause(ms)` waits between looks. Returns the names of the processes that had to be killed. The
    directory itself goes as well: lock it anew afterwards.
    """
    deadline_ns = monotonic_ns() + patience_ns
    waiting = list(found.orphans)
    while waiting and monotonic_ns() < deadline_ns:
        waiting = [(name, identity) for name, identity in waiting if is_alive(identity)]
        if all(_is_stopped(identity.pid) for _, identity in waiting):
            break
        pause(20)
    killed = []
    for name, identity in waiting:
        if is_alive(identity):
            killed.append(name)
            _kill(identity.pid)
    while any(is_alive(identity) for _, identity in waiting):
        pause(5)
        if monotonic_ns() > deadline_ns + patience_ns:
            break
    remove_directory(found.directory)
    return killed


def _is_stopped(pid: int) -> bool:
    fields = stat_fields(pid)
    return fields is not None and fields[0] == _STOPPED


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return

"""One supervisor per instance: an flock on the instance's own directory.

Taken by the supervisor before anything else and kept until it has removed the directory. The kernel
drops the lock with the process, so a `kill -9` leaves no lock to clear; children close their copy
of the descriptor, or a lingering one would keep the name taken.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

from aegis.monitor.lock_holder import holder_pid
from aegis.monitor.notes import read_notes
from aegis.supervisor.errors import AlreadyRunningError, MemoryShortError, SupervisorError

__all__ = ["InstanceLock"]

_ATTEMPTS = 16


class InstanceLock:
    """The locked directory. Raises AlreadyRunningError while another process holds it."""

    def __init__(self, instance: str, directory: Path) -> None:
        self.instance = instance
        self.directory = directory
        self.descriptor = _lock(instance, directory)

    def close(self) -> None:
        """Let go. The directory should be gone by now."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _lock(instance: str, directory: Path) -> int:
    for _ in range(_ATTEMPTS):
        descriptor = _open(directory)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            linked = os.stat(directory, follow_symlinks=False)
        except BlockingIOError:
            os.close(descriptor)
            notes = read_notes(directory)
            pid = holder_pid(directory) or (notes.pid if notes is not None else 0)
            raise AlreadyRunningError(instance, pid) from None
        except FileNotFoundError:
            os.close(descriptor)
            continue
        held = os.fstat(descriptor)
        if (linked.st_dev, linked.st_ino) == (held.st_dev, held.st_ino):
            return descriptor
        # The holder before us removed the directory between our open and our lock.
        os.close(descriptor)
    raise SupervisorError(
        f"{directory}: another process makes and removes it; {_ATTEMPTS} attempts to lock it failed"
    )


def _open(directory: Path) -> int:
    """Make the directory if need be and open it, refusing one that somebody else prepared."""
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        raise SupervisorError(
            f"{directory.parent}: no such directory; set hardware.shm_dir to a tmpfs"
        ) from None
    except OSError as error:
        raise MemoryShortError(f"{directory}: cannot be made: {error.strerror}") from None
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise SupervisorError(f"{directory}: cannot be opened: {error.strerror}") from None
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid():
        os.close(descriptor)
        raise SupervisorError(
            f"{directory}: belongs to user {found.st_uid}, not to {os.geteuid()}; remove it first"
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        os.fchmod(descriptor, 0o700)
    return descriptor

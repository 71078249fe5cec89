"""The thin edge to the file system: a directory of segments, and one segment being written.

`Disk` and `SegmentFile` are all that the journal asks of storage; a simulator brings its own, with
faults. `FolderDisk` is the real one: a directory of mode 0700 that one process at a time holds by a
lock (flock dies with its holder), files of mode 0600, preallocated with posix_fallocate so that a
full disk is found out before a record needs the room. Whatever fails raises OSError with its errno.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Protocol

from aegis.execution.journal.errors import JournalBusyError, JournalDirError

__all__ = ["Disk", "FolderDisk", "SegmentFile"]

_LOCK_NAME = "lock"


class SegmentFile(Protocol):
    """A preallocated file; `write` returns when the page cache has all of it."""

    def write(self, data: bytes | memoryview, offset: int) -> None: ...
    def sync(self) -> None: ...
    def trim(self, length: int) -> None: ...
    def close(self) -> None: ...


class Disk(Protocol):
    """The directory of one journal. Names are plain file names."""

    def names(self) -> list[str]: ...
    def create(self, name: str, size: int) -> SegmentFile: ...
    def read(self, name: str) -> bytes | bytearray: ...
    def size(self, name: str) -> int: ...
    def rename(self, old: str, new: str) -> None: ...
    def remove(self, name: str) -> None: ...
    def cut(self, name: str, length: int, aside: str) -> None: ...
    def sync(self) -> None: ...
    def close(self) -> None: ...


class FolderFile:
    """A segment of a `FolderDisk`."""

    def __init__(self, path: Path, size: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        try:
            os.posix_fallocate(self._descriptor, 0, size)
        except OSError:
            self.close()
            os.unlink(path)
            raise

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """All of it: one write(2) unless the kernel takes less at a time."""
        written = os.pwrite(self._descriptor, data, offset)
        while written < len(data):
            written += os.pwrite(self._descriptor, memoryview(data)[written:], offset + written)

    def sync(self) -> None:
        """fdatasync. After an error nothing is known of what was written before: never retry."""
        os.fdatasync(self._descriptor)

    def trim(self, length: int) -> None:
        """Give back what was allocated beyond `length`."""
        os.ftruncate(self._descriptor, length)

    def close(self) -> None:
        """Close the descriptor, once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class FolderDisk:
    """A real directory, held by this process alone unless opened to read."""

    def __init__(self, folder: Path, *, to_write: bool = True) -> None:
        """Raises JournalDirError, or JournalBusyError while another process writes there."""
        self.folder = folder
        self._lock = -1
        if not to_write:
            return
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.chmod(folder, 0o700)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._lock = os.open(folder / _LOCK_NAME, flags, 0o600)
        except OSError as error:
            raise JournalDirError(
                f"the journal's directory {folder} cannot be used: {error.strerror}; set [journal] "
                f"dir to one that this user may write"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise JournalBusyError(
                f"the journal in {folder} is being written by another process; two instances never "
                f"share one: give them different names or [journal] dir"
            ) from None

    def names(self) -> list[str]:
        """The files of the journal (segments, and what was quarantined), sorted."""
        return sorted(name for name in os.listdir(self.folder) if name != _LOCK_NAME)

    def create(self, name: str, size: int) -> SegmentFile:
        """A new file with `size` bytes of zeros; raises OSError and leaves nothing."""
        return FolderFile(self.folder / name, size)

    def read(self, name: str) -> bytearray:
        """The whole content."""
        with open(self.folder / name, "rb") as file:
            content = bytearray(os.fstat(file.fileno()).st_size)
            del content[file.readinto(content) :]
            return content

    def size(self, name: str) -> int:
        """Bytes that a file takes."""
        return (self.folder / name).stat().st_size

    def rename(self, old: str, new: str) -> None:
        """Rename; the new name must be free."""
        os.rename(self.folder / old, self.folder / new)

    def remove(self, name: str) -> None:
        """Remove; gone already is as good."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.folder / name)

    def cut(self, name: str, length: int, aside: str) -> None:
        """Move what a file holds from `length` on to the file `aside`, durably in that order."""
        with open(self.folder / name, "r+b") as source:
            source.seek(length)
            descriptor = os.open(self.folder / aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as copy:
                copy.write(source.read().rstrip(b"\0"))
                copy.flush()
                os.fsync(copy.fileno())
            source.truncate(length)
            os.fsync(source.fileno())
        self.sync()

    def sync(self) -> None:
        """Make names durable."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Let another process write here."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

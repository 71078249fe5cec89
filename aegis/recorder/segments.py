"""The files of one live recording: rotated by size and age, bounded in sum, oldest deleted first.

Called by `Recorder`. Every file begins with a header and the instruments table, so each can be read
alone. The bound holds at all times, the file at work included; what is deleted is counted and told.
The file at work is ended only when the next one has begun, and the lock file holds a few blocks of
the disk in reserve: a file never says that it is whole while the loss behind it has no place.
Raises OSError when the disk does: nothing is half done then, and the call may be repeated.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import numpy.typing as npt

from aegis.recorder import layout
from aegis.recorder.errors import RecorderError
from aegis.recorder.frames import encode_records
from aegis.recorder.header import own_header
from aegis.recorder.writing import FrameFile

__all__ = ["LEAST_MAX_BYTES", "BusyError", "Segments", "segment_paths"]

# Room for a few files of frames that do not compress at all.
LEAST_MAX_BYTES: Final = 8 << 20
_PARTS_OF_BOUND: Final = 8
_LARGEST_SEGMENT: Final = 64 << 20
# Header, END and LOSS frames of a file; the instruments are counted as they are.
_SLACK_BYTES: Final = 4096
# Kept in the lock file for the last frames on a full disk: whole blocks, whatever their size.
_RESERVE_BYTES: Final = 16 << 10

Say = Callable[[str], None]


class BusyError(RecorderError):
    """Another recorder writes this instance's files in this directory."""


def segment_paths(directory: Path, instance: str) -> list[Path]:
    """This instance's files, oldest first (their names sort by time)."""
    return sorted(directory.glob(f"{instance}-[0-9]*T[0-9]*Z-*{layout.SUFFIX}"))


class Segments:
    """The files of one instance in one directory. `close` it, or its last file has no END."""

    def __init__(
        self,
        directory: Path,
        instance: str,
        max_bytes: int,
        *,
        segment_s: float = 3600.0,
        say: Say = lambda text: None,
    ) -> None:
        if max_bytes < LEAST_MAX_BYTES:
            raise RecorderError(f"a bound of {max_bytes} bytes; at least {LEAST_MAX_BYTES}")
        self.directory = directory
        self.instance = instance
        self.max_bytes = max_bytes
        self.segment_bytes = min(max_bytes // _PARTS_OF_BOUND, _LARGEST_SEGMENT)
        self.segment_s = segment_s
        self.deleted_files = self.deleted_bytes = 0
        self.files = self.raw_bytes = 0
        self._ended_frames = self._ended_bytes = 0
        self.current: FrameFile | None = None
        self.say = say
        self._table: npt.NDArray[Any] | None = None
        self._opened_s = 0.0
        self._syncing: list[threading.Thread] = []
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = self._take_lock()
        self._closed = [(path, path.stat().st_size) for path in segment_paths(directory, instance)]

    def _take_lock(self) -> int:
        path = self.directory / f".{self.instance}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            text = f"{self.directory}: another recorder writes the files of {self.instance}"
            raise BusyError(text) from error
        # A disk that is full already has nothing to keep; its last file then has no END.
        with contextlib.suppress(OSError):
            os.posix_fallocate(descriptor, 0, _RESERVE_BYTES)
        return descriptor

    @property
    def total_bytes(self) -> int:
        """What all files of the instance take now."""
        return sum(size for _, size in self._closed) + self._current_bytes()

    @property
    def bytes_written(self) -> int:
        """The length of all files of this run, also of those that have been deleted."""
        return self._ended_bytes + self._current_bytes()

    @property
    def frames(self) -> int:
        """The frames of all files of this run, of every kind."""
        return self._ended_frames + (self.current.frames if self.current is not None else 0)

    def _current_bytes(self) -> int:
        return self.current.bytes_written if self.current is not None else 0

    def set_instruments(self, rows: npt.NDArray[Any]) -> None:
        """The table as it is now; the file at work and all later ones hold it."""
        # At once, whatever the disk says: a file that is opened later begins with it.
        self._table = rows
        if self.current is not None:
            self._make_room(rows.nbytes + _SLACK_BYTES)
            self.current.instruments(rows)

    def write(self, records: npt.NDArray[Any]) -> bool:
        """One frame of records. True: it is the first of a new file."""
        body = encode_records(records)
        size = len(body) + layout.HEAD_BYTES
        began = self._begin_if_due(size)
        self._make_room(size + _SLACK_BYTES)
        assert self.current is not None
        self.current.write_encoded(body, records.size)
        self.raw_bytes += records.nbytes
        return began

    def loss(self, lost: int, laps: int, reason: int) -> None:
        """Say in the file that records are missing here."""
        self._begin_if_due(0)
        assert self.current is not None
        self.current.loss(lost, laps, reason)

    def give_up(self, missing: Iterable[tuple[int, int, int]]) -> bool:
        """Close on a full disk: each (lost, laps, reason) goes into the file at work, then its END.

        False: not even the reserve was enough, and the file is left without an END.
        """
        try:
            if self._lock >= 0:
                os.ftruncate(self._lock, 0)
            for lost, laps, reason in missing:
                if self.current is None:
                    self._begin()
                assert self.current is not None
                self.current.loss(lost, laps, reason)
        except OSError:
            self._release()
            return False
        try:
            self.close()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """End the file at work. Raises OSError when its END frame could not be written."""
        try:
            if self.current is not None:
                self._end_current()
        finally:
            self._release()

    def _release(self) -> None:
        """Let go of the files and of the lock; a file at work stays without an END."""
        try:
            if self.current is not None:
                self.current.release()
                self._count(self.current)
                self.current = None
        finally:
            for thread in self._syncing:
                thread.join()
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1

    def _begin_if_due(self, size: int) -> bool:
        if self.current is not None:
            full = self._current_bytes() + size + _SLACK_BYTES > self.segment_bytes
            old = time.monotonic() - self._opened_s > self.segment_s
            if not (full or old) or self.current.records == 0:
                return False
        self._begin()
        return True

    def _begin(self) -> None:
        """A new file; the one at work is ended when the disk has taken the new one's beginning."""
        table_bytes = 0 if self._table is None else self._table.nbytes
        self._make_room(table_bytes + _SLACK_BYTES)
        header = own_header("live", instance=self.instance, live=True, part=self.files + 1)
        seconds, below = divmod(header.created_unix_ns, 1_000_000_000)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
        name = f"{self.instance}-{stamp}.{below // 1000:06d}Z-{header.part:06d}{layout.SUFFIX}"
        opened = FrameFile(self.directory / name, header)
        try:
            if self._table is not None:
                opened.instruments(self._table)
            if self.current is not None:
                self._end_current()
        except OSError:
            opened.abandon()
            raise
        self.current = opened
        self._opened_s = time.monotonic()
        self.files += 1

    def _end_current(self) -> None:
        assert self.current is not None
        self.current.end()
        ended, self.current = self.current, None
        self._count(ended)
        self._closed.append((ended.path, ended.bytes_written))
        # A sync of many megabytes takes longer than the ring has room: not in this thread.
        thread = threading.Thread(target=_sync, args=(ended,), daemon=True)
        thread.start()
        self._syncing = [known for known in self._syncing if known.is_alive()] + [thread]

    def _count(self, left: FrameFile) -> None:
        self._ended_frames += left.frames
        self._ended_bytes += left.bytes_written

    def _make_room(self, size: int) -> None:
        """Delete the oldest files until `size` more bytes keep the bound."""
        while self._closed and self.total_bytes + size > self.max_bytes:
            path, held = self._closed[0]
            path.unlink(missing_ok=True)
            del self._closed[0]
            self.deleted_files += 1
            self.deleted_bytes += held
            self.say(f"deleted {path.name} ({held} bytes): the bound is {self.max_bytes} bytes")


def _sync(ended: FrameFile) -> None:
    with contextlib.suppress(OSError):
        os.fsync(ended.descriptor)
    ended.release()

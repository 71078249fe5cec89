"""Appending frames to one file, so that at every moment a good recording stands on the disk.

Called by `segments` (the live recorder) and `converting` (imports). A frame is written whole or not
at all: what a full disk took of it is cut off again, and the caller may try once more later. What a
`kill -9` leaves is a torn last frame, which `reading` finds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path
from typing import Any

import numpy.typing as npt

from aegis.recorder import layout
from aegis.recorder.frames import encode, encode_records
from aegis.recorder.header import Header

__all__ = ["FrameFile"]


class FrameFile:
    """One file being written. `bytes_written` is its length, `raw_bytes` what the records were.

    Every method raises OSError when the disk does; the file is then as it was before the call.
    """

    def __init__(self, path: Path, header: Header, *, segment: int | None = None) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self.path = path
        self.descriptor = os.open(path, flags, 0o644)
        self.segment = secrets.randbits(64) if segment is None else segment
        self.bytes_written = 0
        self.raw_bytes = 0
        self.frames = 0
        self.records = 0
        self.lost = 0
        try:
            # So that a reader can tell a file at work from one whose writer was killed.
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._append(layout.HEADER, header.encode())
        except OSError:
            self.abandon()
            raise

    def instruments(self, rows: npt.NDArray[Any]) -> None:
        """The instruments table as it is from here on."""
        self._append(layout.INSTRUMENTS, rows.tobytes())

    def write(self, records: npt.NDArray[Any]) -> int:
        """One frame of records; returns the bytes that it takes."""
        return self.write_encoded(encode_records(records), records.size)

    def write_encoded(self, body: bytes, records: int) -> int:
        """One frame from what `encode_records` made of so many records."""
        raw_bytes = records * layout.RECORD_BYTES
        taken = self._append(layout.RECORDS, body, raw_bytes)
        self.records += records
        self.raw_bytes += raw_bytes
        return taken

    def loss(self, lost: int, laps: int, reason: int) -> None:
        """Say that records are missing here."""
        self._append(layout.LOSS, layout.LOSS_BODY.pack(lost, laps, reason))
        self.lost += lost

    def end(self) -> None:
        """Write the END frame: the recording is whole."""
        body = layout.END_BODY.pack(self.records, self.lost, self.frames)
        self._append(layout.END, body)

    def close(self) -> None:
        """End the recording and have it on the disk for certain."""
        self.end()
        os.fsync(self.descriptor)
        self.release()

    def release(self) -> None:
        """Close the descriptor without an END frame."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def abandon(self) -> None:
        """Close and remove a file that is not worth keeping."""
        self.release()
        self.path.unlink(missing_ok=True)

    def _append(self, kind: int, body: bytes, raw_bytes: int = -1) -> int:
        frame = encode(kind, self.segment, self.frames, self.records, body, raw_bytes)
        rest = memoryview(frame)
        try:
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self.descriptor, self.bytes_written)
                os.lseek(self.descriptor, self.bytes_written, os.SEEK_SET)
            raise
        self.bytes_written += len(frame)
        self.frames += 1
        return len(frame)

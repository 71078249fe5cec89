"""Reading a recording frame by frame, and saying exactly where it stops being good.

Called by every command that reads one. The good part ends before the first frame that fails a
check; nothing behind it is handed on. A file without an END frame is not closed: its writer was
killed, or is still at work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.recorder import layout
from aegis.recorder.errors import ForeignError, RecorderError
from aegis.recorder.frames import BadFrame, Head, decode_records, parse_head, unpack
from aegis.recorder.header import Header, read_header
from aegis.shm.instruments import INSTRUMENT

__all__ = ["Damage", "Frame", "Loss", "RecordingFile"]


class Frame(NamedTuple):
    """One good frame: where it begins, its head, and its raw body (empty when only scanned)."""

    offset: int
    head: Head
    body: bytes

    @property
    def end(self) -> int:
        """Where the next frame begins."""
        return self.offset + layout.HEAD_BYTES + self.head.stored_bytes


class Loss(NamedTuple):
    """Records that are missing at a place, and why (layout.RING to layout.TORN)."""

    lost: int
    laps: int
    reason: int


@dataclass(frozen=True, slots=True)
class Damage:
    """The first thing that is wrong: frame number, offset in bytes, what, and what is kept."""

    frame: int
    offset: int
    what: str
    file_bytes: int
    kept_records: int
    closed: bool = False

    def __str__(self) -> str:
        rest = self.file_bytes - self.offset
        return (
            f"frame {self.frame} at byte {self.offset}: {self.what}; kept are {self.frame} frames "
            f"with {self.kept_records} records, {rest} bytes are not"
        )


class RecordingFile:
    """One file. Iterate `frames` or `batches`, then look at `damage` (None: whole and closed).

    Opening raises ForeignError for what is no recording, RecorderError for what cannot be read.
    `header` is the file's; `instruments` the table as of the frame that was read last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: Damage | None = None
        self.instruments: npt.NDArray[Any] = np.zeros(0, INSTRUMENT)
        self.losses: list[Loss] = []
        self.good_bytes = 0
        self.good_frames = 0
        self.records = 0
        try:
            with path.open("rb") as stream:
                self.file_bytes = os.fstat(stream.fileno()).st_size
                self.header = self._read_header(stream)
        except OSError as error:
            raise RecorderError(f"{path}: {error.strerror}") from error

    def _read_header(self, stream: Any) -> Header:
        if self.file_bytes == 0:
            raise ForeignError(f"{self.path}: is empty; not even its header was written")
        try:
            frame = self._next(stream, 0, bodies=True)
            if frame.head.kind != layout.HEADER:
                raise BadFrame(f"its first frame is {frame.head.name}")
            self._segment = frame.head.segment
            return read_header(frame.body)
        except (BadFrame, ForeignError) as error:
            raise ForeignError(f"{self.path}: is no recording of ours: {error}") from error

    def frames(self, *, bodies: bool = True) -> Iterator[Frame]:
        """The good frames in order. Without bodies only the heads are read and checked."""
        self.damage, self.losses = None, []
        self.good_bytes = self.good_frames = self.records = 0
        ended = False
        try:
            with self.path.open("rb") as stream:
                while self.good_bytes < self.file_bytes:
                    if ended:
                        raise BadFrame("bytes after the END frame")
                    frame = self._next(stream, self.good_bytes, bodies=bodies)
                    self._check_place(frame)
                    self._take(frame)
                    ended = frame.head.kind == layout.END
                    yield frame
        except BadFrame as error:
            self.damage = self._damage(str(error), closed=ended)
            return
        except OSError as error:
            raise RecorderError(f"{self.path}: {error.strerror}") from error
        if not ended:
            what = "no END frame: its writer was killed, or is still at work"
            self.damage = self._damage(what, closed=False)

    def batches(self) -> Iterator[npt.NDArray[Any]]:
        """The records, an array for each frame."""
        for frame in self.frames():
            if frame.head.kind == layout.RECORDS:
                yield decode_records(frame.body)

    def read_all(self) -> npt.NDArray[Any]:
        """All records at once; for files that fit into memory."""
        found = list(self.batches())
        return np.concatenate(found) if found else decode_records(b"")

    def symbol(self, instrument: int) -> str:
        """The symbol of an instrument number, or "" when the table does not hold it."""
        if not 0 <= instrument < self.instruments.size:
            return ""
        return bytes(self.instruments[instrument]["symbol"]).decode("utf-8", "replace")

    def _damage(self, what: str, *, closed: bool) -> Damage:
        place = (self.good_frames, self.good_bytes)
        return Damage(*place, what, self.file_bytes, self.records, closed)

    def _next(self, stream: Any, offset: int, *, bodies: bool) -> Frame:
        stream.seek(offset)
        head = parse_head(stream.read(layout.HEAD_BYTES))
        if not bodies and head.kind == layout.RECORDS:
            left = self.file_bytes - offset - layout.HEAD_BYTES
            if left < head.stored_bytes:
                raise BadFrame(f"torn: {max(left, 0)} bytes of a body of {head.stored_bytes}")
            return Frame(offset, head, b"")
        return Frame(offset, head, unpack(head, stream.read(head.stored_bytes)))

    def _check_place(self, frame: Frame) -> None:
        """A good frame in the wrong place is as bad as a torn one."""
        head = frame.head
        if head.segment != self._segment:
            raise BadFrame("a frame of another recording")
        if head.number != self.good_frames:
            raise BadFrame(f"frame {head.number} where {self.good_frames} should be")
        if head.position != self.records:
            raise BadFrame(f"it begins at record {head.position}, not at {self.records}")

    def _take(self, frame: Frame) -> None:
        kind = frame.head.kind
        if kind == layout.INSTRUMENTS:
            if len(frame.body) % INSTRUMENT.itemsize:
                raise BadFrame(f"{len(frame.body)} bytes are no whole number of instrument rows")
            self.instruments = np.frombuffer(frame.body, INSTRUMENT).copy()
        elif kind == layout.LOSS:
            self.losses.append(Loss(*_unpack(layout.LOSS_BODY, frame)))
        elif kind == layout.END:
            records, _, frames = _unpack(layout.END_BODY, frame)
            if (records, frames) != (self.records, self.good_frames):
                raise BadFrame(
                    f"its END speaks of {records} records in {frames} frames, "
                    f"there are {self.records} in {self.good_frames}"
                )
        elif kind not in (layout.HEADER, layout.RECORDS):
            raise BadFrame(f"kind {kind} is unknown to this version")
        self.records += frame.head.records
        self.good_frames += 1
        self.good_bytes = frame.end


def _unpack(body: Any, frame: Frame) -> tuple[int, ...]:
    if len(frame.body) != body.size:
        raise BadFrame(f"a {frame.head.name} frame of {len(frame.body)} bytes, not {body.size}")
    found: tuple[int, ...] = body.unpack(frame.body)
    return found

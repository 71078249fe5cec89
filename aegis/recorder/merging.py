"""Several recordings as one, in the order of receipt: trades with books, one hour after another.

Called by `aegis data merge`. The order within a file is never changed, whatever its times say;
between files the receipt time decides, and in a tie the file that was named first. Symbols are
brought together by name, tables and losses stay where they stood among their file's records. A few
frames of each file are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from aegis.recorder import layout
from aegis.recorder.converting import MAX_INSTRUMENTS, Output
from aegis.recorder.errors import RecorderError
from aegis.recorder.frames import decode_records
from aegis.recorder.header import Header, own_header
from aegis.recorder.reading import Frame, RecordingFile
from aegis.shm.instruments import INSTRUMENT
from aegis.shm.tick import CANARY, CLOCK, STATUS

__all__ = ["merge", "merged_header", "shift_ns"]

# Files of one boot differ by the wall clock's corrections, which move no receipt time.
_SAME_CLOCK_NS: Final = 1_000_000_000
# A file whose times do not move on is not kept in memory beyond so many records.
_MOST_WAITING: Final = 1 << 20
# Their instrument is 0 when they belong to none.
_OF_NOBODY: Final = (CANARY, CLOCK, STATUS)

Progress = Callable[[int], None]
# A receipt time in ns, and whether records of just that time are meant as well.
Limit = tuple[int, bool]


def shift_ns(first: Header, other: Header) -> int:
    """What puts `other`'s receipt times on the clock of `first`; 0 where they share one."""
    apart_ns = other.wall_minus_recv_ns - first.wall_minus_recv_ns
    return apart_ns if abs(apart_ns) >= _SAME_CLOCK_NS else 0


def merged_header(headers: Sequence[Header]) -> Header:
    """That of the result, whose receipt times are on the first one's clock."""
    instances = {header.instance for header in headers}
    return Header(
        layout.VERSION,
        "merged",
        instances.pop() if len(instances) == 1 else "",
        own_header("merged").created_unix_ns,
        headers[0].wall_minus_recv_ns,
        received=all(header.received for header in headers),
        note=f"of {len(headers)} files",
    )


def merge(
    recordings: Sequence[RecordingFile], output: Output, progress: Sequence[Progress]
) -> None:
    """Add the good parts of all recordings to `output`. Raises RecorderError."""
    table = _Table(output)
    sources = [
        _Source(recording, shift_ns(recordings[0].header, recording.header), table, told)
        for recording, told in zip(recordings, progress, strict=True)
    ]
    while True:
        for source in sources:
            source.make_ready(output)
        waiting = [source for source in sources if source.keys.size]
        if not waiting:
            return
        limit = min(source.limit for source in waiting)
        taken = [source.take_until(limit) for source in waiting]
        keys = np.concatenate([keys for keys, _ in taken])
        if keys.size:
            records = np.concatenate([records for _, records in taken])
            output.add(records[np.argsort(keys, kind="stable")])
            continue
        # What has the same time in the next frame belongs beside what waits.
        for source in waiting:
            if source.limit == limit:
                source.read_on()


class _Table:
    """The symbols of all files, each with one number; what a file knows of one is never lost."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._numbers: dict[bytes, int] = {}
        self._rows = np.zeros(0, INSTRUMENT)

    def take(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The numbers here of a file's instruments by theirs, -1 for a row without a name."""
        before = self._rows.tobytes()
        numbers = np.full(rows.size, -1, np.int64)
        for place in np.flatnonzero(rows["symbol"] != b""):
            row = rows[place]
            name = bytes(row["symbol"])
            number = numbers[place] = self._numbers.setdefault(name, len(self._numbers))
            if number == self._rows.size:
                if number >= MAX_INSTRUMENTS:
                    raise RecorderError(f"more than {MAX_INSTRUMENTS} symbols")
                self._rows = np.append(self._rows, row)
            elif row["version"]:
                self._rows[number] = row
        if self._rows.tobytes() != before:
            self._output.table(self._rows)
        return numbers


class _Source:
    """One file: the records that wait, with the times that decide when each of them comes."""

    def __init__(
        self, recording: RecordingFile, shift: int, table: _Table, progress: Progress
    ) -> None:
        self.keys = np.zeros(0, np.int64)
        self._records = decode_records(b"")
        self._path = recording.path
        self._recording = recording
        self._frames: Iterator[Frame] = recording.frames()
        self._shift_ns = shift
        self._table = table
        self._numbers = np.zeros(0, np.int64)
        self._progress = progress
        self._latest_ns: int = np.iinfo(np.int64).min
        self._loss: tuple[int, int, int] | None = None
        self._ended = False

    @property
    def limit(self) -> Limit:
        """Until when nothing, of any file, can be overtaken by what this file still holds."""
        closed = self._ended or self._loss is not None or self.keys.size >= _MOST_WAITING
        return int(self.keys[-1]), closed

    def make_ready(self, output: Output) -> None:
        """Have records waiting, unless the file is at its end."""
        while not self.keys.size and not self._ended:
            if self._loss is not None:
                output.loss(*self._loss)
                self._loss = None
            self.read_on()

    def read_on(self) -> None:
        """Take one more frame of records, or come to a loss or to the end."""
        for frame in self._frames:
            self._progress(frame.end)
            if frame.head.kind == layout.RECORDS:
                self._append(decode_records(frame.body).copy())
                return
            if frame.head.kind == layout.INSTRUMENTS:
                self._numbers = self._table.take(self._recording.instruments)
            elif frame.head.kind == layout.LOSS:
                self._loss = self._recording.losses[-1]
                return
        self._ended = True

    def _append(self, records: npt.NDArray[Any]) -> None:
        if not records.size:
            return
        records["instrument"] = self._renumbered(records)
        records["ts_recv_ns"] += self._shift_ns
        times = np.maximum(np.maximum.accumulate(records["ts_recv_ns"]), self._latest_ns)
        self._latest_ns = int(times[-1])
        self._records = np.concatenate([self._records, records])
        self.keys = np.concatenate([self.keys, times])

    def _renumbered(self, records: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        given = records["instrument"].astype(np.int64)
        known = np.append(self._numbers, -1)
        numbers: npt.NDArray[np.int64] = known[np.minimum(given, known.size - 1)]
        nameless = numbers < 0
        lost = np.flatnonzero(nameless & ~np.isin(records["kind"], _OF_NOBODY))
        if lost.size:
            raise RecorderError(
                f"{self._path}: has a record of instrument {given[lost[0]]}, which its table does "
                "not name"
            )
        numbers[nameless] = 0
        return numbers

    def take_until(self, limit: Limit) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
        """(times, records) that come until then; they wait no more."""
        time_ns, inclusive = limit
        side: Literal["left", "right"] = "right" if inclusive else "left"
        count = int(np.searchsorted(self.keys, time_ns, side=side))
        taken = self.keys[:count], self._records[:count]
        self.keys, self._records = self.keys[count:], self._records[count:]
        return taken

"""A recording as Parquet and back, lossless to the last bit.

Called by `aegis data export` and `import`. The columns are the fields of the tick record, doubles
as their bit patterns would have them (no dictionary: one would merge different NaNs, and both
zeros). What stands between records, tables and losses, goes into the file's metadata, with its
place.
"""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aegis.recorder import layout
from aegis.recorder.converting import Output, refuse_existing, temporary_name
from aegis.recorder.errors import ForeignError, RecorderError
from aegis.recorder.frames import decode_records
from aegis.recorder.header import Header, read_header
from aegis.recorder.reading import Frame, RecordingFile
from aegis.recorder.symbols import of_symbol, require_symbol
from aegis.shm.instruments import INSTRUMENT
from aegis.shm.tick import TICK

__all__ = ["export_parquet", "import_parquet", "read_parquet_header"]

_HEADER_KEY: Final = b"aegis.header"
_MARKS_KEY: Final = b"aegis.marks"
_ROW_GROUP: Final = 1 << 20
_FIELDS: Final = tuple(TICK.names or ())
_INTEGERS: Final = tuple(name for name in _FIELDS if TICK[name].kind != "f")
_DOUBLES: Final = tuple(name for name in _FIELDS if TICK[name].kind == "f")

_SPOILED: Final = (
    OSError, pa.ArrowException, KeyError, ValueError, msgspec.MsgspecError, struct.error,
)  # fmt: skip

Progress = Callable[[int], None]


class _Mark(msgspec.Struct, frozen=True):
    """A frame that holds no records: how many records come before it, its kind, its body."""

    position: int
    kind: int
    body: str


_marks = msgspec.json.Decoder(list[_Mark])


def _schema() -> Any:
    return pa.schema([(name, pa.from_numpy_dtype(TICK[name])) for name in _FIELDS])


def export_parquet(
    recording: RecordingFile, path: Path, progress: Progress, symbol: str = ""
) -> int:
    """Write the good part of a recording; returns the rows. Raises RecorderError.

    With a symbol only its records, but the whole tables (its number is a place in them) and losses.
    """
    refuse_existing(path)
    if symbol:
        require_symbol(recording, symbol)
    rows = 0
    partial = temporary_name(path)
    marks: list[_Mark] = []
    try:
        with pq.ParquetWriter(
            partial, _schema(), version="2.6", compression="zstd", use_dictionary=False,
            column_encoding={
                **dict.fromkeys(_INTEGERS, "DELTA_BINARY_PACKED"),
                **dict.fromkeys(_DOUBLES, "BYTE_STREAM_SPLIT"),
            },
        ) as writer:  # fmt: skip
            waiting: list[Any] = []
            for frame in recording.frames():
                if frame.head.kind == layout.RECORDS:
                    found = decode_records(frame.body)
                    waiting.append(of_symbol(found, recording.instruments, symbol))
                    rows += waiting[-1].size
                elif frame.head.kind in (layout.INSTRUMENTS, layout.LOSS):
                    marks.append(_mark_of(frame, rows))
                if sum(part.size for part in waiting) >= _ROW_GROUP:
                    _write(writer, waiting)
                progress(frame.end)
            _write(writer, waiting)
            writer.add_key_value_metadata(
                {_HEADER_KEY: recording.header.encode(), _MARKS_KEY: msgspec.json.encode(marks)}
            )
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
    except (OSError, pa.ArrowException) as error:
        raise RecorderError(f"{path}: cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return rows


def _mark_of(frame: Frame, position: int) -> _Mark:
    body = base64.b64encode(frame.body).decode()
    return _Mark(position, frame.head.kind, body)


def _write(writer: Any, waiting: list[Any]) -> None:
    if waiting:
        records = np.concatenate(waiting)
        columns = [pa.array(np.ascontiguousarray(records[name])) for name in _FIELDS]
        writer.write_table(pa.Table.from_arrays(columns, schema=_schema()), _ROW_GROUP * 2)
        waiting.clear()


def _open(path: Path) -> Any:
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecorderError(f"{path}: no Parquet that can be read: {reason}") from error


def read_parquet_header(path: Path) -> Header:
    """The header of the recording inside. Raises ForeignError, or RecorderError."""
    with _open(path) as found:
        held = (found.schema_arrow.metadata or {}) | (found.metadata.metadata or {})
        if _HEADER_KEY not in held or found.schema_arrow.names != list(_FIELDS):
            raise ForeignError(f"{path}: is no Parquet that aegis has exported")
        return read_header(held[_HEADER_KEY])


def import_parquet(path: Path, output: Output, progress: Progress) -> None:
    """Add what the file holds to `output`, as it was. Raises RecorderError."""
    with _open(path) as found:
        try:
            marks = _marks.decode((found.metadata.metadata or {})[_MARKS_KEY])
            done = 0
            for batch in found.iter_batches(batch_size=1 << 16):
                records = np.zeros(batch.num_rows, TICK)
                for name in _FIELDS:
                    records[name] = batch.column(name).to_numpy()
                taken = 0
                while marks and marks[0].position <= done + records.size:
                    place = marks[0].position - done
                    output.add(records[taken:place])
                    taken = place
                    _put(marks.pop(0), output)
                output.add(records[taken:])
                done += records.size
                progress(records.size)
            for mark in marks:
                _put(mark, output)
        except _SPOILED as error:
            raise RecorderError(f"{path}: is spoiled: {error}") from error


def _put(mark: _Mark, output: Output) -> None:
    body = base64.b64decode(mark.body)
    if mark.kind == layout.INSTRUMENTS:
        output.table(np.frombuffer(body, INSTRUMENT))
    else:
        lost, laps, reason = layout.LOSS_BODY.unpack(body)
        output.loss(lost, laps, reason)

"""A recording as CSV: one line a record, for eyes and for spreadsheets.

Called by `aegis data export`. Doubles are written with as many digits as their value needs; the
payload of a NaN and the instruments' other columns are lost, which Parquet keeps.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as arrow_csv

from aegis.recorder import layout
from aegis.recorder.converting import refuse_existing, temporary_name
from aegis.recorder.errors import RecorderError
from aegis.recorder.frames import decode_records
from aegis.recorder.reading import RecordingFile
from aegis.recorder.symbols import of_symbol, require_symbol
from aegis.shm.tick import TICK

__all__ = ["export_csv"]

_NUMBERS: Final = tuple(name for name in TICK.names or () if name not in ("instrument", "kind"))
_SCHEMA: Final = pa.schema(
    [("symbol", pa.string()), ("instrument", pa.uint32()), ("kind", pa.string())]
    + [(name, pa.from_numpy_dtype(TICK[name])) for name in _NUMBERS]
)

Progress = Callable[[int], None]


def export_csv(recording: RecordingFile, path: Path, progress: Progress, symbol: str = "") -> int:
    """Write the good part, of one symbol or ("") of all; returns the rows. Raises RecorderError."""
    refuse_existing(path)
    if symbol:
        require_symbol(recording, symbol)
    rows = 0
    partial = temporary_name(path)
    options = arrow_csv.WriteOptions(quoting_style="needed")
    try:
        with (
            partial.open("wb") as stream,
            arrow_csv.CSVWriter(stream, _SCHEMA, write_options=options) as writer,
        ):
            for frame in recording.frames():
                if frame.head.kind == layout.RECORDS:
                    found = decode_records(frame.body)
                    found = of_symbol(found, recording.instruments, symbol)
                    writer.write_table(_table(recording, found))
                    rows += found.size
                progress(frame.end)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
    except (OSError, pa.ArrowException) as error:
        raise RecorderError(f"{path}: cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return rows


def _table(recording: RecordingFile, records: npt.NDArray[Any]) -> Any:
    numbers, places = np.unique(records["instrument"], return_inverse=True)
    symbols = [recording.symbol(int(number)) for number in numbers]
    kinds, kind_places = np.unique(records["kind"], return_inverse=True)
    names = [layout.KIND_NAMES.get(int(kind), str(int(kind))) for kind in kinds]
    columns = [
        pa.array(symbols, pa.string()).take(pa.array(places)),
        pa.array(np.ascontiguousarray(records["instrument"])),
        pa.array(names, pa.string()).take(pa.array(kind_places)),
    ]
    columns += [pa.array(np.ascontiguousarray(records[name])) for name in _NUMBERS]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)

"""One recording made from something else: written under another name and renamed when whole.

Called by the imports, by Parquet and by the repair. Symbols get instrument numbers as they come;
what else the exchange says of them is not known here, so their rows say version 0.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aegis.recorder.errors import RecorderError
from aegis.recorder.header import Header
from aegis.recorder.writing import FrameFile
from aegis.shm.instruments import INSTRUMENT, SYMBOL_BYTES
from aegis.shm.tick import TICK

__all__ = ["Output", "refuse_existing", "temporary_name"]

_FRAME_RECORDS: Final = 16_384
MAX_INSTRUMENTS: Final = 100_000


def temporary_name(path: Path) -> Path:
    """Where a file is written until it is whole: hidden, beside its final place."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def refuse_existing(path: Path) -> None:
    """Raise RecorderError when there is such a file: nothing is ever written over."""
    if path.exists():
        raise RecorderError(f"{path}: already exists; nothing is written over")
    if not path.parent.is_dir():
        raise RecorderError(f"{path.parent}: no such directory")


class Output:
    """A recording being made. As a context: renamed at a good end, removed at a bad one.

    Raises RecorderError when the file cannot be written.
    """

    def __init__(self, path: Path, header: Header) -> None:
        refuse_existing(path)
        self.path = path
        self.header = header
        self.records = 0
        self.bytes_written = 0
        self.lost = 0
        self._numbers: dict[str, int] = {}
        self._rows: list[npt.NDArray[Any]] = []
        self._table_due = False
        self._waiting: list[npt.NDArray[Any]] = []
        self._waiting_records = 0
        try:
            self._file = FrameFile(temporary_name(path), header)
        except OSError as error:
            raise RecorderError(f"{path}: {error.strerror}") from error

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._file.abandon()
            if isinstance(error, OSError):
                raise RecorderError(f"{self.path}: {error.strerror}") from error
            return
        try:
            self._flush(everything=True)
            self._file.close()
            os.replace(self._file.path, self.path)
        except OSError as failure:
            self._file.abandon()
            raise RecorderError(f"{self.path}: {failure.strerror}") from failure
        self.bytes_written = self._file.bytes_written

    def number(self, symbol: str) -> int:
        """The instrument number of a symbol, a new one at its first coming."""
        known = self._numbers.get(symbol)
        if known is not None:
            return known
        name = symbol.encode()
        if not 0 < len(name) <= SYMBOL_BYTES or len(self._numbers) >= MAX_INSTRUMENTS:
            raise RecorderError(
                f"symbol {symbol[:80]!r}: 1 to {SYMBOL_BYTES} bytes, {MAX_INSTRUMENTS} at the most"
            )
        row = np.zeros(1, INSTRUMENT)
        row["symbol"] = name
        self._rows.append(row)
        self._table_due = True
        self._numbers[symbol] = len(self._numbers)
        return self._numbers[symbol]

    def table(self, rows: npt.NDArray[Any]) -> None:
        """A whole instruments table, for conversions that have one; holds from here on."""
        self._flush(everything=True)
        self._file.instruments(rows)

    def loss(self, lost: int, laps: int, reason: int) -> None:
        """Say that records are missing here."""
        self._flush(everything=True)
        self._file.loss(lost, laps, reason)
        self.lost += lost

    def add(self, records: npt.NDArray[Any]) -> None:
        """Records in order; kept as they are, to the last bit."""
        assert records.dtype == TICK
        if records.size:
            self._waiting.append(records)
            self._waiting_records += records.size
            self.records += records.size
            if self._waiting_records >= _FRAME_RECORDS:
                self._flush(everything=False)

    def _flush(self, *, everything: bool) -> None:
        if self._table_due:
            self._file.instruments(np.concatenate(self._rows))
            self._table_due = False
        if not self._waiting:
            return
        joined = np.concatenate(self._waiting)
        written = 0
        while joined.size - written >= _FRAME_RECORDS or (everything and written < joined.size):
            part = joined[written : written + _FRAME_RECORDS]
            self._file.write(part)
            written += part.size
        rest = joined[written:]
        self._waiting = [rest] if rest.size else []
        self._waiting_records = rest.size

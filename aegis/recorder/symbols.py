"""Which symbols a recording holds, and the records of one of them.

Called by the exports and by `repair`. A live instruments table has more rows than symbols: a row
without a name has not been filled. Names are compared as they stand in the file, case included.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aegis.recorder import layout
from aegis.recorder.errors import RecorderError
from aegis.recorder.reading import RecordingFile

__all__ = ["named", "of_symbol", "one_symbol", "require_symbol", "symbols_in"]

_SHOWN: Final = 20


def named(instruments: npt.NDArray[Any]) -> list[str]:
    """The names in a table, in its order."""
    filled = instruments["symbol"][instruments["symbol"] != b""]
    return [bytes(name).decode("utf-8", "replace") for name in filled]


def symbols_in(recording: RecordingFile) -> list[str]:
    """The names in all tables of the file, in the order of their coming; reads only the heads."""
    found: dict[str, None] = {}
    for frame in recording.frames(bodies=False):
        if frame.head.kind == layout.INSTRUMENTS:
            found.update(dict.fromkeys(named(recording.instruments)))
    return list(found)


def require_symbol(recording: RecordingFile, symbol: str) -> None:
    """Raise RecorderError, with the names there are, when the file has no such symbol."""
    symbols = symbols_in(recording)
    if symbol not in symbols:
        raise RecorderError(f"{recording.path}: has no {symbol}; its symbols: {_shown(symbols)}")


def one_symbol(recording: RecordingFile, symbol: str) -> str:
    """The symbol that was asked for, or the only one that there is. Raises RecorderError."""
    if symbol:
        require_symbol(recording, symbol)
        return symbol
    symbols = symbols_in(recording)
    if len(symbols) != 1:
        text = f"{recording.path}: name one with --symbol; its symbols: {_shown(symbols)}"
        raise RecorderError(text)
    return symbols[0]


def of_symbol(
    records: npt.NDArray[Any], instruments: npt.NDArray[Any], symbol: str
) -> npt.NDArray[Any]:
    """The records of one symbol by the table that holds for them; "" means all of them."""
    if not symbol:
        return records
    numbers = np.flatnonzero(instruments["symbol"] == symbol.encode())
    return records[np.isin(records["instrument"], numbers)]


def _shown(symbols: list[str]) -> str:
    more = f" and {len(symbols) - _SHOWN} more" if len(symbols) > _SHOWN else ""
    return (", ".join(symbols[:_SHOWN]) or "none") + more

"""The instruments table: what the exchange says of each symbol, one row per instrument number.

The feed writes it from exchangeInfo (and again when a filter changes, raising `version`); brain,
execution and monitor read it. A row is two cache lines.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.shm.region import Region

__all__ = ["INSTRUMENT", "NOT_LISTED", "TRADING", "UNCONFIRMED", "Instruments"]

KIND = 4
# Codes of `status`: TRADING may be traded, nothing else; the feed's table of codes names the rest.
TRADING = 1
# Not in the exchange's list any more, and never confirmed by it: the feed's fallback list.
NOT_LISTED, UNCONFIRMED = 97, 98
SYMBOL_BYTES = 32

INSTRUMENT = np.dtype(
    [
        ("symbol", "S32"),
        ("version", "<i8"),
        ("status", "<u4"),
        ("price_precision", "<u2"),
        ("quantity_precision", "<u2"),
        ("tick_size", "<f8"),
        ("step_size", "<f8"),
        ("min_qty", "<f8"),
        ("max_qty", "<f8"),
        ("min_notional", "<f8"),
        ("min_price", "<f8"),
        ("max_price", "<f8"),
        ("multiplier_up", "<f8"),
        ("multiplier_down", "<f8"),
        ("pad", "<i8"),
    ]
)
assert INSTRUMENT.itemsize == 128, "a row is two cache lines"


def _symbol_bytes(symbol: str | bytes) -> bytes:
    """A symbol as the table holds it: UTF-8 (some of the exchange's are not ASCII)."""
    raw = symbol.encode() if isinstance(symbol, str) else bytes(symbol)
    if len(raw) > SYMBOL_BYTES:
        raise ValueError(f"symbol {symbol!r} has {len(raw)} bytes, a row holds {SYMBOL_BYTES}")
    return raw


class Instruments:
    """Rows by instrument number; `version` 0 means that the feed has not filled the row yet."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.rows: npt.NDArray[Any] = region.array(INSTRUMENT, region.capacity)

    def set(self, instrument: int, **fields: Any) -> None:
        """Write a row (the feed only). The version goes up last, when the row is whole.

        Raises ValueError for an unknown field or a symbol that does not fit; nothing is then
        written.
        """
        if not 0 <= instrument < self.rows.size:
            raise IndexError(f"instrument {instrument}; the table holds 0..{self.rows.size - 1}")
        row = self.rows[instrument].copy()
        for name, value in fields.items():
            row[name] = _symbol_bytes(value) if name == "symbol" else value
        self.rows[instrument] = row
        self.rows["version"][instrument] += 1

    def row(self, instrument: int) -> Any:
        """The row as a numpy structured scalar view (fields by name)."""
        return self.rows[instrument]

    def symbol(self, instrument: int) -> str:
        """The row's symbol, or an empty text while it is not filled."""
        return bytes(self.rows[instrument]["symbol"]).decode()

    @property
    def listed(self) -> list[str]:
        """The symbols of the rows that are filled, in row order; rows never move."""
        filled = self.rows["version"] > 0
        end = int(np.argmin(filled)) if not filled.all() else filled.size
        return [self.symbol(instrument) for instrument in range(end)]

    def index(self, symbol: str) -> int:
        """The instrument number of a symbol; KeyError when it is not in the table."""
        found = np.flatnonzero(self.rows["symbol"] == symbol.encode())
        if found.size == 0:
            raise KeyError(symbol)
        return int(found[0])

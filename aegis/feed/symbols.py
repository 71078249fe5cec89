"""Which symbol has which instrument number: a hash table that kernels can search.

Made once a start by the intake from the instance's symbols, in their order; the number is the
row of the instruments table and of every per-instrument array. Symbols that the exchange lists
later are added behind, up to the capacity; none is ever moved or taken out. Searched by the scanner
with the lower-case symbol of a stream's name.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["NAME_BYTES", "SymbolTable"]

# The instruments table keeps 32 bytes; the longest symbol of the exchange has 17.
NAME_BYTES = 32


def _hash(name: bytes) -> int:
    """FNV-1a, 32 bits; the scanner computes the same byte by byte."""
    digest = 2166136261
    for byte in name:
        digest = ((digest ^ byte) * 16777619) & 0xFFFFFFFF
    return digest


class SymbolTable:
    """Symbols in instrument order, room for `capacity` of them (else for those given).

    Attributes: table i64[power of two], the instrument or -1; lengths i64[n]; names u8[n * 64],
    the lower-case form in the first half of each 64 bytes, the exchange's own in the second.
    Raises ValueError for a symbol that is empty, too long, repeated, or holds "@" or quotes.
    """

    def __init__(self, symbols: list[str], capacity: int = 0) -> None:
        self.symbols: list[str] = []
        self.capacity = max(len(symbols), capacity, 1)
        self._index: dict[str, int] = {}
        self._streams: dict[str, int] = {}
        size = 4
        while size < 4 * self.capacity:
            size *= 2
        self.table: npt.NDArray[np.int64] = np.full(size, -1, np.int64)
        self.lengths: npt.NDArray[np.int64] = np.zeros(self.capacity, np.int64)
        self.names: npt.NDArray[np.uint8] = np.zeros(self.capacity * 64, np.uint8)
        for symbol in symbols:
            self.add(symbol)

    def add(self, symbol: str) -> int:
        """Give a symbol the next number, and return it; the table must not be full."""
        instrument = len(self.symbols)
        assert instrument < self.capacity, f"{symbol} finds the table of {instrument} rows full"
        name, lower = symbol.encode(), stream_symbol(symbol).encode()
        if not 0 < len(name) <= NAME_BYTES:
            raise ValueError(f"symbol {symbol!r} has {len(name)} bytes, 1 to {NAME_BYTES} fit")
        if any(byte <= 32 or byte in b'"@\\/' for byte in name):
            raise ValueError(f"symbol {symbol!r} holds a character that no symbol has")
        if symbol in self._index:
            raise ValueError(f"symbol {symbol!r} is listed twice")
        self._index[symbol] = instrument
        self._streams[stream_symbol(symbol)] = instrument
        self.lengths[instrument] = len(name)
        base = instrument * 2 * NAME_BYTES
        self.names[base : base + len(lower)] = np.frombuffer(lower, np.uint8)
        base += NAME_BYTES
        self.names[base : base + len(name)] = np.frombuffer(name, np.uint8)
        mask = self.table.size - 1
        place = _hash(lower) & mask
        while self.table[place] >= 0:
            place = (place + 1) & mask
        self.symbols.append(symbol)
        self.table[place] = instrument
        return instrument

    def index(self, symbol: str) -> int:
        """The instrument number of a symbol, -1 for one that is not listed."""
        return self._index.get(symbol, -1)

    def index_of_stream(self, symbol: str) -> int:
        """The same for a symbol in a stream name's spelling."""
        return self._streams.get(symbol, -1)


def stream_symbol(symbol: str) -> str:
    """A symbol as stream names spell it: ASCII letters in lower case, the rest untouched."""
    return symbol.encode().lower().decode()

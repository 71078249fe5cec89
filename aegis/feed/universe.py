"""Which instruments there are, and which of them should have streams: the rows' whole life.

Called by discovery with every list of the exchange; it writes the instruments table and answers
with what changed. No socket, no clock. A row never moves and is never given to another symbol: what
is delisted keeps its row with a status that says so, because order tables, recordings and the brain
know instruments by number.

An instance names its symbols, or takes all: every USDT-margined perpetual that trades gets the next
free row when it is first seen. Until the exchange can be asked at all, a list of well-known pairs
stands in; its rows have no filters and the status UNCONFIRMED, so that their books can be watched
and nothing be traded on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aegis.feed.errors import SymbolUnknownError, WireError
from aegis.feed.exchange_info import Listing
from aegis.feed.symbols import NAME_BYTES
from aegis.shm.instruments import NOT_LISTED, TRADING, UNCONFIRMED, Instruments

__all__ = ["EXCHANGE", "FALLBACK", "FALLBACK_SYMBOLS", "FILE", "NOWHERE", "Changes", "Universe"]

# Where the symbols come from; the value of the counter `universe_source`.
NOWHERE, FILE, EXCHANGE, FALLBACK = 0, 1, 2, 3

# Large, old and liquid: likely to be listed on the day on which nobody can be asked.
FALLBACK_SYMBOLS = (
    "BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "AVAXUSDT",
    "LINKUSDT", "DOTUSDT", "LTCUSDT", "BCHUSDT", "TRXUSDT", "UNIUSDT", "ATOMUSDT", "ETCUSDT",
    "FILUSDT", "NEARUSDT", "APTUSDT", "ARBUSDT",
)  # fmt: skip
assert len(set(FALLBACK_SYMBOLS)) == 20, "twenty pairs, each once"

_STREAMED = (TRADING, UNCONFIRMED)


@dataclass(slots=True)
class Changes:
    """What a list of the exchange changed.

    `added` rows are new; `opened` should have streams from now on, `closed` no longer (both may
    name added rows); `statuses` are rows whose trading status moved. Sentences are for people.
    """

    added: list[int] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


class Universe:
    """The instruments of one feed. `symbols` empty: all that the exchange trades."""

    def __init__(self, symbols: list[str], table: Instruments) -> None:
        self.table = table
        self.takes_all = not symbols
        # A feed that is started anew finds the rows of the one before, and keeps them.
        self.symbols = list(symbols) or table.listed
        self.source = NOWHERE
        self.overflow: list[str] = []
        self.refused: dict[str, str] = {}
        self.refreshes = 0
        self._index = {symbol: row for row, symbol in enumerate(self.symbols)}
        self._streamed: set[int] = set()

    @property
    def streamed(self) -> list[int]:
        """Rows that should have streams, in row order."""
        return sorted(self._streamed)

    def index(self, symbol: str) -> int:
        """The row of a symbol, -1 for one that has none."""
        return self._index.get(symbol, -1)

    def status(self, instrument: int) -> int:
        """The trading status of a row, as its code."""
        return int(self.table.row(instrument)["status"])

    def trading(self) -> int:
        """How many rows the exchange trades now."""
        return sum(self.status(row) == TRADING for row in range(len(self.symbols)))

    def take(self, listing: Listing) -> Changes:
        """Take over a list of the exchange.

        Raises SymbolUnknownError when the file names a symbol that is not in the very first one,
        WireError when a named symbol's entry cannot be read there; nothing is then written. Later,
        and of a symbol that nobody named, such an entry is left out, and kept in `refused`: of one
        that we follow its status alone is taken, as far as that can be read.
        """
        changes = Changes()
        fields = self._read(listing)
        if self.takes_all:
            self._add_new(listing, fields, changes)
        for row, symbol in enumerate(self.symbols):
            self._write(row, fields.get(symbol, {"status": NOT_LISTED}), changes)
        self.source = EXCHANGE if self.takes_all else FILE
        self.refreshes += 1
        return changes

    def fall_back(self) -> Changes:
        """Take the well-known pairs, for want of a list; only an instance that takes all does."""
        assert self.takes_all, "a file that names its symbols needs no stand-in"
        changes = Changes()
        for symbol in FALLBACK_SYMBOLS:
            if self.index(symbol) < 0:
                self._append(symbol, changes)
                fields = {"symbol": symbol.encode(), "status": UNCONFIRMED}
                self._write(self.index(symbol), fields, changes)
        for row in range(len(self.symbols)):
            # Rows that the feed before us had from the exchange are as good as ever.
            self._set_streamed(row, changes)
        self.source = FALLBACK
        return changes

    def set_status(self, symbol: str, status: int) -> Changes | None:
        """What `!contractInfo` says of a symbol; None when it has no row yet (or no filters)."""
        row = self.index(symbol)
        if row < 0 or self.status(row) == UNCONFIRMED:
            return None
        changes = Changes()
        self._write(row, {"status": status}, changes)
        return changes

    # ---- one row

    def _read(self, listing: Listing) -> dict[str, dict[str, Any]]:
        """Fields by symbol: those that we have or could have a row for."""
        if not self.takes_all and self.refreshes == 0:
            for name in self.symbols:
                if name in listing.unreadable:
                    raise WireError(listing.unreadable[name])
            missing = [name for name in self.symbols if name not in listing.symbols]
            if missing:
                raise SymbolUnknownError(
                    f"the exchange lists {len(listing.symbols)} symbols, but not "
                    f"{', '.join(missing)}"
                )
            return {name: listing.fields(name) for name in self.symbols}
        fields = {}
        self.refused = dict(listing.unreadable)
        known = [name for name in self.symbols if name in listing.symbols]
        others = listing.perpetuals if self.takes_all else []
        for symbol in dict.fromkeys([*known, *others]):
            try:
                if not 0 < len(symbol.encode()) <= NAME_BYTES:
                    raise WireError(f"{symbol!r} has {len(symbol.encode())} bytes")
                fields[symbol] = listing.fields(symbol)
            except WireError as error:
                self.refused[symbol] = str(error)
                row = self.index(symbol)
                if row >= 0 and self.status(row) != UNCONFIRMED:
                    # Its sizes stay as they were; that it is halted must not be missed.
                    fields[symbol] = {"status": listing.status(symbol)}
        return fields

    def _add_new(
        self, listing: Listing, fields: dict[str, dict[str, Any]], changes: Changes
    ) -> None:
        self.overflow = []
        for symbol in listing.perpetuals:
            if self.index(symbol) >= 0 or symbol not in fields or not listing.is_trading(symbol):
                continue
            if len(self.symbols) == self.table.rows.size:
                self.overflow.append(symbol)
            else:
                self._append(symbol, changes)

    def _append(self, symbol: str, changes: Changes) -> None:
        self._index[symbol] = len(self.symbols)
        changes.added.append(len(self.symbols))
        self.symbols.append(symbol)

    def _write(self, row: int, fields: dict[str, Any], changes: Changes) -> None:
        """Write what differs, raising the version; an entry that says nothing changes nothing."""
        symbol = self.symbols[row]
        if symbol in self.refused and fields == {"status": NOT_LISTED}:
            return
        old = self.table.row(row).copy()
        different = [name for name, value in fields.items() if old[name] != value]
        is_new = int(old["version"]) == 0
        if is_new or different:
            self.table.set(row, **{"symbol": symbol.encode(), **fields})
        if not is_new and different:
            words = ", ".join(f"{name} {old[name]} -> {fields[name]}" for name in different)
            changes.sentences.append(f"{symbol}: {words}")
        if not is_new and "status" in different:
            changes.statuses.append(row)
        self._set_streamed(row, changes)

    def _set_streamed(self, row: int, changes: Changes) -> None:
        wanted = self.status(row) in _STREAMED
        if wanted and row not in self._streamed:
            self._streamed.add(row)
            changes.opened.append(row)
        elif not wanted and row in self._streamed:
            self._streamed.discard(row)
            changes.closed.append(row)

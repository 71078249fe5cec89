"""A book that follows a recording: the messages of the exchange's streams, as texts.

``player`` hands it one recorded message after the other. What they say is the business of
``mirror.book``; here they are only read. A bookTicker is kept as bytes and read only when somebody
asks for the top or when one of our orders rests: there are ten of them to a depth event.
"""

from __future__ import annotations

from typing import Final

import msgspec

from aegis.venue.errors import RecordingError
from aegis.venue.market import Top
from aegis.venue.matching.interface import BUY, SELL, Fill, IdSource
from aegis.venue.matching.layout import Books
from aegis.venue.mirror.book import MirrorBook, Rows
from aegis.venue.symbols import SymbolSpec

Pairs = list[tuple[str, str]]
MAX_TEXTS: Final = 50_000


class _Depth(msgspec.Struct):
    """The part of a depthUpdate that changes a book."""

    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    bids: Pairs = msgspec.field(name="b")
    asks: Pairs = msgspec.field(name="a")


class _Snapshot(msgspec.Struct):
    last_id: int = msgspec.field(name="lastUpdateId")
    bids: Pairs
    asks: Pairs


class _Ticker(msgspec.Struct):
    last_id: int = msgspec.field(name="u")
    bid: str = msgspec.field(name="b")
    bid_qty: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_qty: str = msgspec.field(name="A")


class RecordedBook(MirrorBook):
    """A MirrorBook that reads what a recording holds."""

    def __init__(self, spec: SymbolSpec, books: Books, ids: IdSource) -> None:
        super().__init__(spec, books, ids)
        self._unread_ticker: bytes | None = None
        self._ticks: dict[str, int] = {}
        self._lots: dict[str, int] = {}
        self._depth_decoder = msgspec.json.Decoder(_Depth)
        self._ticker_decoder = msgspec.json.Decoder(_Ticker)

    def apply_snapshot(self, message: bytes, now_ms: int) -> int:
        """Become the recorded snapshot; returns its id. Raises RecordingError."""
        snapshot = self._read_snapshot(message)
        bids, asks = self._read_all(snapshot.bids), self._read_all(snapshot.asks)
        self.replace(snapshot.last_id, bids, asks, now_ms)
        return snapshot.last_id

    def changes_to(self, message: bytes) -> tuple[Pairs, Pairs]:
        """Bids and asks, as texts, that turn the book as it is into a snapshot."""
        snapshot, spec = self._read_snapshot(message), self._spec
        gone = spec.qty_text(0)
        sides = []
        for side, pairs in ((BUY, snapshot.bids), (SELL, snapshot.asks)):
            levels, after = self._levels[side], self._read_all(pairs)
            kept = {ticks for ticks, _ in after}
            changes = [
                (spec.price_text(ticks), gone) for ticks, _ in levels.walk() if ticks not in kept
            ]
            changes += [
                pair
                for pair, (ticks, lots) in zip(pairs, after, strict=True)
                if levels.get(ticks) != lots
            ]
            sides.append(changes)
        return sides[0], sides[1]

    def apply_depth(self, message: bytes, now_ms: int) -> tuple[int, list[Fill]]:
        """Apply a diff event; returns its last id, and fills of our orders it went through."""
        try:
            depth = self._depth_decoder.decode(message)
        except msgspec.DecodeError as error:
            raise RecordingError(f"{self._spec.symbol}: unusable depth event: {error}") from error
        if depth.last_id < self._last_id:
            return depth.last_id, []
        bids, asks = self._read_all(depth.bids), self._read_all(depth.asks)
        return depth.last_id, self.change(depth.first_id, depth.last_id, bids, asks, now_ms)

    def note_ticker(self, message: bytes) -> list[Fill]:
        """A book ticker; read at once only while our orders rest."""
        self._unread_ticker = message
        return self._meet_top()

    def _read_waiting(self) -> None:
        message, self._unread_ticker = self._unread_ticker, None
        if message is None:
            return
        try:
            ticker = self._ticker_decoder.decode(message)
        except msgspec.DecodeError as error:
            raise RecordingError(f"{self._spec.symbol}: unusable book ticker: {error}") from error
        if ticker.last_id >= self._last_id:
            bid, ask = self._read_all([(ticker.bid, ticker.bid_qty), (ticker.ask, ticker.ask_qty)])
            self._take_top(ticker.last_id, Top(*bid, *ask))

    def _read_snapshot(self, message: bytes) -> _Snapshot:
        try:
            return msgspec.json.decode(message, type=_Snapshot)
        except msgspec.DecodeError as error:
            raise RecordingError(f"{self._spec.symbol}: unusable snapshot: {error}") from error

    def _read_all(self, pairs: Pairs) -> Rows:
        # The same texts come again and again; looking them up is several times faster than reading.
        ticks_of, lots_of, spec = self._ticks, self._lots, self._spec
        levels = []
        for price, qty in pairs:
            ticks = ticks_of.get(price)
            if ticks is None:
                ticks = _remember(ticks_of, price, spec.read_price(price))
            lots = lots_of.get(qty)
            if lots is None:
                lots = _remember(lots_of, qty, spec.read_qty(qty))
            levels.append((ticks, lots))
        return levels


def _remember(texts: dict[str, int], text: str, value: int) -> int:
    if len(texts) >= MAX_TEXTS:
        texts.clear()
    texts[text] = value
    return value

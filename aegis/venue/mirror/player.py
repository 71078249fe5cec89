"""Applies a recording line by line to the market it drives. Pure; never sends anything.

``conductor`` hands it each line right after the line was sent to the subscribers, so that the
exchange's state is what a client could know by then.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from aegis.venue.errors import RecordingError
from aegis.venue.exchange import Exchange
from aegis.venue.market import Market
from aegis.venue.matching.interface import OWNER_TAKERS, Fill
from aegis.venue.mirror.recorded_book import RecordedBook
from aegis.venue.mirror.recording import Line


class Kind(Enum):
    """What a recorded stream carries."""

    DEPTH = "depth"
    TICKER = "bookTicker"
    TRADE = "trade"
    OTHER = "other"


class _Trade(msgspec.Struct):
    trade_id: int = msgspec.field(name="t")
    time_ms: int = msgspec.field(name="T")
    price: str = msgspec.field(name="p")
    qty: str = msgspec.field(name="q")
    kind: str = msgspec.field(name="X", default="MARKET")
    buyer_is_maker: bool = msgspec.field(name="m", default=False)


# Prints that moved no order in the book: insurance fund, ADL, ids without a public fill.
REAL_TRADES: Final = frozenset({"MARKET"})


def kind_of(stream: str) -> Kind:
    """By the stream's name; partial depth is passed on but drives nothing."""
    kind = stream.partition("@")[2]
    if kind == "depth" or kind.startswith("depth@"):
        return Kind.DEPTH
    return {"bookTicker": Kind.TICKER, "trade": Kind.TRADE}.get(kind, Kind.OTHER)


class Player:
    """One recording's hold on one market."""

    def __init__(self, exchange: Exchange, market: Market, book: RecordedBook) -> None:
        self._exchange = exchange
        self._market = market
        self.book = book
        self._kinds: dict[str, Kind] = {}
        self._trades = msgspec.json.Decoder(_Trade)
        self.snapshot_id = 0
        self.depth_id = 0

    @property
    def bridged(self) -> bool:
        """The depth stream has passed the snapshot: a client's book can be valid."""
        return 0 < self.snapshot_id <= self.depth_id

    def play(self, line: Line, now_ms: int) -> None:
        """Apply one line at event time `now_ms`. Raises RecordingError for an unreadable one."""
        if not line.stream:
            self.snapshot_id = self.book.apply_snapshot(line.message, now_ms)
            self.book.end_step(now_ms)
            return
        kind = self._kinds.get(line.stream)
        if kind is None:
            kind = self._kinds[line.stream] = kind_of(line.stream)
        if kind is Kind.TICKER:
            self._settle(self.book.note_ticker(line.message), now_ms)
        elif kind is Kind.TRADE:
            self._trade(line, now_ms)
        elif kind is Kind.DEPTH:
            self.depth_id, fills = self.book.apply_depth(line.message, now_ms)
            self._settle(fills, now_ms)
        self.book.end_step(now_ms)

    def _trade(self, line: Line, now_ms: int) -> None:
        try:
            trade = self._trades.decode(line.message)
        except msgspec.DecodeError as error:
            raise RecordingError(f"line {line.number}: unusable trade: {error}") from error
        if trade.kind not in REAL_TRADES:
            return
        spec = self._market.spec
        price, lots = spec.read_price(trade.price), spec.read_qty(trade.qty)
        if price <= 0 or lots <= 0:
            return
        fills = self.book.trade(trade.trade_id, price, lots, trade.buyer_is_maker, trade.time_ms)
        self._settle(fills, now_ms)

    def _settle(self, fills: list[Fill], now_ms: int) -> None:
        if fills:
            self._exchange.fill_resting(self._market, fills, OWNER_TAKERS, now_ms)

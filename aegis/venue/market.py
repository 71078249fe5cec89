"""One symbol's market: its book, its prints, its mark price, and what changed since the last batch.

``exchange`` trades in it; ``publisher`` takes a batch after every step and turns it into stream
messages. The book behind it is synthetic or recorded; a recorded one prints nothing of its own,
because its prints come from the recording.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from aegis.venue.candles import Candles
from aegis.venue.matching.interface import BUY, SELL, BookChanges, MatchingBook
from aegis.venue.symbols import SymbolSpec

# /trades answers with the newest of these; the exchange's answer is as long unless asked for more.
MAX_RECENT_TRADES: Final = 500
FUNDING_INTERVAL_MS: Final = 8 * 3_600_000
FUNDING_RATE_E8: Final = 10_000  # 0.01 % per interval; the synthetic market has no premium


class PublicTrade(NamedTuple):
    """One print. `buyer_is_maker` means that the taker sold."""

    trade_id: int
    price_ticks: int
    qty_lots: int
    buyer_is_maker: bool
    time_ms: int


class Top(NamedTuple):
    """Best prices in ticks and their lots; 0 where a side is empty."""

    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


class Batch(NamedTuple):
    """Everything public that one step did to one market."""

    market: Market
    time_ms: int
    trades: list[PublicTrade]
    changes: BookChanges | None
    top: Top | None  # None when the best prices and sizes are what they were


class Market:
    """The state of one symbol that is not an order or an account."""

    def __init__(self, spec: SymbolSpec, book: MatchingBook, *, prints: bool = True) -> None:
        self.spec = spec
        self.book = book
        self.prints = prints
        self.status = "TRADING"
        self.last_ticks = spec.start_price_ticks
        self.last_time_ms = 0
        self.recent: deque[PublicTrade] = deque(maxlen=MAX_RECENT_TRADES)
        self.candles = Candles()
        self._printed: list[PublicTrade] = []
        self._top = Top(0, 0, 0, 0)

    def top(self) -> Top:
        """The best prices and sizes of the book as it is now."""
        return Top(*self.book.best(BUY), *self.book.best(SELL))

    def mark_e8(self) -> int:
        """The mark price in 1e-8: the middle of the book, or the last trade if a side is empty."""
        bid, _, ask, _ = self.top()
        if bid == 0 or ask == 0:
            return self.last_ticks * self.spec.tick_e8
        return (bid + ask) * self.spec.tick_e8 // 2

    def next_funding_ms(self, now_ms: int) -> int:
        return now_ms - now_ms % FUNDING_INTERVAL_MS + FUNDING_INTERVAL_MS

    def record_trade(self, trade: PublicTrade) -> None:
        """Remember a print for /trades, /klines and the last price, without publishing it."""
        self.last_ticks = trade.price_ticks
        self.last_time_ms = trade.time_ms
        self.recent.append(trade)
        quote = self.spec.notional_e8(trade.price_ticks, trade.qty_lots)
        self.candles.add(
            trade.time_ms, trade.price_ticks, trade.qty_lots, quote, not trade.buyer_is_maker
        )

    def print_trade(self, trade: PublicTrade) -> None:
        """A trade happened here: remember it, and publish it with the next batch."""
        if self.prints:
            self.record_trade(trade)
            self._printed.append(trade)

    def take_batch(self, now_ms: int) -> Batch | None:
        """What happened since the last call; None if nothing did."""
        changes = self.book.take_changes()
        if changes is None and not self._printed:
            return None
        trades, self._printed = self._printed, []
        top: Top | None = self.top()
        if top == self._top:
            top = None
        else:
            assert top is not None
            self._top = top
        return Batch(self, now_ms, trades, changes, top)

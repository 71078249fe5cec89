"""One symbol's market: its book, its last price, its mark price, and the prices that are watched.

``exchange`` trades in it. The book behind it is synthetic or recorded; what happens in it goes onto
the venue's tape, which the history and the publisher read.
"""

from __future__ import annotations

from typing import NamedTuple

from aegis.venue.matching.interface import BUY, SELL, MatchingBook
from aegis.venue.matching.layout import (
    LAST_TICKS,
    LAST_TRADE_MS,
    MARK_E8,
    NO_HIGH,
    NO_LOW,
    PRINT_HIGH,
    PRINT_LOW,
    WATCH_HIGH,
    WATCH_LOW,
    Books,
)
from aegis.venue.symbols import SymbolSpec


class Top(NamedTuple):
    """Best prices in ticks and their lots; 0 where a side is empty."""

    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


class Market:
    """The state of one symbol that is not an order or an account."""

    def __init__(self, spec: SymbolSpec, book: MatchingBook, books: Books) -> None:
        self.spec = spec
        self.book = book
        self.status = "TRADING"
        # Why nothing can be matched now, though the symbol trades; empty: the book is in force.
        self.out_of_force = ""
        self._words = books.symbols[spec.number]
        self._words[LAST_TICKS] = spec.start_price_ticks

    @property
    def last_ticks(self) -> int:
        """The price of the newest print; the starting price before there was one."""
        return int(self._words[LAST_TICKS])

    @property
    def last_time_ms(self) -> int:
        """When the newest print was, 0 before there was one."""
        return int(self._words[LAST_TRADE_MS])

    def guess_last(self, ticks: int) -> None:
        """Take this for the last price until there is a print."""
        assert self.last_time_ms == 0, f"{self.spec.symbol} has a print"
        self._words[LAST_TICKS] = ticks

    def watch(self, low_ticks: int = NO_HIGH, high_ticks: int = NO_LOW) -> None:
        """From now on a print below `low_ticks` or above `high_ticks` stops the flow at once.

        Whoever drives it then calls `Exchange.on_prints`. Without arguments: watch nothing.
        """
        words = self._words
        words[WATCH_LOW], words[WATCH_HIGH] = low_ticks, high_ticks
        words[PRINT_LOW], words[PRINT_HIGH] = NO_LOW, NO_HIGH

    def take_prints(self) -> tuple[int, int] | None:
        """Lowest and highest print since `watch` or the last call, if one left the watched band."""
        words = self._words
        low, high = int(words[PRINT_LOW]), int(words[PRINT_HIGH])
        if low >= int(words[WATCH_LOW]) and high <= int(words[WATCH_HIGH]):
            return None
        words[PRINT_LOW], words[PRINT_HIGH] = NO_LOW, NO_HIGH
        return low, high

    def top(self) -> Top:
        """The best prices and sizes of the book as it is now."""
        return Top(*self.book.best(BUY), *self.book.best(SELL))

    def mark_e8(self) -> int:
        """The mark price in 1e-8, as ``marks`` last measured it.

        Without an index it is the middle of the book, or the last trade if a side is empty.
        """
        measured = int(self._words[MARK_E8])
        if measured:
            return measured
        bid, _, ask, _ = self.top()
        if bid == 0 or ask == 0:
            return self.last_ticks * self.spec.tick_e8
        return (bid + ask) * self.spec.tick_e8 // 2

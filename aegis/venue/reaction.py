"""What the market's own events make the exchange do: settle fills, look at watched prices.

``flow_driver`` calls it when the flow's kernel comes back early, ``conductor`` after each recorded
line; what a client's command sets off the exchange sees to itself. The rules are all there, too.
"""

from __future__ import annotations

from itertools import groupby

from aegis.venue.exchange import Exchange
from aegis.venue.market import Market
from aegis.venue.matching.book import take_fills
from aegis.venue.matching.interface import OWNER_TAKERS
from aegis.venue.matching.layout import (
    FILL_COUNT,
    PRINT_HIGH,
    PRINT_LOW,
    WATCH_HIGH,
    WATCH_HITS,
    WATCH_LOW,
    Books,
)


class Reaction:
    """The exchange's answers to what its markets did; `markets` in the order of their numbers."""

    def __init__(self, exchange: Exchange, books: Books) -> None:
        self._exchange = exchange
        self._books = books
        self._markets = list(exchange.markets.values())

    def settle(self) -> int:
        """Settle the fills of client orders that the flow has made; returns how many."""
        if not self._books.state[FILL_COUNT]:
            return 0
        reported = take_fills(self._books)
        # All of a step at once, whoever took: what one fill knocks out, another may have filled.
        for (symbol, now_ms), group in groupby(reported, lambda one: (one.symbol, one.now_ms)):
            fills = [one.fill for one in group]
            self._exchange.fill_resting(self._markets[symbol], fills, OWNER_TAKERS, now_ms)
        return len(reported)

    def look_at_prints(self, now_ms: int) -> None:
        """Tell the exchange of every market whose prints left the watched band, until none does.

        What that triggers may print in its turn; every order is triggered once, so it ends.
        """
        state = self._books.state
        while state[WATCH_HITS]:
            state[WATCH_HITS] = 0
            for market in self._left():
                prints = market.take_prints()
                if prints is not None:
                    self._exchange.on_prints(market, *prints, now_ms)

    def _left(self) -> list[Market]:
        words = self._books.symbols
        left = (words[:, PRINT_LOW] < words[:, WATCH_LOW]) | (
            words[:, PRINT_HIGH] > words[:, WATCH_HIGH]
        )
        return [self._markets[number] for number in left.nonzero()[0].tolist()]

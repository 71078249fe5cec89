"""The contract between the exchange's rules and whatever matches orders for one symbol.

``exchange`` calls it, ``matching.book`` and ``mirror.book`` implement it. Everything that crosses
is an integer: ticks, lots, ids, milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

BUY: Final = 1
SELL: Final = -1

# Self-trade prevention, as in the order's selfTradePreventionMode.
STP_NONE: Final = 0
STP_EXPIRE_TAKER: Final = 1
STP_EXPIRE_MAKER: Final = 2
STP_EXPIRE_BOTH: Final = 3

# Owners of liquidity that are no client account; see ledger.py.
OWNER_MAKERS: Final = 1
OWNER_TAKERS: Final = 2
FIRST_CLIENT: Final = 16


class Fill(NamedTuple):
    """One trade: the resting order, its owner, and what of it is left afterwards.

    What an owner below FIRST_CLIENT bought or sold by it is booked by whatever matched it, not by
    who reads this.
    """

    maker_id: int
    maker_owner: int
    price_ticks: int
    qty_lots: int
    maker_left_lots: int
    trade_id: int


class Expired(NamedTuple):
    """A resting order that self-trade prevention took out of the book."""

    order_id: int
    owner: int
    left_lots: int


@dataclass(slots=True)
class Matched:
    """What became of an incoming order: it filled, it rests, it was stopped, or it has a rest."""

    left_lots: int
    fills: list[Fill] = field(default_factory=list)
    expired: list[Expired] = field(default_factory=list)
    stopped: bool = False  # self-trade prevention expired the incoming order
    rested: bool = False
    refused: bool = False  # there was no room for it to rest: it traded nothing, and is not here


class IdSource:
    """The newest order, trade and book update ids: a view of the counters that kernels write.

    Orders and updates are counted over all symbols, trades for each symbol by itself; `trade` is at
    least as high as any of them.
    """

    __slots__ = ("_trades", "_words")

    def __init__(self, words: npt.NDArray[np.int64], trades: npt.NDArray[np.int64]) -> None:
        """`words`: i64[3], order, trades of all and update; `trades`: i64 per symbol."""
        self._words = words
        self._trades = trades

    @property
    def order(self) -> int:
        return int(self._words[0])

    @order.setter
    def order(self, value: int) -> None:
        self._words[0] = value

    @property
    def trade(self) -> int:
        return int(self._words[1])

    @trade.setter
    def trade(self, value: int) -> None:
        self._words[1] = value
        self._trades[:] = value

    @property
    def update(self) -> int:
        return int(self._words[2])

    @update.setter
    def update(self, value: int) -> None:
        self._words[2] = value

    def next_order(self) -> int:
        self._words[0] += 1
        return int(self._words[0])

    def last_trade(self, symbol: int) -> int:
        """The newest trade id of a symbol, by its number."""
        return int(self._trades[symbol])

    def next_trade(self, symbol: int) -> int:
        """The next trade id of a symbol, by its number."""
        self._words[1] += 1
        self._trades[symbol] += 1
        return int(self._trades[symbol])


class MatchingBook(Protocol):
    """One symbol's book. Sides are +1 (buy) and -1 (sell).

    What it does to the market goes onto the venue's tape, stamped `now_ms`. What owners below
    FIRST_CLIENT trade it books itself (``layout.Books.sums``).
    """

    def submit(
        self,
        order_id: int,
        owner: int,
        side: int,
        price_ticks: int,
        qty_lots: int,
        *,
        now_ms: int,
        rest: bool,
        stp: int = STP_NONE,
    ) -> Matched:
        """Match up to `price_ticks`; what is left rests behind the others if `rest`.

        An order that would rest where there is no room (`has_room`) is refused whole.
        """

    def cancel(self, order_id: int, now_ms: int) -> int:
        """Take an order out; returns the lots that were left, 0 if it is not here."""

    def has_room(self, side: int, price_ticks: int) -> bool:
        """Whether an order could rest there: levels and orders per side are bounded."""

    def available(self, owner: int, side: int, price_ticks: int, stp: int, enough: int) -> int:
        """Lots an incoming order could trade up to `price_ticks`; stops counting at `enough`."""

    def best(self, side: int) -> tuple[int, int]:
        """(price_ticks, lots) of the best level, (0, 0) if the side is empty."""

    def depth(self, side: int, limit: int) -> list[tuple[int, int]]:
        """The best `limit` levels, best first."""

    def last_update_id(self) -> int:
        """The id of the book's newest change."""

"""One symbol's compiled book for callers in Python: the orders of clients, and requests for depth.

``exchange`` and ``clearing`` work through it (interface.MatchingBook); the flow's agents call the
kernels themselves. A call costs some three microseconds, most of it the way into the kernel. Also
here is what else Python has to do with the books: closing the steps of a command, and draining
what the market's own participants have traded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from aegis.venue.matching import kernels
from aegis.venue.matching.interface import STP_NONE, Expired, Fill, Matched
from aegis.venue.matching.layout import (
    EXPIRED_COUNT,
    FILL_COUNT,
    LAST_UPDATE,
    LEFT_LOTS,
    MAX_LEVELS,
    REFUSED,
    REPORT,
    REST,
    RESTED,
    SIDE_ORDERS,
    STOPPED,
    SUM_CASH_HIGH,
    SUM_CASH_LOW,
    SUM_LOTS,
    UPDATE_ID,
    Books,
)

# Where `depth` lets the kernel write; read at once, so one is enough for all books.
_OUT: Final = np.zeros((MAX_LEVELS, 2), np.int64)


class CompiledBook:
    """See matching.interface.MatchingBook for the contract of each method."""

    def __init__(self, books: Books, number: int) -> None:
        self._books = books
        self._number = number
        books.symbols[number, LAST_UPDATE] = books.ids[UPDATE_ID]

    def __len__(self) -> int:
        rows = self._books.sides[2 * self._number : 2 * self._number + 2, SIDE_ORDERS]
        return int(rows.sum())

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
        assert qty_lots > 0, f"order {order_id} of {qty_lots} lots"
        books, number = self._books, self._number
        state = books.state
        assert state[FILL_COUNT] == 0, "fills of the flow were not settled before a client's order"
        flags = stp | REPORT | (REST if rest else 0)
        code = kernels.submit(
            books, number, order_id, owner, side, price_ticks, qty_lots, flags, now_ms
        )
        if code == REFUSED:
            assert kernels.can_take(books, number, side), "the tape is full: nobody has read it"
        matched = Matched(
            left_lots=int(state[LEFT_LOTS]),
            stopped=code == STOPPED,
            rested=code == RESTED,
            refused=code == REFUSED,
        )
        if state[FILL_COUNT]:
            matched.fills = [one.fill for one in take_fills(books)]
        if state[EXPIRED_COUNT]:
            rows = books.expired[: int(state[EXPIRED_COUNT]), :3].tolist()
            matched.expired = [Expired(*row) for row in rows]
            state[EXPIRED_COUNT] = 0
        return matched

    def cancel(self, order_id: int, now_ms: int) -> int:
        left = int(kernels.cancel_of(self._books, self._number, order_id, now_ms))
        assert left != REFUSED, "the tape is full: nobody has read it"
        return left

    def has_room(self, side: int, price_ticks: int) -> bool:
        return bool(kernels.has_room(self._books, self._number, side, price_ticks))

    def available(self, owner: int, side: int, price_ticks: int, stp: int, enough: int) -> int:
        found = kernels.available(self._books, self._number, owner, side, price_ticks, stp, enough)
        return int(found)

    def best(self, side: int) -> tuple[int, int]:
        price, lots = kernels.best(self._books, self._number, side)
        return price, lots

    def depth(self, side: int, limit: int) -> list[tuple[int, int]]:
        out = _OUT[:limit]
        count = kernels.depth(self._books, self._number, side, out)
        return [(price, lots) for price, lots in out[:count].tolist()]

    def last_update_id(self) -> int:
        return int(self._books.symbols[self._number, LAST_UPDATE])


class ReportedFill(NamedTuple):
    """A row of the kernels' fills: the trade as its maker has it, and who took."""

    symbol: int
    taker_side: int
    taker_owner: int
    now_ms: int
    fill: Fill


def take_fills(books: Books) -> list[ReportedFill]:
    """The fills that the kernels have reported since the last call, in order."""
    count = int(books.state[FILL_COUNT])
    books.state[FILL_COUNT] = 0
    return [
        ReportedFill(
            symbol, side, taker_owner, now_ms, Fill(maker, owner, price, lots, left, trade)
        )
        for (
            trade, symbol, side, price, lots, maker, owner, left, _taker, taker_owner, now_ms, _,
        ) in books.fills[:count].tolist()
    ]  # fmt: skip


class Traded(NamedTuple):
    """What a participant of the market has bought (sold: negative) of one symbol, and paid."""

    symbol: int
    owner: int
    lots: int
    turnover: int  # ticks times lots; negative: received


def take_sums(books: Books) -> Iterator[Traded]:
    """What owners below FIRST_CLIENT have traded since the last call, as exact integers."""
    for symbol, owner in np.argwhere(books.sums.any(axis=2)).tolist():
        row = books.sums[symbol, owner]
        turnover = (int(row[SUM_CASH_HIGH]) << 32) + int(row[SUM_CASH_LOW])
        yield Traded(symbol, owner, int(row[SUM_LOTS]), turnover)
        row[:] = 0

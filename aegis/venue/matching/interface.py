"""The contract between the exchange's rules and whatever matches orders for one symbol.

``exchange`` calls it, ``matching.book`` and ``mirror.book`` implement it. Everything that crosses
is an integer (ticks, lots, ids), so that a compiled kernel can take the place of either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

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
    """One trade: the resting order, its owner, and what of it is left afterwards."""

    maker_id: int
    maker_owner: int
    price_ticks: int
    qty_lots: int
    maker_left_lots: int


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


class IdSource:
    """The exchange-wide counters: order ids, trade ids and book update ids of all symbols."""

    __slots__ = ("order", "trade", "update")

    def __init__(self, order: int = 0, trade: int = 0, update: int = 0) -> None:
        self.order = order
        self.trade = trade
        self.update = update

    def next_order(self) -> int:
        self.order += 1
        return self.order

    def next_trade(self) -> int:
        self.trade += 1
        return self.trade

    def next_update(self) -> int:
        self.update += 1
        return self.update


class BookChanges(NamedTuple):
    """Levels changed since the last call: (price_ticks, lots), ascending; 0 lots is a delete."""

    first_id: int
    last_id: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


class MatchingBook(Protocol):
    """One symbol's book. Sides are +1 (buy) and -1 (sell)."""

    def submit(
        self,
        order_id: int,
        owner: int,
        side: int,
        price_ticks: int,
        qty_lots: int,
        *,
        rest: bool,
        stp: int = STP_NONE,
    ) -> Matched:
        """Match up to `price_ticks`; what is left rests behind the others if `rest`."""

    def cancel(self, order_id: int) -> int:
        """Take an order out; returns the lots that were left, 0 if it is not here."""

    def available(self, owner: int, side: int, price_ticks: int, stp: int, enough: int) -> int:
        """Lots an incoming order could trade up to `price_ticks`; stops counting at `enough`."""

    def best(self, side: int) -> tuple[int, int]:
        """(price_ticks, lots) of the best level, (0, 0) if the side is empty."""

    def depth(self, side: int, limit: int) -> list[tuple[int, int]]:
        """The best `limit` levels, best first."""

    def last_update_id(self) -> int:
        """The id of the book's newest change."""

    def take_changes(self) -> BookChanges | None:
        """What changed since the last call, for the depth streams; None if nothing did."""

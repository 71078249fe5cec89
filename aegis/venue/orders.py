"""What an order is: its fields, its statuses, what it may wait for, and the trades it makes.

``clearing`` changes orders, ``order_store`` keeps them, ``payloads`` write them down, the journal
stores them as they are. Integers throughout: ticks, lots, 1e-8 quote, milliseconds.
"""

from __future__ import annotations

from copy import copy
from typing import Final

import msgspec

from aegis.venue.ledger import BOTH, LONG, SHORT, USDT
from aegis.venue.matching.interface import (
    BUY,
    SELL,
    STP_EXPIRE_BOTH,
    STP_EXPIRE_MAKER,
    STP_EXPIRE_TAKER,
    STP_NONE,
)

NEW: Final = "NEW"
PARTIALLY_FILLED: Final = "PARTIALLY_FILLED"
FILLED: Final = "FILLED"
CANCELED: Final = "CANCELED"
EXPIRED: Final = "EXPIRED"
EXPIRED_IN_MATCH: Final = "EXPIRED_IN_MATCH"
OPEN_STATUSES: Final = frozenset({NEW, PARTIALLY_FILLED})

STOP: Final = "STOP"
STOP_MARKET: Final = "STOP_MARKET"
TAKE_PROFIT: Final = "TAKE_PROFIT"
TAKE_PROFIT_MARKET: Final = "TAKE_PROFIT_MARKET"
TRAILING: Final = "TRAILING_STOP_MARKET"
CONDITIONAL_KINDS: Final = frozenset({STOP, STOP_MARKET, TAKE_PROFIT, TAKE_PROFIT_MARKET, TRAILING})
# What a conditional order becomes once it has triggered, if not a MARKET order.
LIMIT_STOPS: Final = frozenset({STOP, TAKE_PROFIT})

RESTING_TIFS: Final = frozenset({"GTC", "GTX", "GTD"})
# Self-trade prevention "is only effective when timeInForce set to IOC or GTC or GTD".
PREVENTING_TIFS: Final = frozenset({"GTC", "IOC", "GTD"})

STP_NAMES: Final = {
    STP_NONE: "NONE",
    STP_EXPIRE_TAKER: "EXPIRE_TAKER",
    STP_EXPIRE_MAKER: "EXPIRE_MAKER",
    STP_EXPIRE_BOTH: "EXPIRE_BOTH",
}
STP_CODES: Final = {name: code for code, name in STP_NAMES.items()}

# Why the exchange itself placed an order for an account (`Order.force`), as /forceOrders asks.
LIQUIDATION: Final = "LIQUIDATION"
ADL: Final = "ADL"
LIQUIDATION_PREFIX: Final = "autoclose-"
ADL_CLIENT_ID: Final = "adl_autoclose"


class Condition(msgspec.Struct, array_like=True):
    """What a conditional order waits for, and how far a trailing one has come.

    `trigger_ticks` is 0 for a trailing stop, which has the last four instead; `callback_e6` is the
    fraction it may fall back, `extreme_e8` the best price since it was placed.
    """

    kind: str
    trigger_ticks: int = 0
    by_mark: bool = False
    protected: bool = False
    closes_position: bool = False
    activation_ticks: int = 0
    callback_e6: int = 0
    activated: bool = False
    extreme_e8: int = 0

    @property
    def is_trailing(self) -> bool:
        return self.kind == TRAILING


class Order(msgspec.Struct, array_like=True, eq=False):
    """One client order. Side is +1 or -1; `cost_e8` is the notional filled so far in 1e-8.

    `kind` is what it is in the book; of an order that has triggered, `condition` says what it was
    before. An order of 2024 that waits for its trigger has a conditional `kind` and is in no book.
    `arrival` orders the queue: it grows with each entry into a book. `force` is LIQUIDATION or ADL
    of an order that the exchange placed against the owner's will.
    """

    order_id: int
    client_id: str
    account_id: int
    symbol: str
    side: int
    kind: str
    tif: str
    price_ticks: int
    qty_lots: int
    reduce_only: bool
    stp: int
    created_ms: int
    updated_ms: int
    status: str = NEW
    filled_lots: int = 0
    cost_e8: int = 0
    amendments: int = 0
    position_side: str = BOTH
    price_match: str = "NONE"
    good_till_ms: int = 0
    modify_id: int = 0
    condition: Condition | None = None
    arrival: int = 0
    force: str = ""

    @property
    def left_lots(self) -> int:
        return self.qty_lots - self.filled_lots

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def waits(self) -> bool:
        """It has not triggered yet."""
        return self.kind in CONDITIONAL_KINDS

    @property
    def origin_kind(self) -> str:
        """The type that it was placed with."""
        return self.kind if self.condition is None else self.condition.kind

    @property
    def reduces(self) -> bool:
        """It may only make a position smaller: it says so, or in hedge mode its sides do."""
        return self.reduce_only or closes(self.side, self.position_side)

    @property
    def matching_stp(self) -> int:
        """The self-trade prevention that is effective; a MARKET order's tif is GTC."""
        return self.stp if self.tif in PREVENTING_TIFS else STP_NONE

    def copy(self) -> Order:
        """The order as it is now, for an event that is encoded later."""
        return copy(self)


class UserTrade(msgspec.Struct, array_like=True, frozen=True):
    """One side of a trade, as /userTrades reports it."""

    account_id: int
    symbol: str
    trade_id: int
    order_id: int
    side: int
    price_ticks: int
    qty_lots: int
    realized_e8: int
    fee_e8: int
    maker: bool
    time_ms: int
    position_side: str = BOTH
    fee_asset: str = USDT


class Amendment(msgspec.Struct, array_like=True, frozen=True):
    """One modification of an order; `count` is its number among those of the order."""

    amendment_id: int
    account_id: int
    symbol: str
    order_id: int
    client_id: str
    time_ms: int
    ticks_before: int
    ticks_after: int
    lots_before: int
    lots_after: int
    count: int
    modify_id: int
    price_match: str


def closes(side: int, position_side: str) -> bool:
    """In hedge mode: SELL with LONG and BUY with SHORT make the position smaller."""
    return (side == SELL and position_side == LONG) or (side == BUY and position_side == SHORT)

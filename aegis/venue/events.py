"""What the exchange tells the owner of an account, before it is put into words.

``exchange`` appends these to its outbox in the order in which they happened; ``payloads.user``
turns them into the user data stream's JSON. Each holds a copy, never a live object: by the time
it is encoded the order may have moved on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aegis.venue.orders import Order

# Expiry reasons, field `er` of ORDER_TRADE_UPDATE.
REASON_NONE: Final = 0
REASON_SELF_TRADE: Final = 1
REASON_IOC_REST: Final = 2
REASON_REDUCE_ONLY: Final = 4
REASON_MARKET_REST: Final = 9


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """ORDER_TRADE_UPDATE (and TRADE_LITE for a fill). Money in 1e-8; lots and ticks of the fill."""

    order: Order
    execution: str  # NEW, TRADE, CANCELED, EXPIRED, AMENDMENT
    time_ms: int
    last_lots: int = 0
    last_ticks: int = 0
    trade_id: int = 0
    fee_e8: int = 0
    realized_e8: int = 0
    maker: bool = False
    reason: int = REASON_NONE
    open_bids_e8: int = 0
    open_asks_e8: int = 0

    @property
    def account_id(self) -> int:
        return self.order.account_id


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """ACCOUNT_UPDATE: the wallet, and the one position that changed."""

    account_id: int
    time_ms: int
    cause: str  # ORDER, MARGIN_TYPE_CHANGE
    wallet_e8: int
    symbol: str
    lots: int
    cost_e8: int
    realized_e8: int
    unrealized_e8: int
    isolated: bool


@dataclass(frozen=True, slots=True)
class LeverageEvent:
    """ACCOUNT_CONFIG_UPDATE: the leverage of a symbol changed."""

    account_id: int
    time_ms: int
    symbol: str
    leverage: int


UserEvent = OrderEvent | AccountEvent | LeverageEvent

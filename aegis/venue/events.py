"""What the exchange tells the owner of an account, before it is put into words.

``clearing`` and the rooms above it append these to the outbox in the order in which they happened;
``payloads.user`` turns them into the user data stream's JSON. Each holds a copy, never a live
object: by the time it is encoded the order may have moved on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aegis.venue.algo.order import AlgoOrder
from aegis.venue.ledger import USDT
from aegis.venue.orders import Order

# Expiry reasons, field `er` of ORDER_TRADE_UPDATE.
REASON_NONE: Final = 0
REASON_SELF_TRADE: Final = 1
REASON_IOC_REST: Final = 2
REASON_IOC_SELF_TRADE: Final = 3
REASON_REDUCE_ONLY: Final = 4
REASON_LIQUIDATION: Final = 5
REASON_POSITION_CLOSED: Final = 6  # of an order with timeInForce GTE_GTC
REASON_TRIGGERED: Final = 8  # the conditional order that a triggered one comes from
REASON_MARKET_REST: Final = 9


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """ORDER_TRADE_UPDATE (and TRADE_LITE for a fill). Money in 1e-8; lots and ticks of the fill."""

    order: Order
    execution: str  # NEW, TRADE, CALCULATED, CANCELED, EXPIRED, AMENDMENT
    time_ms: int
    last_lots: int = 0
    last_ticks: int = 0
    trade_id: int = 0
    fee_e8: int = 0
    fee_asset: str = USDT
    realized_e8: int = 0
    maker: bool = False
    reason: int = REASON_NONE
    open_bids_e8: int = 0
    open_asks_e8: int = 0

    @property
    def account_id(self) -> int:
        return self.order.account_id


@dataclass(frozen=True, slots=True)
class AlgoEvent:
    """ALGO_UPDATE: a conditional order of the algo service reached a new status."""

    algo: AlgoOrder
    time_ms: int

    @property
    def account_id(self) -> int:
        return self.algo.account_id


@dataclass(frozen=True, slots=True)
class TriggerRejectEvent:
    """CONDITIONAL_ORDER_TRIGGER_REJECT, of 2024: a triggered order was refused by the engine."""

    account_id: int
    time_ms: int
    symbol: str
    order_id: int
    text: str


@dataclass(frozen=True, slots=True)
class BalanceNote:
    """One asset in ACCOUNT_UPDATE; `change_e8` leaves out profit and commission."""

    asset: str
    wallet_e8: int
    cross_wallet_e8: int
    change_e8: int = 0


@dataclass(frozen=True, slots=True)
class PositionNote:
    """One position in ACCOUNT_UPDATE. `charges_e8` is what it must make good to break even."""

    symbol: str
    side: str
    lots: int
    cost_e8: int
    realized_e8: int
    unrealized_e8: int
    isolated: bool
    isolated_wallet_e8: int
    charges_e8: int


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """ACCOUNT_UPDATE: the balances and positions that changed. `symbol` is that of a funding."""

    account_id: int
    time_ms: int
    cause: str  # ORDER, FUNDING_FEE, MARGIN_TRANSFER, MARGIN_TYPE_CHANGE, DEPOSIT and the like
    balances: tuple[BalanceNote, ...]
    positions: tuple[PositionNote, ...] = ()
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class LeverageEvent:
    """ACCOUNT_CONFIG_UPDATE: the leverage of a symbol changed."""

    account_id: int
    time_ms: int
    symbol: str
    leverage: int


@dataclass(frozen=True, slots=True)
class AssetModeEvent:
    """ACCOUNT_CONFIG_UPDATE: the multi-assets mode was switched."""

    account_id: int
    time_ms: int
    multi_assets: bool


@dataclass(frozen=True, slots=True)
class CallNote:
    """One position in MARGIN_CALL."""

    symbol: str
    side: str
    lots: int
    isolated: bool
    isolated_wallet_e8: int
    mark_e8: int
    unrealized_e8: int
    maintenance_e8: int


@dataclass(frozen=True, slots=True)
class MarginCallEvent:
    """MARGIN_CALL; `cross_wallet_e8` is None for an isolated position's call."""

    account_id: int
    time_ms: int
    cross_wallet_e8: int | None
    positions: tuple[CallNote, ...]


UserEvent = (
    OrderEvent
    | AlgoEvent
    | TriggerRejectEvent
    | AccountEvent
    | LeverageEvent
    | AssetModeEvent
    | MarginCallEvent
)

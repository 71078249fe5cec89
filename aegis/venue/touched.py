"""What a step changed that must survive a crash: the journal writes it, then it is cleared."""

from __future__ import annotations

from dataclasses import dataclass, field

from aegis.venue.ledger import Account
from aegis.venue.orders import Order, UserTrade


@dataclass(slots=True)
class Touched:
    """Client orders and accounts by id, and the trades that happened, since the last commit."""

    orders: dict[int, Order] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    trades: list[UserTrade] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.orders or self.accounts or self.trades)

    def clear(self) -> None:
        self.orders.clear()
        self.accounts.clear()
        self.trades.clear()

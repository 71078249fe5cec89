"""What a step changed that must survive a crash: the journal writes it, then it is cleared."""

from __future__ import annotations

from dataclasses import dataclass, field

from aegis.venue.algo.order import AlgoOrder
from aegis.venue.ledger import Account
from aegis.venue.orders import Amendment, Order, UserTrade


@dataclass(slots=True)
class Touched:
    """Client orders, algo orders and accounts by id, and what was added to the histories, since
    the last commit. `countdowns` says that a countdown was set or has ended."""

    orders: dict[int, Order] = field(default_factory=dict)
    algos: dict[int, AlgoOrder] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    trades: list[UserTrade] = field(default_factory=list)
    amendments: list[Amendment] = field(default_factory=list)
    countdowns: bool = False

    def __bool__(self) -> bool:
        return bool(
            self.orders
            or self.algos
            or self.accounts
            or self.trades
            or self.amendments
            or self.countdowns
        )

    def clear(self) -> None:
        self.orders.clear()
        self.algos.clear()
        self.accounts.clear()
        self.trades.clear()
        self.amendments.clear()
        self.countdowns = False

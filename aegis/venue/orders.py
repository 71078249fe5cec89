"""The clients' orders as the exchange remembers them, and the store that finds them again.

``exchange`` changes them, the payload encoders read them, ``journal`` keeps them. The matching
book knows only ids and lots; everything a client can ask about an order is here. The store is
bounded: of finished orders it keeps the newest ones, those that traded apart from those that did
not, so that a quoter's many cancellations do not push out its few fills.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from aegis.venue.matching.interface import (
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

STP_NAMES: Final = {
    STP_NONE: "NONE",
    STP_EXPIRE_TAKER: "EXPIRE_TAKER",
    STP_EXPIRE_MAKER: "EXPIRE_MAKER",
    STP_EXPIRE_BOTH: "EXPIRE_BOTH",
}
STP_CODES: Final = {name: code for code, name in STP_NAMES.items()}

# The exchange forgets finished orders after 90 days, and after 3 days those that never traded; a
# loopback exchange keeps the newest so many of each, of all accounts together. A quoter fills both
# within about a minute, so that memory is level early on. Nobody asks for older ones: a trader
# looks after an order whose answer is missing for seconds.
MAX_TRADED: Final = 250
MAX_UNTRADED: Final = 250


@dataclass(slots=True)
class Order:
    """One client order. Side is +1 or -1; `cost_e8` is the notional filled so far in 1e-8."""

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

    @property
    def left_lots(self) -> int:
        return self.qty_lots - self.filled_lots

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def matching_stp(self) -> int:
        """Self-trade prevention is effective for GTC and IOC (and MARKET, which is IOC) only."""
        return self.stp if self.tif in ("GTC", "IOC") else STP_NONE

    def copy(self) -> Order:
        """The order as it is now, for an event that is encoded later."""
        return replace(self)


@dataclass(frozen=True, slots=True)
class UserTrade:
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


class OrderStore:
    """Open orders, and the newest finished ones, by id and by client id.

    `max_traded` finished orders with fills are kept, and `max_untraded` without; the oldest go
    first. Open orders are bounded by what the exchange accepts per account and symbol. Adding and
    forgetting take constant time.
    """

    def __init__(self, max_traded: int = MAX_TRADED, max_untraded: int = MAX_UNTRADED) -> None:
        self.open: dict[int, Order] = {}
        self._open_by_client: dict[tuple[int, str], Order] = {}
        self._traded: OrderedDict[int, Order] = OrderedDict()
        self._untraded: OrderedDict[int, Order] = OrderedDict()
        self._finished_by_client: dict[tuple[int, str], Order] = {}
        self._max_traded = max_traded
        self._max_untraded = max_untraded

    def sizes(self) -> dict[str, int]:
        """How many entries each table holds, by name: every one of them is bounded."""
        return {
            "open": len(self.open),
            "open_by_client": len(self._open_by_client),
            "traded": len(self._traded),
            "untraded": len(self._untraded),
            "finished_by_client": len(self._finished_by_client),
        }

    def add(self, order: Order) -> None:
        """Remember an order, open or finished."""
        key = (order.account_id, order.client_id)
        if order.is_open:
            self.open[order.order_id] = order
            self._open_by_client[key] = order
            return
        traded = order.filled_lots > 0
        group, most = (
            (self._traded, self._max_traded) if traded else (self._untraded, self._max_untraded)
        )
        group[order.order_id] = order
        self._finished_by_client[key] = order
        if len(group) > most:
            _, oldest = group.popitem(last=False)
            old_key = (oldest.account_id, oldest.client_id)
            # A client id may have been used again since: then it names the newer order.
            if self._finished_by_client.get(old_key) is oldest:
                del self._finished_by_client[old_key]

    def finish(self, order: Order) -> None:
        """Move an order that reached a final status out of the open ones."""
        assert not order.is_open, f"order {order.order_id} finishes while {order.status}"
        del self.open[order.order_id]
        del self._open_by_client[(order.account_id, order.client_id)]
        self.add(order)

    def is_open_client_id(self, account_id: int, client_id: str) -> bool:
        return (account_id, client_id) in self._open_by_client

    def find(
        self, account_id: int, symbol: str, order_id: int | None, client_id: str | None
    ) -> Order | None:
        """The account's order of that symbol; the order id wins over the client id."""
        found: Order | None = None
        if order_id is not None:
            found = (
                self.open.get(order_id)
                or self._traded.get(order_id)
                or self._untraded.get(order_id)
            )
        elif client_id is not None:
            key = (account_id, client_id)
            found = self._open_by_client.get(key) or self._finished_by_client.get(key)
        if found is None or found.account_id != account_id or found.symbol != symbol:
            return None
        return found

    def open_of(self, account_id: int, symbol: str | None = None) -> list[Order]:
        """The account's open orders, oldest first."""
        return list(_select(self.open.values(), account_id, symbol))

    def all_of(self, account_id: int, symbol: str | None = None) -> list[Order]:
        """Open and finished orders of the account, by order id."""
        chosen = _select(self.everything(), account_id, symbol)
        return sorted(chosen, key=lambda order: order.order_id)

    def everything(self) -> Iterator[Order]:
        """All remembered orders of all accounts, finished ones first, each group by age."""
        yield from self._traded.values()
        yield from self._untraded.values()
        yield from self.open.values()


def _select(orders: Iterable[Order], account_id: int, symbol: str | None) -> Iterator[Order]:
    for order in orders:
        if order.account_id == account_id and symbol in (None, order.symbol):
            yield order

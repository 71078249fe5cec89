"""The orders that the exchange remembers: all open ones, and the newest finished ones.

``clearing`` adds and finishes, queries look up by id, by client id, or by account and symbol. The
finished ones are kept in two groups, those that traded and those that did not, so that a quoter's
many cancellations do not push out its few fills.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from aegis.venue.orders import Order

# The exchange forgets finished orders after 90 days, and after 3 days those that never traded; a
# loopback exchange keeps the newest so many of each, of all accounts together: what /allOrders
# answers with unless it is asked for more. A quoter fills both within minutes, so that memory is
# level early on.
MAX_TRADED: Final = 500
MAX_UNTRADED: Final = 500


class OrderStore:
    """Open orders, and the newest finished ones, by id and by client id.

    `max_traded` finished orders with fills are kept, and `max_untraded` without; the oldest go
    first. Open orders are bounded by what the exchange accepts per account and symbol. Adding and
    forgetting take constant time.
    """

    def __init__(self, max_traded: int = MAX_TRADED, max_untraded: int = MAX_UNTRADED) -> None:
        self.open: dict[int, Order] = {}
        self._open_by_client: dict[tuple[int, str], Order] = {}
        self._open_of: dict[tuple[int, str], dict[int, Order]] = {}
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
            "open_by_symbol": sum(len(orders) for orders in self._open_of.values()),
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
            self._open_of.setdefault((order.account_id, order.symbol), {})[order.order_id] = order
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
        del self._open_by_client[order.account_id, order.client_id]
        own = self._open_of[order.account_id, order.symbol]
        del own[order.order_id]
        if not own:
            del self._open_of[order.account_id, order.symbol]
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
        """The account's open orders, oldest first, those that wait for a trigger included."""
        if symbol is not None:
            return list(self._open_of.get((account_id, symbol), {}).values())
        return [order for order in self.open.values() if order.account_id == account_id]

    def resting_of(self, account_id: int, symbol: str) -> list[Order]:
        """The account's orders in the symbol's book."""
        orders = self._open_of.get((account_id, symbol), {}).values()
        return [order for order in orders if not order.waits]

    def waiting_of(self, account_id: int, symbol: str) -> list[Order]:
        """The account's orders of the symbol that wait for their trigger."""
        orders = self._open_of.get((account_id, symbol), {}).values()
        return [order for order in orders if order.waits]

    def all_of(self, account_id: int, symbol: str | None = None) -> list[Order]:
        """Open and finished orders of the account, by order id."""
        chosen = [
            order
            for order in self.everything()
            if order.account_id == account_id and symbol in (None, order.symbol)
        ]
        return sorted(chosen, key=lambda order: order.order_id)

    def everything(self) -> Iterator[Order]:
        """All remembered orders of all accounts, finished ones first, each group by age."""
        yield from self._traded.values()
        yield from self._untraded.values()
        yield from self.open.values()

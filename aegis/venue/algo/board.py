"""All conditional orders that wait, by symbol, and which of them the price has reached.

``desk`` arms and disarms; the market's driver is told the band of trade prices that nobody waits
for, so that it runs on by itself until a price leaves it. Orders of the algo service and orders of
2024 wait here alike.
"""

from __future__ import annotations

from aegis.venue.algo import triggers
from aegis.venue.algo.order import AlgoOrder
from aegis.venue.algo.triggers import NO_HIGH, NO_LOW, Prices
from aegis.venue.market import Market
from aegis.venue.orders import Condition, Order

Waiting = Order | AlgoOrder


class Board:
    """Waiting orders in the order in which they were armed."""

    def __init__(self) -> None:
        self._by_symbol: dict[str, dict[int, Waiting]] = {}

    def __len__(self) -> int:
        return sum(len(orders) for orders in self._by_symbol.values())

    def symbols(self) -> list[str]:
        """The symbols with at least one waiting order."""
        return list(self._by_symbol)

    def arm(self, order: Waiting) -> None:
        """Wait for the order's price."""
        assert order.condition is not None, "an order without a condition waits for nothing"
        self._by_symbol.setdefault(order.symbol, {})[id(order)] = order

    def disarm(self, order: Waiting) -> None:
        """Wait no longer."""
        orders = self._by_symbol[order.symbol]
        del orders[id(order)]
        if not orders:
            del self._by_symbol[order.symbol]

    def is_armed(self, order: Waiting) -> bool:
        return id(order) in self._by_symbol.get(order.symbol, {})

    def waiting(self, account_id: int, symbol: str | None = None) -> list[Waiting]:
        """The account's waiting orders, of one symbol or of all."""
        names = self._by_symbol if symbol is None else (symbol,)
        return [
            order
            for name in names
            for order in self._by_symbol.get(name, {}).values()
            if order.account_id == account_id
        ]

    def reached(self, market: Market, prices: Prices, by_mark: bool) -> list[Waiting]:
        """The orders that this movement of the mark price, or of the contract price, triggers."""
        spec, tick_e8 = market.spec, market.spec.tick_e8
        found = []
        for order, condition in self._conditions(spec.symbol, by_mark):
            if triggers.is_reached(condition, order.side, prices, tick_e8):
                last_e8, mark_e8 = market.last_ticks * tick_e8, market.mark_e8()
                if not triggers.is_held_back(condition, last_e8, mark_e8, spec.trigger_protect_e4):
                    found.append(order)
        return found

    def follow(self, market: Market, prices: Prices, by_mark: bool) -> list[Waiting]:
        """Move the trailing stops along; returns those that changed."""
        tick_e8 = market.spec.tick_e8
        return [
            order
            for order, condition in self._conditions(market.spec.symbol, by_mark)
            if triggers.follow(condition, order.side, prices, tick_e8)
        ]

    def watch(self, market: Market) -> None:
        """Tell the market between which trade prices nobody is to be woken."""
        low, high = NO_LOW, NO_HIGH
        tick_e8 = market.spec.tick_e8
        last_e8 = market.last_ticks * tick_e8
        here = Prices(last_e8, last_e8, last_e8)
        for order, condition in self._conditions(market.spec.symbol, by_mark=False):
            if triggers.is_reached(condition, order.side, here, tick_e8):
                # Price protection holds it back; it is looked at again every second.
                continue
            lowest, highest = triggers.watch_band(condition, order.side, tick_e8)
            low, high = max(low, lowest), min(high, highest)
        market.watch(low, high)

    def _conditions(self, symbol: str, by_mark: bool) -> list[tuple[Waiting, Condition]]:
        return [
            (order, order.condition)
            for order in self._by_symbol.get(symbol, {}).values()
            if order.condition is not None and order.condition.by_mark == by_mark
        ]

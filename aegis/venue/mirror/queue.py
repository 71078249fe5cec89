"""Our orders' places in the recorded queues.

The recorded market does not know of our orders, so each carries the lots that stand in front of it:
at first all that is displayed at its price. Trades at the price consume the front first and then
the order. A decrease that no trade explains is a cancellation somewhere in the queue; it is taken
to hit the part in front in proportion. The front never exceeds what is displayed. A print, or a
recorded order, through our price means that ours would have traded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aegis.venue.matching.interface import Fill


@dataclass(slots=True)
class Queued:
    """One of our orders; `front_lots` recorded lots trade before it."""

    order_id: int
    owner: int
    side: int
    price_ticks: int
    left_lots: int
    front_lots: int


@dataclass(slots=True)
class _Displayed:
    """What was last seen at a price where we wait, and what has traded there since."""

    lots: int
    traded_lots: int = 0


class OwnQueue:
    """All our resting orders in one recorded market, in the order in which they came."""

    def __init__(self, next_trade: Callable[[], int]) -> None:
        """`next_trade` gives every fill its trade id."""
        self._next_trade = next_trade
        self._orders: dict[int, Queued] = {}
        self._displayed: dict[tuple[int, int], _Displayed] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def join(self, order: Queued, displayed_lots: int) -> None:
        """Stand behind what is displayed."""
        order.front_lots = displayed_lots
        self._orders[order.order_id] = order
        key = (order.side, order.price_ticks)
        self._displayed.setdefault(key, _Displayed(displayed_lots))

    def leave(self, order_id: int) -> int:
        """Take an order out; returns the lots that were left, 0 if it is not here."""
        order = self._orders.pop(order_id, None)
        if order is None:
            return 0
        key = (order.side, order.price_ticks)
        if not any((other.side, other.price_ticks) == key for other in self._orders.values()):
            del self._displayed[key]
        return order.left_lots

    def by_priority(self, side: int) -> list[Queued]:
        """Our orders of a side, best price first, then by age."""
        mine = [order for order in self._orders.values() if order.side == side]
        mine.sort(key=lambda order: -order.price_ticks * side)
        return mine

    def prices(self) -> list[tuple[int, int]]:
        """The (side, price) pairs at which we wait."""
        return list(self._displayed)

    def displayed(self, side: int, price_ticks: int) -> int:
        """What was last seen at a price where we wait."""
        return self._displayed[side, price_ticks].lots

    def settle(self, side: int, price_ticks: int, lots: int) -> None:
        """What is displayed after a time that nobody has seen.

        Whoever stood in front may have gone, but nobody has come in between: an order keeps its
        front as far as what is displayed leaves room for it, and no cancellation is guessed.
        """
        seen = self._displayed[side, price_ticks]
        for order in self._orders.values():
            if (order.side, order.price_ticks) == (side, price_ticks):
                order.front_lots = min(order.front_lots, lots)
        seen.lots = lots
        seen.traded_lots = 0

    def observe(self, side: int, price_ticks: int, lots: int) -> None:
        """A new displayed quantity at a price; moves our orders there forward if it shrank."""
        seen = self._displayed.get((side, price_ticks))
        if seen is None:
            return
        unexplained = seen.lots - lots - seen.traded_lots
        for order in self._orders.values():
            if (order.side, order.price_ticks) != (side, price_ticks):
                continue
            if unexplained > 0 and seen.lots > 0:
                order.front_lots -= unexplained * order.front_lots // seen.lots
            order.front_lots = min(order.front_lots, lots)
        seen.lots = lots
        seen.traded_lots = 0

    def trade(self, side: int, price_ticks: int, lots: int) -> list[Fill]:
        """A recorded trade hit `side` at a price; returns the fills of our orders there or better.

        What trades through a better price of ours, or reaches ours in the queue, fills ours at our
        own price, up to the size of the print.
        """
        if not self._orders:
            return []
        fills = []
        spare = lots
        for order in self.by_priority(side):
            distance = (order.price_ticks - price_ticks) * side
            if distance < 0 or spare <= 0:
                break
            reached = spare if distance > 0 else spare - order.front_lots
            if distance == 0:
                order.front_lots = max(0, order.front_lots - lots)
            if reached > 0:
                filled = min(order.left_lots, reached)
                spare -= filled
                fills.append(self._fill(order, filled))
        seen = self._displayed.get((side, price_ticks))
        if seen is not None:
            seen.traded_lots += lots
        return fills

    def cross(self, side: int, opposite_ticks: int, opposite_lots: int) -> list[Fill]:
        """A recorded order stands at or through our prices: it would have traded with ours."""
        fills = []
        spare = opposite_lots
        for order in self.by_priority(side):
            if opposite_ticks == 0 or (order.price_ticks - opposite_ticks) * side < 0 or spare <= 0:
                break
            filled = min(order.left_lots, spare)
            spare -= filled
            fills.append(self._fill(order, filled))
        return fills

    def take(self, order: Queued, lots: int) -> Fill:
        """Another order of ours trades `lots` of this one."""
        return self._fill(order, lots)

    def _fill(self, order: Queued, lots: int) -> Fill:
        order.left_lots -= lots
        fill = Fill(
            order.order_id,
            order.owner,
            order.price_ticks,
            lots,
            order.left_lots,
            self._next_trade(),
        )
        if order.left_lots == 0:
            self.leave(order.order_id)
        return fill

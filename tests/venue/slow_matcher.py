"""A slow, obvious matcher: one flat list of resting orders, searched from end to end every time.

The property tests compare the venue's book with it, order by order. It is written for reading, not
for speed, and shares no code with the book.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NONE, TAKER, MAKER, BOTH = 0, 1, 2, 3


@dataclass
class SlowOrder:
    number: int
    order_id: int
    owner: int
    side: int
    price: int
    left: int


@dataclass
class SlowResult:
    left: int
    fills: list[tuple[int, int, int, int]] = field(default_factory=list)  # id, price, lots, left
    expired: list[tuple[int, int]] = field(default_factory=list)  # id, left
    stopped: bool = False
    rested: bool = False


class SlowMatcher:
    def __init__(self) -> None:
        self.resting: list[SlowOrder] = []
        self.arrivals = 0

    def submit(
        self, order_id: int, owner: int, side: int, price: int, lots: int, rest: bool, stp: int
    ) -> SlowResult:
        result = SlowResult(lots)
        while result.left > 0:
            best = self._best_opposite(side, price)
            if best is None:
                break
            if best.owner == owner and stp != NONE:
                if stp in (MAKER, BOTH):
                    self.resting.remove(best)
                    result.expired.append((best.order_id, best.left))
                if stp in (TAKER, BOTH):
                    result.stopped = True
                    return result
                continue
            traded = min(best.left, result.left)
            best.left -= traded
            result.left -= traded
            result.fills.append((best.order_id, best.price, traded, best.left))
            if best.left == 0:
                self.resting.remove(best)
        if rest and result.left > 0:
            self.arrivals += 1
            self.resting.append(SlowOrder(self.arrivals, order_id, owner, side, price, result.left))
            result.rested = True
        return result

    def _best_opposite(self, side: int, price: int) -> SlowOrder | None:
        candidates = [
            order
            for order in self.resting
            if order.side == -side and (order.price <= price if side == 1 else order.price >= price)
        ]
        if not candidates:
            return None
        return min(candidates, key=lambda order: (order.price * side, order.number))

    def cancel(self, order_id: int) -> int:
        for order in self.resting:
            if order.order_id == order_id:
                self.resting.remove(order)
                return order.left
        return 0

    def queue(self, side: int, price: int) -> list[tuple[int, int, int]]:
        """Id, owner and what is left of the orders at a price, in the order of their turn."""
        here = [order for order in self.resting if (order.side, order.price) == (side, price)]
        here.sort(key=lambda order: order.number)
        return [(order.order_id, order.owner, order.left) for order in here]

    def depth(self, side: int) -> list[tuple[int, int]]:
        sums: dict[int, int] = {}
        for order in self.resting:
            if order.side == side:
                sums[order.price] = sums.get(order.price, 0) + order.left
        return sorted(sums.items(), reverse=side == 1)

"""The order book of a synthetic market: price-time priority over integer ticks and lots.

The flow agents and the clients' orders meet here. A level is a queue of orders in arrival order;
each side keeps its prices in one sorted list, as keys that grow with attractiveness (bids: price,
asks: -price), so that both sides share one code and the best price is always the last. It knows
nothing of accounts, money or time.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from aegis.venue.matching.interface import (
    BUY,
    SELL,
    STP_EXPIRE_BOTH,
    STP_EXPIRE_MAKER,
    STP_EXPIRE_TAKER,
    STP_NONE,
    BookChanges,
    Expired,
    Fill,
    IdSource,
    Matched,
)


class _Resting:
    """An order in the book."""

    __slots__ = ("left_lots", "order_id", "owner", "price_ticks", "side")

    def __init__(self, order_id: int, owner: int, side: int, price_ticks: int, lots: int) -> None:
        self.order_id = order_id
        self.owner = owner
        self.side = side
        self.price_ticks = price_ticks
        self.left_lots = lots


class _Level:
    """One price: its orders in arrival order (a dict keeps it, and removes in O(1))."""

    __slots__ = ("queue", "total_lots")

    def __init__(self) -> None:
        self.queue: dict[int, _Resting] = {}
        self.total_lots = 0


class _Side:
    """One side: sorted keys (price times sign; the last is the best) and the levels by price."""

    __slots__ = ("changed", "keys", "levels", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.levels: dict[int, _Level] = {}
        self.changed: dict[int, None] = {}

    def best_price(self) -> int:
        return self.keys[-1] * self.sign

    def level(self, price_ticks: int) -> _Level:
        level = self.levels.get(price_ticks)
        if level is None:
            level = self.levels[price_ticks] = _Level()
            insort(self.keys, price_ticks * self.sign)
        return level

    def drop(self, price_ticks: int) -> None:
        del self.levels[price_ticks]
        key = price_ticks * self.sign
        if self.keys[-1] == key:
            self.keys.pop()
        else:
            del self.keys[bisect_left(self.keys, key)]


class OrderBook:
    """See matching.interface.MatchingBook for the contract of each method."""

    def __init__(self, ids: IdSource) -> None:
        self._ids = ids
        self._sides = {BUY: _Side(BUY), SELL: _Side(SELL)}
        self._orders: dict[int, _Resting] = {}
        self._first_change = 0
        self._last_change = ids.update

    def __len__(self) -> int:
        return len(self._orders)

    def submit(
        self,
        order_id: int,
        owner: int,
        side: int,
        price_ticks: int,
        qty_lots: int,
        *,
        rest: bool,
        stp: int = STP_NONE,
    ) -> Matched:
        assert qty_lots > 0, f"order {order_id} of {qty_lots} lots"
        matched = Matched(qty_lots)
        opposite = self._sides[-side]
        limit_key = -side * price_ticks
        while matched.left_lots > 0 and opposite.keys and opposite.keys[-1] >= limit_key:
            self._sweep_level(opposite, owner, stp, matched)
            if matched.stopped:
                return matched
        if rest and matched.left_lots > 0:
            self._rest(_Resting(order_id, owner, side, price_ticks, matched.left_lots))
            matched.rested = True
        return matched

    def _sweep_level(self, side: _Side, owner: int, stp: int, matched: Matched) -> None:
        """Trade against the best level of `side` until it, or the incoming order, is used up."""
        price = side.best_price()
        level = side.levels[price]
        queue = level.queue
        while queue and matched.left_lots > 0:
            maker = next(iter(queue.values()))
            if stp != STP_NONE and maker.owner == owner:
                if stp in (STP_EXPIRE_MAKER, STP_EXPIRE_BOTH):
                    matched.expired.append(Expired(maker.order_id, owner, maker.left_lots))
                    self._remove(maker)
                if stp in (STP_EXPIRE_TAKER, STP_EXPIRE_BOTH):
                    matched.stopped = True
                    return
                continue
            lots = min(maker.left_lots, matched.left_lots)
            matched.left_lots -= lots
            left = maker.left_lots - lots
            matched.fills.append(Fill(maker.order_id, maker.owner, price, lots, left))
            if left == 0:
                self._remove(maker)
            else:
                maker.left_lots = left
                level.total_lots -= lots
                self._touch(side, price)

    def cancel(self, order_id: int) -> int:
        resting = self._orders.get(order_id)
        if resting is None:
            return 0
        self._remove(resting)
        return resting.left_lots

    def available(self, owner: int, side: int, price_ticks: int, stp: int, enough: int) -> int:
        opposite = self._sides[-side]
        limit_key = -side * price_ticks
        found = 0
        for key in reversed(opposite.keys):
            if key < limit_key or found >= enough:
                break
            level = opposite.levels[key * opposite.sign]
            if stp == STP_NONE:
                found += level.total_lots
                continue
            for maker in level.queue.values():
                if maker.owner != owner:
                    found += maker.left_lots
                elif stp != STP_EXPIRE_MAKER:
                    return min(found, enough)
        return min(found, enough)

    def best(self, side: int) -> tuple[int, int]:
        book_side = self._sides[side]
        if not book_side.keys:
            return 0, 0
        price = book_side.best_price()
        return price, book_side.levels[price].total_lots

    def depth(self, side: int, limit: int) -> list[tuple[int, int]]:
        book_side = self._sides[side]
        prices = [key * book_side.sign for key in reversed(book_side.keys[-limit:])]
        return [(price, book_side.levels[price].total_lots) for price in prices]

    def last_update_id(self) -> int:
        return self._last_change

    def take_changes(self) -> BookChanges | None:
        if self._first_change == 0:
            return None
        first, self._first_change = self._first_change, 0
        sides = []
        for book_side in self._sides.values():
            levels = book_side.levels
            sides.append(
                [
                    (price, levels[price].total_lots if price in levels else 0)
                    for price in sorted(book_side.changed)
                ]
            )
            book_side.changed.clear()
        return BookChanges(first, self._last_change, sides[0], sides[1])

    def _rest(self, order: _Resting) -> None:
        assert order.order_id not in self._orders, f"order {order.order_id} rests twice"
        side = self._sides[order.side]
        level = side.level(order.price_ticks)
        level.queue[order.order_id] = order
        level.total_lots += order.left_lots
        self._orders[order.order_id] = order
        self._touch(side, order.price_ticks)

    def _remove(self, order: _Resting) -> None:
        side = self._sides[order.side]
        level = side.levels[order.price_ticks]
        del level.queue[order.order_id]
        level.total_lots -= order.left_lots
        del self._orders[order.order_id]
        if not level.queue:
            assert level.total_lots == 0, f"empty level at {order.price_ticks} holds lots"
            side.drop(order.price_ticks)
        self._touch(side, order.price_ticks)

    def _touch(self, side: _Side, price_ticks: int) -> None:
        side.changed[price_ticks] = None
        self._last_change = self._ids.next_update()
        if self._first_change == 0:
            self._first_change = self._last_change

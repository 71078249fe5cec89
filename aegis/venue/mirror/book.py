"""Somebody else's market as something one can trade against.

Behind matching.interface.MatchingBook like the synthetic book. It follows levels, tops and trades
that are told to it: out of a recording (``recorded_book``) or as the feed sees them now
(``paper.follower``). An order that takes trades against what is displayed (once: what we took is
gone until the level is quoted anew), an order that rests joins the displayed queue
(``mirror.queue``). The market is never changed by us: our orders are not in the streams, nor in the
depth.

What is told goes onto the venue's tape with its own ids, so that streams can be made that were not
recorded; the best prices of a step are those of the depth events. Our own trades do not.

A top (bookTicker) may be newer than the levels, and the levels newer than the top: the higher
update id wins. A book of which only the best levels are shown has a horizon on each side, the last
price shown. Behind it nothing is known: an order that joins there stands behind everybody, until
the price comes into view.

A book may be out of force (`suspend`): nothing is filled then, whatever is told; what rests keeps
its place. `resume` gives it its levels anew, and fills what the market has gone through meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import numpy as np

from aegis.venue.market import Top
from aegis.venue.matching.interface import (
    BUY,
    OWNER_MAKERS,
    OWNER_TAKERS,
    SELL,
    STP_EXPIRE_BOTH,
    STP_EXPIRE_MAKER,
    STP_EXPIRE_TAKER,
    STP_NONE,
    Expired,
    Fill,
    IdSource,
    Matched,
)
from aegis.venue.matching.layout import STEP_OPEN, Books
from aegis.venue.matching.records import add_sum, close_step, record_levels, record_trade
from aegis.venue.mirror.levels import Levels
from aegis.venue.mirror.queue import OwnQueue, Queued
from aegis.venue.symbols import SymbolSpec

Rows = list[tuple[int, int]]  # (ticks, lots)
# Stands in front of an order at a price of which nothing is known.
UNSEEN_LOTS: Final = 2**62


class MirrorBook:
    """See matching.interface.MatchingBook for the contract of the methods in common."""

    def __init__(self, spec: SymbolSpec, books: Books, ids: IdSource) -> None:
        self._spec = spec
        self._books = books
        self._ids = ids
        self._taped_id = 0
        self._levels = {BUY: Levels(BUY), SELL: Levels(SELL)}
        # The last price shown of a side of which only a part is; None: all of it is known.
        self._horizon: dict[int, int | None] = {BUY: None, SELL: None}
        self._last_id = 0
        self._top: Top | None = None  # newer than the levels, from a book ticker
        self._top_id = 0
        self._crossed_id = 0
        # (side, ticks) of levels we took from: (lots displayed then, lots of them taken).
        self._taken: dict[tuple[int, int], tuple[int, int]] = {}
        self.in_force = True
        self.own = OwnQueue(partial(ids.next_trade, spec.number))

    # --- what is told of the market ---

    def replace(self, last_id: int, bids: Rows, asks: Rows, now_ms: int) -> None:
        """Become a snapshot of the whole book."""
        changed = [
            change
            for side, rows in ((BUY, bids), (SELL, asks))
            for change in self._turn_into(side, rows)
        ]
        self._last_id = last_id
        self._tell(last_id, last_id, changed, now_ms)
        self._freshen()

    def change(
        self, first_id: int, last_id: int, bids: Rows, asks: Rows, now_ms: int
    ) -> list[Fill]:
        """Take changes of levels over; returns fills of our orders that the book went through."""
        if last_id < self._last_id:
            return []
        waiting = len(self.own) > 0
        changed: list[tuple[int, int, int]] = []
        self._last_id = last_id
        self._freshen()
        for side, rows in ((BUY, bids), (SELL, asks)):
            self._levels[side].apply(rows)
            changed += [(side, ticks, lots) for ticks, lots in rows]
            if self._taken:
                for ticks, lots in rows:
                    self._tell_level(side, ticks, lots)
            if waiting:
                for ticks, lots in rows:
                    self._observe(side, ticks, lots)
        self._tell(first_id, last_id, changed, now_ms)
        return self._crossed() if waiting else []

    def show(
        self, last_id: int, bids: Rows, asks: Rows, now_ms: int, *, settles: bool = True
    ) -> list[Fill]:
        """Take the best levels of both sides over, all that is known; returns fills as `change`.

        Without `settles` the places of our orders stay as they are: these levels are ahead of the
        trades that have been told, which would be counted twice.
        """
        if not self.in_force or last_id < self._last_id:
            return []
        if last_id > self._last_id:
            self._look_at(last_id, bids, asks, now_ms)
        if not len(self.own):
            return []
        for side, price in self.own.prices() if settles else ():
            lots = self._levels[side].get(price)
            if self._is_seen(side, price) and lots != self.own.displayed(side, price):
                self._observe(side, price, lots)
        return self._crossed()

    def note_top(self, last_id: int, top: Top) -> list[Fill]:
        """The best prices as of an update id; returns fills as `change`.

        Nothing, where levels or another top have told of a newer one: it has been superseded.
        """
        newest_id = self._last_id if self._top is None else self._top_id
        if not self.in_force or last_id < newest_id:
            return []
        self._take_top(last_id, top)
        return self._meet_top()

    def suspend(self) -> None:
        """Out of force: from here on nothing is filled."""
        self.in_force = False

    def resume(self, last_id: int, bids: Rows, asks: Rows, now_ms: int) -> list[Fill]:
        """In force again, with these best levels; returns the fills of what is now crossed.

        An order keeps its place as far as what is displayed there leaves room for one. One at or
        through the other side's best price has been reached by the market: it is filled at its own
        price, up to what stands there, as whenever the market moves through it.
        """
        self.in_force = True
        self._top, self._top_id = None, 0
        self._look_at(last_id, bids, asks, now_ms)
        for side, price in self.own.prices():
            if self._is_seen(side, price):
                self.own.settle(side, price, self._levels[side].get(price))
        return self._crossed()

    def trade(
        self,
        trade_id: int,
        price_ticks: int,
        lots: int,
        buyer_is_maker: bool,
        time_ms: int,
        *,
        moves_queue: bool = True,
    ) -> list[Fill]:
        """A print; returns the fills of our orders that it reached.

        One that does not move the queue is told to the public alone: the levels hold it already.
        """
        books = self._books
        assert len(books.tape) > int(books.cursor[0]) + 1, "the tape is full: nobody has read it"
        resting = BUY if buyer_is_maker else SELL
        number = self._spec.number
        record_trade(books, number, trade_id, price_ticks, lots, -resting, time_ms)
        if not self.in_force or not moves_queue:
            return []
        return self._count_takers(resting, self.own.trade(resting, price_ticks, lots))

    def end_step(self, now_ms: int) -> None:
        """Close the step of what was told since the last call, if anything was."""
        number = self._spec.number
        if self._books.symbols[number, STEP_OPEN]:
            bids, asks = self._levels[BUY], self._levels[SELL]
            bid, ask = bids.best(), asks.best()
            close_step(self._books, number, bid, bids.get(bid), ask, asks.get(ask), now_ms)

    # --- the contract ---

    def submit(
        self,
        order_id: int,
        owner: int,
        side: int,
        price_ticks: int,
        qty_lots: int,
        *,
        now_ms: int,
        rest: bool,
        stp: int = STP_NONE,
    ) -> Matched:
        matched = Matched(qty_lots)
        for ticks, lots, own in self._offers(-side, price_ticks):
            if matched.left_lots == 0:
                break
            if own is None:
                taken = min(lots, matched.left_lots)
                shown, gone = self._taken.get((-side, ticks), (lots, 0))
                self._taken[-side, ticks] = shown, gone + taken
                matched.left_lots -= taken
                trade_id = self._ids.next_trade(self._spec.number)
                matched.fills.append(Fill(0, OWNER_MAKERS, ticks, taken, lots - taken, trade_id))
                self._count(OWNER_MAKERS, -side * taken, ticks)
            elif not self._meet_own(own, owner, stp, matched):
                return matched
        if rest and matched.left_lots > 0:
            queued = Queued(order_id, owner, side, price_ticks, matched.left_lots, 0)
            self.own.join(queued, self._displayed(side, price_ticks))
            matched.rested = True
        return matched

    def cancel(self, order_id: int, now_ms: int) -> int:
        return self.own.leave(order_id)

    def has_room(self, side: int, price_ticks: int) -> bool:
        return True

    def available(self, owner: int, side: int, price_ticks: int, stp: int, enough: int) -> int:
        found = 0
        for _, lots, own in self._offers(-side, price_ticks):
            if own is not None and own.owner == owner and stp != STP_NONE:
                if stp != STP_EXPIRE_MAKER:
                    break
                continue
            found += lots
            if found >= enough:
                return enough
        return found

    def best(self, side: int) -> tuple[int, int]:
        return self._best_of(self._current_top(), side)

    def depth(self, side: int, limit: int) -> list[tuple[int, int]]:
        """The book as the depth stream has it, which is what a client must arrive at."""
        return self._levels[side].top(limit)

    def last_update_id(self) -> int:
        return self._last_id

    # --- inside ---

    @staticmethod
    def _best_of(top: Top, side: int) -> tuple[int, int]:
        if side == BUY:
            return top.bid_ticks, top.bid_lots
        return top.ask_ticks, top.ask_lots

    def _offers(self, side: int, limit_ticks: int) -> Iterator[tuple[int, int, Queued | None]]:
        """What an order could trade with up to its limit, best first: displayed lots, then ours."""
        if not self.in_force:
            return
        mine = self.own.by_priority(side)
        for ticks, displayed in self._walk(side):
            while mine and (mine[0].price_ticks - ticks) * side > 0:
                if (mine[0].price_ticks - limit_ticks) * side < 0:
                    return
                yield mine[0].price_ticks, mine[0].left_lots, mine.pop(0)
            if (ticks - limit_ticks) * side < 0:
                return
            lots = self._left(side, ticks, displayed)
            if lots > 0:
                yield ticks, lots, None
        for order in mine:
            if (order.price_ticks - limit_ticks) * side < 0:
                return
            yield order.price_ticks, order.left_lots, order

    def _left(self, side: int, ticks: int, displayed: int) -> int:
        """What we have not taken of a level yet."""
        self._tell_level(side, ticks, displayed)
        _, gone = self._taken.get((side, ticks), (displayed, 0))
        return displayed - gone

    def _tell_level(self, side: int, ticks: int, lots: int) -> None:
        """A level is told: what we took of it is gone until it is told with other lots.

        The market does not know of our trades, so a level that stays as it was says nothing new.
        """
        taken = self._taken.get((side, ticks))
        if taken is not None and taken[0] != lots:
            del self._taken[side, ticks]

    def _meet_own(self, resting: Queued, owner: int, stp: int, matched: Matched) -> bool:
        """Trade with another order of ours, or prevent it; False when the taker is stopped."""
        if stp != STP_NONE and resting.owner == owner:
            if stp in (STP_EXPIRE_MAKER, STP_EXPIRE_BOTH):
                left = self.own.leave(resting.order_id)
                matched.expired.append(Expired(resting.order_id, owner, left))
            if stp in (STP_EXPIRE_TAKER, STP_EXPIRE_BOTH):
                matched.stopped = True
                return False
            return True
        lots = min(resting.left_lots, matched.left_lots)
        matched.left_lots -= lots
        matched.fills.append(self.own.take(resting, lots))
        return True

    def _walk(self, side: int) -> Iterator[tuple[int, int]]:
        """Levels best first, the newer top laid over them."""
        ticks, lots = self.best(side)
        if self._top is None:
            yield from self._levels[side].walk()
            return
        if ticks:
            yield ticks, lots
        for price, displayed in self._levels[side].walk():
            if (ticks - price) * side > 0:
                yield price, displayed

    def _displayed(self, side: int, price_ticks: int) -> int:
        """Lots that stand at a price now, by the newest that is known of it."""
        if not self.in_force or not self._is_seen(side, price_ticks):
            return UNSEEN_LOTS
        best, lots = self.best(side)
        if self._top is None or (price_ticks - best) * side < 0:
            return self._levels[side].get(price_ticks)
        return lots if price_ticks == best else 0

    def _crossed(self) -> list[Fill]:
        """Fills of our orders that the best prices are at or through; of each update id once."""
        if not self.in_force:
            return []
        bid, bid_lots, ask, ask_lots = self._current_top()
        newest_id = self._last_id if self._top is None else self._top_id
        if newest_id == self._crossed_id:
            # Another stream tells of the same moment: what stands there has traded with us.
            return []
        self._crossed_id = newest_id
        fills = self._count_takers(BUY, self.own.cross(BUY, ask, ask_lots))
        fills += self._count_takers(SELL, self.own.cross(SELL, bid, bid_lots))
        return fills

    def _count_takers(self, resting: int, fills: list[Fill]) -> list[Fill]:
        """Book the other side of fills of our orders on side `resting`."""
        for fill in fills:
            self._count(OWNER_TAKERS, -resting * fill.qty_lots, fill.price_ticks)
        return fills

    def _count(self, owner: int, signed_lots: int, ticks: int) -> None:
        add_sum(self._books.sums, self._spec.number, owner, signed_lots, ticks)

    def _tell(
        self, first_id: int, last_id: int, changed: list[tuple[int, int, int]], now_ms: int
    ) -> None:
        """Put changed levels onto the tape. Its ids never fall, whatever a snapshot's are."""
        books = self._books
        room = len(books.tape) - int(books.cursor[0])
        assert len(changed) < room, f"{len(changed)} levels for {room} free records of the tape"
        first_id, self._taped_id = max(first_id, self._taped_id), max(last_id, self._taped_id)
        rows = np.array(changed, np.int64).reshape(-1, 3)
        record_levels(books, self._spec.number, first_id, self._taped_id, rows, now_ms)

    def _current_top(self) -> Top:
        self._read_waiting()
        if self._top is not None:
            return self._top
        bids, asks = self._levels[BUY], self._levels[SELL]
        bid, ask = bids.best(), asks.best()
        return Top(bid, bids.get(bid), ask, asks.get(ask))

    def _take_top(self, last_id: int, top: Top) -> None:
        if last_id < self._last_id:
            return
        self._top, self._top_id = top, last_id
        for side, ticks in list(self._taken):
            best, lots = self._best_of(top, side)
            if (ticks - best) * side >= 0:
                # Nothing displayed stands at a price better than the best.
                self._tell_level(side, ticks, lots if ticks == best else 0)

    def _meet_top(self) -> list[Fill]:
        """What a new top means for our orders."""
        if not len(self.own):
            return []
        self._read_waiting()
        top = self._top
        if top is None:
            return []
        best = {BUY: top.bid_ticks, SELL: top.ask_ticks}
        lots = {BUY: top.bid_lots, SELL: top.ask_lots}
        for side, price in self.own.prices():
            if price == best[side]:
                self.own.observe(side, price, lots[side])
            elif (price - best[side]) * side > 0:
                # Nothing displayed stands at a price better than the best.
                self.own.observe(side, price, 0)
        return self._crossed()

    def _read_waiting(self) -> None:
        """Take over what was told and not yet read; who reads at once has nothing to do."""

    def _freshen(self) -> None:
        """The levels are new: drop what was laid over them, unless it is newer still."""
        if self._top_id <= self._last_id:
            self._top = None

    def _observe(self, side: int, price_ticks: int, lots: int) -> None:
        """A level of ours as the levels have it, unless a newer top has said what is there."""
        top = self._top
        if top is not None:
            best = top.bid_ticks if side == BUY else top.ask_ticks
            if (price_ticks - best) * side >= 0:
                return
        self.own.observe(side, price_ticks, lots)

    def _is_seen(self, side: int, price_ticks: int) -> bool:
        """Whether the levels of a side reach as far as a price."""
        horizon = self._horizon[side]
        return horizon is None or (price_ticks - horizon) * side >= 0

    def _look_at(self, last_id: int, bids: Rows, asks: Rows, now_ms: int) -> None:
        """Become these best levels: what lies behind the last of them is not known any more."""
        changed = []
        for side, rows in ((BUY, bids), (SELL, asks)):
            before = dict(self._levels[side].walk())
            moved = self._turn_into(side, rows)
            changed += [one for one in moved if before.get(one[1], 0) != one[2]]
            self._horizon[side] = rows[-1][0] if rows else side * UNSEEN_LOTS
        first_id, self._last_id = self._last_id + 1, last_id
        self._tell(min(first_id, last_id), last_id, changed, now_ms)
        self._freshen()

    def _turn_into(self, side: int, rows: Rows) -> list[tuple[int, int, int]]:
        """Replace a side; returns what of it is told: levels that are gone, and all there are."""
        after = dict(rows)
        gone = [(side, ticks, 0) for ticks, _ in self._levels[side].walk() if ticks not in after]
        for taken_side, ticks in list(self._taken):
            if taken_side == side:
                self._tell_level(side, ticks, after.get(ticks, 0))
        self._levels[side].replace(rows)
        return gone + [(side, ticks, lots) for ticks, lots in rows]

"""The recorded market as something one can trade against.

Behind matching.interface.MatchingBook like the synthetic book. It follows the recorded depth events
and book tickers; an order that takes trades against what is displayed (once: what we took is gone
until the level is quoted anew), an order that rests joins the recorded queue (``mirror.queue``).
The recording is never changed by us: our orders are not in the streams, nor in the depth.

What is recorded goes onto the venue's tape with its recorded ids, so that streams can be made that
were not recorded; the best prices of a step are those of the depth events. Our own trades do not.

A bookTicker is newer than the book between two depth events. It is kept as bytes and read only when
somebody asks for the top or when one of our orders rests.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import msgspec
import numpy as np

from aegis.venue.errors import RecordingError
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

Pairs = list[tuple[str, str]]
MAX_TEXTS: Final = 50_000


class _Depth(msgspec.Struct):
    """The part of a depthUpdate that changes a book."""

    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    bids: Pairs = msgspec.field(name="b")
    asks: Pairs = msgspec.field(name="a")


class _Snapshot(msgspec.Struct):
    last_id: int = msgspec.field(name="lastUpdateId")
    bids: Pairs
    asks: Pairs


class _Ticker(msgspec.Struct):
    last_id: int = msgspec.field(name="u")
    bid: str = msgspec.field(name="b")
    bid_qty: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_qty: str = msgspec.field(name="A")


class MirrorBook:
    """See matching.interface.MatchingBook for the contract of the methods in common."""

    def __init__(self, spec: SymbolSpec, books: Books, ids: IdSource) -> None:
        self._spec = spec
        self._books = books
        self._ids = ids
        self._taped_id = 0
        self._levels = {BUY: Levels(BUY), SELL: Levels(SELL)}
        self._last_id = 0
        self._top: Top | None = None  # newer than the levels, from a book ticker
        self._unread_ticker: bytes | None = None
        self._taken: dict[tuple[int, int], int] = {}
        self._ticks: dict[str, int] = {}
        self._lots: dict[str, int] = {}
        self.own = OwnQueue(partial(ids.next_trade, spec.number))
        self._depth_decoder = msgspec.json.Decoder(_Depth)
        self._ticker_decoder = msgspec.json.Decoder(_Ticker)

    # --- the recording ---

    def apply_snapshot(self, message: bytes, now_ms: int) -> int:
        """Become the recorded snapshot; returns its id. Raises RecordingError."""
        snapshot = self._read_snapshot(message)
        changed: list[tuple[int, int, int]] = []
        for side, pairs in ((BUY, snapshot.bids), (SELL, snapshot.asks)):
            levels = self._read_all(pairs)
            after = dict(levels)
            changed += [
                (side, ticks, 0) for ticks, _ in self._levels[side].walk() if ticks not in after
            ]
            changed += [(side, ticks, lots) for ticks, lots in levels]
            self._levels[side].replace(levels)
        self._last_id = snapshot.last_id
        self._tell(snapshot.last_id, snapshot.last_id, changed, now_ms)
        self._freshen()
        return snapshot.last_id

    def changes_to(self, message: bytes) -> tuple[Pairs, Pairs]:
        """Bids and asks, as texts, that turn the book as it is into a snapshot."""
        snapshot, spec = self._read_snapshot(message), self._spec
        gone = spec.qty_text(0)
        sides = []
        for side, pairs in ((BUY, snapshot.bids), (SELL, snapshot.asks)):
            levels, after = self._levels[side], self._read_all(pairs)
            kept = {ticks for ticks, _ in after}
            changes = [
                (spec.price_text(ticks), gone) for ticks, _ in levels.walk() if ticks not in kept
            ]
            changes += [
                pair
                for pair, (ticks, lots) in zip(pairs, after, strict=True)
                if levels.get(ticks) != lots
            ]
            sides.append(changes)
        return sides[0], sides[1]

    def apply_depth(self, message: bytes, now_ms: int) -> tuple[int, list[Fill]]:
        """Apply a diff event; returns its last id, and fills of our orders it went through."""
        try:
            depth = self._depth_decoder.decode(message)
        except msgspec.DecodeError as error:
            raise RecordingError(f"{self._spec.symbol}: unusable depth event: {error}") from error
        if depth.last_id < self._last_id:
            return depth.last_id, []
        waiting = len(self.own) > 0
        changed: list[tuple[int, int, int]] = []
        for side, pairs in ((BUY, depth.bids), (SELL, depth.asks)):
            changes = self._read_all(pairs)
            self._levels[side].apply(changes)
            changed += [(side, ticks, lots) for ticks, lots in changes]
            if waiting:
                for ticks, lots in changes:
                    self.own.observe(side, ticks, lots)
        self._last_id = depth.last_id
        self._tell(depth.first_id, depth.last_id, changed, now_ms)
        self._freshen()
        return depth.last_id, self._crossed() if waiting else []

    def note_ticker(self, message: bytes) -> list[Fill]:
        """A book ticker; read at once only while our orders rest."""
        self._unread_ticker = message
        if not len(self.own):
            if self._taken:
                self._taken.clear()
            return []
        self._read_ticker()
        top = self._top
        if top is None:
            return []
        self._taken.clear()
        best = {BUY: top.bid_ticks, SELL: top.ask_ticks}
        lots = {BUY: top.bid_lots, SELL: top.ask_lots}
        for side, price in self.own.prices():
            if price == best[side]:
                self.own.observe(side, price, lots[side])
            elif (price - best[side]) * side > 0:
                # Nothing recorded stands at a price better than the best.
                self.own.observe(side, price, 0)
        return self._crossed()

    def trade(
        self, trade_id: int, price_ticks: int, lots: int, buyer_is_maker: bool, time_ms: int
    ) -> list[Fill]:
        """A recorded print; returns the fills of our orders that it reached."""
        books = self._books
        assert len(books.tape) > int(books.cursor[0]) + 1, "the tape is full: nobody has read it"
        resting = BUY if buyer_is_maker else SELL
        number = self._spec.number
        record_trade(books, number, trade_id, price_ticks, lots, -resting, time_ms)
        return self._count_takers(resting, self.own.trade(resting, price_ticks, lots))

    def end_step(self, now_ms: int) -> None:
        """Close the step of what was recorded since the last call, if anything was."""
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
                key = (-side, ticks)
                self._taken[key] = self._taken.get(key, 0) + taken
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
        top = self._current_top()
        if side == BUY:
            return top.bid_ticks, top.bid_lots
        return top.ask_ticks, top.ask_lots

    def depth(self, side: int, limit: int) -> list[tuple[int, int]]:
        """The book as the recorded depth stream has it, which is what a client must arrive at."""
        return self._levels[side].top(limit)

    def last_update_id(self) -> int:
        return self._last_id

    # --- inside ---

    def _offers(self, side: int, limit_ticks: int) -> Iterator[tuple[int, int, Queued | None]]:
        """What an order could trade with up to its limit, best first: recorded lots, then ours."""
        mine = self.own.by_priority(side)
        for ticks, displayed in self._walk(side):
            while mine and (mine[0].price_ticks - ticks) * side > 0:
                if (mine[0].price_ticks - limit_ticks) * side < 0:
                    return
                yield mine[0].price_ticks, mine[0].left_lots, mine.pop(0)
            if (ticks - limit_ticks) * side < 0:
                return
            lots = displayed - self._taken.get((side, ticks), 0)
            if lots > 0:
                yield ticks, lots, None
        for order in mine:
            if (order.price_ticks - limit_ticks) * side < 0:
                return
            yield order.price_ticks, order.left_lots, order

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
        """Recorded levels best first, the newer top laid over them."""
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
        best, lots = self.best(side)
        if self._top is None or (price_ticks - best) * side < 0:
            return self._levels[side].get(price_ticks)
        return lots if price_ticks == best else 0

    def _crossed(self) -> list[Fill]:
        bid, bid_lots, ask, ask_lots = self._current_top()
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
        self._read_ticker()
        if self._top is not None:
            return self._top
        bids, asks = self._levels[BUY], self._levels[SELL]
        bid, ask = bids.best(), asks.best()
        return Top(bid, bids.get(bid), ask, asks.get(ask))

    def _read_ticker(self) -> None:
        message, self._unread_ticker = self._unread_ticker, None
        if message is None:
            return
        try:
            ticker = self._ticker_decoder.decode(message)
        except msgspec.DecodeError as error:
            raise RecordingError(f"{self._spec.symbol}: unusable book ticker: {error}") from error
        if ticker.last_id >= self._last_id:
            bid, ask = self._read_all([(ticker.bid, ticker.bid_qty), (ticker.ask, ticker.ask_qty)])
            self._top = Top(*bid, *ask)

    def _freshen(self) -> None:
        """The levels are as new as anything known: drop what was laid over them."""
        self._top = None
        self._taken.clear()

    def _read_snapshot(self, message: bytes) -> _Snapshot:
        try:
            return msgspec.json.decode(message, type=_Snapshot)
        except msgspec.DecodeError as error:
            raise RecordingError(f"{self._spec.symbol}: unusable snapshot: {error}") from error

    def _read_all(self, pairs: Pairs) -> list[tuple[int, int]]:
        # The same texts come again and again; looking them up is several times faster than reading.
        ticks_of, lots_of, spec = self._ticks, self._lots, self._spec
        levels = []
        for price, qty in pairs:
            ticks = ticks_of.get(price)
            if ticks is None:
                ticks = _remember(ticks_of, price, spec.read_price(price))
            lots = lots_of.get(qty)
            if lots is None:
                lots = _remember(lots_of, qty, spec.read_qty(qty))
            levels.append((ticks, lots))
        return levels


def _remember(texts: dict[str, int], text: str, value: int) -> int:
    if len(texts) >= MAX_TEXTS:
        texts.clear()
    texts[text] = value
    return value

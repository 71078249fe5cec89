"""Books of several symbols, compiled and slow side by side, and everything that must agree.

The tests of this room send commands to `Floor`; it compares after every one of them, and follows
the tape as a client of the streams would.
"""

from __future__ import annotations

from dataclasses import dataclass

from aegis.venue.matching import kernels
from aegis.venue.matching.book import CompiledBook, take_sums
from aegis.venue.matching.interface import BUY, FIRST_CLIENT, SELL, IdSource, Matched
from aegis.venue.matching.layout import (
    LAST_TRADE,
    LEFT,
    LEVEL_HEAD,
    LEVEL_KEY,
    NEXT,
    NONE,
    ORDER,
    OWNER,
    SIDE_LEVELS,
    Books,
    make_books,
)
from aegis.venue.tape import LEVEL, STEP, TRADE, Tape
from tests.venue.slow_matcher import SlowMatcher, SlowResult

SIDES = (BUY, SELL)
START_MS = 1_800_000_000_000


@dataclass(frozen=True)
class Command:
    """An order, or (`cancel` above 0) the cancellation of an earlier one."""

    symbol: int
    owner: int
    side: int
    price: int
    lots: int
    rest: bool
    stp: int
    cancel: int = 0


def queue_of(books: Books, symbol: int, side: int, price: int) -> list[tuple[int, int, int]]:
    """Id, owner and what is left of the orders at a price, read from the arrays themselves."""
    row = 2 * symbol + (0 if side > 0 else 1)
    for place in range(int(books.sides[row, SIDE_LEVELS])):
        if books.levels[row, place, LEVEL_KEY] == price * side:
            found = []
            slot = int(books.levels[row, place, LEVEL_HEAD])
            while slot != NONE:
                words = books.slots[slot]
                found.append((int(words[ORDER]), int(words[OWNER]), int(words[LEFT])))
                slot = int(words[NEXT])
            return found
    return []


class Floor:
    """So many symbols' books; `run` carries out a command on both sorts and compares."""

    def __init__(self, symbols: int, levels: int = 64, orders: int = 256) -> None:
        self.tape = Tape()
        self.books = make_books(symbols, self.tape, levels=levels, orders=orders)
        self.ids = IdSource(self.books.ids, self.books.symbols[:, LAST_TRADE])
        self.compiled = [CompiledBook(self.books, number) for number in range(symbols)]
        self.slow = [SlowMatcher() for _ in range(symbols)]
        self.followed: list[dict[int, dict[int, int]]] = [{1: {}, -1: {}} for _ in range(symbols)]
        self.last_update = [0] * symbols
        # Lots and cash of everybody, by symbol and owner: from fills for clients, sums for others.
        self.held: dict[tuple[int, int], list[int]] = {}
        self.now_ms = START_MS

    def run(self, command: Command) -> None:
        """Carry out one command. Fails with what differs."""
        self.now_ms += 1
        number, book, slow = command.symbol, *self._books(command.symbol)
        trade_id = self.ids.last_trade(number)
        if command.cancel:
            got, want = book.cancel(command.cancel, self.now_ms), slow.cancel(command.cancel)
            assert got == want
            matched = Matched(0)
        else:
            matched = self._submit(command)
        assert self.ids.last_trade(number) == trade_id + len(matched.fills)
        assert [fill.trade_id for fill in matched.fills] == [
            *range(trade_id + 1, self.ids.last_trade(number) + 1)
        ]
        prices = {command.price, *(fill.price_ticks for fill in matched.fills)}
        for side in SIDES:
            depth = slow.depth(side)
            assert book.depth(side, 99) == depth
            assert book.best(side) == (depth or [(0, 0)])[0]
            for price in prices:
                assert queue_of(self.books, number, side, price) == slow.queue(side, price)
                lots = kernels.lots_at(self.books, number, side, price)
                assert lots == dict(depth).get(price, 0)
        assert len(book) == len(slow.resting)
        self._follow(command, matched)
        self._assert_balanced(command, matched)

    def _books(self, symbol: int) -> tuple[CompiledBook, SlowMatcher]:
        return self.compiled[symbol], self.slow[symbol]

    def _submit(self, command: Command) -> Matched:
        book, slow = self._books(command.symbol)
        owner, side, price, lots = command.owner, command.side, command.price, command.lots
        order_id = self.ids.next_order()
        found = book.available(owner, side, price, command.stp, 10**9)
        assert book.has_room(side, price)
        got = book.submit(
            order_id, owner, side, price, lots,
            now_ms=self.now_ms, rest=command.rest, stp=command.stp,
        )  # fmt: skip
        want: SlowResult = slow.submit(
            order_id, owner, side, price, lots, command.rest, command.stp
        )
        fills = [(f.maker_id, f.price_ticks, f.qty_lots, f.maker_left_lots) for f in got.fills]
        assert fills == want.fills
        assert [(one.order_id, one.left_lots) for one in got.expired] == want.expired
        assert (got.left_lots, got.stopped, got.rested) == (want.left, want.stopped, want.rested)
        assert not got.refused
        assert lots - got.left_lots == min(found, lots)
        assert kernels.left_lots(self.books, order_id) == (want.left if want.rested else 0)
        return got

    def _follow(self, command: Command, matched: Matched) -> None:
        """Read the tape as a client of the streams would, and arrive at the same book."""
        number = command.symbol
        before = len(self.tape)
        assert kernels.end_steps(self.books, self.now_ms) == (1 if before else 0)
        records = self.tape.records[: len(self.tape)].tolist()
        self.tape.clear()
        if not records:
            assert not matched.fills
            return
        assert all(record[2:4] == (number, self.now_ms) for record in records)
        trades = [record[4:8] for record in records if record[0] == TRADE]
        assert trades == [
            (fill.trade_id, fill.price_ticks, fill.qty_lots, command.side) for fill in matched.fills
        ]
        levels = [record[4:8] for record in records if record[0] == LEVEL]
        last = self.last_update[number]
        for update_id, side, price, lots in levels:
            assert update_id > last
            last = update_id
            self.followed[number][side][price] = lots
        self.last_update[number] = last
        for side in SIDES:
            shown = {price: lots for price, lots in self.followed[number][side].items() if lots}
            assert shown == dict(self.slow[number].depth(side))
        kind, _, _, _, first, final, *top = records[-1]
        assert kind == STEP and [record[0] for record in records].count(STEP) == 1
        assert (first, final) == ((levels[0][0], last) if levels else (0, last))
        assert final == self.compiled[number].last_update_id() == self.last_update[number]
        assert tuple(top) == (*self.compiled[number].best(BUY), *self.compiled[number].best(SELL))

    def _assert_balanced(self, command: Command, matched: Matched) -> None:
        """Lots and cash of all owners, clients and others, add up to nothing after every event."""
        for fill in matched.fills:
            for owner, sign in ((command.owner, command.side), (fill.maker_owner, -command.side)):
                if owner >= FIRST_CLIENT:
                    self._hold(command.symbol, owner, sign * fill.qty_lots, fill.price_ticks)
        for traded in take_sums(self.books):
            held = self.held.setdefault((traded.symbol, traded.owner), [0, 0])
            held[0] += traded.lots
            held[1] += traded.turnover
        for position in (0, 1):
            totals = [0] * len(self.slow)
            for (symbol, _), held in self.held.items():
                totals[symbol] += held[position]
            assert totals == [0] * len(self.slow)

    def _hold(self, symbol: int, owner: int, lots: int, price: int) -> None:
        held = self.held.setdefault((symbol, owner), [0, 0])
        held[0] += lots
        held[1] += lots * price

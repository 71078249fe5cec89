"""A measured stream of orders through the kernels: how many a second the matching does.

The benchmark and the tests call `measure`. The stream is what a quoting market looks like: most
orders rest near a touch that wanders, nearly as many are cancelled, some take; all symbols in turn
at random. It is drawn by a small generator inside the kernel, so that what is timed is matching:
index, levels, queues, sums and the tape. Nothing of it is used by a running venue.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aegis.host.jit import kernel
from aegis.venue.matching.interface import FIRST_CLIENT, OWNER_MAKERS, OWNER_TAKERS
from aegis.venue.matching.kernels import cancel, end_step, next_order, submit
from aegis.venue.matching.layout import (
    DONE,
    FILL_COUNT,
    FREE_COUNT,
    REFUSALS,
    REST,
    TRADE_ID,
    Books,
    make_books,
)
from aegis.venue.tape import HEADROOM, Tape

LIVE: Final = 256  # resting orders per symbol that the stream keeps up; about 50 levels a side
REACH: Final = 64  # how far from the touch an order may rest, in ticks
START_TICKS: Final = 1_000_000
CHUNK: Final = 1_000_000  # orders per kernel call

# ---- Counts: what the stream did
SUBMITTED, CANCELLED, TAKEN, RECORDS = range(4)
_ONE = np.uint64(1)
_MULTIPLIER = np.uint64(6364136223846793005)  # Knuth's, for 64-bit linear congruence
_SHIFT = np.uint64(33)


@kernel
def _draw(dice: Any, below: Any) -> Any:
    """A number from 0 to below-1, by the generator's high bits."""
    dice[0] = dice[0] * _MULTIPLIER + _ONE
    return np.int64(dice[0] >> _SHIFT) % below


@kernel
def pour(books: Any, live: Any, mids: Any, dice: Any, counts: Any, orders: Any) -> None:
    """Send so many orders and cancellations; empties the tape whenever it fills up."""
    symbols, room = live.shape
    capacity = books.tape.shape[0] - HEADROOM
    for number in range(orders):
        if books.cursor[0] > capacity:
            counts[RECORDS] += books.cursor[0]
            books.cursor[0] = 0
            books.state[FILL_COUNT] = 0
        symbol = _draw(dice, symbols)
        mids[symbol] += _draw(dice, 3) - 1
        side = 1 if _draw(dice, 2) == 0 else -1
        place = _draw(dice, room)
        kind = _draw(dice, 100)
        if kind < 10:
            # Takes a few ticks deep: the touch, mostly.
            order_id = next_order(books)
            price = mids[symbol] + side * _draw(dice, 4)
            lots = 1 + _draw(dice, 40)
            submit(books, symbol, order_id, OWNER_TAKERS, side, price, lots, DONE, number)
            counts[TAKEN] += 1
        elif live[symbol, place] != 0:
            cancel(books, live[symbol, place], number)
            live[symbol, place] = 0
            counts[CANCELLED] += 1
        else:
            # Nearer is likelier: the smaller of two draws. One in 16 is a client's.
            distance = 1 + min(_draw(dice, REACH), _draw(dice, REACH))
            owner = FIRST_CLIENT if place % 16 == 0 else OWNER_MAKERS
            order_id = next_order(books)
            price = mids[symbol] - side * distance
            submit(books, symbol, order_id, owner, side, price, 1 + _draw(dice, 20), REST, number)
            live[symbol, place] = order_id
            counts[SUBMITTED] += 1
        end_step(books, symbol, number)
    counts[RECORDS] += books.cursor[0]
    books.cursor[0] = 0
    books.state[FILL_COUNT] = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """What a stream did, and how long it took."""

    orders: int
    seconds: float
    trades: int
    records: int
    refused: int
    resting: int  # orders in the books at the end

    @property
    def orders_per_s(self) -> float:
        """Orders and cancellations a second, in one thread."""
        return self.orders / self.seconds


class Stream:
    """A stream that can be poured in parts, to look at the books in between."""

    def __init__(self, symbols: int, seed: int = 1) -> None:
        self.tape = Tape()
        self.books: Books = make_books(symbols, self.tape, orders=symbols * 2 * LIVE)
        self._live = np.zeros((symbols, LIVE), np.int64)
        self._mids = np.full(symbols, START_TICKS, np.int64)
        self._dice = np.array([seed], np.uint64)
        self.counts = np.zeros(4, np.int64)
        self.pour(0)  # compiles

    def pour(self, orders: int) -> None:
        """Send so many orders and cancellations."""
        for start in range(0, max(orders, 1), CHUNK):
            part = min(CHUNK, orders - start)
            pour(self.books, self._live, self._mids, self._dice, self.counts, part)


def measure(orders: int = 10_000_000, symbols: int = 20, seed: int = 1) -> Measured:
    """Pour `orders` orders and cancellations over `symbols` symbols, after a tenth unmeasured."""
    stream = Stream(symbols, seed)
    stream.pour(orders // 10)
    books = stream.books
    trades, records = int(books.ids[TRADE_ID]), int(stream.counts[RECORDS])
    began_s = time.perf_counter()
    stream.pour(orders)
    seconds = time.perf_counter() - began_s
    return Measured(
        orders=orders,
        seconds=seconds,
        trades=int(books.ids[TRADE_ID]) - trades,
        records=int(stream.counts[RECORDS]) - records,
        refused=int(books.state[REFUSALS]),
        resting=len(books.slots) - int(books.state[FREE_COUNT]),
    )

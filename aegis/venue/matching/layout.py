"""The memory of all order books: which array holds what, and who may write it.

`make_books` makes it once at start; the kernels of this package are its only writers, everybody
else reads. One `Books` serves all symbols of the venue; a symbol is its row in the venue's list
(`SymbolSpec.number`), a side of it is the row `2 * number` (bids) or `2 * number + 1` (asks).
Everything is int64: prices in ticks, quantities in lots, times in milliseconds since the epoch. No
array is ever resized, and none may be replaced: kernels hold their addresses.

A level's key grows with attractiveness (bids: price, asks: -price), so that both sides share one
code, keys ascend in place and the best level is the last one: what comes and goes near the touch
moves few others. The orders of a level are a queue of linked slots in arrival order; slots that
are free are linked by the same word.

Bounds. A side has room for `levels` prices and MAX_SIDE_ORDERS orders, all books together for
`orders` orders. An order that would have to rest beyond that is refused whole, before it has
traded anything. MAX_LEVELS and MAX_SIDE_ORDERS are such that one order through a whole side fits
into the tape's headroom and into the fills.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.venue.matching.interface import FIRST_CLIENT
from aegis.venue.tape import HEADROOM, RECORD_BYTES, Tape

Words = npt.NDArray[np.int64]

# ---- the counters of the whole exchange (Books.ids): the newest id that was given out
ORDER_ID, TRADE_ID, UPDATE_ID = range(3)

# ---- one order (Books.slots[slot]); NEXT links the free ones too, NONE ends a chain
ORDER, OWNER, ROW, KEY, LEFT, NEXT, PREVIOUS = range(7)
SLOT_WORDS: Final = 8  # a cache line
NONE: Final = -1

# ---- one level (Books.levels[row, place])
LEVEL_KEY, LEVEL_LOTS, LEVEL_HEAD, LEVEL_TAIL = range(4)
LEVEL_WORDS: Final = 4

# ---- one side (Books.sides[row])
SIDE_LEVELS, SIDE_ORDERS = range(2)

# ---- one symbol (Books.symbols[symbol])
FIRST_UPDATE = 0  # of the open step; 0: no level has changed in it
LAST_UPDATE = 1  # the book's newest change
STEP_OPEN = 2  # 1: something is on the tape that no STEP has closed yet
LAST_TICKS, LAST_TRADE_MS = 3, 4  # the newest print
PRINT_LOW, PRINT_HIGH = 5, 6  # of the prints since somebody last looked; NO_LOW, NO_HIGH: none
WATCH_LOW, WATCH_HIGH = 7, 8  # a print outside of it must be shown to Python at once
MARK_E8 = 9  # the mark price as it was last measured; 0: it is the middle of the book
LAST_TRADE = 10  # its newest trade id: each symbol counts its own, without a gap
SYMBOL_WORDS: Final = 16
NO_LOW: Final = 2**62
NO_HIGH: Final = -(2**62)

# ---- the books as a whole (Books.state)
FREE_HEAD, FREE_COUNT = 0, 1  # slots
FILL_COUNT, EXPIRED_COUNT = 2, 3  # rows that are good; who reads them sets them to 0
LEFT_LOTS = 4  # what the last `submit` did not trade
SLOT = 5  # where the last `submit` that returned RESTED put its order
WATCH_HITS = 6  # prints outside of their symbol's watch band; who looks sets it to 0
REFUSALS = 7  # orders refused for want of room, ever
STATE_WORDS: Final = 16

# ---- a fill that concerns a client, or that was asked for (Books.fills[row])
FILL_TRADE, FILL_SYMBOL, FILL_SIDE, FILL_PRICE, FILL_LOTS = range(5)  # FILL_SIDE: the taker's
FILL_MAKER, FILL_MAKER_OWNER, FILL_MAKER_LEFT, FILL_TAKER, FILL_TAKER_OWNER = range(5, 10)
FILL_MS = 10
FILL_WORDS: Final = 12

# ---- a resting order that self-trade prevention took out (Books.expired[row])
EXPIRED_ORDER, EXPIRED_OWNER, EXPIRED_LEFT = range(3)
EXPIRED_WORDS: Final = 4

# ---- what the market's own participants did (Books.sums[symbol, owner])
# Lots bought less lots sold, and ticks * lots paid less received as HIGH * 2**32 + LOW: two words
# hold two billion trades of any size between two drains, where one could overflow.
SUM_LOTS, SUM_CASH_HIGH, SUM_CASH_LOW = range(3)

# ---- how an order is to be treated (`flags` of submit): the self-trade prevention mode and
STP_MASK: Final = 3
REST: Final = 4  # what is left joins the book
REPORT: Final = 8  # every fill is wanted in Books.fills, not only the clients' own

# ---- what became of it (returned by submit)
DONE: Final = 0  # traded as far as it could; the rest, if any, is gone
RESTED: Final = 1
STOPPED: Final = 2  # self-trade prevention expired it
REFUSED: Final = -1  # no room: nothing has changed

MAX_LEVELS: Final = 4_096
MAX_SIDE_ORDERS: Final = 8_192
MAX_FILLS: Final = 2 * MAX_SIDE_ORDERS
# One order through a whole side: a TRADE of each order, a LEVEL of each level, its own, the STEP.
assert MAX_SIDE_ORDERS + MAX_LEVELS + 2 <= HEADROOM, "one order must fit into the headroom"
assert RECORD_BYTES == 8 * 8, "kernels write a record as eight words"

# A product of these must fit into a word: the largest price times the largest quantity.
MAX_TURNOVER: Final = 2**62


class Books(NamedTuple):
    """The books of all symbols; see the module for what each word means."""

    ids: Words  # [3]
    tape: Words  # [records, 8]: the tape's records as words
    cursor: Words  # [1]: how many records are written
    slots: Words  # [orders, SLOT_WORDS]
    levels: Words  # [2 * symbols, levels, LEVEL_WORDS]
    sides: Words  # [2 * symbols, 2]
    symbols: Words  # [symbols, SYMBOL_WORDS]
    state: Words  # [STATE_WORDS]
    table: npt.NDArray[np.int32]  # order id -> slot + 1, open addressing; 0 is empty
    fills: Words  # [MAX_FILLS, FILL_WORDS]
    expired: Words  # [MAX_SIDE_ORDERS, EXPIRED_WORDS]
    sums: Words  # [symbols, FIRST_CLIENT, 3]


def make_books(symbols: int, tape: Tape, *, levels: int = 1_024, orders: int = 16_384) -> Books:
    """Empty books for so many symbols that write on `tape`.

    `levels` is the room of one side of one symbol (at most MAX_LEVELS), `orders` that of all books
    together. The memory is touched as it is used: 32 bytes a level, 72 to 80 an order.
    """
    assert symbols >= 1, f"books for {symbols} symbols"
    assert 1 <= levels <= MAX_LEVELS, f"{levels} levels a side; at most {MAX_LEVELS}"
    assert 1 <= orders < 2**30, f"room for {orders} orders"
    slots = np.zeros((orders, SLOT_WORDS), np.int64)
    slots[:, NEXT] = np.arange(1, orders + 1)
    slots[-1, NEXT] = NONE
    state = np.zeros(STATE_WORDS, np.int64)
    state[FREE_COUNT] = orders
    per_symbol = np.zeros((symbols, SYMBOL_WORDS), np.int64)
    per_symbol[:, (PRINT_LOW, WATCH_HIGH)] = NO_LOW
    per_symbol[:, (PRINT_HIGH, WATCH_LOW)] = NO_HIGH
    return Books(
        ids=np.zeros(3, np.int64),
        tape=tape.records.view(np.int64).reshape(-1, 8),
        cursor=tape.cursor,
        slots=slots,
        levels=np.zeros((2 * symbols, levels, LEVEL_WORDS), np.int64),
        sides=np.zeros((2 * symbols, 2), np.int64),
        symbols=per_symbol,
        state=state,
        # At most half full: a search ends after a step or two.
        table=np.zeros(1 << (2 * orders - 1).bit_length(), np.int32),
        fills=np.zeros((MAX_FILLS, FILL_WORDS), np.int64),
        expired=np.zeros((MAX_SIDE_ORDERS, EXPIRED_WORDS), np.int64),
        sums=np.zeros((symbols, FIRST_CLIENT, 3), np.int64),
    )

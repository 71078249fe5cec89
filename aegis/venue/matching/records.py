"""What goes onto the tape and into the sums: records, prints, and the participants' own books.

``kernels`` calls these kernels after a change, and the mirror for what it plays. Room on the tape
and in the fills is the caller's to see to.
"""

from typing import Any

from aegis.host.jit import kernel
from aegis.venue.matching.interface import FIRST_CLIENT, OWNER_MAKERS, OWNER_TAKERS
from aegis.venue.matching.layout import (
    FILL_COUNT,
    FILL_LOTS,
    FILL_MAKER,
    FILL_MAKER_LEFT,
    FILL_MAKER_OWNER,
    FILL_MS,
    FILL_PRICE,
    FILL_SIDE,
    FILL_SYMBOL,
    FILL_TAKER,
    FILL_TAKER_OWNER,
    FILL_TRADE,
    FIRST_UPDATE,
    LAST_TICKS,
    LAST_TRADE,
    LAST_TRADE_MS,
    LAST_UPDATE,
    LEFT,
    ORDER,
    OWNER,
    PRINT_HIGH,
    PRINT_LOW,
    REPORT,
    STEP_OPEN,
    SUM_CASH_HIGH,
    SUM_CASH_LOW,
    SUM_LOTS,
    TRADE_ID,
    UPDATE_ID,
    WATCH_HIGH,
    WATCH_HITS,
    WATCH_LOW,
)
from aegis.venue.tape import LEVEL, STEP, TRADE

_LOW_WORD = 0xFFFFFFFF


@kernel
def write(
    tape: Any,
    cursor: Any,
    kind: Any,
    symbol: Any,
    now_ms: Any,
    a: Any,
    b: Any,
    c: Any,
    d: Any,
    e: Any,
    f: Any,
) -> None:
    """Append a record; the caller has made sure that there is room."""
    at = cursor[0]
    tape[at, 0] = kind | (symbol << 32)
    tape[at, 1] = now_ms
    tape[at, 2] = a
    tape[at, 3] = b
    tape[at, 4] = c
    tape[at, 5] = d
    tape[at, 6] = e
    tape[at, 7] = f
    cursor[0] = at + 1


@kernel
def tell_level(books: Any, row: Any, key: Any, lots: Any, now_ms: Any) -> None:
    """A level has changed: it gets an update id and a record."""
    symbol = row >> 1
    side = 1 - 2 * (row & 1)
    update_id = books.ids[UPDATE_ID] + 1
    books.ids[UPDATE_ID] = update_id
    if books.symbols[symbol, FIRST_UPDATE] == 0:
        books.symbols[symbol, FIRST_UPDATE] = update_id
    books.symbols[symbol, LAST_UPDATE] = update_id
    books.symbols[symbol, STEP_OPEN] = 1
    write(books.tape, books.cursor, LEVEL, symbol, now_ms, update_id, side, key * side, lots, 0, 0)


@kernel
def add_sum(sums: Any, symbol: Any, owner: Any, lots: Any, price: Any) -> None:
    """Count signed lots at a price for one of the market's own participants."""
    cash = lots * price
    sums[symbol, owner, SUM_LOTS] += lots
    sums[symbol, owner, SUM_CASH_HIGH] += cash >> 32
    sums[symbol, owner, SUM_CASH_LOW] += cash & _LOW_WORD


@kernel
def note_print(symbols: Any, state: Any, symbol: Any, price: Any, now_ms: Any) -> None:
    """Remember a print for the last price, and for whoever watches prices."""
    symbols[symbol, LAST_TICKS] = price
    symbols[symbol, LAST_TRADE_MS] = now_ms
    symbols[symbol, STEP_OPEN] = 1
    if price < symbols[symbol, PRINT_LOW]:
        symbols[symbol, PRINT_LOW] = price
    if price > symbols[symbol, PRINT_HIGH]:
        symbols[symbol, PRINT_HIGH] = price
    if price < symbols[symbol, WATCH_LOW] or price > symbols[symbol, WATCH_HIGH]:
        state[WATCH_HITS] += 1


@kernel
def trade(
    books: Any,
    symbol: Any,
    side: Any,
    price: Any,
    lots: Any,
    maker_slot: Any,
    taker_id: Any,
    taker: Any,
    flags: Any,
    now_ms: Any,
) -> None:
    """Record one trade; the maker's slot already says what is left of it."""
    slots, state = books.slots, books.state
    maker = slots[maker_slot, OWNER]
    trade_id = books.symbols[symbol, LAST_TRADE] + 1
    books.symbols[symbol, LAST_TRADE] = trade_id
    # Of all symbols together: never below any symbol's own, which is what a restart relies on.
    books.ids[TRADE_ID] += 1
    write(
        books.tape, books.cursor, TRADE, symbol, now_ms, trade_id, price, lots, side, maker, taker
    )
    note_print(books.symbols, state, symbol, price, now_ms)
    if taker < FIRST_CLIENT:
        add_sum(books.sums, symbol, taker, side * lots, price)
    if maker < FIRST_CLIENT:
        add_sum(books.sums, symbol, maker, -side * lots, price)
    if taker >= FIRST_CLIENT or maker >= FIRST_CLIENT or flags & REPORT:
        row, fills = state[FILL_COUNT], books.fills
        state[FILL_COUNT] = row + 1
        fills[row, FILL_TRADE] = trade_id
        fills[row, FILL_SYMBOL] = symbol
        fills[row, FILL_SIDE] = side
        fills[row, FILL_PRICE] = price
        fills[row, FILL_LOTS] = lots
        fills[row, FILL_MAKER] = slots[maker_slot, ORDER]
        fills[row, FILL_MAKER_OWNER] = maker
        fills[row, FILL_MAKER_LEFT] = slots[maker_slot, LEFT]
        fills[row, FILL_TAKER] = taker_id
        fills[row, FILL_TAKER_OWNER] = taker
        fills[row, FILL_MS] = now_ms


# ---- what a recording tells


@kernel
def record_trade(
    books: Any, symbol: Any, trade_id: Any, price: Any, lots: Any, side: Any, time_ms: Any
) -> None:
    """A recorded print, with the recorded id; `side` is the taker's."""
    write(
        books.tape, books.cursor, TRADE, symbol, time_ms,
        trade_id, price, lots, side, OWNER_MAKERS, OWNER_TAKERS,
    )  # fmt: skip
    note_print(books.symbols, books.state, symbol, price, time_ms)


@kernel
def record_levels(
    books: Any, symbol: Any, first_id: Any, last_id: Any, levels: Any, now_ms: Any
) -> None:
    """Recorded levels, rows (side, price, lots), that changed between two recorded update ids."""
    symbols = books.symbols
    if symbols[symbol, FIRST_UPDATE] == 0:
        symbols[symbol, FIRST_UPDATE] = first_id
    symbols[symbol, LAST_UPDATE] = last_id
    symbols[symbol, STEP_OPEN] = 1
    for row in range(levels.shape[0]):
        side, price, lots = levels[row, 0], levels[row, 1], levels[row, 2]
        write(books.tape, books.cursor, LEVEL, symbol, now_ms, last_id, side, price, lots, 0, 0)


@kernel
def close_step(
    books: Any, symbol: Any, bid: Any, bid_lots: Any, ask: Any, ask_lots: Any, now_ms: Any
) -> None:
    """Close the step of a symbol, whose best prices are given."""
    symbols = books.symbols
    write(
        books.tape, books.cursor, STEP, symbol, now_ms,
        symbols[symbol, FIRST_UPDATE], symbols[symbol, LAST_UPDATE], bid, bid_lots, ask, ask_lots,
    )  # fmt: skip
    symbols[symbol, FIRST_UPDATE] = 0
    symbols[symbol, STEP_OPEN] = 0

"""Matching in machine code: price-time priority over the books of all symbols.

Called by the flow's agents (kernels), by ``run`` (the flow's clockwork) and, for clients, by
`book.CompiledBook`. All take `books` (a ``layout.Books``) and integers; sides are +1 (buy, bids)
and -1 (sell, asks). They never raise, never allocate, know no account and no clock: the time is
passed in and goes onto the tape.

The contract
============================================================  ====================================
`next_order(books)`                                           a fresh order id
`submit(books, symbol, order_id, owner, side, price, lots,    DONE, RESTED, STOPPED or REFUSED;
flags, now_ms)`                                               what it did not trade is in
                                                              `state[LEFT_LOTS]`, the slot of a
                                                              RESTED order in `state[SLOT]`
`cancel(books, order_id, now_ms)`                             the lots it had left; 0: not here;
                                                              REFUSED: the tape is full
`left_lots(books, order_id)`                                  the same, without taking it out
`best(books, symbol, side)`                                   (price, lots), (0, 0) if empty
`lots_at(books, symbol, side, price)`                         lots of a level, 0 if there is none
`depth(books, symbol, side, out)`                             writes rows (price, lots) of the best
                                                              levels, best first; how many
`available(books, symbol, owner, side, price, stp, enough)`   lots an order could trade up to price
`has_room(books, symbol, side, price)`                        1 if an order could rest there
`end_step(books, symbol, now_ms)`                             closes the step with a STEP record if
                                                              anything happened; 1 if it did
`end_steps(books, now_ms)`                                    the same of every symbol; how many
============================================================  ====================================

`flags` is the self-trade prevention mode, plus REST, plus REPORT (``layout``). `slots[slot, ORDER]
== order_id` tells whether the order that rested there still does. Amending is `cancel` and
`submit`: the order loses its place. Every trade is a TRADE record, every level that an order or a
cancellation changed one LEVEL record with an update id of its own. Fills that concern a client
(owner FIRST_CLIENT or above), or that were asked for by REPORT, are appended to `books.fills`; lots
and cash of owners below FIRST_CLIENT are added to `books.sums`. Nothing else books them.

The flow's side of it (``venue.flow``, driven by ``venue.flow_driver``): `agents.due_us`,
i64[symbols], is when each symbol's next event is due, in microseconds since the flow's origin;
`open_book(books, agents, symbol, now_ms)` fills a book and sets the first due time;
`step(books, agents, symbol, now_ms)` does what was due and sets a due time that is not earlier.
Neither calls `end_step`: the clock does, so that all of a step is closed by one record.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.venue.matching.interface import (
    STP_EXPIRE_BOTH,
    STP_EXPIRE_MAKER,
    STP_EXPIRE_TAKER,
    STP_NONE,
)
from aegis.venue.matching.layout import (
    DONE,
    EXPIRED_COUNT,
    EXPIRED_LEFT,
    EXPIRED_ORDER,
    EXPIRED_OWNER,
    FILL_COUNT,
    FREE_COUNT,
    KEY,
    LEFT,
    LEFT_LOTS,
    LEVEL_HEAD,
    LEVEL_KEY,
    LEVEL_LOTS,
    MAX_SIDE_ORDERS,
    NEXT,
    NONE,
    ORDER,
    ORDER_ID,
    OWNER,
    REFUSALS,
    REFUSED,
    REST,
    RESTED,
    ROW,
    SIDE_LEVELS,
    SIDE_ORDERS,
    STEP_OPEN,
    STOPPED,
    STP_MASK,
)
from aegis.venue.matching.queues import close_level, find, join, place_of, take_out
from aegis.venue.matching.records import close_step, tell_level, trade


@kernel
def _settle_level(books: Any, row: Any, place: Any, now_ms: Any) -> None:
    """Tell what the level at `place` has become; drop it if nobody stands there any more."""
    key = books.levels[row, place, LEVEL_KEY]
    lots = books.levels[row, place, LEVEL_LOTS]
    if books.levels[row, place, LEVEL_HEAD] == NONE:
        count = books.sides[row, SIDE_LEVELS]
        close_level(books.levels, row, count, place)
        books.sides[row, SIDE_LEVELS] = count - 1
    tell_level(books, row, key, lots, now_ms)


@kernel
def _sweep(
    books: Any,
    row: Any,
    place: Any,
    taker_id: Any,
    taker: Any,
    lots: Any,
    flags: Any,
    now_ms: Any,
) -> Any:
    """Trade against the best level, of side `row`, until it or the incoming order is used up.

    Returns what is left of the order; a stopped one's with all bits flipped (below 0).
    """
    slots, levels, state = books.slots, books.levels, books.state
    side = 2 * (row & 1) - 1
    price = levels[row, place, LEVEL_KEY] * -side
    stp = flags & STP_MASK
    left = lots
    changed = False
    stopped = False
    while left > 0 and levels[row, place, LEVEL_HEAD] != NONE:
        slot = levels[row, place, LEVEL_HEAD]
        if stp != STP_NONE and slots[slot, OWNER] == taker:
            if stp in (STP_EXPIRE_MAKER, STP_EXPIRE_BOTH):
                at = state[EXPIRED_COUNT]
                state[EXPIRED_COUNT] = at + 1
                books.expired[at, EXPIRED_ORDER] = slots[slot, ORDER]
                books.expired[at, EXPIRED_OWNER] = taker
                books.expired[at, EXPIRED_LEFT] = slots[slot, LEFT]
                take_out(books, row, place, slot)
                changed = True
            if stp in (STP_EXPIRE_TAKER, STP_EXPIRE_BOTH):
                stopped = True
                break
            continue
        traded = min(left, slots[slot, LEFT])
        left -= traded
        slots[slot, LEFT] -= traded
        levels[row, place, LEVEL_LOTS] -= traded
        changed = True
        trade(books, row >> 1, side, price, traded, slot, taker_id, taker, flags, now_ms)
        if slots[slot, LEFT] == 0:
            take_out(books, row, place, slot)
    if changed:
        _settle_level(books, row, place, now_ms)
    return ~left if stopped else left


# ---- the contract


@kernel
def next_order(books: Any) -> Any:
    """A fresh order id."""
    books.ids[ORDER_ID] += 1
    return books.ids[ORDER_ID]


@kernel
def has_room(books: Any, symbol: Any, side: Any, price: Any) -> Any:
    """1 if an order of that side and price could rest, 0 if it would be refused."""
    row = 2 * symbol + (0 if side > 0 else 1)
    if books.state[FREE_COUNT] == 0 or books.sides[row, SIDE_ORDERS] >= MAX_SIDE_ORDERS:
        return 0
    count = books.sides[row, SIDE_LEVELS]
    if count < books.levels.shape[1]:
        return 1
    place = place_of(books.levels, row, count, price * side)
    return 1 if place < count and books.levels[row, place, LEVEL_KEY] == price * side else 0


@kernel
def can_take(books: Any, symbol: Any, side: Any) -> Any:
    """1 if tape and fills have room for an order of `side` through the whole opposite side."""
    other = 2 * symbol + (1 if side > 0 else 0)
    orders = books.sides[other, SIDE_ORDERS]
    records = orders + books.sides[other, SIDE_LEVELS] + 2
    return (
        1
        if books.cursor[0] + records <= books.tape.shape[0]
        and books.state[FILL_COUNT] + orders <= books.fills.shape[0]
        and books.state[EXPIRED_COUNT] + orders <= books.expired.shape[0]
        else 0
    )


@kernel
def submit(
    books: Any,
    symbol: Any,
    order_id: Any,
    owner: Any,
    side: Any,
    price: Any,
    lots: Any,
    flags: Any,
    now_ms: Any,
) -> Any:
    """Match an order up to `price`; see the module. `order_id` must be new, `lots` above 0."""
    # Constants of the caller would be types of their own, and compile all that follows anew.
    owner, flags = np.int64(owner), np.int64(flags)
    state = books.state
    state[LEFT_LOTS] = lots
    if can_take(books, symbol, side) == 0 or (
        flags & REST and has_room(books, symbol, side, price) == 0
    ):
        state[REFUSALS] += 1
        return REFUSED
    row = 2 * symbol + (0 if side > 0 else 1)
    other = row ^ 1
    limit = -side * price
    left = lots
    while left > 0:
        place = books.sides[other, SIDE_LEVELS] - 1
        if place < 0 or books.levels[other, place, LEVEL_KEY] < limit:
            break
        left = _sweep(books, other, place, order_id, owner, left, flags, now_ms)
        if left < 0:
            state[LEFT_LOTS] = ~left
            return STOPPED
    state[LEFT_LOTS] = left
    if left > 0 and flags & REST:
        now = join(books, row, order_id, owner, side * price, left)
        tell_level(books, row, side * price, now, now_ms)
        return RESTED
    return DONE


@kernel
def cancel(books: Any, order_id: Any, now_ms: Any) -> Any:
    """Take an order out; returns the lots it had left, 0: not here, REFUSED: the tape is full."""
    found = find(books.table, books.slots, order_id)
    if found == NONE:
        return 0
    if books.cursor[0] >= books.tape.shape[0]:
        return REFUSED
    slot = np.int64(books.table[found]) - 1
    row, left = books.slots[slot, ROW], books.slots[slot, LEFT]
    place = place_of(books.levels, row, books.sides[row, SIDE_LEVELS], books.slots[slot, KEY])
    take_out(books, row, place, slot)
    _settle_level(books, row, place, now_ms)
    return left


@kernel
def cancel_of(books: Any, symbol: Any, order_id: Any, now_ms: Any) -> Any:
    """Like `cancel`, for an order of this symbol only."""
    found = find(books.table, books.slots, order_id)
    if found == NONE or books.slots[books.table[found] - 1, ROW] >> 1 != symbol:
        return 0
    return cancel(books, order_id, now_ms)


@kernel
def left_lots(books: Any, order_id: Any) -> Any:
    """What is left of a resting order; 0 if it is not here."""
    found = find(books.table, books.slots, order_id)
    return 0 if found == NONE else books.slots[books.table[found] - 1, LEFT]


@kernel
def best(books: Any, symbol: Any, side: Any) -> Any:
    """(price, lots) of the best level, (0, 0) if the side is empty."""
    row = 2 * symbol + (0 if side > 0 else 1)
    place = books.sides[row, SIDE_LEVELS] - 1
    if place < 0:
        return 0, 0
    return books.levels[row, place, LEVEL_KEY] * side, books.levels[row, place, LEVEL_LOTS]


@kernel
def lots_at(books: Any, symbol: Any, side: Any, price: Any) -> Any:
    """The lots that rest at a price, 0 if there is no such level."""
    row = 2 * symbol + (0 if side > 0 else 1)
    count = books.sides[row, SIDE_LEVELS]
    place = place_of(books.levels, row, count, price * side)
    if place == count or books.levels[row, place, LEVEL_KEY] != price * side:
        return 0
    return books.levels[row, place, LEVEL_LOTS]


@kernel
def depth(books: Any, symbol: Any, side: Any, out: Any) -> Any:
    """Write the best levels as rows (price, lots) of `out`, best first; returns how many."""
    row = 2 * symbol + (0 if side > 0 else 1)
    count = books.sides[row, SIDE_LEVELS]
    shown = min(count, out.shape[0])
    for number in range(shown):
        place = count - 1 - number
        out[number, 0] = books.levels[row, place, LEVEL_KEY] * side
        out[number, 1] = books.levels[row, place, LEVEL_LOTS]
    return shown


@kernel
def available(
    books: Any, symbol: Any, owner: Any, side: Any, price: Any, stp: Any, enough: Any
) -> Any:
    """Lots an order could trade up to `price`; stops counting at `enough`."""
    other = 2 * symbol + (1 if side > 0 else 0)
    levels, slots = books.levels, books.slots
    found = 0
    for place in range(books.sides[other, SIDE_LEVELS] - 1, -1, -1):
        if levels[other, place, LEVEL_KEY] < -side * price or found >= enough:
            break
        if stp == STP_NONE:
            found += levels[other, place, LEVEL_LOTS]
            continue
        slot = levels[other, place, LEVEL_HEAD]
        while slot != NONE:
            if slots[slot, OWNER] != owner:
                found += slots[slot, LEFT]
            elif stp != STP_EXPIRE_MAKER:
                return min(found, enough)
            slot = slots[slot, NEXT]
    return min(found, enough)


@kernel
def end_step(books: Any, symbol: Any, now_ms: Any) -> Any:
    """Close the step of a symbol with a STEP record; returns 0 if nothing had happened in it."""
    if books.symbols[symbol, STEP_OPEN] == 0:
        return 0
    bid, bid_lots = best(books, symbol, 1)
    ask, ask_lots = best(books, symbol, -1)
    close_step(books, symbol, bid, bid_lots, ask, ask_lots, now_ms)
    return 1


@kernel
def end_steps(books: Any, now_ms: Any) -> Any:
    """Close the open step of every symbol, in their order; returns how many there were."""
    closed = 0
    for symbol in range(books.symbols.shape[0]):
        closed += end_step(books, symbol, now_ms)
    return closed

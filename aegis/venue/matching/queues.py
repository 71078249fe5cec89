"""Where orders stand: the index of order ids, the sorted levels, and the queues of linked slots.

``kernels`` calls these kernels; they change slots, levels, sides and the index together, and know
no time, no trade and no tape. Bounds are the caller's: nothing here checks that there is room.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.venue.matching.layout import (
    FREE_COUNT,
    FREE_HEAD,
    KEY,
    LEFT,
    LEVEL_HEAD,
    LEVEL_KEY,
    LEVEL_LOTS,
    LEVEL_TAIL,
    LEVEL_WORDS,
    NEXT,
    NONE,
    ORDER,
    OWNER,
    PREVIOUS,
    ROW,
    SIDE_LEVELS,
    SIDE_ORDERS,
    SLOT,
)

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: consecutive ids lie apart
_HALF = np.uint64(32)

# ---- order id -> slot


@kernel
def _home(table: Any, order_id: Any) -> Any:
    """Where the search for an order id begins."""
    mixed = np.uint64(order_id) * _SPREAD
    return np.int64(mixed >> _HALF) & (table.shape[0] - 1)


@kernel
def find(table: Any, slots: Any, order_id: Any) -> Any:
    """The place of an order id in the table; NONE if it is not there."""
    place = _home(table, order_id)
    while table[place] != 0:
        if slots[table[place] - 1, ORDER] == order_id:
            return place
        place = (place + 1) & (table.shape[0] - 1)
    return NONE


@kernel
def enter(table: Any, order_id: Any, slot: Any) -> None:
    place = _home(table, order_id)
    while table[place] != 0:
        place = (place + 1) & (table.shape[0] - 1)
    table[place] = slot + 1


@kernel
def leave(table: Any, slots: Any, place: Any) -> None:
    """Empty a place; what stands behind it moves up, so that no search meets a hole too early."""
    mask = table.shape[0] - 1
    hole = place
    at = (hole + 1) & mask
    while table[at] != 0:
        home = _home(table, slots[table[at] - 1, ORDER])
        # It may move to the hole if its search passes there: home is not between hole and at.
        if (at - home) & mask >= (at - hole) & mask:
            table[hole] = table[at]
            hole = at
        at = (at + 1) & mask
    table[hole] = 0


# ---- levels


@kernel
def place_of(levels: Any, row: Any, count: Any, key: Any) -> Any:
    """The first place of a side whose key is `key` or more; `count` when none is.

    Doubling steps down from the best bracket the place, halving steps find it.
    """
    high = count
    step = 1
    while step <= count and levels[row, count - step, LEVEL_KEY] >= key:
        high = count - step
        step += step
    low = max(0, count - step + 1) if step <= count else 0
    while low < high:
        middle = (low + high) >> 1
        if levels[row, middle, LEVEL_KEY] < key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def open_level(levels: Any, row: Any, count: Any, place: Any, key: Any) -> None:
    """Make room at `place` for a new level without orders."""
    for at in range(count, place, -1):
        for word in range(LEVEL_WORDS):
            levels[row, at, word] = levels[row, at - 1, word]
    levels[row, place, LEVEL_KEY] = key
    levels[row, place, LEVEL_LOTS] = 0
    levels[row, place, LEVEL_HEAD] = NONE
    levels[row, place, LEVEL_TAIL] = NONE


@kernel
def close_level(levels: Any, row: Any, count: Any, place: Any) -> None:
    for at in range(place, count - 1):
        for word in range(LEVEL_WORDS):
            levels[row, at, word] = levels[row, at + 1, word]


# ---- orders


@kernel
def take_out(books: Any, row: Any, place: Any, slot: Any) -> None:
    """Unlink an order from the level at `place`, and free its slot. The level stays, even empty."""
    slots, levels, state = books.slots, books.levels, books.state
    before, after = slots[slot, PREVIOUS], slots[slot, NEXT]
    if before == NONE:
        levels[row, place, LEVEL_HEAD] = after
    else:
        slots[before, NEXT] = after
    if after == NONE:
        levels[row, place, LEVEL_TAIL] = before
    else:
        slots[after, PREVIOUS] = before
    levels[row, place, LEVEL_LOTS] -= slots[slot, LEFT]
    books.sides[row, SIDE_ORDERS] -= 1
    leave(books.table, slots, find(books.table, slots, slots[slot, ORDER]))
    slots[slot, ORDER] = 0
    slots[slot, NEXT] = state[FREE_HEAD]
    state[FREE_HEAD] = slot
    state[FREE_COUNT] += 1


@kernel
def join(books: Any, row: Any, order_id: Any, owner: Any, key: Any, lots: Any) -> Any:
    """Put an order at the end of its level's queue; returns the lots that stand there now."""
    slots, levels, state = books.slots, books.levels, books.state
    count = books.sides[row, SIDE_LEVELS]
    place = place_of(levels, row, count, key)
    if place == count or levels[row, place, LEVEL_KEY] != key:
        open_level(levels, row, count, place, key)
        books.sides[row, SIDE_LEVELS] = count + 1
    slot = state[FREE_HEAD]
    state[FREE_HEAD] = slots[slot, NEXT]
    state[FREE_COUNT] -= 1
    tail = levels[row, place, LEVEL_TAIL]
    slots[slot, ORDER] = order_id
    slots[slot, OWNER] = owner
    slots[slot, ROW] = row
    slots[slot, KEY] = key
    slots[slot, LEFT] = lots
    slots[slot, NEXT] = NONE
    slots[slot, PREVIOUS] = tail
    if tail == NONE:
        levels[row, place, LEVEL_HEAD] = slot
    else:
        slots[tail, NEXT] = slot
    levels[row, place, LEVEL_TAIL] = slot
    levels[row, place, LEVEL_LOTS] += lots
    books.sides[row, SIDE_ORDERS] += 1
    enter(books.table, order_id, slot)
    state[SLOT] = slot
    return levels[row, place, LEVEL_LOTS]

"""The makers' own list of their orders: what stands where, and what was taken from it.

The makers' kernel calls it. Per symbol and side the list is unsorted and dense; an order is known
by its id and by the slot of the book that it rests in, so that a look at it is one comparison.
"""

from __future__ import annotations

from typing import Any

from aegis.host.jit import kernel
from aegis.venue.flow.layout import (
    BID_ORDERS,
    QUOTE_LOTS,
    QUOTE_ORDER,
    QUOTE_PRICE,
    QUOTE_SLOT,
)
from aegis.venue.matching.interface import OWNER_MAKERS
from aegis.venue.matching.kernels import cancel, next_order, submit
from aegis.venue.matching.layout import LEFT, LEFT_LOTS, ORDER, REST, RESTED, SLOT


@kernel
def side_row(side: Any) -> Any:
    return 0 if side > 0 else 1


@kernel
def forget(agents: Any, symbol: Any, side: Any, place: Any) -> None:
    """Take an order that has left the book out of the list; the last one takes its place."""
    row = side_row(side)
    last = agents.counts[symbol, BID_ORDERS + row] - 1
    agents.counts[symbol, BID_ORDERS + row] = last
    for word in range(4):
        agents.quotes[symbol, row, place, word] = agents.quotes[symbol, row, last, word]


@kernel
def lots_left(books: Any, quote: Any) -> Any:
    """What the book still holds of a quote; 0 if it was taken."""
    slot = quote[QUOTE_SLOT]
    return books.slots[slot, LEFT] if books.slots[slot, ORDER] == quote[QUOTE_ORDER] else 0


@kernel
def withdraw(books: Any, agents: Any, symbol: Any, side: Any, place: Any, now_ms: Any) -> None:
    """Cancel a quote."""
    cancel(books, agents.quotes[symbol, side_row(side), place, QUOTE_ORDER], now_ms)
    forget(agents, symbol, side, place)


@kernel
def quote(
    books: Any, agents: Any, symbol: Any, side: Any, price: Any, lots: Any, now_ms: Any
) -> None:
    """Place an order that rests; what it crosses, it takes. Does nothing when the list is full."""
    row = side_row(side)
    count = agents.counts[symbol, BID_ORDERS + row]
    if lots < 1 or price < 1 or count >= agents.quotes.shape[2]:
        return
    order_id = next_order(books)
    done = submit(books, symbol, order_id, OWNER_MAKERS, side, price, lots, REST, now_ms)
    if done == RESTED:
        mine = agents.quotes[symbol, row, count]
        mine[QUOTE_ORDER] = order_id
        mine[QUOTE_SLOT] = books.state[SLOT]
        mine[QUOTE_PRICE] = price
        mine[QUOTE_LOTS] = books.state[LEFT_LOTS]
        agents.counts[symbol, BID_ORDERS + row] = count + 1

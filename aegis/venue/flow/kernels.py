"""The flow's entrance for the clock that drives it: open a book, do what is due, believe a price.

``flow_driver`` calls `open_book` once for each symbol, ``flow_clock`` `step` whenever its `due_us`
has come; both leave the time of the next event there. They write to the book and the tape only
through the matching kernels, and close no step: that is the clock's part.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.venue.flow.arrivals import next_arrival_us
from aegis.venue.flow.dice import exponential
from aegis.venue.flow.layout import BOOK_DUE_US, BOOKS_PER_S, TRADE_DUE_US
from aegis.venue.flow.makers import fill_book, look_at_book
from aegis.venue.flow.takers import take


@kernel
def _next_look_us(agents: Any, symbol: Any, now_us: Any) -> Any:
    rate = agents.traits[symbol, BOOKS_PER_S]
    return now_us + 1 + np.int64(exponential(agents.dice, symbol) / rate * 1e6)


@kernel
def _set_due(agents: Any, symbol: Any) -> None:
    counts = agents.counts[symbol]
    agents.due_us[symbol] = min(counts[BOOK_DUE_US], counts[TRADE_DUE_US])


@kernel
def open_book(books: Any, agents: Any, symbol: Any, now_ms: Any) -> None:
    """Fill an empty book at the flow's origin, and set the first due time."""
    fill_book(books, agents, symbol, now_ms)
    agents.counts[symbol, BOOK_DUE_US] = _next_look_us(agents, symbol, 0)
    agents.counts[symbol, TRADE_DUE_US] = next_arrival_us(agents, symbol, 0)
    _set_due(agents, symbol)


@kernel
def step(books: Any, agents: Any, symbol: Any, now_ms: Any) -> None:
    """Do the symbol's next event; its time was `due_us[symbol]`, `now_ms` goes onto the tape."""
    counts = agents.counts[symbol]
    now_us = agents.due_us[symbol]
    if counts[BOOK_DUE_US] <= counts[TRADE_DUE_US]:
        look_at_book(books, agents, symbol, now_us, now_ms)
        counts[BOOK_DUE_US] = _next_look_us(agents, symbol, now_us)
    else:
        take(books, agents, symbol, now_us, now_ms)
    _set_due(agents, symbol)

"""The open orders of each instrument and side as lists, so that our best price is found at once.

The order table enters an order when its row opens and takes it out when the order is over; the
gate's SELF_TRADE asks for the best of the other side. The lists are woven through the table `links`
(next and previous row of each row, plus one, 0 for none); their heads stand in the gate's guard
rows. Nothing is allocated and nothing is searched but one list.
"""

from typing import Any

import numpy as np

from aegis.execution.layouts import AMENDING
from aegis.execution.tables import guards_of, links_of, rows_of, terms_of
from aegis.host.jit import kernel
from aegis.risk.guards import GUARD_WORDS, HEADS
from aegis.shm.intent import IOC, MARKET

__all__ = ["best_own_ticks", "delist", "enlist"]


@kernel
def _head_of(row: Any) -> Any:
    """Where the list of an order's instrument and side begins."""
    return np.int64(row.instrument) * GUARD_WORDS + HEADS + (0 if row.side > 0 else 1)


@kernel
def enlist(tables: Any, slot: Any) -> Any:
    """Put an order into the list of its instrument and side."""
    guards, links = guards_of(tables), links_of(tables)
    head = _head_of(rows_of(tables)[slot])
    after = guards[head]
    links[2 * slot] = after
    links[2 * slot + 1] = 0
    if after > 0:
        links[2 * (after - 1) + 1] = slot + 1
    guards[head] = slot + 1


@kernel
def delist(tables: Any, slot: Any) -> Any:
    """Take an order out of the list of its instrument and side."""
    guards, links = guards_of(tables), links_of(tables)
    after, before = links[2 * slot], links[2 * slot + 1]
    if before > 0:
        links[2 * (before - 1)] = after
    else:
        guards[_head_of(rows_of(tables)[slot])] = after
    if after > 0:
        links[2 * (after - 1) + 1] = before


@kernel("i8(i8[::1],i8,i8)")
def best_own_ticks(tables: Any, instrument: Any, side: Any) -> Any:
    """Our highest resting buy (side 1) or lowest resting sell (-1) in ticks; 0: none rests.

    An order that is being cancelled, or whose fate is unknown, may still meet another: it counts.
    One that is being amended counts at both of its prices.
    """
    rows, links = rows_of(tables), links_of(tables)
    best = np.int64(0)
    at = guards_of(tables)[instrument * GUARD_WORDS + HEADS + (0 if side > 0 else 1)]
    while at > 0:
        row = rows[at - 1]
        if row.flags & (IOC | MARKET) == 0 and (
            best == 0 or np.int64(row.side) * (row.price_ticks - best) > 0
        ):
            best = row.price_ticks
        if row.amends & AMENDING != 0:
            meant_ticks = terms_of(tables)[at - 1].price_ticks
            if best == 0 or np.int64(row.side) * (meant_ticks - best) > 0:
                best = meant_ticks
        at = links[2 * (at - 1)]
    return best

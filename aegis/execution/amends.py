"""Amends: the terms of an order (price, total quantity) while they change, and what settles them.

Theory of operation. An amend changes the terms of an order that rests; the exchange carries it out
whole, refuses it, or cancels the order instead, and its answer may be lost like any other. From the
moment at which its bytes may leave, two terms are possible and the row keeps both: the old ones in
the order's row, those that were asked for in its TERMS. What may still fill is counted by the
larger, our own best price by the worse, until the exchange has said which holds. Nothing is sent
again, and one order has one amend under way at most.

What settles it, in whatever order it comes:

* the answer to the request itself; -2011 and -2013 say that there is no open order, so nothing was
  amended, and the order is asked about;
* evidence that the terms are the new ones, if it is younger than the last change: an event or a
  query of before an earlier amend may tell of the very same price;
* evidence that nothing can change any more: the order is over, or a query that was asked when the
  receive window of the amend had closed. Whatever terms it tells are those.

An order that is complete by its old terms while it may have been made larger stays open until then.
Terms that nobody here asked for (a person's, or those of an amend that a power loss took from the
journal) are taken over as told, beside an amend that is under way as well. A smaller quantity at
the same price is not: the exchange makes orders smaller that only reduce, and the larger number is
the careful one.
"""

from typing import Any

import numpy as np

from aegis.execution import order_states
from aegis.execution.journal.notes import note_amend, note_event, note_terms
from aegis.execution.layouts import AMENDED_BEFORE, AMENDING
from aegis.execution.order_rows import finish, lots_left, move, reserve, tell
from aegis.execution.order_states import (
    AMEND_AMBIGUOUS,
    AMEND_REFUSED,
    AMEND_SENT,
    AMENDED,
    FILLED,
    IGNORED,
)
from aegis.execution.tables import rows_of, stage_of, terms_of, words_of
from aegis.execution.words import AMENDED_ORDERS, ANOMALIES, RECONCILE_WANTED
from aegis.host.jit import kernel
from aegis.shm import outcome

__all__ = ["conclude_amend", "hear_terms", "open_amend", "restore_terms", "take_terms"]

NEXT = order_states.NEXT
_MOVED = 1
_OUT_AMENDED, _OUT_REFUSED = outcome.AMENDED, outcome.AMEND_REFUSED
_OUT_UNKNOWN = outcome.UNKNOWN


@kernel
def open_amend(
    tables: Any,
    slot: Any,
    price_ticks: Any,
    qty_lots: Any,
    intent_id: Any,
    request_id: Any,
    now_ns: Any,
    now_ms: Any,
) -> Any:
    """An amend is about to be sent: keep its terms beside the old ones, reserve for the worse."""
    row = rows_of(tables)[slot]
    terms = terms_of(tables)[slot]
    before_lots = lots_left(tables, slot)
    if row.amends & AMENDED_BEFORE == 0:
        terms.told_ms = 0
    terms.price_ticks = price_ticks
    terms.qty_lots = qty_lots
    terms.intent_id = intent_id
    terms.request_id = request_id
    terms.sent_ns = now_ns
    terms.sent_ms = now_ms
    row.amends = (row.amends & AMENDED_BEFORE) | AMENDING
    reserve(tables, row, lots_left(tables, slot) - before_lots)
    move(tables, row, NEXT[np.int64(row.state), AMEND_SENT], now_ns)
    note_amend(tables, slot, now_ns)


@kernel
def restore_terms(tables: Any, slot: Any, note: Any) -> Any:
    """What a snapshot tells of an order's amends; its state has been restored before."""
    row = rows_of(tables)[slot]
    terms = terms_of(tables)[slot]
    before_lots = lots_left(tables, slot)
    terms.price_ticks = note.price_ticks
    terms.qty_lots = note.qty_lots
    terms.intent_id = note.ident
    terms.request_id = 0
    terms.sent_ns = note.mono_ns
    terms.sent_ms = note.number
    terms.told_ms = note.event_ns
    row.amends = note.code & (AMENDING | AMENDED_BEFORE)
    reserve(tables, row, lots_left(tables, slot) - before_lots)


@kernel
def _tell_amend(
    tables: Any, slot: Any, kind: Any, code: Any, intent_id: Any, ts_event_ns: Any, ts_recv_ns: Any
) -> Any:
    """An outcome of an amend: of its intent, not of the one that placed the order."""
    place = tell(tables, rows_of(tables)[slot], kind, code, 0, ts_event_ns, ts_recv_ns)
    if place >= 0:
        stage_of(tables)[place].intent_id = intent_id


@kernel
def _finish_if_whole(tables: Any, slot: Any, ts_event_ns: Any, ts_recv_ns: Any) -> Any:
    """The terms are known: the fills may have made up the whole of the order by them already."""
    row = rows_of(tables)[slot]
    if row.filled_lots > row.qty_lots:
        words_of(tables)[ANOMALIES] += 1
        words_of(tables)[RECONCILE_WANTED] += 1
    if row.filled_lots >= row.qty_lots:
        finish(tables, slot, FILLED, 0, ts_event_ns, ts_recv_ns)


@kernel
def conclude_amend(
    tables: Any, slot: Any, event: Any, state: Any, code: Any, ts_event_ns: Any, ts_recv_ns: Any
) -> Any:
    """AMEND_REFUSED, AMEND_LOST or AMEND_AMBIGUOUS of the amend under way; MOVED.

    `state` is what the order table's transitions make of it.
    """
    row = rows_of(tables)[slot]
    intent_id = terms_of(tables)[slot].intent_id
    if event == AMEND_AMBIGUOUS:
        move(tables, row, state, ts_recv_ns)
        _tell_amend(tables, slot, _OUT_UNKNOWN, code, intent_id, ts_event_ns, ts_recv_ns)
        return np.int64(_MOVED)
    before_lots = lots_left(tables, slot)
    row.amends = row.amends & AMENDED_BEFORE
    reserve(tables, row, lots_left(tables, slot) - before_lots)
    move(tables, row, state, ts_recv_ns)
    _tell_amend(tables, slot, _OUT_REFUSED, code, intent_id, ts_event_ns, ts_recv_ns)
    _finish_if_whole(tables, slot, ts_event_ns, ts_recv_ns)
    return np.int64(_MOVED)


@kernel
def take_terms(
    tables: Any,
    slot: Any,
    price_ticks: Any,
    qty_lots: Any,
    settles: Any,
    ts_event_ns: Any,
    ts_recv_ns: Any,
) -> Any:
    """The order has these terms; `ts_event_ns` is when the exchange gave it them.

    `settles`: no amend is under way any more. Otherwise they are somebody else's, and those that
    ours asks for may still follow.
    """
    row = rows_of(tables)[slot]
    terms = terms_of(tables)[slot]
    note_terms(tables, slot, price_ticks, qty_lots, settles, ts_event_ns, ts_recv_ns)
    intent_id = terms.intent_id if settles and row.amends & AMENDING != 0 else np.int64(0)
    before_lots = lots_left(tables, slot)
    told_ms = ts_event_ns // 1_000_000
    terms.told_ms = max(terms.told_ms, told_ms) if row.amends & AMENDED_BEFORE != 0 else told_ms
    row.price_ticks = price_ticks
    row.qty_lots = qty_lots
    row.amends = AMENDED_BEFORE if settles else row.amends | AMENDED_BEFORE
    reserve(tables, row, lots_left(tables, slot) - before_lots)
    if settles:
        move(tables, row, NEXT[np.int64(row.state), AMENDED], ts_recv_ns)
    words_of(tables)[AMENDED_ORDERS] += 1
    _tell_amend(tables, slot, _OUT_AMENDED, 0, intent_id, ts_event_ns, ts_recv_ns)
    if settles:
        _finish_if_whole(tables, slot, ts_event_ns, ts_recv_ns)


@kernel("i8(i8[::1],i8,i8,i8,i8,b1,i8)")
def hear_terms(
    tables: Any,
    slot: Any,
    price_ticks: Any,
    qty_lots: Any,
    told_ms: Any,
    is_final: Any,
    ts_recv_ns: Any,
) -> Any:
    """What the exchange says of an order's terms, with its time: MOVED or IGNORED.

    `is_final`: no amend that is under way can change them any more, or it is its very answer.
    """
    row = rows_of(tables)[slot]
    terms = terms_of(tables)[slot]
    if NEXT[np.int64(row.state), AMENDED] < 0:
        return np.int64(IGNORED)
    is_old = price_ticks == row.price_ticks and qty_lots == row.qty_lots
    is_young = told_ms > (terms.told_ms if row.amends & AMENDED_BEFORE != 0 else 0)
    is_smaller = price_ticks == row.price_ticks and qty_lots < row.qty_lots
    is_new = price_ticks == terms.price_ticks and qty_lots == terms.qty_lots
    is_within = price_ticks == terms.price_ticks and qty_lots <= terms.qty_lots
    settles = True
    if row.amends & AMENDING == 0:
        if is_old or is_smaller or not is_young:
            return np.int64(IGNORED)
    elif is_final and (is_old or is_smaller) and not is_new:
        event_ns = told_ms * 1_000_000
        note_event(tables, slot, AMEND_REFUSED, 0, 0, 0, 0, event_ns, ts_recv_ns)
        state = NEXT[np.int64(row.state), AMEND_REFUSED]
        return conclude_amend(tables, slot, AMEND_REFUSED, state, 0, event_ns, ts_recv_ns)
    elif not (is_final or (is_new and is_young)):
        if is_old or is_smaller or is_within or not is_young:
            return np.int64(IGNORED)
        settles = False
    take_terms(tables, slot, price_ticks, qty_lots, settles, told_ms * 1_000_000, ts_recv_ns)
    return np.int64(_MOVED)

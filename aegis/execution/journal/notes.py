"""Notes: records as the kernels of the order table and the positions make them, in memory.

A kernel that moves orders or money notes its own arguments, so that a replay through the same
kernels moves them the same way. The notes stand in the table `journal` until
`aegis.execution.journal.journal` writes them, before the bytes that they speak of go to the socket.
A core without a journal (a benchmark, a replay) has it switched off and notes nothing.
"""

from typing import Any

import numpy as np

from aegis.execution.journal.layout import (
    ADOPT,
    AMEND,
    EVENT,
    FILL,
    FUNDING,
    PLACE,
    STILL_AMENDING,
    STRAY,
    TRADE,
)
from aegis.execution.order_states import AMENDED
from aegis.execution.tables import journal_of, rows_of, terms_of, words_of
from aegis.execution.words import JOURNAL_COUNT, JOURNAL_LOST, JOURNAL_ON, WALL_OFFSET_NS
from aegis.host.jit import kernel

__all__ = [
    "note_adoption",
    "note_amend",
    "note_event",
    "note_fill",
    "note_funding",
    "note_placement",
    "note_stray",
    "note_terms",
    "note_trade",
]

_NO_ROOM = -1


@kernel
def take_note(tables: Any, kind: Any, instrument: Any, mono_ns: Any) -> Any:
    """Clear the next note and begin it; its place, or -1 when off or (counted) without room."""
    words = words_of(tables)
    if words[JOURNAL_ON] == 0:
        return np.int64(_NO_ROOM)
    notes = journal_of(tables)
    place = words[JOURNAL_COUNT]
    if place >= notes.size:
        words[JOURNAL_LOST] += 1
        return np.int64(_NO_ROOM)
    words[JOURNAL_COUNT] = place + 1
    note = notes[place]
    note.kind = kind
    note.code = 0
    note.instrument = instrument
    note.ts_ns = mono_ns + words[WALL_OFFSET_NS]
    note.mono_ns = mono_ns
    note.order_ref = 0
    note.epoch = 0
    note.side = 0
    note.flags = 0
    note.ident = 0
    note.price_ticks = 0
    note.qty_lots = 0
    note.cum_lots = 0
    note.trade_id = 0
    note.amount_e8 = 0
    note.event_ns = 0
    note.number = 0
    return place


@kernel
def note_placement(tables: Any, slot: Any, now_ns: Any) -> Any:
    """An order has got its row and is about to be sent."""
    row = rows_of(tables)[slot]
    place = take_note(tables, PLACE, row.instrument, now_ns)
    if place < 0:
        return
    note = journal_of(tables)[place]
    note.code = row.level
    note.order_ref = row.order_ref
    note.epoch = row.epoch
    note.side = row.side
    note.flags = row.flags
    note.ident = row.intent_id
    note.price_ticks = row.price_ticks
    note.qty_lots = row.qty_lots
    note.amount_e8 = row.strategy
    note.event_ns = row.cause_ts_recv_ns
    note.number = row.sent_ms


@kernel
def note_event(
    tables: Any,
    slot: Any,
    event: Any,
    code: Any,
    reason: Any,
    cum_lots: Any,
    order_id: Any,
    ts_event_ns: Any,
    ts_recv_ns: Any,
) -> Any:
    """The arguments of `apply_event`."""
    row = rows_of(tables)[slot]
    place = take_note(tables, EVENT, row.instrument, ts_recv_ns)
    if place < 0:
        return
    note = journal_of(tables)[place]
    note.code = event
    note.order_ref = row.order_ref
    note.epoch = row.epoch
    note.side = row.side
    note.flags = reason
    note.ident = order_id
    note.cum_lots = cum_lots
    note.event_ns = ts_event_ns
    note.number = code


@kernel
def note_amend(tables: Any, slot: Any, now_ns: Any) -> Any:
    """An order has got terms that it may have soon, and its amend is about to be sent."""
    row = rows_of(tables)[slot]
    place = take_note(tables, AMEND, row.instrument, now_ns)
    if place < 0:
        return
    terms = terms_of(tables)[slot]
    note = journal_of(tables)[place]
    note.order_ref = row.order_ref
    note.epoch = row.epoch
    note.side = row.side
    note.ident = terms.intent_id
    note.price_ticks = terms.price_ticks
    note.qty_lots = terms.qty_lots
    note.number = terms.sent_ms


@kernel
def note_terms(
    tables: Any,
    slot: Any,
    price_ticks: Any,
    qty_lots: Any,
    settles: Any,
    ts_event_ns: Any,
    ts_recv_ns: Any,
) -> Any:
    """The arguments of `take_terms`."""
    row = rows_of(tables)[slot]
    place = take_note(tables, EVENT, row.instrument, ts_recv_ns)
    if place < 0:
        return
    note = journal_of(tables)[place]
    note.code = AMENDED
    note.order_ref = row.order_ref
    note.epoch = row.epoch
    note.side = row.side
    note.price_ticks = price_ticks
    note.qty_lots = qty_lots
    note.flags = 0 if settles else STILL_AMENDING
    note.event_ns = ts_event_ns


@kernel
def note_fill(
    tables: Any,
    slot: Any,
    price_ticks: Any,
    lots: Any,
    cum_lots: Any,
    trade_id: Any,
    fee_e8: Any,
    order_id: Any,
    flags: Any,
    ts_event_ns: Any,
    ts_recv_ns: Any,
    realized_e8: Any,
) -> Any:
    """The arguments of `apply_fill`, with what it realised."""
    row = rows_of(tables)[slot]
    place = take_note(tables, FILL, row.instrument, ts_recv_ns)
    if place < 0:
        return
    note = journal_of(tables)[place]
    note.order_ref = row.order_ref
    note.epoch = row.epoch
    note.side = row.side
    note.flags = flags
    note.ident = order_id
    note.price_ticks = price_ticks
    note.qty_lots = lots
    note.cum_lots = cum_lots
    note.trade_id = trade_id
    note.amount_e8 = fee_e8
    note.event_ns = ts_event_ns
    note.number = realized_e8


@kernel
def note_stray(
    tables: Any,
    instrument: Any,
    side: Any,
    price_ticks: Any,
    lots: Any,
    trade_id: Any,
    fee_e8: Any,
    order_id: Any,
    flags: Any,
    ts_event_ns: Any,
    ts_recv_ns: Any,
    realized_e8: Any,
) -> Any:
    """The arguments of `apply_stray_fill`, with what it realised."""
    place = take_note(tables, STRAY, instrument, ts_recv_ns)
    if place < 0:
        return
    note = journal_of(tables)[place]
    note.side = side
    note.flags = flags
    note.ident = order_id
    note.price_ticks = price_ticks
    note.qty_lots = lots
    note.trade_id = trade_id
    note.amount_e8 = fee_e8
    note.event_ns = ts_event_ns
    note.number = realized_e8


@kernel
def note_trade(tables: Any, instrument: Any, trade_id: Any, ts_recv_ns: Any) -> Any:
    """A trade that the books hold already."""
    place = take_note(tables, TRADE, instrument, ts_recv_ns)
    if place >= 0:
        journal_of(tables)[place].trade_id = trade_id


@kernel
def note_adoption(tables: Any, instrument: Any, lots: Any, cost_e8: Any, ts_recv_ns: Any) -> Any:
    """The exchange's position is taken over."""
    place = take_note(tables, ADOPT, instrument, ts_recv_ns)
    if place >= 0:
        note = journal_of(tables)[place]
        note.qty_lots = lots
        note.amount_e8 = cost_e8


@kernel
def note_funding(
    tables: Any, amount_e8: Any, tran_id: Any, ts_event_ns: Any, ts_recv_ns: Any
) -> Any:
    """Funding is booked."""
    place = take_note(tables, FUNDING, 0, ts_recv_ns)
    if place >= 0:
        note = journal_of(tables)[place]
        note.amount_e8 = amount_e8
        note.trade_id = tran_id
        note.event_ns = ts_event_ns

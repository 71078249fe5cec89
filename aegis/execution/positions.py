"""Positions towards the brain and the exchange: accept, compare, tell; and fills of no known order.

Kernels that the core calls off the hot path. A position is taken over from the exchange only at a
start; from then on fills alone move it, and a difference is a reason to halt, never to trade.
"""

from typing import Any

import numpy as np

from aegis.execution.booking import book_trade
from aegis.execution.fills import remember_trade
from aegis.execution.journal.notes import note_adoption, note_stray
from aegis.execution.journal.notes import note_funding as journal_funding
from aegis.execution.journal.notes import note_trade as journal_trade
from aegis.execution.order_rows import entry_price
from aegis.execution.order_table import DUPLICATE, MOVED, count_fill
from aegis.execution.outbox import stage_outcome
from aegis.execution.tables import (
    exposure_of,
    gate_of,
    outcomes_header_of,
    outcomes_records_of,
    rules_of,
    stage_of,
    trades_of,
    words_of,
)
from aegis.execution.words import DUPLICATE_FILLS, FILLS, FUNDING_E8, STAGE_COUNT
from aegis.host.jit import kernel
from aegis.risk.gate_state import NET_REALIZED_E8
from aegis.shm.gated import offer
from aegis.shm.outcome import FILL, POSITION, STATE
from aegis.shm.wake import wake

__all__ = [
    "accept_position",
    "apply_stray_fill",
    "flush_stage",
    "note_funding",
    "note_trade",
    "tell_position",
    "tell_state",
]


@kernel("i8(i8[::1])")
def flush_stage(tables: Any) -> Any:
    """Offer the staged outcomes to the ring; returns how many it took, and wakes the reader."""
    words = words_of(tables)
    count = words[STAGE_COUNT]
    if count == 0:
        return np.int64(0)
    stage = stage_of(tables)
    header = outcomes_header_of(tables)
    taken = offer(header, outcomes_records_of(tables), stage, count)
    if taken == 0:
        return np.int64(0)
    for place in range(taken, count):
        stage[place - taken] = stage[place]
    words[STAGE_COUNT] = count - taken
    wake(header)
    return np.int64(taken)


@kernel("void(i8[::1],i8,i8,i8,i8)")
def accept_position(tables: Any, instrument: Any, lots: Any, cost_e8: Any, ts_recv_ns: Any) -> Any:
    """Take over the exchange's position (signed lots) and its signed cost in 1e-8 quote."""
    note_adoption(tables, instrument, lots, cost_e8, ts_recv_ns)
    held = exposure_of(tables)[instrument]
    held.position_lots = lots
    held.cost_e8 = cost_e8
    held.unrealized_e8 = 0.0


@kernel("i8(i8[::1],i8,i8,i8,i8)")
def tell_position(tables: Any, instrument: Any, epoch: Any, intent_id: Any, ts_recv_ns: Any) -> Any:
    """Stage a POSITION outcome; `intent_id` names the RESYNC it answers, 0 for our own start."""
    stage = stage_of(tables)
    place = stage_outcome(stage, words_of(tables), POSITION)
    if place < 0:
        return place
    held = exposure_of(tables)[instrument]
    told = stage[place]
    told.instrument = instrument
    told.intent_id = intent_id
    told.position_lots = held.position_lots
    told.entry_price = entry_price(rules_of(tables)[instrument], held)
    told.ts_recv_ns = ts_recv_ns
    told.epoch = epoch
    return place


@kernel("i8(i8[::1],i8,i8,i8,i8)")
def tell_state(tables: Any, state: Any, control: Any, epoch: Any, ts_recv_ns: Any) -> Any:
    """Stage a STATE outcome: where the latch stands, and the control that moved it in `code`."""
    stage = stage_of(tables)
    place = stage_outcome(stage, words_of(tables), STATE)
    if place < 0:
        return place
    told = stage[place]
    told.reason = state
    told.code = control
    told.ts_recv_ns = ts_recv_ns
    told.epoch = epoch
    return place


@kernel("i8(i8[::1],i8,i8,i8,i8,i8,i8,i8,i8,i8,i8,i8)")
def apply_stray_fill(
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
    told_e8: Any,
) -> Any:
    """Book a trade of an order that the table does not know: MOVED or DUPLICATE.

    The brain hears of it as a FILL without an order reference: the position is real. `told_e8` is
    the profit that the exchange says it realised, or NOT_TOLD.
    """
    words = words_of(tables)
    if not remember_trade(trades_of(tables), words, instrument, trade_id):
        words[DUPLICATE_FILLS] += 1
        return np.int64(DUPLICATE)
    exposure = exposure_of(tables)
    rule = rules_of(tables)[instrument]
    signed_lots = lots if side > 0 else -lots
    realized_e8 = book_trade(tables, instrument, signed_lots, price_ticks, fee_e8, told_e8)
    note_stray(
        tables,
        instrument,
        side,
        price_ticks,
        lots,
        trade_id,
        fee_e8,
        order_id,
        flags,
        ts_event_ns,
        ts_recv_ns,
        realized_e8,
    )
    count_fill(tables, instrument, np.int64(side), realized_e8, ts_event_ns, ts_recv_ns)
    words[FILLS] += 1
    stage = stage_of(tables)
    place = stage_outcome(stage, words, FILL)
    if place >= 0:
        held = exposure[instrument]
        told = stage[place]
        told.instrument = instrument
        told.side = side
        told.flags = flags
        told.price_ticks = price_ticks
        told.qty_lots = lots
        told.position_lots = held.position_lots
        told.ts_event_ns = ts_event_ns
        told.ts_recv_ns = ts_recv_ns
        told.exchange_order_id = order_id
        told.trade_id = trade_id
        told.fee = float(fee_e8) * 1e-8
        told.realized_pnl = float(realized_e8) * 1e-8
        told.entry_price = entry_price(rule, held)
    return np.int64(MOVED)


@kernel("void(i8[::1],i8,i8,i8,i8)")
def note_funding(
    tables: Any, amount_e8: Any, tran_id: Any, ts_event_ns: Any, ts_recv_ns: Any
) -> Any:
    """Book funding received (paid: negative) in 1e-8 quote; it counts in the day's result.

    `tran_id` is its number in the exchange's list, 0 where the stream has told of it.
    """
    words_of(tables)[FUNDING_E8] += amount_e8
    gate_of(tables)[NET_REALIZED_E8] += amount_e8
    journal_funding(tables, amount_e8, tran_id, ts_event_ns, ts_recv_ns)


@kernel("b1(i8[::1],i8,i8,i8)")
def note_trade(tables: Any, instrument: Any, trade_id: Any, ts_recv_ns: Any) -> Any:
    """Remember a trade that a position taken over from the exchange holds; whether it is new."""
    is_new = remember_trade(trades_of(tables), words_of(tables), instrument, trade_id)
    if is_new:
        journal_trade(tables, instrument, trade_id, ts_recv_ns)
    return is_new

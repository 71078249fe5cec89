"""The order table: rows made once, a free list, a hash by reference, and `apply`, the one way in.

The batch kernel opens a row for an order before its bytes leave; every answer, stream event and
query then goes through `apply_event`, which moves the state by the table of
`aegis.execution.order_states`, keeps the exposure that the gate reads, books fills, and stages what
the brain must hear. Nothing here touches a socket or a clock.

A final row keeps standing in the hash until its place is needed: the free list is first in, first
out, so late messages about the newest few thousand finished orders still find them. Lookup is
constant and memory flat, however many orders there were.
"""

from typing import Any

import numpy as np

from aegis.execution import order_states
from aegis.execution.booking import book_trade
from aegis.execution.fills import remember_trade
from aegis.execution.journal.notes import note_event, note_fill, note_placement
from aegis.execution.open_lists import delist, enlist
from aegis.execution.order_states import (
    ACCEPT,
    AMBIGUOUS,
    ANOMALY,
    CANCEL,
    CANCEL_SENT,
    CANCELED,
    CLOSING,
    COMPLETE,
    EXPIRE,
    EXPIRED,
    FILL,
    FILLED,
    FREE,
    NOT_PLACED,
    PENDING_NEW,
    REJECT,
    TERMINAL,
)
from aegis.execution.outbox import stage_outcome
from aegis.execution.tables import (
    buckets_of,
    exposure_of,
    gate_of,
    guards_of,
    ring_of,
    rows_of,
    rules_of,
    stage_of,
    trades_of,
    words_of,
)
from aegis.execution.words import (
    ACCEPTED_ORDERS,
    ANOMALIES,
    DUPLICATE_FILLS,
    FILLS,
    FREE_COUNT,
    FREE_HEAD,
    OPEN_COUNT,
    RECONCILE_WANTED,
    REJECTED_ORDERS,
    TAPE_TIME,
    UNKNOWN_COUNT,
)
from aegis.host.jit import kernel
from aegis.risk.gate_state import OPEN_ORDERS
from aegis.risk.trips import count_execution
from aegis.shm import outcome

__all__ = [
    "DUPLICATE",
    "MOVED",
    "apply_event",
    "count_fill",
    "find_order",
    "open_order",
]

NEXT = order_states.NEXT
UNKNOWN = order_states.UNKNOWN
NOBODY = -1
# What `apply_event` answers besides order_states.IGNORED and ANOMALY.
MOVED, DUPLICATE = 1, -3

_OUT_ACCEPTED, _OUT_REJECTED, _OUT_UNKNOWN = outcome.ACCEPTED, outcome.REJECTED, outcome.UNKNOWN
_OUT_FILL, _OUT_CANCELED, _OUT_EXPIRED = outcome.FILL, outcome.CANCELED, outcome.EXPIRED


@kernel("i8(i8,i8,i8)")
def _bucket_of(epoch: Any, order_ref: Any, buckets: Any) -> Any:
    mixed = np.uint64(order_ref) ^ (np.uint64(epoch) << np.uint64(44))
    mixed = mixed * np.uint64(0x9E3779B97F4A7C15)
    return np.int64((mixed >> np.uint64(32)) & np.uint64(buckets - 1))


@kernel("i8(i8[::1],i8,i8)")
def find_order(tables: Any, epoch: Any, order_ref: Any) -> Any:
    """Slot of an order, finished or not; -1 when the table does not know it (any more)."""
    rows = rows_of(tables)
    buckets = buckets_of(tables)
    slot = buckets[_bucket_of(epoch, order_ref, buckets.size)]
    while slot != NOBODY:
        if rows[slot].order_ref == order_ref and rows[slot].epoch == epoch:
            return slot
        slot = np.int64(rows[slot].next_in_bucket)
    return np.int64(NOBODY)


@kernel
def _unlink(tables: Any, slot: Any) -> Any:
    """Take a finished row out of the hash, so that its place can be used again."""
    rows = rows_of(tables)
    buckets = buckets_of(tables)
    row = rows[slot]
    bucket = _bucket_of(np.int64(row.epoch), row.order_ref, buckets.size)
    at = buckets[bucket]
    if at == slot:
        buckets[bucket] = np.int64(row.next_in_bucket)
        return
    while at != NOBODY:
        following = np.int64(rows[at].next_in_bucket)
        if following == slot:
            rows[at].next_in_bucket = row.next_in_bucket
            return
        at = following


@kernel
def open_order(tables: Any, intent: Any, now_ns: Any, now_ms: Any) -> Any:
    """Give a PLACE intent its row, PENDING_NEW, and reserve its quantity; -1: the table is full."""
    rows = rows_of(tables)
    buckets = buckets_of(tables)
    ring = ring_of(tables)
    words = words_of(tables)
    if words[FREE_COUNT] == 0:
        return np.int64(NOBODY)
    slot = ring[words[FREE_HEAD]]
    words[FREE_HEAD] = (words[FREE_HEAD] + 1) % ring.size
    words[FREE_COUNT] -= 1
    row = rows[slot]
    if row.state != FREE:
        _unlink(tables, slot)
    row.order_ref = intent.order_ref
    row.intent_id = intent.intent_id
    row.price_ticks = intent.price_ticks
    row.qty_lots = intent.qty_lots
    row.filled_lots = 0
    row.reported_lots = 0
    row.exchange_order_id = 0
    row.cause_ts_recv_ns = intent.cause_ts_recv_ns
    row.sent_ns = now_ns
    row.sent_ms = now_ms
    row.cancel_sent_ns = 0
    row.changed_ns = now_ns
    row.epoch = intent.epoch
    row.instrument = intent.instrument
    row.strategy = intent.strategy
    row.state = PENDING_NEW
    row.closing_as = 0
    row.side = intent.side
    row.flags = intent.flags
    row.level = intent.level
    row.acknowledged = 0
    row.cancel_wanted = 0
    row.tries = 0
    bucket = _bucket_of(np.int64(row.epoch), row.order_ref, buckets.size)
    row.next_in_bucket = buckets[bucket]
    buckets[bucket] = slot
    _reserve(tables, row, row.qty_lots)
    enlist(tables, slot)
    exposure_of(tables)[row.instrument].open_orders += 1
    gate_of(tables)[OPEN_ORDERS] += 1
    words[OPEN_COUNT] += 1
    note_placement(tables, slot, now_ns)
    return slot


@kernel
def count_fill(
    tables: Any, instrument: Any, side: Any, realized_e8: Any, ts_event_ns: Any, ts_recv_ns: Any
) -> Any:
    """Tell the gate of an order's first fill: many of one side without a profit halt."""
    at_ns = ts_recv_ns
    if words_of(tables)[TAPE_TIME] != 0:
        # A replayed tape counts its own time; a fill that a query told has none.
        at_ns = ts_event_ns
        if at_ns <= 0:
            return
    ends_streak = realized_e8 > 0 or exposure_of(tables)[instrument].position_lots == 0
    count_execution(
        gate_of(tables), guards_of(tables), instrument, side, ends_streak, at_ns, ts_recv_ns
    )


@kernel
def _reserve(tables: Any, row: Any, lots: Any) -> Any:
    """Add to (or, negative, take from) what the open orders of one side may still fill."""
    held = exposure_of(tables)[row.instrument]
    if row.side > 0:
        held.open_buy_lots += lots
    else:
        held.open_sell_lots += lots


@kernel
def _release(tables: Any, slot: Any) -> Any:
    """The order is over: nothing of it may fill any more, and its row may be used again."""
    row = rows_of(tables)[slot]
    ring = ring_of(tables)
    words = words_of(tables)
    _reserve(tables, row, -max(row.qty_lots - row.filled_lots, 0))
    delist(tables, slot)
    exposure_of(tables)[row.instrument].open_orders -= 1
    gate_of(tables)[OPEN_ORDERS] -= 1
    words[OPEN_COUNT] -= 1
    ring[(words[FREE_HEAD] + words[FREE_COUNT]) % ring.size] = slot
    words[FREE_COUNT] += 1


@kernel
def _move(tables: Any, row: Any, state: Any, ts_recv_ns: Any) -> Any:
    """Change the state, keeping the number of unknown orders."""
    words = words_of(tables)
    if row.state == UNKNOWN:
        words[UNKNOWN_COUNT] -= 1
    if state == UNKNOWN:
        words[UNKNOWN_COUNT] += 1
    if state != row.state:
        row.changed_ns = ts_recv_ns
        row.tries = 0
    row.state = state


@kernel
def entry_price(rule: Any, held: Any) -> Any:
    """The average entry of a position in quote units, 0 when flat."""
    if held.position_lots == 0:
        return 0.0
    ticks = float(held.cost_e8) / (float(held.position_lots) * float(rule.unit_e8))
    return ticks * rule.tick_size


@kernel
def _tell(
    tables: Any, row: Any, kind: Any, code: Any, reason: Any, ts_event_ns: Any, ts_recv_ns: Any
) -> Any:
    """Stage an outcome of an order; returns its place in the stage, -1 when there is none."""
    stage = stage_of(tables)
    place = stage_outcome(stage, words_of(tables), kind)
    if place < 0:
        return place
    held = exposure_of(tables)[row.instrument]
    told = stage[place]
    told.order_ref = row.order_ref
    told.instrument = row.instrument
    told.reason = reason
    told.side = row.side
    told.code = code
    told.intent_id = row.intent_id
    told.price_ticks = row.price_ticks
    told.qty_lots = row.qty_lots
    told.cum_qty_lots = row.filled_lots
    told.position_lots = held.position_lots
    told.ts_event_ns = ts_event_ns
    told.ts_recv_ns = ts_recv_ns
    told.exchange_order_id = row.exchange_order_id
    told.entry_price = entry_price(rules_of(tables)[row.instrument], held)
    told.epoch = row.epoch
    return place


@kernel
def _finish(
    tables: Any, slot: Any, state: Any, reason: Any, ts_event_ns: Any, ts_recv_ns: Any
) -> Any:
    """Enter FILLED, CANCELED or EXPIRED and tell of it; of FILLED the last FILL has told."""
    row = rows_of(tables)[slot]
    _move(tables, row, state, ts_recv_ns)
    _release(tables, slot)
    if state == CANCELED:
        _tell(tables, row, _OUT_CANCELED, 0, reason, ts_event_ns, ts_recv_ns)
    elif state == EXPIRED:
        _tell(tables, row, _OUT_EXPIRED, 0, reason, ts_event_ns, ts_recv_ns)


@kernel
def _acknowledge(tables: Any, row: Any, order_id: Any, ts_event_ns: Any, ts_recv_ns: Any) -> Any:
    """The exchange has (or had) the order: told once, before anything that follows from it."""
    if order_id > 0:
        row.exchange_order_id = order_id
    if row.acknowledged == 0:
        row.acknowledged = 1
        words_of(tables)[ACCEPTED_ORDERS] += 1
        _tell(tables, row, _OUT_ACCEPTED, 0, 0, ts_event_ns, ts_recv_ns)


@kernel
def _after_fill(tables: Any, slot: Any, ts_event_ns: Any, ts_recv_ns: Any) -> Any:
    """Where an order stands once a trade of it is booked."""
    row = rows_of(tables)[slot]
    words = words_of(tables)
    if row.filled_lots > row.qty_lots:
        words[ANOMALIES] += 1
        words[RECONCILE_WANTED] += 1
    if row.filled_lots >= row.qty_lots:
        _finish(tables, slot, FILLED, 0, ts_event_ns, ts_recv_ns)
    elif row.state == CLOSING and row.filled_lots >= row.reported_lots:
        _finish(tables, slot, np.int64(row.closing_as), 0, ts_event_ns, ts_recv_ns)
    else:
        _move(tables, row, NEXT[np.int64(row.state), FILL], ts_recv_ns)


@kernel("i8(i8[::1],i8,i8,i8,i8,i8,i8,i8,i8,i8,i8,i8)")
def apply_fill(
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
    told_e8: Any,
) -> Any:
    """One trade of an order, from whatever source: MOVED, DUPLICATE, or ANOMALY (booked too).

    `told_e8` is the profit that the exchange says it realised, or NOT_TOLD.
    """
    row = rows_of(tables)[slot]
    words = words_of(tables)
    instrument = np.int64(row.instrument)
    if not remember_trade(trades_of(tables), words, instrument, trade_id):
        words[DUPLICATE_FILLS] += 1
        return np.int64(DUPLICATE)
    is_late = row.state >= TERMINAL
    _acknowledge(tables, row, order_id, ts_event_ns, ts_recv_ns)
    signed_lots = lots * np.int64(row.side)
    realized_e8 = book_trade(tables, instrument, signed_lots, price_ticks, fee_e8, told_e8)
    note_fill(
        tables,
        slot,
        price_ticks,
        lots,
        cum_lots,
        trade_id,
        fee_e8,
        order_id,
        flags,
        ts_event_ns,
        ts_recv_ns,
        realized_e8,
    )
    if row.filled_lots == 0 or realized_e8 > 0:
        count_fill(tables, instrument, np.int64(row.side), realized_e8, ts_event_ns, ts_recv_ns)
    if not is_late:
        _reserve(tables, row, -min(lots, max(row.qty_lots - row.filled_lots, 0)))
    row.filled_lots += lots
    row.reported_lots = max(row.reported_lots, cum_lots, row.filled_lots)
    words[FILLS] += 1
    place = _tell(tables, row, _OUT_FILL, 0, 0, ts_event_ns, ts_recv_ns)
    if place >= 0:
        told = stage_of(tables)[place]
        told.flags = flags
        told.price_ticks = price_ticks
        told.qty_lots = lots
        told.trade_id = trade_id
        told.fee = float(fee_e8) * 1e-8
        told.realized_pnl = float(realized_e8) * 1e-8
    if is_late:
        # The verdict was wrong; the money moved all the same. Only the exchange can settle it.
        words[ANOMALIES] += 1
        words[RECONCILE_WANTED] += 1
        return np.int64(ANOMALY)
    _after_fill(tables, slot, ts_event_ns, ts_recv_ns)
    return np.int64(MOVED)


@kernel
def _apply_end(
    tables: Any, slot: Any, event: Any, reason: Any, ts_event_ns: Any, ts_recv_ns: Any
) -> Any:
    """CANCEL, EXPIRE or COMPLETE: over now, or when the fills that are counted have come.

    The exchange may have made an order smaller (one that only reduces): it is complete with less
    than was asked for, and for the brain the rest of it has expired.
    """
    row = rows_of(tables)[slot]
    target = FILLED
    if event == CANCEL:
        target = CANCELED
    elif event == EXPIRE or (event == COMPLETE and 0 < row.reported_lots < row.qty_lots):
        target = EXPIRED
    else:
        row.reported_lots = max(row.reported_lots, row.qty_lots)
    if row.filled_lots < row.reported_lots:
        row.closing_as = target
        _move(tables, row, CLOSING, ts_recv_ns)
    else:
        _finish(tables, slot, target, reason, ts_event_ns, ts_recv_ns)


@kernel("i8(i8[::1],i8,i8,i8,i8,i8,i8,i8,i8)")
def apply_event(
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
    """One piece of evidence about an order, fills apart: MOVED, IGNORED or ANOMALY.

    `code` and `reason` are the exchange's, `cum_lots` what it says is filled in all (0: unsaid),
    `order_id` its name for the order (0: unsaid).
    """
    row = rows_of(tables)[slot]
    words = words_of(tables)
    state = NEXT[np.int64(row.state), event]
    if event == CANCEL_SENT:
        row.cancel_wanted = 1
        row.cancel_sent_ns = ts_recv_ns
    if state >= 0 or state == ANOMALY or event == CANCEL_SENT or cum_lots > row.reported_lots:
        note_event(tables, slot, event, code, reason, cum_lots, order_id, ts_event_ns, ts_recv_ns)
    # Answers may come out of order: what is filled in all never goes back.
    row.reported_lots = max(row.reported_lots, cum_lots)
    if state < 0:
        if state == ANOMALY:
            words[ANOMALIES] += 1
            words[RECONCILE_WANTED] += 1
        return state
    if event in (ACCEPT, CANCEL, EXPIRE, COMPLETE):
        _acknowledge(tables, row, order_id, ts_event_ns, ts_recv_ns)
    if event in (CANCEL, EXPIRE, COMPLETE):
        _apply_end(tables, slot, event, reason, ts_event_ns, ts_recv_ns)
        return np.int64(MOVED)
    _move(tables, row, state, ts_recv_ns)
    if event in (REJECT, NOT_PLACED):
        words[REJECTED_ORDERS] += 1
        _release(tables, slot)
        _tell(tables, row, _OUT_REJECTED, code, reason, ts_event_ns, ts_recv_ns)
    elif event == AMBIGUOUS:
        _tell(tables, row, _OUT_UNKNOWN, code, reason, ts_event_ns, ts_recv_ns)
    return np.int64(MOVED)

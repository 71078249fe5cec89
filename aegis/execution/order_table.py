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
from aegis.execution.amends import conclude_amend
from aegis.execution.booking import book_trade
from aegis.execution.fills import remember_trade
from aegis.execution.journal.notes import note_event, note_fill, note_placement
from aegis.execution.layouts import AMENDING
from aegis.execution.open_lists import enlist
from aegis.execution.order_rows import finish, lots_left, most_lots, move, release, reserve, tell
from aegis.execution.order_states import (
    ACCEPT,
    AMBIGUOUS,
    AMEND_AMBIGUOUS,
    AMEND_LOST,
    AMEND_REFUSED,
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
    IGNORED,
    LIVE,
    NOT_PLACED,
    PENDING_AMEND,
    PENDING_NEW,
    REJECT,
    SETTLED,
    TERMINAL,
)
from aegis.execution.tables import (
    buckets_of,
    exposure_of,
    gate_of,
    guards_of,
    ring_of,
    rows_of,
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
_AMEND_ANSWERS = (AMEND_REFUSED, AMEND_LOST, AMEND_AMBIGUOUS)
# What `apply_event` answers besides order_states.IGNORED and ANOMALY.
MOVED, DUPLICATE = 1, -3

_OUT_ACCEPTED, _OUT_REJECTED, _OUT_UNKNOWN = outcome.ACCEPTED, outcome.REJECTED, outcome.UNKNOWN
_OUT_FILL, _OUT_EXPIRED = outcome.FILL, outcome.EXPIRED


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
    row.amends = 0
    row.cancel_wanted = 0
    row.tries = 0
    bucket = _bucket_of(np.int64(row.epoch), row.order_ref, buckets.size)
    row.next_in_bucket = buckets[bucket]
    buckets[bucket] = slot
    reserve(tables, row, row.qty_lots)
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
def _acknowledge(tables: Any, row: Any, order_id: Any, ts_event_ns: Any, ts_recv_ns: Any) -> Any:
    """The exchange has (or had) the order: told once, before anything that follows from it."""
    if order_id > 0:
        row.exchange_order_id = order_id
    if row.acknowledged == 0:
        row.acknowledged = 1
        words_of(tables)[ACCEPTED_ORDERS] += 1
        tell(tables, row, _OUT_ACCEPTED, 0, 0, ts_event_ns, ts_recv_ns)


@kernel
def _after_fill(tables: Any, slot: Any, ts_event_ns: Any, ts_recv_ns: Any) -> Any:
    """Where an order stands once a trade of it is booked."""
    row = rows_of(tables)[slot]
    words = words_of(tables)
    whole_lots = most_lots(tables, slot)
    if row.filled_lots > whole_lots:
        words[ANOMALIES] += 1
        words[RECONCILE_WANTED] += 1
    if row.filled_lots >= whole_lots:
        finish(tables, slot, FILLED, 0, ts_event_ns, ts_recv_ns)
    elif row.state == CLOSING and row.filled_lots >= row.reported_lots:
        finish(tables, slot, np.int64(row.closing_as), 0, ts_event_ns, ts_recv_ns)
    else:
        move(tables, row, NEXT[np.int64(row.state), FILL], ts_recv_ns)


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
        reserve(tables, row, -min(lots, lots_left(tables, slot)))
    row.filled_lots += lots
    row.reported_lots = max(row.reported_lots, cum_lots, row.filled_lots)
    words[FILLS] += 1
    place = tell(tables, row, _OUT_FILL, 0, 0, ts_event_ns, ts_recv_ns)
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
        move(tables, row, CLOSING, ts_recv_ns)
    else:
        finish(tables, slot, target, reason, ts_event_ns, ts_recv_ns)


@kernel
def _count_settled(
    tables: Any, slot: Any, cum_lots: Any, code: Any, ts_event_ns: Any, ts_recv_ns: Any
) -> Any:
    """`cum_lots` of an order are in the books: count those that were not counted as its own."""
    row = rows_of(tables)[slot]
    before_lots = lots_left(tables, slot)
    row.filled_lots = max(row.filled_lots, cum_lots)
    reserve(tables, row, lots_left(tables, slot) - before_lots)
    _after_fill(tables, slot, ts_event_ns, ts_recv_ns)
    if row.state == FILLED:
        # No FILL has told of the end.
        tell(tables, row, _OUT_EXPIRED, code, 0, ts_event_ns, ts_recv_ns)


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
    `order_id` its name for the order (0: unsaid). What is told of an order's terms goes another way
    (`amends.hear_terms`).
    """
    row = rows_of(tables)[slot]
    words = words_of(tables)
    state = NEXT[np.int64(row.state), event]
    if row.amends & AMENDING != 0:
        if state == LIVE and event not in _AMEND_ANSWERS:
            # Open it is, but by which terms is not known yet.
            state = UNKNOWN if row.state == UNKNOWN else PENDING_AMEND
    elif event in _AMEND_ANSWERS:
        # Late or repeated: that amend has been settled.
        state = IGNORED
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
    if event == SETTLED:
        _count_settled(tables, slot, cum_lots, code, ts_event_ns, ts_recv_ns)
        return np.int64(MOVED)
    if event in _AMEND_ANSWERS:
        return conclude_amend(tables, slot, event, state, code, ts_event_ns, ts_recv_ns)
    move(tables, row, state, ts_recv_ns)
    if event in (REJECT, NOT_PLACED):
        words[REJECTED_ORDERS] += 1
        release(tables, slot)
        tell(tables, row, _OUT_REJECTED, code, reason, ts_event_ns, ts_recv_ns)
    elif event == AMBIGUOUS:
        tell(tables, row, _OUT_UNKNOWN, code, reason, ts_event_ns, ts_recv_ns)
    return np.int64(MOVED)

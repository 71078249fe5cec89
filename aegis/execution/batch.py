"""A batch of intents, from the ring to bytes: the hot path of execution in three kernels.

`take_batch` moves intents out of the ring, asks the gate about each PLACE (and, in
`amend_intents`, about each AMEND), gives it a row, writes its request into the outgoing buffer, and
notes as actions what the process has to do. The process hands each request to the transport, stamps
it, and calls `settle_batch`, which records what was sent. Between the two there is no Python work
but the write itself.

Nothing here raises, allocates or waits. Whatever cannot be done is told to the brain as DENIED with
the control that refused it.
"""

from typing import Any

import numpy as np

from aegis.execution.amend_intents import take_amend
from aegis.execution.batch_actions import act, deny, note_request
from aegis.execution.layouts import (
    ACT_AMEND,
    ACT_CANARY,
    ACT_CANCEL,
    ACT_CANCEL_ALL,
    ACT_CANCEL_BY_REST,
    ACT_PLACE,
    ACT_RESYNC,
    REQUEST_CANCEL,
    REQUEST_PLACE,
)
from aegis.execution.order_messages import MESSAGE_BYTES, write_cancel, write_place
from aegis.execution.order_states import (
    CANCEL_SENT,
    LIVE,
    PENDING_AMEND,
    PENDING_NEW,
    UNKNOWN,
)
from aegis.execution.order_table import apply_event, find_order, open_order
from aegis.execution.reference import read_reference
from aegis.execution.tables import (
    ack_counts_of,
    actions_of,
    batch_of,
    exposure_of,
    formats_of,
    gate_of,
    guards_of,
    hop_counts_of,
    intents_header_of,
    intents_records_of,
    offsets_of,
    out_of,
    rates_of,
    reference_of,
    refs_of,
    requests_of,
    rows_of,
    rules_of,
    terms_of,
    text_of,
    tick_counts_of,
    words_of,
)
from aegis.execution.words import EPOCH, INTENTS_TAKEN, TAPE_TIME
from aegis.host.jit import kernel
from aegis.risk.controls import Control
from aegis.risk.gate import judge
from aegis.risk.gate_state import (
    BLOCK_ORDER_LINK,
    BLOCKS,
)
from aegis.risk.message_times import note_cancel, note_order_left
from aegis.shm.gated import take
from aegis.shm.histogram import record
from aegis.shm.intent import AMEND, CANARY, CANCEL, CANCEL_ALL, PLACE, RESYNC

__all__ = [
    "answer_request",
    "settle_batch",
    "take_batch",
    "write_cancel_all",
    "write_cancel_one",
]

_PASS = int(Control.PASS)
_UNSUPPORTED = int(Control.UNSUPPORTED)
_STALE_EPOCH = int(Control.STALE_EPOCH)
_ORDER_TABLE = int(Control.ORDER_TABLE)
_INSTRUMENT_STATUS = int(Control.INSTRUMENT_STATUS)
_UNKNOWN_ORDER = -2011
# A cancel that was refused is sent again after this long.
CANCEL_AGAIN_NS = 200_000_000
_NOBODY = -1
_CANCELLABLE = (PENDING_NEW, LIVE, PENDING_AMEND, UNKNOWN)
# The epoch in the table of orders that an earlier run placed; a brain counts from 1.
CARRIED_EPOCH = 0


@kernel
def _place(tables: Any, at: Any, count: Any, end: Any, now_ns: Any, now_ms: Any) -> Any:
    """Gate one PLACE, open its row, write its bytes; returns the end of the buffer used.

    The count of actions grows by one exactly when the end moves.
    """
    intent = batch_of(tables)[at]
    words = words_of(tables)
    rules = rules_of(tables)
    is_listed = True
    if intent.instrument < rules.size and rules[intent.instrument].allowed == 1:
        is_listed = read_reference(tables, np.int64(intent.instrument), np.int64(intent.side))
    rate_now_ns = intent.cause_ts_event_ns if words[TAPE_TIME] != 0 else now_ns
    if intent.epoch != words[EPOCH]:
        answer = _STALE_EPOCH
    else:
        answer = judge(
            intent,
            rules,
            exposure_of(tables),
            gate_of(tables),
            rates_of(tables),
            refs_of(tables),
            guards_of(tables),
            reference_of(tables)[0],
            now_ns,
            rate_now_ns,
        )
    if answer == _PASS and not is_listed:
        answer = _INSTRUMENT_STATUS
    if answer != _PASS:
        deny(tables, intent, answer, 0, now_ns)
        return end
    slot = open_order(tables, intent, now_ns, now_ms)
    if slot < 0:
        deny(tables, intent, _ORDER_TABLE, 0, now_ns)
        return end
    request_id = note_request(tables, REQUEST_PLACE, slot, now_ns)
    start = end
    end = write_place(
        out_of(tables),
        start,
        text_of(tables),
        offsets_of(tables),
        formats_of(tables),
        intent,
        request_id,
        now_ms,
    )
    act(tables, count, ACT_PLACE, slot, start, end, at)
    actions_of(tables)[count].request_id = request_id
    return end


@kernel
def _cancel_slot(
    tables: Any, slot: Any, at: Any, count: Any, end: Any, now_ns: Any, now_ms: Any
) -> Any:
    """Write the cancel of one open order; returns the end of the buffer used.

    An order of an earlier run has an id that is not this run's: its cancel goes by REST.
    """
    row = rows_of(tables)[slot]
    if row.epoch == CARRIED_EPOCH:
        apply_event(tables, slot, CANCEL_SENT, 0, 0, 0, 0, 0, now_ns)
        act(tables, count, ACT_CANCEL_BY_REST, slot, 0, 0, at)
        return end
    request_id = note_request(tables, REQUEST_CANCEL, slot, now_ns)
    start = end
    end = write_cancel(
        out_of(tables),
        start,
        text_of(tables),
        offsets_of(tables),
        row.instrument,
        row.epoch,
        row.order_ref,
        request_id,
        now_ms,
    )
    apply_event(tables, slot, CANCEL_SENT, 0, 0, 0, 0, 0, now_ns)
    note_cancel(gate_of(tables), rates_of(tables), now_ns)
    act(tables, count, ACT_CANCEL, slot, start, end, at)
    actions_of(tables)[count].request_id = request_id
    return end


@kernel
def _cancel(tables: Any, at: Any, count: Any, end: Any, now_ns: Any, now_ms: Any) -> Any:
    """One CANCEL; returns the end of the buffer used, or -1 when the action is one of REST.

    A cancel of an order that is over, or is being cancelled, is no news to anybody.
    """
    intent = batch_of(tables)[at]
    slot = find_order(tables, np.int64(intent.epoch), intent.order_ref)
    if slot < 0:
        deny(tables, intent, _PASS, _UNKNOWN_ORDER, now_ns)
        return end
    row = rows_of(tables)[slot]
    if row.state not in _CANCELLABLE:
        return end
    if gate_of(tables)[BLOCKS] & BLOCK_ORDER_LINK != 0:
        apply_event(tables, slot, CANCEL_SENT, 0, 0, 0, 0, 0, now_ns)
        act(tables, count, ACT_CANCEL_BY_REST, slot, 0, 0, at)
        return np.int64(-1)
    return _cancel_slot(tables, slot, at, count, end, now_ns, now_ms)


@kernel("i8(i8[::1],i8,i8,i8)")
def take_batch(tables: Any, limit: Any, now_ns: Any, now_ms: Any) -> Any:
    """Take up to `limit` intents; returns the number of actions noted, -1 when there was no intent.

    `now_ns` is CLOCK_MONOTONIC, `now_ms` the exchange's clock. The requests are in `out`, ready to
    be sent in the order of the actions.
    """
    batch = batch_of(tables)
    words = words_of(tables)
    hops = hop_counts_of(tables)
    taken = take(intents_header_of(tables), intents_records_of(tables), batch, limit)
    if taken == 0:
        return np.int64(-1)
    words[INTENTS_TAKEN] += taken
    count = np.int64(0)
    end = np.int64(0)
    for at in range(taken):
        intent = batch[at]
        kind = intent.kind
        record(hops, now_ns - intent.ts_decided_ns)
        if kind == PLACE:
            after = _place(tables, at, count, end, now_ns, now_ms)
            if after != end:
                count += 1
                end = after
        elif kind == CANCEL:
            after = _cancel(tables, at, count, end, now_ns, now_ms)
            if after < 0:
                count += 1
            elif after != end:
                count += 1
                end = after
        elif kind == AMEND:
            after = take_amend(tables, at, count, end, now_ns, now_ms)
            if after != end:
                count += 1
                end = after
        elif kind == CANARY:
            count = act(tables, count, ACT_CANARY, 0, 0, 0, at)
            actions_of(tables)[count - 1].number = intent.order_ref
        elif kind == RESYNC:
            count = act(tables, count, ACT_RESYNC, 0, 0, 0, at)
            actions_of(tables)[count - 1].number = intent.epoch
        elif kind == CANCEL_ALL:
            count = act(tables, count, ACT_CANCEL_ALL, 0, 0, 0, at)
        else:
            deny(tables, intent, _UNSUPPORTED, 0, now_ns)
    return count


@kernel("i8(i8[::1],i8,i8)")
def write_cancel_all(tables: Any, now_ns: Any, now_ms: Any) -> Any:
    """Write a cancel for every order that may rest; returns the number of actions noted.

    At most as many as the outgoing buffer holds: call again until it is 0. Orders whose cancel is
    on its way are left alone, and so for a while are those whose cancel the exchange refused: a
    caller that insists must not turn a rate limit into a ban.
    """
    rows = rows_of(tables)
    room = out_of(tables).size // MESSAGE_BYTES
    count = np.int64(0)
    end = np.int64(0)
    for slot in range(rows.size):
        if count >= room:
            break
        row = rows[slot]
        is_due = row.cancel_wanted == 0 or (
            row.state in (LIVE, PENDING_AMEND) and now_ns - row.cancel_sent_ns >= CANCEL_AGAIN_NS
        )
        if is_due and row.state in _CANCELLABLE:
            end = _cancel_slot(tables, slot, 0, count, end, now_ns, now_ms)
            count += 1
    return count


@kernel("i8(i8[::1],i8,i8,i8)")
def write_cancel_one(tables: Any, slot: Any, now_ns: Any, now_ms: Any) -> Any:
    """Write the cancel of one open order; returns the number of actions noted, which is 1."""
    _cancel_slot(tables, slot, 0, 0, 0, now_ns, now_ms)
    return np.int64(1)


@kernel("void(i8[::1],i8)")
def settle_batch(tables: Any, count: Any) -> Any:
    """Record when the requests of a batch left: in their rows, their requests and the histogram."""
    actions = actions_of(tables)
    rows = rows_of(tables)
    requests = requests_of(tables)
    ticks = tick_counts_of(tables)
    for at in range(count):
        action = actions[at]
        if action.done_ns == 0:
            continue
        if action.kind == ACT_PLACE:
            row = rows[action.slot]
            row.sent_ns = action.done_ns
            note_order_left(gate_of(tables), rates_of(tables), action.done_ns)
            record(ticks, action.done_ns - row.cause_ts_recv_ns)
        elif action.kind == ACT_CANCEL:
            rows[action.slot].cancel_sent_ns = action.done_ns
        elif action.kind == ACT_AMEND:
            terms_of(tables)[action.slot].sent_ns = action.done_ns
            note_order_left(gate_of(tables), rates_of(tables), action.done_ns)
        else:
            continue
        requests[action.request_id % requests.size].sent_ns = action.done_ns


@kernel("i8(i8[::1],i8,i8)")
def answer_request(tables: Any, request_id: Any, now_ns: Any) -> Any:
    """Match an answer to its request: the order's slot with the kind, or -1 when it is nobody's.

    Returns `slot * 4 + kind`. An answer counts once; one for a row that has since been given to
    another order is nobody's.
    """
    requests = requests_of(tables)
    if request_id <= 0:
        return np.int64(_NOBODY)
    noted = requests[request_id % requests.size]
    if noted.request_id != request_id or noted.answered != 0:
        return np.int64(_NOBODY)
    noted.answered = 1
    row = rows_of(tables)[noted.slot]
    if row.order_ref != noted.order_ref or row.epoch != noted.epoch:
        return np.int64(_NOBODY)
    if noted.kind == REQUEST_PLACE:
        record(ack_counts_of(tables), now_ns - noted.sent_ns)
    return noted.slot * 4 + noted.kind

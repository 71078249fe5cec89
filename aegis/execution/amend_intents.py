"""AMEND intents of a batch: which order is meant, what it would become, the gate, and the bytes.

Called by the batch kernel. What cannot be amended is denied with AMENDABLE and the code that the
exchange would have answered, and so is what the exchange would answer with a cancel: a post-only
order at a price that takes, or a total that is filled already. Of the order only its own words
count: side, flags and instrument are those of its row, whatever the intent says.
"""

from typing import Any

import numpy as np

from aegis.execution.amends import open_amend
from aegis.execution.batch_actions import act, deny, note_request
from aegis.execution.layouts import ACT_AMEND, AMENDING, REQUEST_AMEND
from aegis.execution.order_messages import write_amend
from aegis.execution.order_rows import lots_left
from aegis.execution.order_states import LIVE
from aegis.execution.order_table import find_order
from aegis.execution.reference import read_reference
from aegis.execution.tables import (
    actions_of,
    batch_of,
    exposure_of,
    formats_of,
    gate_of,
    guards_of,
    levels_of,
    offsets_of,
    out_of,
    rates_of,
    reference_of,
    rows_of,
    rules_of,
    text_of,
    words_of,
)
from aegis.execution.words import EPOCH, TAPE_TIME
from aegis.host.jit import kernel
from aegis.risk.controls import Control
from aegis.risk.gate import judge_amend
from aegis.shm.books import DEPTH
from aegis.shm.intent import IOC, MARKET, POST_ONLY

__all__ = ["take_amend"]

_PASS = int(Control.PASS)
_INVALID_INTENT = int(Control.INVALID_INTENT)
_STALE_EPOCH = int(Control.STALE_EPOCH)
_INSTRUMENT_STATUS = int(Control.INSTRUMENT_STATUS)
_AMENDABLE = int(Control.AMENDABLE)
# What the exchange calls it.
NO_SUCH_ORDER, NOT_LIMIT, UNCHANGED, PENDING = -2013, -5025, -5027, -5043
NOTHING_LEFT, WOULD_TAKE = -4003, -5022


@kernel
def _would_take(tables: Any, instrument: Any, side: Any, price_ticks: Any) -> Any:
    """Whether an order at this price would meet the other side of the book that was just read."""
    if reference_of(tables)[0].is_book_valid == 0:
        return False
    levels, tick_size = levels_of(tables), rules_of(tables)[instrument].tick_size
    if side > 0:
        return price_ticks >= np.int64(np.rint(levels[DEPTH, 0] / tick_size))
    return price_ticks <= np.int64(np.rint(levels[0, 0] / tick_size))


@kernel
def _complete(intent: Any, row: Any) -> Any:
    """Make the intent the order that it would lead to; what it leaves out stays as it is."""
    intent.instrument = row.instrument
    intent.side = row.side
    intent.flags = row.flags
    intent.level = row.level
    if intent.price_ticks == 0:
        intent.price_ticks = row.price_ticks
    if intent.qty_lots == 0:
        intent.qty_lots = row.qty_lots


@kernel
def _obstacle(tables: Any, slot: Any, intent: Any) -> Any:
    """Why an order cannot be amended so, as the exchange's code; 0: it can."""
    row = rows_of(tables)[slot]
    if row.amends & AMENDING != 0:
        return PENDING
    if row.state != LIVE or row.acknowledged == 0 or row.cancel_wanted != 0:
        return NO_SUCH_ORDER
    if row.flags & (IOC | MARKET) != 0:
        return NOT_LIMIT
    if intent.price_ticks == row.price_ticks and intent.qty_lots == row.qty_lots:
        return UNCHANGED
    if 0 < intent.qty_lots <= max(row.filled_lots, row.reported_lots):
        return NOTHING_LEFT
    side = np.int64(row.side)
    if row.flags & POST_ONLY != 0 and _would_take(
        tables, np.int64(row.instrument), side, intent.price_ticks
    ):
        return WOULD_TAKE
    return 0


@kernel
def _judge(tables: Any, slot: Any, intent: Any, now_ns: Any) -> Any:
    """The gate's word on the order that an amend would make."""
    row = rows_of(tables)[slot]
    rate_now_ns = intent.cause_ts_event_ns if words_of(tables)[TAPE_TIME] != 0 else now_ns
    return judge_amend(
        intent,
        lots_left(tables, slot),
        intent.qty_lots - row.filled_lots,
        rules_of(tables),
        exposure_of(tables),
        gate_of(tables),
        rates_of(tables),
        guards_of(tables),
        reference_of(tables)[0],
        now_ns,
        rate_now_ns,
    )


@kernel
def take_amend(tables: Any, at: Any, count: Any, end: Any, now_ns: Any, now_ms: Any) -> Any:
    """One AMEND: gate it, keep its terms, write its bytes; returns the end of the buffer used.

    The count of actions grows by one exactly when the end moves.
    """
    intent = batch_of(tables)[at]
    if intent.epoch != words_of(tables)[EPOCH]:
        deny(tables, intent, _STALE_EPOCH, 0, now_ns)
        return end
    slot = find_order(tables, np.int64(intent.epoch), intent.order_ref)
    if slot < 0:
        deny(tables, intent, _AMENDABLE, NO_SUCH_ORDER, now_ns)
        return end
    row = rows_of(tables)[slot]
    if intent.instrument != row.instrument or (intent.side != 0 and intent.side != row.side):
        deny(tables, intent, _INVALID_INTENT, 0, now_ns)
        return end
    _complete(intent, row)
    is_listed = read_reference(tables, np.int64(row.instrument), np.int64(row.side))
    code = _obstacle(tables, slot, intent)
    if code != 0:
        deny(tables, intent, _AMENDABLE, code, now_ns)
        return end
    answer = _judge(tables, slot, intent, now_ns)
    if answer == _PASS and not is_listed:
        answer = _INSTRUMENT_STATUS
    if answer != _PASS:
        deny(tables, intent, answer, 0, now_ns)
        return end
    request_id = note_request(tables, REQUEST_AMEND, slot, now_ns)
    price_ticks, qty_lots = intent.price_ticks, intent.qty_lots
    open_amend(tables, slot, price_ticks, qty_lots, intent.intent_id, request_id, now_ns, now_ms)
    after = write_amend(
        out_of(tables),
        end,
        text_of(tables),
        offsets_of(tables),
        formats_of(tables),
        row,
        price_ticks,
        qty_lots,
        request_id,
        now_ms,
    )
    act(tables, count, ACT_AMEND, slot, end, after, at)
    actions_of(tables)[count].request_id = request_id
    return after

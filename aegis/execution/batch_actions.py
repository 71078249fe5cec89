"""What the batch kernels leave behind: a denial, a noted request, an action for the process.

Shared by the placements and cancels (`batch`) and the amends (`amend_intents`) of a batch.
"""

from typing import Any

from aegis.execution.outbox import stage_outcome
from aegis.execution.tables import (
    actions_of,
    exposure_of,
    requests_of,
    rows_of,
    stage_of,
    words_of,
)
from aegis.execution.words import DENIED_INTENTS, EXPIRED_INTENTS, REQUEST_NEXT, STALE_DENIED
from aegis.host.jit import kernel
from aegis.risk.controls import Control
from aegis.shm.outcome import DENIED

__all__ = ["act", "deny", "note_request"]

_EXPIRED = int(Control.INTENT_EXPIRED)
_STALE = int(Control.DATA_FRESHNESS)


@kernel
def deny(tables: Any, intent: Any, control: Any, code: Any, now_ns: Any) -> Any:
    """Tell the brain that an intent goes no further."""
    words = words_of(tables)
    words[DENIED_INTENTS] += 1
    if control == _EXPIRED:
        words[EXPIRED_INTENTS] += 1
    elif control == _STALE:
        words[STALE_DENIED] += 1
    stage = stage_of(tables)
    place = stage_outcome(stage, words, DENIED)
    if place < 0:
        return
    told = stage[place]
    told.order_ref = intent.order_ref
    told.instrument = intent.instrument
    told.reason = control
    told.side = intent.side
    told.code = code
    told.intent_id = intent.intent_id
    told.price_ticks = intent.price_ticks
    told.qty_lots = intent.qty_lots
    told.ts_event_ns = intent.cause_ts_event_ns
    told.ts_recv_ns = now_ns
    told.epoch = intent.epoch
    exposure = exposure_of(tables)
    if intent.instrument < exposure.size:
        told.position_lots = exposure[intent.instrument].position_lots


@kernel
def note_request(tables: Any, kind: Any, slot: Any, now_ns: Any) -> Any:
    """Give a request its id and remember whose it is; the oldest of 8,192 gives way."""
    words = words_of(tables)
    requests = requests_of(tables)
    request_id = words[REQUEST_NEXT]
    words[REQUEST_NEXT] = request_id + 1
    row = rows_of(tables)[slot]
    noted = requests[request_id % requests.size]
    noted.request_id = request_id
    noted.slot = slot
    noted.order_ref = row.order_ref
    noted.epoch = row.epoch
    noted.sent_ns = now_ns
    noted.kind = kind
    noted.answered = 0
    return request_id


@kernel
def act(tables: Any, count: Any, kind: Any, slot: Any, start: Any, end: Any, intent: Any) -> Any:
    """Append an action; returns the new count."""
    action = actions_of(tables)[count]
    action.kind = kind
    action.slot = slot
    action.start = start
    action.end = end
    action.request_id = 0
    action.intent = intent
    action.done_ns = 0
    action.number = 0
    return count + 1

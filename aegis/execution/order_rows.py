"""What every change of an order's row does: exposure, lists, the free ring, and the brain's words.

Kernels that the order table (`order_table`) and the amends (`amends`) share; nobody else calls
them. None of them decides anything.
"""

from typing import Any

from aegis.execution import order_states
from aegis.execution.layouts import AMENDED_BEFORE, AMENDING
from aegis.execution.open_lists import delist
from aegis.execution.order_states import CANCELED, EXPIRED
from aegis.execution.outbox import stage_outcome
from aegis.execution.tables import (
    exposure_of,
    gate_of,
    ring_of,
    rows_of,
    rules_of,
    stage_of,
    terms_of,
    words_of,
)
from aegis.execution.words import FREE_COUNT, FREE_HEAD, OPEN_COUNT, UNKNOWN_COUNT
from aegis.host.jit import kernel
from aegis.risk.gate_state import OPEN_ORDERS
from aegis.shm import outcome

__all__ = ["entry_price", "finish", "lots_left", "most_lots", "move", "release", "reserve", "tell"]

UNKNOWN = order_states.UNKNOWN
_CANCELED, _EXPIRED = outcome.CANCELED, outcome.EXPIRED


@kernel
def most_lots(tables: Any, slot: Any) -> Any:
    """The whole of an order; while it is being amended, the larger of what it was and may be."""
    row = rows_of(tables)[slot]
    if row.amends & AMENDING != 0:
        return max(row.qty_lots, terms_of(tables)[slot].qty_lots)
    return row.qty_lots


@kernel
def lots_left(tables: Any, slot: Any) -> Any:
    """What of an order may still fill, and so what the gate counts of it."""
    return max(most_lots(tables, slot) - rows_of(tables)[slot].filled_lots, 0)


@kernel
def reserve(tables: Any, row: Any, lots: Any) -> Any:
    """Add to (or, negative, take from) what the open orders of one side may still fill."""
    held = exposure_of(tables)[row.instrument]
    if row.side > 0:
        held.open_buy_lots += lots
    else:
        held.open_sell_lots += lots


@kernel
def release(tables: Any, slot: Any) -> Any:
    """The order is over: nothing of it may fill any more, and its row may be used again."""
    row = rows_of(tables)[slot]
    ring = ring_of(tables)
    words = words_of(tables)
    reserve(tables, row, -lots_left(tables, slot))
    row.amends = row.amends & AMENDED_BEFORE
    delist(tables, slot)
    exposure_of(tables)[row.instrument].open_orders -= 1
    gate_of(tables)[OPEN_ORDERS] -= 1
    words[OPEN_COUNT] -= 1
    ring[(words[FREE_HEAD] + words[FREE_COUNT]) % ring.size] = slot
    words[FREE_COUNT] += 1


@kernel
def move(tables: Any, row: Any, state: Any, ts_recv_ns: Any) -> Any:
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
def tell(
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
def finish(
    tables: Any, slot: Any, state: Any, reason: Any, ts_event_ns: Any, ts_recv_ns: Any
) -> Any:
    """Enter FILLED, CANCELED or EXPIRED and tell of it; of FILLED the last FILL has told."""
    row = rows_of(tables)[slot]
    move(tables, row, state, ts_recv_ns)
    release(tables, slot)
    if state == CANCELED:
        tell(tables, row, _CANCELED, 0, reason, ts_event_ns, ts_recv_ns)
    elif state == EXPIRED:
        tell(tables, row, _EXPIRED, 0, reason, ts_event_ns, ts_recv_ns)

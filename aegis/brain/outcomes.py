"""What the brain learns from execution: the slots' state machine, positions, the latch, resyncs.

`learn` applies one OUTCOME record and says whether the strategy should see it. It never decides
anything: the one intent it stages is the cancellation of an orphan, an order of this epoch that no
slot remembers (execution and brain crossed each other in a resynchronisation).
"""

from typing import Any

import numpy as np

from aegis.brain.intents import REF_BITS, stage_intent
from aegis.brain.layout import (
    CANCELING,
    EMPTY,
    FINISHED_SIZE,
    LIVE,
    PENDING,
    RESERVED,
    SLOTS_PER_LANE,
)
from aegis.brain.quoter import ANSWER_TIMEOUT_NS
from aegis.host.jit import kernel
from aegis.shm.intent import CANCEL, RESYNC
from aegis.shm.outcome import (
    ACCEPTED,
    AMENDED,
    CANCELED,
    DENIED,
    EXPIRED,
    FILL,
    POSITION,
    REJECTED,
    STATE,
    UNKNOWN,
)
from aegis.strategies.contract import EVENT_FILL, EVENT_POSITION, EVENT_TIMER

__all__ = ["learn", "request_resync", "show_timer"]

_FINISHED_MASK = FINISHED_SIZE - 1
_MOST_REFUSALS = 16


@kernel
def release(slot: Any) -> Any:
    """Empty a slot; its waiting times stay."""
    slot.state = EMPTY
    slot.order_ref = 0
    slot.qty_lots = 0
    slot.filled_lots = 0


@kernel
def advance(slot: Any, outcome: Any) -> Any:
    """Move one slot along its state machine; returns whether its order has ended."""
    kind = outcome.kind
    if kind == ACCEPTED:
        slot.refusals = 0
        if slot.state in (PENDING, RESERVED):
            slot.state = LIVE
    elif kind == FILL:
        slot.refusals = 0
        if outcome.cum_qty_lots > 0:
            slot.filled_lots = max(slot.filled_lots, outcome.cum_qty_lots)
        else:
            slot.filled_lots += outcome.qty_lots
        if slot.filled_lots >= slot.qty_lots:
            return True
        if slot.state in (PENDING, RESERVED):
            slot.state = LIVE
    elif kind == AMENDED:
        # The slot holds what the exchange has, whoever asked for it.
        slot.price_ticks = outcome.price_ticks
        slot.qty_lots = outcome.qty_lots
        return slot.filled_lots >= slot.qty_lots
    elif kind in (CANCELED, EXPIRED):
        return True
    elif kind == UNKNOWN:
        if slot.state == PENDING:
            slot.state = RESERVED
    elif kind in (REJECTED, DENIED):
        if outcome.intent_id in (0, slot.place_intent_id):
            slot.refusals = min(slot.refusals + 1, np.int64(_MOST_REFUSALS))
            return True
        if outcome.intent_id == slot.cancel_intent_id and slot.state == CANCELING:
            # The cancellation was refused, the order may rest still.
            slot.state = LIVE
            slot.cancel_refusals += 1
        # Any other intent was an amend: the order is as it was.
    return False


@kernel
def follow_order(core: Any, lane: Any, slots: Any, finished: Any, stage: Any, outcome: Any) -> Any:
    """Apply the outcome of one of our orders to its slot, or cancel it when none holds it."""
    reference = outcome.order_ref
    kind = outcome.kind
    remembered = reference & _FINISHED_MASK
    base = lane.instrument * SLOTS_PER_LANE
    for place in range(SLOTS_PER_LANE):
        slot = slots[base + place]
        if slot.state != EMPTY and slot.order_ref == reference:
            if advance(slot, outcome):
                # A late word about an order that has ended is no orphan.
                finished[remembered] = reference
                release(slot)
            return
    rests = kind in (ACCEPTED, FILL, UNKNOWN)
    if rests and finished[remembered] != reference:
        staged = stage_intent(
            core, lane, stage, CANCEL, 0, outcome.side, 0, reference, 0, outcome.qty_lots
        )
        if staged >= 0:
            finished[remembered] = reference
            core.orphans += 1


@kernel
def take_snapshot(core: Any, lane: Any, slots: Any, outcome: Any) -> Any:
    """A POSITION: nothing of ours rests on this instrument, except what we placed after asking.

    `intent_id` names the RESYNC it answers; 0 is execution's own start, which knows of no order.
    """
    base = lane.instrument * SLOTS_PER_LANE
    answered = outcome.intent_id
    for place in range(SLOTS_PER_LANE):
        slot = slots[base + place]
        if slot.state != EMPTY and (answered == 0 or slot.place_intent_id < answered):
            release(slot)
    lane.synced = 1
    if answered == 0 or answered == core.resync_intent_id:
        core.resync_intent_id = 0


@kernel
def show(core: Any, event: Any, kind: Any, outcome: Any) -> Any:
    """Write the outcome into `event` in the shape of a tick, for the strategy."""
    event.instrument = outcome.instrument
    event.kind = kind
    event.flags = outcome.flags
    event.ts_event_ns = core.clock_ns
    event.ts_recv_ns = outcome.ts_recv_ns
    event.a = outcome.entry_price if kind == EVENT_POSITION else float(outcome.price_ticks)
    event.b = float(outcome.qty_lots)
    event.c = float(outcome.side)
    event.d = float(outcome.position_lots)
    event.e = 0.0


@kernel
def show_timer(event: Any, index: Any, due_ns: Any, ts_recv_ns: Any) -> Any:
    """Write an EVENT_TIMER of the event clock into `event`, for the strategy."""
    event.instrument = index
    event.kind = EVENT_TIMER
    event.flags = 0
    event.ts_event_ns = due_ns
    event.ts_recv_ns = ts_recv_ns
    event.a = 0.0
    event.b = 0.0
    event.c = 0.0
    event.d = 0.0
    event.e = 0.0


@kernel
def learn(
    core: Any,
    lanes: Any,
    slots: Any,
    positions: Any,
    finished: Any,
    stage: Any,
    event: Any,
    outcome: Any,
) -> Any:
    """Apply one outcome; returns whether the strategy should see it, as `event`."""
    core.now_ns = 0
    core.cause_ts_recv_ns = outcome.ts_recv_ns
    kind = outcome.kind
    if kind == STATE:
        core.latch = np.int64(outcome.reason)
        return False
    index = np.int64(outcome.instrument)
    if index >= lanes.size:
        core.step_errors += 1
        return False
    lane = lanes[index]
    if kind == POSITION:
        # An older epoch's answer says nothing about this brain's orders.
        if np.int64(outcome.epoch) != core.epoch:
            return False
        take_snapshot(core, lane, slots, outcome)
    elif (outcome.order_ref >> np.int64(REF_BITS)) == core.epoch:
        follow_order(core, lane, slots, finished, stage, outcome)
    if kind != FILL and kind != POSITION:
        return False
    # Execution's count of the position is the only one; fills of older epochs move it too.
    position = positions[index]
    position.lots = outcome.position_lots
    position.entry_price = outcome.entry_price
    position.known = 1
    lane.held_lots = outcome.position_lots
    lane.stale_wishes = 1
    show(core, event, EVENT_FILL if kind == FILL else EVENT_POSITION, outcome)
    return True


@kernel
def request_resync(core: Any, lanes: Any, stage: Any) -> Any:
    """Stage the RESYNC that is due and stop quoting until it is answered; one at a time."""
    core.now_ns = 0
    elapsed_ns = core.clock_ns - core.resync_ts_ns
    if core.resync_intent_id != 0 and 0 <= elapsed_ns < ANSWER_TIMEOUT_NS:
        core.resync_due = 0
        return
    place = stage_intent(core, lanes[0], stage, RESYNC, 0, 0, 0, 0, 0, 0)
    if place < 0:
        return
    core.resync_intent_id = stage[place].intent_id
    core.resync_ts_ns = core.clock_ns
    core.resync_due = 0
    core.resyncs += 1
    for index in range(lanes.size):
        lanes[index].synced = 0

"""The quoter: from what a strategy wishes to what should be sent, one slot at a time.

Theory of operation. A lane has a slot for each side and level. `take_wishes` writes the strategy's
wishes into the slots, `reconcile` compares each slot's wish with its order and stages a PLACE or a
CANCEL, `outcomes.learn` moves the slots along as execution reports. Three rules make it safe and
repeatable:

1. One order a slot: a new order waits until the old one is known to be gone. What may still fill
   on a side, cancellations in flight included, never exceeds what is wished there, and wishes
   made before the latest fill place nothing. So position plus open orders stays within the
   inventory limit that the wishes kept, whatever fills in whatever order.
2. Time is the events' own (`core.clock_ns`). Waiting times count from the slot's last PLACE, not
   from the arrival of an answer, so an answer that comes a little sooner or later changes nothing.
3. Decisions are taken at market events only. Outcomes change what is known, never what is sent,
   so it does not matter in which order two sockets deliver them.
"""

import math
from typing import Any

import numpy as np

from aegis.brain.intents import stage_intent
from aegis.brain.layout import (
    ACTIVE,
    CANCELING,
    EMPTY,
    HALTED,
    LIVE,
    NONSENSICAL,
    PENDING,
    SLOTS_PER_LANE,
    TRUSTED,
)
from aegis.host.jit import kernel
from aegis.shm.intent import CANCEL, IOC, PLACE, POST_ONLY
from aegis.shm.intent import MARKET as MARKET_ORDER
from aegis.strategies.contract import MAX_LEVELS

__all__ = ["ANSWER_TIMEOUT_NS", "reconcile", "settle", "take_wishes"]

# Execution answers every intent, at least with UNKNOWN. No word for so long (event time) means
# that the two disagree about what exists; only a resynchronisation can settle it.
ANSWER_TIMEOUT_NS = 30_000_000_000
# Refused placements are retried after this long, doubled each time, at most 2^6 times as long.
_REFUSAL_PAUSE_NS = 100_000_000
_REFUSAL_DOUBLINGS = 6
_CANCEL_REFUSALS_MAX = 5
# A strategy that is refused so often within a minute of event time is not asked any more.
_BLAMED_MAX = 20
_BLAMED_WINDOW_NS = 60_000_000_000
_TICKS_MAX = 1 << 52
_LOTS_MAX = 1 << 52
_TTL_MAX_MS = 60_000
_NS_PER_MS = 1_000_000


@kernel
def is_sane(wish: Any) -> Any:
    """Whether a wish can be an order at all; what a strategy emits is not trusted."""
    return (
        (wish.side == 1 or wish.side == -1)
        and wish.level < MAX_LEVELS
        and 0 < wish.price_ticks < _TICKS_MAX
        and 0 < wish.qty_lots < _LOTS_MAX
        and 0 < wish.ttl_ms <= _TTL_MAX_MS
        and (wish.flags & MARKET_ORDER) == 0
        and math.isfinite(wish.fair_price)
        and math.isfinite(wish.confidence)
        and math.isfinite(wish.stop_price)
        and math.isfinite(wish.target_price)
    )


@kernel
def blame_strategy(core: Any) -> Any:
    """Count a result that cannot be used; too many in a minute latch the strategy.

    From then on nothing is wished anywhere, and the resynchronisation has execution cancel what
    still rests, on the markets too that are silent.
    """
    core.step_errors += 1
    core.strategy_errors += 1
    elapsed_ns = core.clock_ns - core.blamed_since_ns
    if elapsed_ns < 0 or elapsed_ns > _BLAMED_WINDOW_NS:
        core.blamed = 0
        core.blamed_since_ns = core.clock_ns
    core.blamed += 1
    if core.blamed >= _BLAMED_MAX and core.strategy_latch == TRUSTED:
        core.strategy_latch = NONSENSICAL
        core.resync_due = 1


@kernel
def take_wishes(core: Any, lane: Any, slots: Any, wishes: Any, count: Any) -> Any:
    """Replace the lane's wishes with `wishes[:count]`; nonsense is dropped and counted."""
    base = lane.instrument * SLOTS_PER_LANE
    lane.stale_wishes = 0
    for place in range(SLOTS_PER_LANE):
        slots[base + place].want_qty_lots = 0
    if count > wishes.size:
        blame_strategy(core)
        return
    for item in range(count):
        wish = wishes[item]
        if not is_sane(wish):
            blame_strategy(core)
            continue
        level = np.int64(wish.level)
        slot = slots[base + 2 * level + (0 if wish.side > 0 else 1)]
        slot.want_price_ticks = wish.price_ticks
        slot.want_qty_lots = wish.qty_lots
        slot.want_ttl_ms = wish.ttl_ms
        slot.want_fair_price = wish.fair_price
        slot.want_confidence = wish.confidence
        slot.want_stop_price = wish.stop_price
        slot.want_target_price = wish.target_price
        slot.want_flags = wish.flags
        slot.want_cause = wish.cause
        lane.levels = max(lane.levels, level + 1)


@kernel
def may_rest(core: Any, lane: Any, market: Any, slot: Any, side: Any) -> Any:
    """Whether an order as wished may stand now: synced, latch, and not through the market."""
    if slot.want_qty_lots == 0 or market.valid == 0 or lane.synced == 0 or lane.tradable == 0:
        return False
    if core.latch != ACTIVE:
        # A state of the latch that we do not know counts as REDUCING, the careful one.
        reduces = lane.held_lots * side < 0 and slot.want_qty_lots <= abs(lane.held_lots)
        if core.latch == HALTED or not reduces:
            return False
    if slot.want_flags & POST_ONLY:
        if side > 0:
            return slot.want_price_ticks < market.ask_ticks
        return slot.want_price_ticks > market.bid_ticks
    return True


@kernel
def is_urgent(slot: Any) -> Any:
    """Whether what should take at once (a stop) finds an order that was to rest, or nothing."""
    return (slot.want_flags & IOC) != 0 and (slot.flags & IOC) == 0


@kernel
def may_place(core: Any, lane: Any, slot: Any) -> Any:
    """Whether the slot has waited long enough since its last order."""
    if slot.placed_ts_ns == 0:
        return True
    pause_ns = np.int64(0) if is_urgent(slot) else lane.min_requote_ns
    if slot.refusals > 0:
        doublings = min(slot.refusals - 1, np.int64(_REFUSAL_DOUBLINGS))
        pause_ns = max(pause_ns, np.int64(_REFUSAL_PAUSE_NS) << doublings)
    elapsed_ns = core.clock_ns - slot.placed_ts_ns
    # A clock that was set back must not freeze the slot.
    return elapsed_ns < 0 or elapsed_ns >= pause_ns


@kernel
def must_move(core: Any, lane: Any, slot: Any) -> Any:
    """Whether a live order is another than its wish: too far from it, too small or too large.

    A stop waits neither for the time between two quotes nor for a distance worth a new one.
    """
    if is_urgent(slot):
        return True
    elapsed_ns = core.clock_ns - slot.placed_ts_ns
    if 0 <= elapsed_ns < lane.min_requote_ns:
        return False
    if abs(slot.price_ticks - slot.want_price_ticks) > lane.refresh_tolerance_ticks:
        return True
    left = slot.qty_lots - slot.filled_lots
    return left > slot.want_qty_lots or 2 * left < slot.want_qty_lots


@kernel
def may_cancel(core: Any, lane: Any, slot: Any) -> Any:
    """Whether a cancellation may be sent; after several refusals only a resync can help."""
    if slot.cancel_refusals == 0:
        return True
    if slot.cancel_refusals >= _CANCEL_REFUSALS_MAX:
        core.resync_due = 1
        return False
    elapsed_ns = core.clock_ns - slot.changed_ts_ns
    return elapsed_ns < 0 or elapsed_ns >= max(lane.min_requote_ns, np.int64(_REFUSAL_PAUSE_NS))


@kernel
def is_overdue(core: Any, slot: Any) -> Any:
    """Whether an answer has been missing for too long."""
    return core.clock_ns - slot.changed_ts_ns > ANSWER_TIMEOUT_NS


@kernel
def send(core: Any, lane: Any, slot: Any, stage: Any, kind: Any, side: Any, level: Any) -> Any:
    """Stage a PLACE or CANCEL for a slot; the slot only moves when the intent is staged.

    A placement's time to live counts from the arrival of the event that caused it: a brain that
    was stopped in between decides nothing that is still valid.
    """
    if kind == CANCEL:
        left = slot.qty_lots - slot.filled_lots
        place = stage_intent(
            core, lane, stage, kind, 0, side, level, slot.order_ref, slot.price_ticks, left
        )
    else:
        place = stage_intent(
            core, lane, stage, kind, slot.want_flags, side, level, 0,
            slot.want_price_ticks, slot.want_qty_lots,
        )  # fmt: skip
    if place < 0:
        return
    intent = stage[place]
    slot.changed_ts_ns = core.clock_ns
    if kind == CANCEL:
        slot.state = CANCELING
        slot.cancel_intent_id = intent.intent_id
        return
    intent.valid_until_ns = core.cause_ts_recv_ns + slot.want_ttl_ms * _NS_PER_MS
    intent.fair_price = slot.want_fair_price
    intent.confidence = slot.want_confidence
    intent.cause = slot.want_cause
    slot.state = PENDING
    slot.order_ref = intent.order_ref
    slot.place_intent_id = intent.intent_id
    slot.cancel_intent_id = 0
    slot.cancel_refusals = 0
    slot.price_ticks = slot.want_price_ticks
    slot.qty_lots = slot.want_qty_lots
    slot.filled_lots = 0
    slot.flags = slot.want_flags
    slot.placed_ts_ns = core.clock_ns


@kernel
def free_lots(slots: Any, first: Any, used: Any) -> Any:
    """How many more lots may rest on one side: what is wished there less what may still fill.

    `first` is the side's slot at level 0, `used` the number of the lane's slots in use.
    """
    lots = np.int64(0)
    for place in range(first, first + used, 2):
        slot = slots[place]
        lots += slot.want_qty_lots
        if slot.state != EMPTY:
            lots -= slot.qty_lots - slot.filled_lots
    return lots


@kernel
def withdraw(core: Any, lane: Any, slots: Any, market: Any, stage: Any) -> Any:
    """Cancel what should not rest where it rests; notice answers that are overdue."""
    base = lane.instrument * SLOTS_PER_LANE
    for place in range(2 * lane.levels):
        slot = slots[base + place]
        side, level = 1 - 2 * (place & 1), place >> 1
        if slot.state == LIVE:
            due = not may_rest(core, lane, market, slot, side) or must_move(core, lane, slot)
            if due and may_cancel(core, lane, slot):
                send(core, lane, slot, stage, CANCEL, side, level)
        elif slot.state in (PENDING, CANCELING) and is_overdue(core, slot):
            core.resync_due = 1


@kernel
def place_orders(core: Any, lane: Any, slots: Any, market: Any, stage: Any) -> Any:
    """Send an order for every empty slot that wishes one and for which there is room."""
    base = lane.instrument * SLOTS_PER_LANE
    used = 2 * lane.levels
    buy_lots = free_lots(slots, base, used)
    sell_lots = free_lots(slots, base + 1, used)
    for place in range(used):
        slot = slots[base + place]
        if slot.state != EMPTY or slot.want_qty_lots == 0:
            continue
        side, level = 1 - 2 * (place & 1), place >> 1
        room_lots = buy_lots if side > 0 else sell_lots
        if (
            slot.want_qty_lots <= room_lots
            and may_place(core, lane, slot)
            and may_rest(core, lane, market, slot, side)
        ):
            send(core, lane, slot, stage, PLACE, side, level)
            # Whether or not it could be staged: the room is spoken for in this round.
            if side > 0:
                buy_lots -= slot.want_qty_lots
            else:
                sell_lots -= slot.want_qty_lots


@kernel
def reconcile(core: Any, lane: Any, slots: Any, market: Any, stage: Any) -> Any:
    """Stage what brings the lane's orders closer to its wishes: cancels first, then orders."""
    withdraw(core, lane, slots, market, stage)
    if core.leftover == 0 and core.draining == 0 and lane.stale_wishes == 0:
        place_orders(core, lane, slots, market, stage)


@kernel
def settle(
    core: Any,
    lane: Any,
    slots: Any,
    market: Any,
    stage: Any,
    wishes: Any,
    wished: Any,
) -> Any:
    """After a market event: take over `wishes[:wished]` (none below 0), then reconcile.

    Without a market there is nothing to wish for.
    """
    if market.valid == 0:
        wished = 0
    lane.update_id = market.update_id
    if wished >= 0:
        take_wishes(core, lane, slots, wishes, wished)
    if core.cause_seq >= core.live_from_seq:
        reconcile(core, lane, slots, market, stage)

"""From a setup to wishes: the size, the entry, and the two ways out.

One plan at a time. While flat its entry rests, post-only, until it is filled, given up after
`entry_valid_candles`, or the price passes the stop first. From the first fill on the rest of the
entry is withdrawn and only reducing orders are wished: the target rests, post-only; when the top of
the book reaches the stop, or the time is up, an immediate order takes what the book offers within
`exit_slip_ticks`, again and again until nothing is held. A position without a plan (the brain was
started anew) is closed in the same way: its stop is not known.
"""

import math
from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.shm.intent import IOC, POST_ONLY, REDUCE_ONLY
from aegis.strategies.smc.records import (
    CAUSE_INHERITED,
    CAUSE_LONG,
    CAUSE_SHORT,
    CAUSE_STOP,
    CAUSE_TARGET,
    CAUSE_TIME,
)

__all__ = ["age_plan", "follow_position", "size_plan", "watch_price", "write_wishes"]

_LOTS_MAX = 1e12
_TICKS_MAX = 1e12


@kernel
def size_plan(state: Any, params: Any, market: Any, side: Any) -> Any:
    """Put prices on the grid and size by risk; whether the plan can be traded."""
    plan = state.plan
    if not (market.tick_size > 0.0 and market.step_size > 0.0):
        return False
    entry, target = plan.entry / market.tick_size, plan.target / market.tick_size
    # Never better than the area's edge; the target a tick before the level, where others wait.
    entry_ticks = math.floor(entry) if side > 0 else math.ceil(entry)
    target_ticks = math.ceil(target) - 1.0 if side > 0 else math.floor(target) + 1.0
    if not (0.0 < entry_ticks < _TICKS_MAX and 0.0 < target_ticks < _TICKS_MAX):
        return False
    risk = abs(entry_ticks * market.tick_size - plan.stop)
    lots = params.risk_quote / (risk * market.step_size)
    largest = params.max_notional_quote / (entry_ticks * market.tick_size * market.step_size)
    lots = math.floor(min(lots, largest))
    if not (params.min_lots <= lots < _LOTS_MAX and side * (target_ticks - entry_ticks) > 0.0):
        return False
    plan.lots = np.int64(lots)
    plan.entry_ticks, plan.target_ticks = np.int64(entry_ticks), np.int64(target_ticks)
    return True


@kernel
def drop_plan(plan: Any) -> None:
    """Nothing is planned."""
    plan.side = 0
    plan.entered = 0
    plan.exit_cause = 0


@kernel
def follow_position(plan: Any, position: Any, now: Any) -> None:
    """Compare the plan with what is held."""
    lots = position.lots
    if lots == 0:
        if plan.entered != 0 or plan.exit_cause != 0:
            drop_plan(plan)
        return
    if plan.side == 0 or plan.side * lots < 0:
        plan.side = 1 if lots > 0 else -1
        plan.entered = 1
        plan.exit_cause = CAUSE_INHERITED
    elif plan.entered == 0:
        plan.entered = 1
        plan.since = now


@kernel
def age_plan(plan: Any, params: Any, now: Any) -> None:
    """At the close of candle `now`: give up what takes too long."""
    if plan.side == 0:
        return
    if plan.entered == 0 and now - plan.since >= params.entry_valid:
        drop_plan(plan)
    elif plan.entered != 0 and plan.exit_cause == 0 and now - plan.since >= params.max_hold:
        plan.exit_cause = CAUSE_TIME


@kernel
def watch_price(plan: Any, market: Any) -> None:
    """The top of the book against stop and target."""
    if plan.side == 0 or plan.exit_cause != 0:
        return
    out_ticks = market.bid_ticks if plan.side > 0 else market.ask_ticks
    stopped = plan.side * out_ticks * market.tick_size <= plan.side * plan.stop
    if stopped and plan.entered == 0:
        drop_plan(plan)
    elif stopped:
        plan.exit_cause = CAUSE_STOP
    elif plan.entered != 0 and plan.side * out_ticks >= plan.side * plan.target_ticks:
        # The market is there already: a resting order would take, and post-only be refused.
        plan.exit_cause = CAUSE_TARGET


@kernel
def write_wish(
    wish: Any, params: Any, side: Any, price_ticks: Any, lots: Any, flags: Any, cause: Any
) -> None:
    """Fill one wish of level 0."""
    wish.side = side
    wish.level = 0
    wish.price_ticks = price_ticks
    wish.qty_lots = lots
    wish.flags = flags
    wish.ttl_ms = params.ttl_ms
    wish.cause = cause


@kernel
def write_wishes(plan: Any, params: Any, market: Any, position: Any, out: Any) -> Any:
    """What is wished now: nothing, the entry, or one order that reduces; returns how many."""
    if position.known == 0 or market.valid == 0 or plan.side == 0:
        return 0
    wish = out[0]
    wish.fair_price = 0.5 * (market.bid_ticks + market.ask_ticks) * market.tick_size
    wish.confidence = plan.confidence
    known = plan.exit_cause != CAUSE_INHERITED
    wish.stop_price = plan.stop if known else 0.0
    wish.target_price = plan.target if known else 0.0
    side, lots = plan.side, abs(position.lots)
    if plan.entered == 0:
        cause = CAUSE_LONG if side > 0 else CAUSE_SHORT
        write_wish(wish, params, side, plan.entry_ticks, plan.lots, POST_ONLY, cause)
    elif lots == 0:
        return 0
    elif plan.exit_cause != 0:
        price = market.bid_ticks - params.exit_slip_ticks
        if side < 0:
            price = market.ask_ticks + params.exit_slip_ticks
        write_wish(wish, params, -side, max(price, 1), lots, REDUCE_ONLY | IOC, plan.exit_cause)
    else:
        flags = REDUCE_ONLY | POST_ONLY
        write_wish(wish, params, -side, plan.target_ticks, lots, flags, CAUSE_TARGET)
    return 1

"""The kernel: the engine at each closed candle, one plan at a time.

Compiled into the brain's duty cycle. At a close the engine tells what became known and a setup may
become a plan, which is wished at once; tops of book drive the wishes in between. The history only
teaches. Only the events' own content decides.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from aegis.config.intervals import INTERVALS_S
from aegis.host.jit import kernel
from aegis.quant.smc.streaming.engine import make_settings
from aegis.quant.smc.streaming.layout import DOWN, UP
from aegis.shm.tick import BOOK, CANDLE, HISTORY, INTERVAL_SHIFT, QUOTE, candle_code
from aegis.strategies.contract import EVENT_FILL, EVENT_POSITION, NO_OPINION, Strategy
from aegis.strategies.errors import UnusableInstrumentError
from aegis.strategies.smc.parameters import SmcParameters
from aegis.strategies.smc.plan import (
    age_plan,
    follow_position,
    size_plan,
    watch_price,
    write_wishes,
)
from aegis.strategies.smc.records import PARAMETERS_RECORD, STATE_RECORD
from aegis.strategies.smc.setup import find_setup, learn_events
from aegis.strategies.smc.told import fit_settings, forget_levels, is_heard, is_trusted, take_in

__all__ = ["STRATEGY", "pack", "step"]


@kernel
def goes_with_trend(state: Any, params: Any, side: Any) -> Any:
    """Whether the longer candles, if any are asked for, allow this side: their trend is known."""
    if params.trend.interval_ns == 0:
        return True
    heard = state.trend
    # A reload may have asked for other candles than those that were heard, or for the same after a
    # time without; and one may be missing. The one that closes with ours may be told after it.
    closes_ns = state.engine.ts_ns + params.interval_ns
    is_newest = closes_ns <= heard.engine.ts_ns + 2 * params.trend.interval_ns
    if not is_newest or not is_heard(params.trend, heard) or not is_trusted(params.trend, heard):
        return False
    return heard.engine.trend == side


@kernel
def make_plan(state: Any, params: Any, market: Any) -> None:
    """Look for a setup on both sides; the trend allows one of them."""
    plan = state.plan
    for side in (UP, DOWN):
        if not find_setup(state, params, side):
            continue
        if not plan.confidence > params.min_confidence:
            state.weak += 1
        elif not goes_with_trend(state, params, side):
            state.against += 1
        elif size_plan(state, params, market, side):
            plan.side = side
            plan.entered = 0
            plan.exit_cause = 0
            plan.since = state.engine.candles - 1
            state.signals += 1
            # One trade for each sweep.
            state.sweeps[0 if side > 0 else 1].valid = 0
            return


@kernel
def take_candle(event: Any, market: Any, position: Any, params: Any, state: Any) -> Any:
    """A closed candle of our interval; whether the engine has taken it in."""
    restarts = state.restarts
    fit_settings(params, state)
    count = take_in(event, params, state, state.events)
    if state.restarts != restarts:
        forget_levels(state)
    if count < 0:
        return False
    plan, now = state.plan, state.engine.candles - 1
    learn_events(state, count, event.b, event.c)
    age_plan(plan, params, now)
    is_flat = plan.side == 0 and position.known != 0 and position.lots == 0
    if (event.flags & HISTORY) == 0 and is_flat and is_trusted(params, state):
        make_plan(state, params, market)
    return True


@kernel
def take_trend(event: Any, params: Any, state: Any) -> None:
    """A closed candle of the longer interval, whose trend is all that is asked of it."""
    fit_settings(params.trend, state.trend)
    take_in(event, params.trend, state.trend, state.events)


@kernel
def step(event: Any, market: Any, position: Any, params: Any, state: Any, out: Any) -> Any:
    """The contract's step: wishes at each candle, top of book and report, else NO_OPINION."""
    kind = event.kind
    if kind == CANDLE:
        code = np.int64(event.flags) >> INTERVAL_SHIFT
        if params.trend.interval_ns != 0 and code == params.trend.interval_code:
            take_trend(event, params, state)
        if code != params.interval_code:
            return NO_OPINION
        if not take_candle(event, market, position, params, state) or (event.flags & HISTORY) != 0:
            return NO_OPINION
    elif kind != QUOTE and kind != BOOK and kind != EVENT_FILL and kind != EVENT_POSITION:
        return NO_OPINION
    if position.known != 0:
        follow_position(state.plan, position, state.engine.candles)
    if market.valid == 0:
        return 0
    watch_price(state.plan, market)
    return write_wishes(state.plan, params, market, position, out)


def pack(parameters: SmcParameters, instrument: Any) -> Any:
    """One PARAMETERS_RECORD for an instrument row (step_size and min_qty are read).

    Raises UnusableInstrumentError for a step size that is none, or an interval that no feed builds.
    """
    symbol = bytes(instrument["symbol"]).decode()
    step_size = float(instrument["step_size"])
    if not (math.isfinite(step_size) and step_size > 0.0):
        raise UnusableInstrumentError(f"{symbol}: step_size {step_size} is not a positive number")
    trend_s = parameters.trend_interval_s
    for name, length_s in (("interval_s", parameters.interval_s), ("trend_interval_s", trend_s)):
        if length_s not in INTERVALS_S and (length_s or name == "interval_s"):
            raise UnusableInstrumentError(f"{symbol}: {name} {length_s} does not divide a day")
    record = np.zeros(1, PARAMETERS_RECORD)[0]
    record["refresh_tolerance_ticks"] = math.floor(parameters.refresh_tolerance_ticks)
    record["min_requote_ns"] = parameters.min_requote_ms * 1_000_000
    record["ttl_ms"] = parameters.intent_ttl_ms
    record["interval_ns"] = parameters.interval_s * 1_000_000_000
    record["interval_code"] = candle_code(parameters.interval_s) >> INTERVAL_SHIFT
    record["risk_quote"] = parameters.risk_quote
    record["max_notional_quote"] = parameters.max_notional_quote
    record["min_lots"] = max(1, math.ceil(float(instrument["min_qty"]) / step_size - 1e-6))
    record["min_confidence"] = parameters.min_confidence
    record["min_reward_risk"] = parameters.min_reward_risk
    record["stop_buffer_atr"] = parameters.stop_buffer_atr
    record["sweep_valid"] = parameters.sweep_valid_candles
    record["entry_valid"] = parameters.entry_valid_candles
    record["max_hold"] = parameters.max_hold_candles
    record["exit_slip_ticks"] = parameters.exit_slip_ticks
    record["engine"] = make_settings(
        parameters.swing_length,
        close_break=parameters.close_break,
        reach_atr=parameters.pool_reach_atr,
    )
    if trend_s:
        record["trend"]["interval_ns"] = trend_s * 1_000_000_000
        record["trend"]["interval_code"] = candle_code(trend_s) >> INTERVAL_SHIFT
        record["trend"]["engine"] = record["engine"]
    return record


STRATEGY = Strategy(
    name="smc",
    parameters_model=SmcParameters,
    parameters_dtype=PARAMETERS_RECORD,
    state_dtype=STATE_RECORD,
    step=step,
    pack=pack,
    source=Path(__file__).parent,
)

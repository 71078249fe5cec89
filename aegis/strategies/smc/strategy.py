"""The kernel: candles from trades, the engine at each close, one plan at a time.

Compiled into the brain's duty cycle. Trades build candles; at a close the engine tells what became
known, a setup may become a plan; tops of book drive the wishes. Only the events' own content
decides.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.engine import advance, make_settings, restart
from aegis.quant.smc.streaming.layout import DOWN, UP
from aegis.shm.tick import BOOK, QUOTE, TRADE
from aegis.strategies.contract import EVENT_FILL, EVENT_POSITION, NO_OPINION, Strategy
from aegis.strategies.errors import UnusableInstrumentError
from aegis.strategies.smc.candle import add_trade, begin_candle, candles_due
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

__all__ = ["STRATEGY", "pack", "step"]


@kernel
def make_plan(state: Any, params: Any, market: Any) -> None:
    """Look for a setup on both sides; the trend allows one of them."""
    plan = state.plan
    for side in (UP, DOWN):
        if not find_setup(state, params, side):
            continue
        if not plan.confidence > params.min_confidence:
            state.weak += 1
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
def close_candle(state: Any, params: Any, market: Any, position: Any) -> None:
    """The open candle is over: what does it make known, and what is to be done?"""
    candle = state.candle
    if candle.whole != 0:
        count = advance(
            state.engine, params.engine, candle.number * params.interval_ns, candle.open,
            candle.high, candle.low, candle.close, candle.volume, state.events,
        )  # fmt: skip
        learn_events(state, count, candle.high, candle.low)
        age_plan(state.plan, params, state.engine.candles - 1)
        if state.plan.side == 0 and position.known != 0 and position.lots == 0:
            make_plan(state, params, market)
    begin_candle(candle, candle.number + 1, 1)


@kernel
def fit_settings(params: Any, state: Any) -> None:
    """Candles of another length tell another story: after such a reload listen anew.

    A plan and its ways out stay as they are.
    """
    if (
        state.interval_ns == params.interval_ns
        and state.length == params.engine.length
        and state.close_break == params.engine.close_break
    ):
        return
    state.interval_ns = params.interval_ns
    state.length = params.engine.length
    state.close_break = params.engine.close_break
    state.candle.number = 0
    restart(state.engine)
    # Counted in candles of the new length from here.
    state.plan.since = 0
    for row in range(2):
        state.sweeps[row].valid = 0
        state.blocks[row].valid = 0
        state.gaps[row].valid = 0
        state.breaks[row] = -1


@kernel
def take_trade(event: Any, market: Any, position: Any, params: Any, state: Any) -> None:
    """A trade: close the candles before it, then take it in."""
    fit_settings(params, state)
    due = candles_due(state.candle, event.ts_event_ns // params.interval_ns)
    for _ in range(due):
        close_candle(state, params, market, position)
    if due >= 0:
        add_trade(state.candle, event.a, event.b)


@kernel
def step(event: Any, market: Any, position: Any, params: Any, state: Any, out: Any) -> Any:
    """The contract's step: wishes at each top of book and report, NO_OPINION at other events."""
    kind = event.kind
    if kind == TRADE:
        take_trade(event, market, position, params, state)
        return NO_OPINION
    if kind != QUOTE and kind != BOOK and kind != EVENT_FILL and kind != EVENT_POSITION:
        return NO_OPINION
    if position.known != 0:
        follow_position(state.plan, position, state.engine.candles)
    if market.valid == 0:
        return 0
    watch_price(state.plan, market)
    return write_wishes(state.plan, params, market, position, out)


def pack(parameters: SmcParameters, instrument: Any) -> Any:
    """One PARAMETERS_RECORD for an instrument row (step_size and min_qty are read).

    Raises UnusableInstrumentError for a step size that is none.
    """
    symbol = bytes(instrument["symbol"]).decode()
    step_size = float(instrument["step_size"])
    if not (math.isfinite(step_size) and step_size > 0.0):
        raise UnusableInstrumentError(f"{symbol}: step_size {step_size} is not a positive number")
    record = np.zeros(1, PARAMETERS_RECORD)[0]
    record["refresh_tolerance_ticks"] = math.floor(parameters.refresh_tolerance_ticks)
    record["min_requote_ns"] = parameters.min_requote_ms * 1_000_000
    record["ttl_ms"] = parameters.intent_ttl_ms
    record["interval_ns"] = parameters.interval_s * 1_000_000_000
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

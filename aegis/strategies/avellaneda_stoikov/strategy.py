"""The kernel: at each new top of book, where should our orders be?

Compiled into the brain's duty cycle. The fair price and the volatility come from the event's own
content; the inventory shifts the quotes (GLFT by default, Avellaneda-Stoikov's session on
request); the grid, the post-only rule and the inventory limit come last. Anything that is not a
number ends in "no quotes", never in a price.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.quant.avellaneda_stoikov import optimal_spread, reservation_price
from aegis.quant.fair_price import mid_price, weighted_mid
from aegis.quant.glft import glft_coefficients, glft_half_spread, glft_quotes, glft_skew
from aegis.quant.micro_price import micro_price
from aegis.shm.intent import POST_ONLY
from aegis.shm.tick import BOOK, QUOTE, TRADE
from aegis.strategies.avellaneda_stoikov.learned import (
    PARAMETERS_RECORD,
    STATE_RECORD,
    cost_of_fill,
    learn_flow,
    learn_intensity,
    learn_markout,
    learn_micro_price,
    learn_own_fill,
    learn_trade,
    sample_volatility,
    watch_fill,
)
from aegis.strategies.avellaneda_stoikov.parameters import AvellanedaStoikovParameters
from aegis.strategies.contract import EVENT_FILL, NO_OPINION, Strategy
from aegis.strategies.errors import UnusableInstrumentError

__all__ = ["STRATEGY", "pack", "step"]

GLFT, SESSION = 0, 1
MID, WEIGHTED_MID, MICRO_PRICE = 0, 1, 2
# An event shows the best level, and the VAMP of one level is the weighted mid.
_FAIR_PRICES = {
    "mid": MID,
    "weighted_mid": WEIGHTED_MID,
    "vamp": WEIGHTED_MID,
    "micro_price": MICRO_PRICE,
}

# Ticks beyond which a price is nonsense whatever the instrument (and floor() would overflow).
_TICKS_MAX = 1e12
BUY, SELL = 0, 1
# exp() of it is beyond any sensible lean, and far from overflowing.
_SCARCITY_MAX = 10.0


@kernel
def scarcity(intensity_k: Any, cost: Any) -> Any:
    """By how much more a position weighs when each fill costs `cost` ticks.

    Quotes that far out are reached exp(-k cost) times as often: with d' = d - cost the model is the
    one without costs and that much less intensity, and c2 goes with the inverse root of it.
    """
    return math.exp(min(0.5 * intensity_k * cost, _SCARCITY_MAX))


@kernel
def fair_of(market: Any, params: Any, state: Any, bid: Any, ask: Any) -> Any:
    """The fair price in ticks, of the touch; NaN when it has no quantities to weigh."""
    if params.fair_price == MID:
        return mid_price(bid, ask)
    if params.fair_price == MICRO_PRICE and state.micro_known == 1:
        return micro_price(bid, market.bid_qty, ask, market.ask_qty, 1.0, state.micro_table)
    return weighted_mid(bid, market.bid_qty, ask, market.ask_qty)


@kernel
def target_quotes(
    event: Any, params: Any, state: Any, fair_ticks: Any, inventory: Any, sigma: Any
) -> Any:
    """The unrounded (bid, ask) in ticks; `inventory` in orders. NaN when there is no answer."""
    leaning = inventory * params.inventory_weight
    least = max(params.min_half_spread_ticks, params.min_half_spread_share * fair_ticks)
    cost = cost_of_fill(event.ts_event_ns, params, state, fair_ticks)
    intensity_k, c1, c2 = params.intensity_k, params.c1, params.c2
    if params.live_intensity == 1 and state.live_k > 0.0:
        # Fitted beyond the costs already.
        intensity_k, c1, c2 = state.live_k, state.live_c1, state.live_c2
    else:
        c2 *= scarcity(intensity_k, cost)
    if params.mode == SESSION:
        passed_ns = event.ts_event_ns % params.session_ns
        left_s = (params.session_ns - passed_ns) * 1e-9
        centre = reservation_price(fair_ticks, leaning, params.risk_aversion, sigma, left_s)
        half = 0.5 * optimal_spread(params.risk_aversion, sigma, intensity_k, left_s)
        half = max(half, least) + cost
        return centre - half, centre + half
    half = glft_half_spread(c1, c2, sigma, 1.0)
    half = max(half, least) + cost
    return glft_quotes(fair_ticks, leaning, half, glft_skew(c2, sigma))


@kernel
def write_wish(
    wish: Any, params: Any, side: Any, level: Any, price_ticks: Any, lots: Any, fair_price: Any,
    cause: Any,
) -> Any:  # fmt: skip
    """Fill one wish: a post-only order."""
    wish.side = side
    wish.level = level
    wish.price_ticks = price_ticks
    wish.qty_lots = lots
    wish.flags = POST_ONLY
    wish.ttl_ms = params.ttl_ms
    wish.fair_price = fair_price
    wish.confidence = 1.0
    wish.cause = cause


@kernel
def size_of(params: Any, side: Any, inventory_share: Any) -> Any:
    """The order's lots: smaller on the side that would add to what is held, by exp(-eta |q|)."""
    adds = side * inventory_share
    if params.shape_factor == 0.0 or adds <= 0.0:
        return params.order_lots
    lots = np.int64(math.floor(params.order_lots * math.exp(-params.shape_factor * adds)))
    return max(lots, params.min_lots)


@kernel
def hang(params: Any, state: Any, lots: Any) -> Any:
    """After a fill the other side's order is left where it stands, if it still reduces."""
    for side in (BUY, SELL):
        sign = 1 - 2 * side
        if state.hanging_ticks[side] == 0 and sign * lots < 0 and state.wished_ticks[side] > 0:
            state.hanging_ticks[side] = state.wished_ticks[side]


@kernel
def learn_fill(event: Any, position: Any, params: Any, state: Any) -> Any:
    """One of our orders was filled: that side pauses, and the other one may be left hanging."""
    side = BUY if event.c > 0.0 else SELL
    watch_fill(event, params, state, side, 1.0 - 2.0 * side)
    state.filled_ts_ns[side] = event.ts_event_ns
    state.hanging_ticks[side] = 0
    if params.hanging == 1:
        hang(params, state, position.lots - params.target_lots)


@kernel
def hanging_price(params: Any, state: Any, side: Any, lots: Any, mid: Any) -> Any:
    """Where an order of this side hangs, 0 when none does; too far away it is given up."""
    price = state.hanging_ticks[side]
    if price != 0:
        reduces = (1 - 2 * side) * lots < 0
        if not reduces or abs(price - mid) > params.hanging_share * mid:
            state.hanging_ticks[side] = 0
            price = 0
    return price


@kernel
def pauses(event: Any, params: Any, state: Any, side: Any) -> Any:
    """Whether a side still waits after its last fill."""
    if params.fill_delay_ns == 0 or state.filled_ts_ns[side] == 0:
        return False
    return 0 <= event.ts_event_ns - state.filled_ts_ns[side] < params.fill_delay_ns


@kernel
def write_side(
    event: Any, market: Any, position: Any, params: Any, state: Any, out: Any, count: Any,
    side: Any, best: Any, fair: Any,
) -> Any:  # fmt: skip
    """The wishes of one side, from `out[count]` on; returns the count after them.

    Position and every order of the side together stay within the limit.
    """
    sign = np.int64(1 - 2 * side)
    state.wished_ticks[side] = 0
    if pauses(event, params, state, side):
        return count
    held = position.lots - params.target_lots
    hanging = hanging_price(params, state, side, held, fair)
    lots = size_of(params, sign, held / params.max_lots)
    room = params.max_lots - sign * position.lots
    for level in range(params.order_levels):
        price = best - sign * level * params.level_spacing_ticks
        if level == 0 and hanging != 0:
            price = hanging
        room -= lots
        if room >= 0 and price > 0:
            write_wish(
                out[count], params, sign, level, price, lots, fair * market.tick_size, event.kind
            )
            count += 1
            if level == 0:
                state.wished_ticks[side] = price
                state.wished_half_ticks[side] = sign * (fair - price)
    return count


@kernel
def learn(event: Any, market: Any, position: Any, params: Any, state: Any) -> Any:
    """What an event that is no top of book has to teach."""
    if event.kind == TRADE:
        if params.live_intensity == 1:
            learn_trade(event, market, params, state)
    elif event.kind == EVENT_FILL:
        learn_fill(event, position, params, state)


@kernel
def stands(event: Any, position: Any, params: Any, state: Any) -> Any:
    """Whether the last wishes are young enough to be left as they are."""
    if params.refresh_ns == 0 or state.quoted_ts_ns == 0 or state.quoted_lots != position.lots:
        return False
    return 0 <= event.ts_event_ns - state.quoted_ts_ns < params.refresh_ns


@kernel
def step(event: Any, market: Any, position: Any, params: Any, state: Any, out: Any) -> Any:
    """The contract's step: wishes for both sides, or NO_OPINION on events that change nothing."""
    if event.kind != QUOTE and event.kind != BOOK:
        learn(event, market, position, params, state)
        return NO_OPINION
    if market.valid == 0 or params.order_lots <= 0:
        return 0
    bid, ask = float(market.bid_ticks), float(market.ask_ticks)
    mid = mid_price(bid, ask)
    sigma = sample_volatility(event, params, state, mid)
    flow = 0.0
    if params.flow_ticks != 0.0:
        flow = learn_flow(event, market, params, state)
    if params.fair_price == MICRO_PRICE:
        learn_micro_price(event, market, params, state)
    state.mid_ticks = mid
    if params.live_intensity == 1:
        learn_intensity(event, params, state)
        if params.markout_ns > 0:
            learn_markout(event, params, state, mid)
            learn_own_fill(event, params, state, mid)
    # Before max() below sees it: max(NaN, x) may be x.
    if not sigma >= 0.0:
        return 0
    if stands(event, position, params, state):
        return NO_OPINION
    fair = fair_of(market, params, state, bid, ask) + params.flow_ticks * flow
    inventory = (position.lots - params.target_lots) / params.order_lots
    low, high = target_quotes(event, params, state, fair, inventory, sigma)
    # Written so that a NaN on either side ends here.
    if not (low < high and high < _TICKS_MAX and low > -_TICKS_MAX):
        return 0
    state.quoted_ts_ns = event.ts_event_ns
    state.quoted_lots = position.lots
    # A quote never crosses: post-only orders that would are refused by the exchange.
    buy = min(np.int64(math.floor(low)), market.ask_ticks - 1)
    sell = max(np.int64(math.ceil(high)), market.bid_ticks + 1)
    count = write_side(event, market, position, params, state, out, 0, BUY, buy, fair)
    return write_side(event, market, position, params, state, out, count, SELL, sell, fair)


def pack(parameters: AvellanedaStoikovParameters, instrument: Any) -> Any:
    """One PARAMETERS_RECORD for an instrument row (step_size and min_qty are read).

    Quantities are rounded down to whole lots. Raises UnusableInstrumentError when nothing is left
    or less than the exchange accepts.
    """
    symbol = bytes(instrument["symbol"]).decode()
    step_size = float(instrument["step_size"])
    if not (math.isfinite(step_size) and step_size > 0.0):
        raise UnusableInstrumentError(f"{symbol}: step_size {step_size} is not a positive number")
    # A millionth of a lot forgives the binary fraction in 0.003 / 0.001.
    order_lots = math.floor(parameters.order_qty / step_size + 1e-6)
    max_lots = math.floor(parameters.max_inventory_qty / step_size + 1e-6)
    least = float(instrument["min_qty"])
    if order_lots < 1 or order_lots * step_size < least * (1.0 - 1e-9):
        raise UnusableInstrumentError(
            f"{symbol}: order_qty {parameters.order_qty} is below the exchange's smallest order "
            f"of {max(least, step_size):g}"
        )
    gamma = parameters.risk_aversion
    c1, c2 = glft_coefficients(gamma, parameters.intensity_a, parameters.intensity_k, 1.0, gamma)
    record = np.zeros(1, PARAMETERS_RECORD)[0]
    record["refresh_tolerance_ticks"] = math.floor(parameters.refresh_tolerance_ticks)
    record["min_requote_ns"] = parameters.min_requote_ms * 1_000_000
    record["ttl_ms"] = parameters.intent_ttl_ms
    record["mode"] = SESSION if parameters.mode == "session" else GLFT
    record["fair_price"] = _FAIR_PRICES[parameters.fair_price]
    record["order_lots"] = order_lots
    record["min_lots"] = max(math.ceil(least / step_size - 1e-6), 1)
    record["max_lots"] = max_lots
    # A perpetual has no base balance: 50 % is flat, 0 and 100 % are the limits.
    record["target_lots"] = round(max_lots * (parameters.inventory_target_base_pct / 50.0 - 1.0))
    record["order_levels"] = parameters.order_levels
    record["level_spacing_ticks"] = parameters.level_spacing_ticks
    record["sample_ns"] = parameters.volatility_sample_ms * 1_000_000
    record["session_ns"] = round(parameters.session_s * 1e9)
    record["min_half_spread_ticks"] = parameters.min_half_spread_ticks
    record["risk_aversion"] = gamma
    record["intensity_k"] = parameters.intensity_k
    record["c1"], record["c2"] = c1, c2
    record["inventory_weight"] = 1.0 if parameters.skew_inventory else 0.0
    record["halflife_s"] = parameters.volatility_halflife_s
    record["warmup_ns"] = round(parameters.volatility_warmup_s * 1e9)
    _pack_habits(record, parameters)
    return record


def _pack_habits(record: Any, parameters: AvellanedaStoikovParameters) -> None:
    """What stands beside the two models: costs, shapes, pauses, hanging orders, calibration."""
    costs_bps = parameters.maker_fee_bps if parameters.add_transaction_costs else 0.0
    record["cost_share"] = costs_bps * 1e-4
    record["min_half_spread_share"] = 0.5 * parameters.min_spread / 100.0
    record["shape_factor"] = parameters.order_amount_shape_factor
    record["refresh_ns"] = round(parameters.order_refresh_time * 1e9)
    record["fill_delay_ns"] = round(parameters.filled_order_delay * 1e9)
    record["hanging"] = int(parameters.hanging_orders_enabled)
    record["hanging_share"] = parameters.hanging_orders_cancel_pct / 100.0
    record["flow_ticks"] = parameters.order_flow_skew_ticks
    record["flow_halflife_s"] = parameters.order_flow_halflife_s
    record["live_intensity"] = int(parameters.intensity == "live")
    record["markout_ns"] = round(parameters.adverse_selection_s * 1e9)
    record["intensity_refresh_ns"] = round(parameters.intensity_refresh_s * 1e9)
    record["intensity_range_ticks"] = parameters.intensity_range_ticks
    record["intensity_halflife_s"] = parameters.intensity_halflife_s
    record["intensity_min_orders"] = parameters.intensity_min_orders
    record["micro_refresh_ns"] = round(parameters.micro_price_refresh_s * 1e9)
    record["micro_halflife_s"] = parameters.micro_price_halflife_s
    record["micro_min_moves"] = parameters.micro_price_min_moves


STRATEGY = Strategy(
    name="avellaneda_stoikov",
    parameters_model=AvellanedaStoikovParameters,
    parameters_dtype=PARAMETERS_RECORD,
    state_dtype=STATE_RECORD,
    step=step,
    pack=pack,
    source=Path(__file__).parent,
)

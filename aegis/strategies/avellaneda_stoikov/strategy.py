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
from aegis.quant.volatility import ewma_sums, volatility_of
from aegis.shm.intent import POST_ONLY
from aegis.shm.tick import BOOK, QUOTE
from aegis.strategies.avellaneda_stoikov.parameters import AvellanedaStoikovParameters
from aegis.strategies.contract import NO_OPINION, Strategy
from aegis.strategies.errors import UnusableInstrumentError

__all__ = ["STRATEGY", "pack", "step"]

GLFT, SESSION = 0, 1
MID, WEIGHTED_MID = 0, 1

PARAMETERS_RECORD = np.dtype(
    [
        ("refresh_tolerance_ticks", "<i8"),
        ("min_requote_ns", "<i8"),
        ("ttl_ms", "<i8"),
        ("mode", "<i8"),
        ("fair_price", "<i8"),
        ("order_lots", "<i8"),
        ("max_lots", "<i8"),
        ("order_levels", "<i8"),
        ("level_spacing_ticks", "<i8"),
        ("sample_ns", "<i8"),
        ("session_ns", "<i8"),
        ("min_half_spread_ticks", "<f8"),
        ("risk_aversion", "<f8"),
        ("intensity_k", "<f8"),
        ("c1", "<f8"),
        ("c2", "<f8"),
        ("inventory_weight", "<f8"),
        ("halflife_s", "<f8"),
        ("warmup_ns", "<i8"),
    ]
)
STATE_RECORD = np.dtype(
    [
        ("squares", "<f8"),
        ("seconds", "<f8"),
        ("observed_ns", "<i8"),
        ("sample_ticks", "<f8"),
        ("sample_ts_ns", "<i8"),
    ]
)

# Ticks beyond which a price is nonsense whatever the instrument (and floor() would overflow).
_TICKS_MAX = 1e12
# A pause longer than this between two samples is a break in the data, not volatility.
_BREAK_S = 10.0


@kernel
def sample_volatility(event: Any, params: Any, state: Any, mid_ticks: Any) -> Any:
    """Sample the mid every `sample_ns` of event time; returns sigma in ticks per sqrt(second).

    Sampling keeps the bouncing of the touch from looking like movement. NaN until `warmup_s`
    seconds have been observed.
    """
    elapsed_ns = event.ts_event_ns - state.sample_ts_ns
    if state.sample_ts_ns == 0 or elapsed_ns < -params.sample_ns:
        state.sample_ts_ns = event.ts_event_ns
        state.sample_ticks = mid_ticks
    elif elapsed_ns >= params.sample_ns:
        elapsed_s = elapsed_ns * 1e-9
        if elapsed_s <= _BREAK_S:
            change = mid_ticks - state.sample_ticks
            squares, seconds = ewma_sums(
                state.squares, state.seconds, change, elapsed_s, params.halflife_s
            )
            state.squares = squares
            state.seconds = seconds
            state.observed_ns += elapsed_ns
        state.sample_ts_ns = event.ts_event_ns
        state.sample_ticks = mid_ticks
    if state.observed_ns < params.warmup_ns:
        return math.nan
    return volatility_of(state.squares, state.seconds)


@kernel
def target_quotes(event: Any, params: Any, fair_ticks: Any, inventory: Any, sigma: Any) -> Any:
    """The unrounded (bid, ask) in ticks; `inventory` in orders. NaN when there is no answer."""
    leaning = inventory * params.inventory_weight
    if params.mode == SESSION:
        passed_ns = event.ts_event_ns % params.session_ns
        left_s = (params.session_ns - passed_ns) * 1e-9
        centre = reservation_price(fair_ticks, leaning, params.risk_aversion, sigma, left_s)
        half = 0.5 * optimal_spread(params.risk_aversion, sigma, params.intensity_k, left_s)
        half = max(half, params.min_half_spread_ticks)
        return centre - half, centre + half
    half = glft_half_spread(params.c1, params.c2, sigma, 1.0)
    half = max(half, params.min_half_spread_ticks)
    return glft_quotes(fair_ticks, leaning, half, glft_skew(params.c2, sigma))


@kernel
def write_wish(
    wish: Any, params: Any, side: Any, level: Any, price_ticks: Any, fair_price: Any, cause: Any
) -> Any:
    """Fill one wish: a post-only order of the usual size."""
    wish.side = side
    wish.level = level
    wish.price_ticks = price_ticks
    wish.qty_lots = params.order_lots
    wish.flags = POST_ONLY
    wish.ttl_ms = params.ttl_ms
    wish.fair_price = fair_price
    wish.confidence = 1.0
    wish.cause = cause


@kernel
def step(event: Any, market: Any, position: Any, params: Any, state: Any, out: Any) -> Any:
    """The contract's step: wishes for both sides, or NO_OPINION on events that change nothing."""
    if event.kind != QUOTE and event.kind != BOOK:
        return NO_OPINION
    if market.valid == 0 or params.order_lots <= 0:
        return 0
    bid, ask = float(market.bid_ticks), float(market.ask_ticks)
    mid = mid_price(bid, ask)
    sigma = sample_volatility(event, params, state, mid)
    # Before max() below sees it: max(NaN, x) may be x.
    if not sigma >= 0.0:
        return 0
    fair = mid
    if params.fair_price == WEIGHTED_MID:
        fair = weighted_mid(bid, market.bid_qty, ask, market.ask_qty)
    inventory = position.lots / params.order_lots
    low, high = target_quotes(event, params, fair, inventory, sigma)
    # Written so that a NaN on either side ends here.
    if not (low < high and high < _TICKS_MAX and low > -_TICKS_MAX):
        return 0
    # A quote never crosses: post-only orders that would are refused by the exchange.
    buy = min(np.int64(math.floor(low)), market.ask_ticks - 1)
    sell = max(np.int64(math.ceil(high)), market.bid_ticks + 1)
    fair_price = fair * market.tick_size
    count = 0
    for level in range(params.order_levels):
        held = params.order_lots * (level + 1)
        price = buy - level * params.level_spacing_ticks
        if position.lots + held <= params.max_lots and price > 0:
            write_wish(out[count], params, 1, level, price, fair_price, event.kind)
            count += 1
        price = sell + level * params.level_spacing_ticks
        if held - position.lots <= params.max_lots and price > 0:
            write_wish(out[count], params, -1, level, price, fair_price, event.kind)
            count += 1
    return count


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
    record["fair_price"] = WEIGHTED_MID if parameters.fair_price == "weighted_mid" else MID
    record["order_lots"] = order_lots
    record["max_lots"] = max_lots
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
    return record


STRATEGY = Strategy(
    name="avellaneda_stoikov",
    parameters_model=AvellanedaStoikovParameters,
    parameters_dtype=PARAMETERS_RECORD,
    state_dtype=STATE_RECORD,
    step=step,
    pack=pack,
    source=Path(__file__).parent,
)

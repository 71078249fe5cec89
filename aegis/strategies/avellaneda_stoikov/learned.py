"""What the quoter learns from the events: volatility, how trades arrive, which way orders flow,
where the touch leads the mid.

Called by `strategy` within the step, for one instrument at a time; everything lives in the state
record. Decayed by event time, so that a tape gives the same numbers however fast it is played.
"""

import math
from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.quant.fair_price import order_flow_imbalance
from aegis.quant.glft import glft_coefficients
from aegis.quant.intensity import intensity_of, intensity_sums
from aegis.quant.micro_price import micro_price_count, micro_price_state, micro_price_table
from aegis.quant.volatility import ewma_sums, volatility_of

__all__ = [
    "PARAMETERS_RECORD",
    "STATE_RECORD",
    "cost_of_fill",
    "learn_flow",
    "learn_intensity",
    "learn_markout",
    "learn_micro_price",
    "learn_trade",
    "sample_volatility",
]

# States of the touch for the micro-price: tenths of imbalance, at one and at two ticks of spread.
MICRO_BUCKETS, MICRO_SPREADS = 10, 2
_STATES = MICRO_BUCKETS * MICRO_SPREADS

PARAMETERS_RECORD = np.dtype(
    [
        ("refresh_tolerance_ticks", "<i8"),
        ("min_requote_ns", "<i8"),
        ("ttl_ms", "<i8"),
        ("mode", "<i8"),
        ("fair_price", "<i8"),
        ("order_lots", "<i8"),
        ("min_lots", "<i8"),
        ("max_lots", "<i8"),
        ("target_lots", "<i8"),
        ("order_levels", "<i8"),
        ("level_spacing_ticks", "<i8"),
        ("sample_ns", "<i8"),
        ("session_ns", "<i8"),
        ("warmup_ns", "<i8"),
        ("refresh_ns", "<i8"),
        ("fill_delay_ns", "<i8"),
        ("hanging", "<i8"),
        ("live_intensity", "<i8"),
        ("markout_ns", "<i8"),  # 0: what takers know is not learned
        ("micro_refresh_ns", "<i8"),
        ("intensity_refresh_ns", "<i8"),
        ("min_half_spread_ticks", "<f8"),
        ("min_half_spread_share", "<f8"),  # of the fair price
        ("cost_share", "<f8"),  # of the fair price, added to each half
        ("hanging_share", "<f8"),  # of the fair price: a hanging order further away is given up
        ("shape_factor", "<f8"),
        ("flow_ticks", "<f8"),
        ("flow_halflife_s", "<f8"),
        ("risk_aversion", "<f8"),
        ("intensity_k", "<f8"),
        ("intensity_range_ticks", "<f8"),
        ("intensity_halflife_s", "<f8"),
        ("intensity_min_orders", "<f8"),
        ("c1", "<f8"),
        ("c2", "<f8"),
        ("inventory_weight", "<f8"),
        ("halflife_s", "<f8"),
        ("micro_halflife_s", "<f8"),
        ("micro_min_moves", "<f8"),
    ]
)
# Pairs: buy, sell.
STATE_RECORD = np.dtype(
    [
        ("squares", "<f8"),
        ("seconds", "<f8"),
        ("observed_ns", "<i8"),
        ("sample_ticks", "<f8"),
        ("sample_ts_ns", "<i8"),
        ("quoted_ts_ns", "<i8"),  # event time of the last wishes
        ("quoted_lots", "<i8"),  # the position that they were made for
        ("filled_ts_ns", "<i8", (2,)),
        ("wished_ticks", "<i8", (2,)),  # price of level 0 in the last wishes, 0: none
        ("hanging_ticks", "<i8", (2,)),  # where an order is left hanging, 0: none
        ("mid_ticks", "<f8"),  # of the last quote: what a trade's distance counts from
        # One taker's prints are one arrival, at its furthest; told when the next one begins.
        ("order_ts_ns", "<i8"),
        ("order_side", "<i8"),
        ("order_mid_ticks", "<f8"),
        ("order_ticks", "<f8"),
        ("order_after_s", "<f8"),  # seen of the market since the order before it
        ("seen_ts_ns", "<i8"),
        ("seen_s", "<f8"),
        ("counted_ts_ns", "<i8"),
        ("arrivals", "<f8"),
        ("distances", "<f8"),
        ("arrival_seconds", "<f8"),
        ("fitted_ts_ns", "<i8"),
        # What the price did after a market order that reached beyond the costs: one at a time.
        ("watched_ts_ns", "<i8"),  # 0: none is watched
        ("watched_side", "<i8"),
        ("watched_mid_ticks", "<f8"),
        ("markout_ts_ns", "<i8"),
        ("markouts", "<f8"),
        ("markout_weights", "<f8"),
        # What the price did after a fill of our own, against what the quote was to earn.
        ("wished_half_ticks", "<f8", (2,)),  # from the fair price to level 0, as last wished
        ("own_watched_ts_ns", "<i8"),  # 0: none is watched
        ("own_side", "<f8"),
        ("own_ticks", "<f8"),
        ("own_half_ticks", "<f8"),
        ("own_ts_ns", "<i8"),
        ("own_costs", "<f8"),
        ("own_weights", "<f8"),
        ("live_k", "<f8"),  # 0 until the first fit
        ("live_c1", "<f8"),
        ("live_c2", "<f8"),
        ("top", "<f8", (4,)),  # bid, its quantity, ask, its quantity, of the last quote
        ("top_ts_ns", "<i8"),
        ("flow", "<f8"),
        ("flow_size", "<f8"),
        # The micro-price: counts of how one touch follows another, and the table made of them.
        ("micro_counts", "<f8", (_STATES, 2 * _STATES + 1)),
        ("micro_scratch", "<f8", (_STATES, _STATES + 3)),
        ("micro_table", "<f8", (MICRO_SPREADS, MICRO_BUCKETS)),
        ("micro_known", "<i8"),  # 1: the table was made
        ("micro_moves", "<f8"),  # of the mid, among the counts
        ("micro_solved_ns", "<i8"),
        ("micro_state", "<i8"),  # of the last touch, from 1 on; 0: none
        ("micro_sum_ticks", "<i8"),  # its bid and ask together
        ("micro_ts_ns", "<i8"),
    ]
)

# A pause longer than this between two samples is a break in the data, not volatility.
_BREAK_S = 10.0
_BREAK_NS = 10_000_000_000
# As many fills of our own weigh as much as all that the market's orders have told.
_MARKET_FILLS = 10.0


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
def faded(now_ns: Any, then_ns: Any, params: Any) -> Any:
    """The weight that is left of something learned at `then_ns`; 0 when nothing was."""
    if then_ns == 0:
        return 0.0
    return math.exp2(-max((now_ns - then_ns) * 1e-9, 0.0) / params.intensity_halflife_s)


@kernel
def cost_of_fill(now_ns: Any, params: Any, state: Any, fair_ticks: Any) -> Any:
    """What a fill costs, in ticks: the fee, and what the taker knew, where that is learned.

    The market's orders tell it at first; each fill of our own weighs against `_MARKET_FILLS` of
    them, and is the better witness: it also holds what our own lateness costs.
    """
    known = 0.0
    # A reload may have switched it off: what was learned then counts no more.
    if params.live_intensity == 0 or params.markout_ns == 0:
        return params.cost_share * fair_ticks
    if state.markout_weights > 0.0:
        known = max(state.markouts / state.markout_weights, 0.0)
    if state.own_weights > 0.0:
        weight = faded(now_ns, state.own_ts_ns, params)
        known = (known * _MARKET_FILLS + state.own_costs * weight) / (
            _MARKET_FILLS + state.own_weights * weight
        )
        known = max(known, 0.0)
    return params.cost_share * fair_ticks + known


@kernel
def watch_fill(event: Any, params: Any, state: Any, side: Any, sign: Any) -> None:
    """A fill of our own begins to be watched, unless one is already: of a burst the first."""
    wished = state.wished_ticks[side] > 0
    if params.markout_ns > 0 and state.own_watched_ts_ns == 0 and wished:
        state.own_watched_ts_ns = event.ts_event_ns
        state.own_side = sign
        state.own_ticks = event.a
        state.own_half_ticks = state.wished_half_ticks[side]
        # An order of a further level was to earn more.
        further = sign * (state.wished_ticks[side] - event.a)
        if params.order_levels > 1 and further >= 0.5 * params.level_spacing_ticks:
            state.own_half_ticks += further


@kernel
def learn_own_fill(event: Any, params: Any, state: Any, mid_ticks: Any) -> None:
    """By how much the fill was worth less, `markout_ns` later, than its quote was to earn."""
    elapsed_ns = event.ts_event_ns - state.own_watched_ts_ns
    # Fills and tops come by two ways: a top from before the fill may be told after it.
    if state.own_watched_ts_ns == 0 or -_BREAK_NS <= elapsed_ns < params.markout_ns:
        return
    if 0 <= elapsed_ns < 2 * params.markout_ns:
        weight = faded(event.ts_event_ns, state.own_ts_ns, params)
        earned = state.own_side * (mid_ticks - state.own_ticks)
        state.own_costs = state.own_costs * weight + state.own_half_ticks - earned
        state.own_weights = state.own_weights * weight + 1.0
        state.own_ts_ns = event.ts_event_ns
    state.own_watched_ts_ns = 0


@kernel
def learn_markout(event: Any, params: Any, state: Any, mid_ticks: Any) -> None:
    """How far the price has gone the taker's way `markout_ns` after a market order."""
    elapsed_ns = event.ts_event_ns - state.watched_ts_ns
    if state.watched_ts_ns == 0 or 0 <= elapsed_ns < params.markout_ns:
        return
    # Later than that (a silent market) it says something else.
    if 0 <= elapsed_ns < 2 * params.markout_ns:
        weight = faded(event.ts_event_ns, state.markout_ts_ns, params)
        moved = state.watched_side * (mid_ticks - state.watched_mid_ticks)
        state.markouts = state.markouts * weight + moved
        state.markout_weights = state.markout_weights * weight + 1.0
        state.markout_ts_ns = event.ts_event_ns
    state.watched_ts_ns = 0


@kernel
def count_order(params: Any, state: Any) -> Any:
    """Fold the market order that has just ended into the sums of the fit.

    Quotes stand beyond the costs of a fill, so that is where the fit begins: what it calls A is how
    often trades reach as far as the costs.
    """
    distance = state.order_side * (state.order_ticks - state.order_mid_ticks)
    is_far = distance >= params.cost_share * state.order_mid_ticks
    if params.markout_ns > 0 and state.watched_ts_ns == 0 and is_far:
        state.watched_ts_ns = state.order_ts_ns
        state.watched_side = state.order_side
        state.watched_mid_ticks = state.order_mid_ticks
    distance -= cost_of_fill(state.order_ts_ns, params, state, state.order_mid_ticks)
    elapsed_s = state.order_after_s if state.counted_ts_ns != 0 else 0.0
    count, total, seconds = intensity_sums(
        state.arrivals, state.distances, state.arrival_seconds, distance, elapsed_s,
        params.intensity_halflife_s, 0.0, params.intensity_range_ticks,
    )  # fmt: skip
    state.arrivals = count
    state.distances = total
    state.arrival_seconds = seconds
    state.counted_ts_ns = state.order_ts_ns
    state.order_ts_ns = 0


@kernel
def see_time(event: Any, state: Any) -> None:
    """How long the market has been seen: quotes alone are time without trades, a break is none."""
    elapsed_s = (event.ts_event_ns - state.seen_ts_ns) * 1e-9
    if state.seen_ts_ns == 0 or elapsed_s < -_BREAK_S:
        state.seen_ts_ns = event.ts_event_ns
    elif elapsed_s > 0.0:
        state.seen_s += min(elapsed_s, _BREAK_S)
        state.seen_ts_ns = event.ts_event_ns


@kernel
def learn_trade(event: Any, market: Any, params: Any, state: Any) -> Any:
    """A trade of others: the same taker at the same time reaches further, or a new one begins."""
    if not state.mid_ticks > 0.0:
        return
    see_time(event, state)
    side, ticks = market.trade_side, float(market.trade_ticks)
    if state.order_ts_ns == event.ts_event_ns and state.order_side == side:
        if side * (ticks - state.order_ticks) > 0.0:
            state.order_ticks = ticks
        return
    if state.order_ts_ns != 0:
        count_order(params, state)
    state.order_ts_ns = event.ts_event_ns
    state.order_after_s = state.seen_s
    state.seen_s = 0.0
    state.order_side = side
    state.order_ticks = ticks
    state.order_mid_ticks = state.mid_ticks


@kernel
def learn_intensity(event: Any, params: Any, state: Any) -> Any:
    """Fit A and k anew when it is time; what shows no decay, or too little, changes nothing."""
    see_time(event, state)
    elapsed_ns = event.ts_event_ns - state.fitted_ts_ns
    if 0 <= elapsed_ns < params.intensity_refresh_ns:
        return
    state.fitted_ts_ns = event.ts_event_ns
    if state.arrivals < params.intensity_min_orders:
        return
    a, k = intensity_of(
        state.arrivals, state.distances, state.arrival_seconds, 0.0, params.intensity_range_ticks
    )
    c1, c2 = glft_coefficients(params.risk_aversion, a, k, 1.0, params.risk_aversion)
    if c1 > 0.0 and c2 >= 0.0 and k > 0.0:
        state.live_k = k
        state.live_c1 = c1
        state.live_c2 = c2


@kernel
def learn_flow(event: Any, market: Any, params: Any, state: Any) -> Any:
    """Which way orders flow at the touch, from -1 (all to the ask) to 1; 0 while unknown.

    The decayed sum of the order-flow imbalance of Cont, Kukanov and Stoikov over the decayed sum of
    its sizes.
    """
    bid, ask = float(market.bid_ticks), float(market.ask_ticks)
    if state.top_ts_ns != 0:
        change = order_flow_imbalance(
            state.top[0], state.top[1], state.top[2], state.top[3],
            bid, market.bid_qty, ask, market.ask_qty,
        )  # fmt: skip
        elapsed_s = max((event.ts_event_ns - state.top_ts_ns) * 1e-9, 0.0)
        weight = math.exp2(-elapsed_s / params.flow_halflife_s)
        if math.isfinite(change):
            state.flow = state.flow * weight + change
            state.flow_size = state.flow_size * weight + abs(change)
    state.top[0] = bid
    state.top[1] = market.bid_qty
    state.top[2] = ask
    state.top[3] = market.ask_qty
    state.top_ts_ns = event.ts_event_ns
    return state.flow / state.flow_size if state.flow_size > 0.0 else 0.0


@kernel
def _count_touch(event: Any, market: Any, state: Any) -> Any:
    """Count how the last touch was followed by this one."""
    touch = 1 + micro_price_state(
        float(market.bid_ticks), market.bid_qty, float(market.ask_ticks), market.ask_qty, 1.0,
        MICRO_BUCKETS, MICRO_SPREADS,
    )  # fmt: skip
    sum_ticks = market.bid_ticks + market.ask_ticks
    since_s = (event.ts_event_ns - state.micro_ts_ns) * 1e-9
    if state.micro_state > 0 and touch > 0 and 0.0 <= since_s <= _BREAK_S:
        half_ticks = sum_ticks - state.micro_sum_ticks
        micro_price_count(
            state.micro_counts, MICRO_BUCKETS, state.micro_state - 1, touch - 1, half_ticks
        )
        state.micro_moves += 1.0 if half_ticks != 0 else 0.0
    state.micro_state = touch
    state.micro_sum_ticks = sum_ticks
    state.micro_ts_ns = event.ts_event_ns


@kernel
def learn_micro_price(event: Any, market: Any, params: Any, state: Any) -> None:
    """Where the mid goes from a touch like this one: counted at each, solved when it is time.

    Counts are halved every `micro_halflife_s`. Too few moves leave the table as it was.
    """
    _count_touch(event, market, state)
    elapsed_ns = event.ts_event_ns - state.micro_solved_ns
    if 0 <= elapsed_ns < params.micro_refresh_ns:
        return
    if state.micro_moves >= params.micro_min_moves:
        micro_price_table(state.micro_counts, state.micro_scratch, state.micro_table)
        state.micro_known = 1
    if state.micro_solved_ns != 0:
        weight = math.exp2(-max(elapsed_ns * 1e-9, 0.0) / params.micro_halflife_s)
        state.micro_moves *= weight
        for row in range(_STATES):
            for column in range(2 * _STATES + 1):
                state.micro_counts[row, column] *= weight
    state.micro_solved_ns = event.ts_event_ns

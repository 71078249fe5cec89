"""Who lives in each market: the agents' memory, filled from the configuration and the listings.

``serve`` and the tests make one population for all symbols of the venue. What ``[venue.flow]`` says
is meant for BTCUSDT; the others are what their activity and volatility, multiples of BTCUSDT's,
make of it: fewer and smaller trades, thinner books, wider spreads in small coins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from aegis.config.models import FlowConfig
from aegis.venue.flow import layout
from aegis.venue.flow.dice import make_dice
from aegis.venue.flow.ladder import band_edges, band_notionals, bands_by_distance
from aegis.venue.flow.layout import Agents, Reals
from aegis.venue.flow.price import SESSION_CURVE
from aegis.venue.symbols import SymbolSpec

BPS: Final = 1e-4
HOUR_S: Final = 3_600.0
# Activity is volume: half of its log is in the number of trades, half in their sizes.
RATE_POWER: Final = 0.5
SIZE_POWER: Final = 0.5
LOOK_POWER: Final = 0.4  # makers look at a quiet book less often, but not as much less
LEAST_ACTIVITY: Final = 1e-4
# The spread that competition leaves, in bps at BTCUSDT's activity: less than its tick.
NATURAL_SPREAD_BPS: Final = 0.02
WIDEST_SPREAD_TICKS: Final = 200
# BTCUSDT's, for which the configuration gives distances in ticks.
REFERENCE_TICKS: Final = 600_000.0
LEAST_REACH_TICKS: Final = 0.5
# Below so many ticks a second a book has no gaps.
DENSE_BELOW_TICKS: Final = 8.0
# Of the trades that nothing but the market's activity brings, the share that moves excite.
MOVE_SHARE: Final = 0.4
# Added to the seed: the weather has dice of its own.
WEATHER_SEED: Final = 0x5EED
# Of the branching ratio, the share of the fast kernel.
FAST_SHARE: Final = 0.5


def make_agents(
    specs: Sequence[SymbolSpec],
    config: FlowConfig,
    seed: int,
    start_ticks: Mapping[str, int] | None = None,
) -> Agents:
    """The agents of all symbols, in the order of their numbers, before any book is open.

    `start_ticks` is where a symbol's fair price begins, if not at its listing's price.
    """
    assert [spec.number for spec in specs] == list(range(len(specs))), "symbols out of order"
    symbols, bands = len(specs), config.depth_levels
    edges = band_edges(bands)
    agents = Agents(
        due_us=np.zeros(symbols, np.int64),
        fair_ticks=np.zeros(symbols, np.float64),
        dice=make_dice(seed, symbols),
        weather=make_dice(seed + WEATHER_SEED, symbols),
        traits=np.zeros((symbols, layout.TRAITS), np.float64),
        moods=np.zeros((symbols, layout.MOODS), np.float64),
        counts=np.zeros((symbols, layout.COUNTS), np.int64),
        parents=np.zeros((symbols, layout.MAX_PARENTS, 2), np.int64),
        quotes=np.zeros((symbols, 2, bands + layout.QUOTES_OVER_BANDS, 4), np.int64),
        edges=edges,
        band_at=bands_by_distance(edges),
        band_lots=np.zeros((symbols, bands), np.float64),
        occupancy=np.zeros(bands, np.int64),
    )
    for spec in specs:
        started = (start_ticks or {}).get(spec.symbol, spec.start_price_ticks)
        _settle(agents, spec, config, started)
    return agents


def spread_ticks(spec: SymbolSpec, config: FlowConfig, started: int) -> int:
    """The makers' spread: as configured for BTCUSDT, wider where fewer compete."""
    activity = max(spec.activity, LEAST_ACTIVITY)
    natural = NATURAL_SPREAD_BPS / activity * BPS * started
    return config.spread_ticks * min(max(1, round(natural)), WIDEST_SPREAD_TICKS)


def session_level(swing: float) -> float:
    """What the session's curve needs added for a mean variance of 1 over the day."""
    hours = np.arange(0.0, 24.0, 1.0 / 60.0)
    curve = np.interp(hours, np.arange(24), SESSION_CURVE, period=24.0)
    return -0.5 * math.log(float(np.mean(np.exp(2.0 * swing * curve))))


def _settle(agents: Agents, spec: SymbolSpec, config: FlowConfig, started: int) -> None:
    """Write one symbol's traits, and the state it begins in."""
    row = spec.number
    activity = max(spec.activity, LEAST_ACTIVITY)
    sigma = config.volatility_bps_per_sqrt_s * BPS * spec.volatility
    traits, moods = agents.traits[row], agents.moods[row]
    traits[layout.SIGMA] = sigma
    traits[layout.TICKS_OF_SIGMA] = sigma * started
    traits[layout.SPREAD_TICKS] = spread_ticks(spec, config, started)
    traits[layout.BOOKS_PER_S] = config.book_updates_per_s * activity**LOOK_POWER
    traits[layout.INFORMED_SHARE] = config.informed_share
    traits[layout.DEEP_SHARE] = config.deep_trade_share
    traits[layout.PATIENCE] = config.maker_patience
    traits[layout.IMPACT] = config.trade_impact
    traits[layout.VOLATILITY_SPREAD] = config.volatility_regimes
    traits[layout.SESSION_SWING] = config.session_swing
    traits[layout.SESSION_LEVEL] = session_level(config.session_swing)
    traits[layout.DAY_OFFSET_S] = config.opens_at_utc_h * HOUR_S
    traits[layout.JUMPS_PER_S] = config.jumps_per_hour / HOUR_S
    traits[layout.JUMP_SIZE] = config.jump_bps * BPS * spec.volatility
    traits[layout.PARENTS] = config.metaorders
    traits[layout.PARENT_ALPHA] = config.metaorder_tail
    traits[layout.LOWEST_TICKS] = max(spec.min_price_ticks * 2.0, 4.0)
    traits[layout.HIGHEST_TICKS] = spec.max_price_ticks / 2.0
    trades_per_s = config.trades_per_s * activity**RATE_POWER
    _settle_rates(traits, config, trades_per_s)
    _settle_book(agents, spec, config, started, activity**SIZE_POWER)
    agents.fair_ticks[row] = started
    moods[layout.PACE] = moods[layout.BUSTLE] = 1.0
    # As excited as on average: a market that opens cold would be quiet for its first minute.
    moods[layout.FAST_HEAT] = trades_per_s * traits[layout.FAST_BRANCHING]
    moods[layout.SLOW_HEAT] = trades_per_s * traits[layout.SLOW_BRANCHING]


def _settle_rates(traits: Reals, config: FlowConfig, trades_per_s: float) -> None:
    """Split the mean rate of trades: the market's own, what moves excite, what trades excite."""
    branching = config.self_excitation
    own = trades_per_s * (1.0 - branching)
    traits[layout.TRADES_PER_S] = own * (1.0 - MOVE_SHARE)
    # A threshold drawn from an exponential law of mean m is reached sigma**2 / (2 m**2) times a
    # second by a walk; a move excites in proportion to its length, m in the mean.
    moves_per_s = 0.5 / config.maker_patience**2
    traits[layout.MOVE_HEAT] = own * MOVE_SHARE / moves_per_s
    traits[layout.FAST_BRANCHING] = branching * FAST_SHARE
    traits[layout.SLOW_BRANCHING] = branching * (1.0 - FAST_SHARE)


def _settle_book(
    agents: Agents, spec: SymbolSpec, config: FlowConfig, started: int, size: float
) -> None:
    """How large trades and quotes are, in lots, and how far they reach, in ticks."""
    traits = agents.traits[spec.number]
    lot_notional = spec.notional_e8(started, 1) / 1e8
    sigma_ticks = float(traits[layout.TICKS_OF_SIGMA])
    reference = config.volatility_bps_per_sqrt_s * BPS * REFERENCE_TICKS
    scale = sigma_ticks / reference if reference > 0.0 else 1.0
    reach = max(scale / config.trade_depth_decay_per_tick, LEAST_REACH_TICKS)
    geometry = layout.DENSE if sigma_ticks < DENSE_BELOW_TICKS else layout.SPARSE
    traits[layout.REACH_TICKS] = reach
    traits[layout.GEOMETRY] = geometry
    traits[layout.FURTHEST] = agents.edges[geometry, -1]
    traits[layout.TRADE_LOTS] = max(config.mean_trade_notional * size / lot_notional, 1.0)
    traits[layout.TOUCH_LOTS] = max(config.mean_level_notional * size / lot_notional, 2.0)
    notionals = band_notionals(
        agents.edges[geometry],
        config.mean_trade_notional * size,
        config.mean_level_notional * size,
        1.0 / reach,
    )
    agents.band_lots[spec.number] = np.maximum(notionals / lot_notional, 1.0)

"""The memory of the agents: which array holds what.

``population`` makes it once at start; the kernels of this package are its only writers. One
`Agents` serves all symbols; a symbol is its row, numbered as in the venue's list. Sides are +1
(bids) and -1 (asks); side row 0 holds the bids, 1 the asks. Prices are ticks, quantities lots,
times microseconds since the flow's origin. No array may be replaced: kernels hold their addresses.

`traits` is what a symbol is like and never changes; `moods` and `counts` are the state that does.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.venue.flow.dice import Dice

Words = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

# ---- what a symbol is like (Agents.traits[symbol])
TRADES_PER_S = 0  # without what they excite: the mean rate is this over (1 - branching)
BOOKS_PER_S = 1
SIGMA = 2  # of the log of the fair price, per square root of a second, on average
SPREAD_TICKS = 3
TRADE_LOTS = 4  # of a mean trade at the touch
TOUCH_LOTS = 5  # of the makers' queue at the touch, on average
REACH_TICKS = 6  # how far a deep trade reaches beyond the touch, on average
DEEP_SHARE = 7
INFORMED_SHARE = 8
PATIENCE = 9  # how far the fair price strays before the makers follow, in sigmas of a second
IMPACT = 10  # what a mean trade moves the fair price, in sigmas of a second
VOLATILITY_SPREAD = 11  # standard deviation of the log of volatility
SESSION_SWING = 12
JUMPS_PER_S = 13
JUMP_SIZE = 14  # mean size of a jump of the log of the fair price
FAST_BRANCHING, SLOW_BRANCHING = 15, 16  # trades that one trade excites, soon and later
PARENTS = 17  # hidden parent orders that work at a time
PARENT_ALPHA = 18  # tail exponent of their length
DAY_OFFSET_S = 19  # time of the day at the flow's origin
LOWEST_TICKS, HIGHEST_TICKS = 20, 21  # the fair price is kept between
TICKS_OF_SIGMA = 22  # SIGMA at the starting price, in ticks
FURTHEST = 23  # distance in ticks from the touch at which a quote is given up
GEOMETRY = 24  # row of `edges` and `band_at`
MOVE_HEAT = 25  # a move of the touch excites as much as so many trades
SESSION_LEVEL = 26  # added to the session's curve, so that its mean variance is 1
TRAITS: Final = 32

# ---- the state in reals (Agents.moods[symbol])
PACE = 0  # what the volatility is now over what it is on average
BUSTLE = 1  # the same of the takers' rate
FAST_HEAT, SLOW_HEAT = 2, 3  # excited trade rates at HEAT_US
THRESHOLD = 4  # ticks that the fair price has to stray before the makers follow
SIGN_MEMORY = 5  # exponentially weighted mean of the takers' signs
BID_QUEUE, ASK_QUEUE = 6, 7  # how full the makers like the touch, in standard deviations
FACTORS = 8  # the first of FACTOR_COUNT factors of the log of volatility
FACTOR_COUNT: Final = 4
MOODS: Final = 16

# ---- the state in integers (Agents.counts[symbol])
BID, ASK = 0, 1  # the makers' touch in ticks
BOOK_DUE_US, TRADE_DUE_US = 2, 3
FAIR_US = 4  # the fair price is that of this time
SECOND = 5  # the volatility is that of this second
HEAT_US = 6
BID_ORDERS, ASK_ORDERS = 7, 8  # the makers' orders that are good
RESETS, DEEP_TRADES, INFORMED_TRADES, JUMPS, SWEEPS = 9, 10, 11, 12, 13  # ever
COUNTS: Final = 16

# ---- a hidden parent order (Agents.parents[symbol, number])
PARENT_SIGN, PARENT_LEFT = range(2)
MAX_PARENTS: Final = 16

# ---- a resting order of the makers (Agents.quotes[symbol, side row, place])
QUOTE_ORDER, QUOTE_SLOT, QUOTE_PRICE, QUOTE_LOTS = range(4)
QUOTES_OVER_BANDS: Final = 64  # room for several orders at the touch and for crowded bands

# ---- a band of the ladder (Agents.edges[geometry, band])
GEOMETRIES: Final = 2
SPARSE, DENSE = range(GEOMETRIES)


class Agents(NamedTuple):
    """The agents of all symbols; see the module for what each word means."""

    due_us: Words  # [symbols]: when each symbol's next event is due
    fair_ticks: Reals  # [symbols]: what the informed know, and the makers follow; the index price
    dice: Dice  # [symbols, 4]: what happens at events
    weather: Dice  # [symbols, 4]: what happens every second, whatever the events are
    traits: Reals  # [symbols, TRAITS]
    moods: Reals  # [symbols, MOODS]
    counts: Words  # [symbols, COUNTS]
    parents: Words  # [symbols, MAX_PARENTS, 2]
    quotes: Words  # [symbols, 2, bands + QUOTES_OVER_BANDS, 4]
    edges: Words  # [GEOMETRIES, bands + 1]: where each band begins, in ticks from the touch
    band_at: npt.NDArray[np.int32]  # [GEOMETRIES, furthest]: the band of each distance
    band_lots: Reals  # [symbols, bands]: what a quote holds there on average
    occupancy: Words  # [bands]: scratch of one look at one side

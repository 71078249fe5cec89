"""The takers: most want a size and no more than the touch, some go deep, some know.

The flow's step calls `take` at the takers' times. An uninformed taker's sign is that of its hidden
parent order; its size is lognormal, and it takes what stands at the best price at most, as traders
who look at the book do. A deep one takes the touch and goes on for an exponential reach. An
informed one sees how far the fair price has strayed: it buys before the makers follow it up, and
sells before they follow it down. Larger orders are more often informed, hence move the price more.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from aegis.host.jit import kernel
from aegis.venue.flow.arrivals import excite, next_arrival_us
from aegis.venue.flow.dice import exponential, normal, uniform
from aegis.venue.flow.layout import (
    BID,
    BID_ORDERS,
    BOOK_DUE_US,
    DEEP_SHARE,
    DEEP_TRADES,
    INFORMED_SHARE,
    INFORMED_TRADES,
    QUOTE_LOTS,
    QUOTE_PRICE,
    REACH_TICKS,
    TRADE_DUE_US,
    TRADE_LOTS,
)
from aegis.venue.flow.makers import gap_ticks, mean_threshold
from aegis.venue.flow.parents import next_sign, remember_sign
from aegis.venue.flow.price import drift
from aegis.venue.flow.quotes import side_row
from aegis.venue.matching.interface import OWNER_TAKERS
from aegis.venue.matching.kernels import best, next_order, submit

SIZE_SPREAD: Final = 2.0  # standard deviation of the log of a trade's size
REACTION_US: Final = 8_000.0  # mean time after which makers look at a book that was dug into
# Who knows more trades more: the mean of the root of a size, in mean sizes.
MEAN_ROOT: Final = math.exp(-0.125 * SIZE_SPREAD * SIZE_SPREAD)
CLEAR_GAP: Final = 0.5  # of the mean threshold: what an informed taker bothers to trade on


@kernel
def _lots_within(agents: Any, symbol: Any, side: Any, limit: Any) -> Any:
    """What the makers quote on `side` up to a limit: a deep taker's idea of the book."""
    row = side_row(side)
    lots = 0
    for place in range(agents.counts[symbol, BID_ORDERS + row]):
        if (agents.quotes[symbol, row, place, QUOTE_PRICE] - limit) * side >= 0:
            lots += agents.quotes[symbol, row, place, QUOTE_LOTS]
    return lots


@kernel
def _react(books: Any, agents: Any, symbol: Any, side: Any, now_us: Any) -> None:
    """If the makers' touch is gone, they look at the book soon."""
    counts = agents.counts[symbol]
    touch = counts[BID + side_row(-side)]
    now, _ = best(books, symbol, -side)
    if (now - touch) * side > 0 or now == 0:
        wait = 1 + np.int64(exponential(agents.dice, symbol) * REACTION_US)
        counts[BOOK_DUE_US] = min(counts[BOOK_DUE_US], now_us + wait)


@kernel
def take(books: Any, agents: Any, symbol: Any, now_us: Any, now_ms: Any) -> None:
    """One taker comes, and the time of the next is drawn."""
    drift(agents, symbol, now_us)
    traits, counts, dice = agents.traits[symbol], agents.counts[symbol], agents.dice
    # Every taker rolls the same dice, whatever it finds: a client's order must not change them.
    luck = uniform(dice, symbol)
    deep = uniform(dice, symbol) < traits[DEEP_SHARE]
    reach = np.int64(math.ceil(exponential(dice, symbol) * traits[REACH_TICKS]))
    size = traits[TRADE_LOTS] * math.exp(
        SIZE_SPREAD * normal(dice, symbol) - 0.5 * SIZE_SPREAD * SIZE_SPREAD
    )
    gap = gap_ticks(agents, symbol)
    known = traits[INFORMED_SHARE] * math.sqrt(size / traits[TRADE_LOTS]) / MEAN_ROOT
    if luck < known and abs(gap) > CLEAR_GAP * mean_threshold(agents, symbol):
        side = 1 if gap > 0.0 else -1
        reach = np.int64(abs(gap))
        counts[INFORMED_TRADES] += 1
    else:
        side = next_sign(agents, symbol)
    limit, _ = best(books, symbol, -side)
    if limit != 0:
        lots = np.int64(max(size, 1.0) + 0.5)
        if deep:
            limit = counts[BID + side_row(-side)] + side * reach
            lots = _lots_within(agents, symbol, -side, limit)
            counts[DEEP_TRADES] += 1
        if lots > 0:
            submit(books, symbol, next_order(books), OWNER_TAKERS, side, limit, lots, 0, now_ms)
            _react(books, agents, symbol, side, now_us)
    remember_sign(agents, symbol, side)
    excite(agents, symbol, now_us, 1.0)
    counts[TRADE_DUE_US] = next_arrival_us(agents, symbol, now_us)

"""The makers: a ladder of quotes on either side of a touch that follows the fair price in moves.

The flow's step calls `look_at_book` at the makers' times. Between moves the touch stands still
while the fair price strays from it, and the queues at the touch lean: thin where the price is about
to go. When it has strayed further than their patience, or when takers have used up the queue in its
way, the makers move the touch to it. What is then quoted beyond it is stale. Their own quotes are
withdrawn, but with the chance of `informed_share` somebody who knows takes some of them first;
clients' are always taken, for nobody waits for a slow client.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from aegis.host.jit import kernel
from aegis.venue.flow.arrivals import excite
from aegis.venue.flow.dice import below, exponential, normal, uniform
from aegis.venue.flow.layout import (
    ASK,
    BID,
    BID_ORDERS,
    BID_QUEUE,
    FURTHEST,
    GEOMETRY,
    IMPACT,
    INFORMED_SHARE,
    MOVE_HEAT,
    PACE,
    PATIENCE,
    QUOTE_LOTS,
    QUOTE_PRICE,
    RESETS,
    SIGN_MEMORY,
    SPREAD_TICKS,
    SWEEPS,
    THRESHOLD,
    TICKS_OF_SIGMA,
    TOUCH_LOTS,
    TRADE_LOTS,
)
from aegis.venue.flow.price import drift, push
from aegis.venue.flow.quotes import forget, lots_left, quote, side_row, withdraw
from aegis.venue.matching.interface import OWNER_TAKERS, STP_NONE
from aegis.venue.matching.kernels import available, best, next_order, submit

LATE_SHARE: Final = 0.6  # of overtaken quotes that an informed taker finds before their makers
NEAR_BANDS: Final = 3  # bands that are looked at every time
FAR_LOOKS: Final = 0.1  # chance that a band further out is
OVERSIZE: Final = 3.0  # a quote that has drifted into a band for smaller ones is withdrawn
LEAST_MEAN_TICKS: Final = 0.5
LEAST_THRESHOLD_TICKS: Final = 0.75  # below it the touch would flicker
LEAN: Final = 0.9  # of the log of the touch's queues, per mean threshold that the price strayed
QUEUE_NOISE: Final = 0.7  # standard deviation of the log of the touch's queues
QUEUE_SLACK: Final = 0.35  # share of a queue that may be missing or too much
GIVE_WAY: Final = 0.5  # of the mean threshold: a touch that was used up gives way from here on
QUEUE_KEEP: Final = 0.95  # of how full the touch is liked, from look to look
REFILL_CHANCE: Final = 0.3  # per look that a thinned queue is filled up
# Of what the signs so far made the makers expect, the share that an order's own sign is set
# against: with it the price does not trend although the signs do.
EXPECTED_SHARE: Final = 0.6
MOST_HEAT: Final = 10.0  # moves of usual length that one move may be worth
ALL: Final = 2**40


@kernel
def gap_ticks(agents: Any, symbol: Any) -> Any:
    """How far the fair price has strayed from the middle of the makers' touch."""
    counts = agents.counts[symbol]
    return agents.fair_ticks[symbol] - 0.5 * (counts[BID] + counts[ASK])


@kernel
def mean_threshold(agents: Any, symbol: Any) -> Any:
    """The makers' patience in ticks at the present pace of the market."""
    traits = agents.traits[symbol]
    ticks = traits[PATIENCE] * traits[TICKS_OF_SIGMA] * math.sqrt(agents.moods[symbol, PACE])
    return max(ticks, LEAST_MEAN_TICKS)


@kernel
def place_touch(agents: Any, symbol: Any) -> None:
    """Put the touch around the fair price, and draw how long it will stay."""
    traits, moods, counts = agents.traits[symbol], agents.moods[symbol], agents.counts[symbol]
    spread = np.int64(traits[SPREAD_TICKS])
    counts[BID] = np.int64(math.floor(agents.fair_ticks[symbol] - 0.5 * spread + 0.5))
    counts[ASK] = counts[BID] + spread
    drawn = exponential(agents.dice, symbol) * mean_threshold(agents, symbol)
    moods[THRESHOLD] = max(drawn, LEAST_THRESHOLD_TICKS)


@kernel
def _take_stale(books: Any, agents: Any, symbol: Any, side: Any, now_ms: Any) -> None:
    """Somebody who knows the fair price takes every quote of `side` that is beyond the touch."""
    limit = agents.counts[symbol, BID + 1 - side_row(side)]
    lots = available(books, symbol, OWNER_TAKERS, -side, limit, STP_NONE, ALL)
    if lots > 0:
        agents.counts[symbol, SWEEPS] += 1
        order_id = next_order(books)
        submit(books, symbol, order_id, OWNER_TAKERS, -side, limit, lots, 0, now_ms)


@kernel
def _leave_overtaken(
    books: Any, agents: Any, symbol: Any, side: Any, share: Any, now_ms: Any
) -> None:
    """Makers withdraw what the fair price has passed, each quote with the chance `share`."""
    row = side_row(side)
    touch = agents.counts[symbol, BID + row]
    place = agents.counts[symbol, BID_ORDERS + row] - 1
    while place >= 0:
        price = agents.quotes[symbol, row, place, QUOTE_PRICE]
        if (price - touch) * side > 0 and uniform(agents.dice, symbol) < share:
            withdraw(books, agents, symbol, side, place, now_ms)
        place -= 1


@kernel
def _move_touch(books: Any, agents: Any, symbol: Any, now_us: Any, now_ms: Any) -> None:
    """Follow the fair price; what is quoted beyond it is stale now."""
    gap = gap_ticks(agents, symbol)
    stale = -1 if gap > 0.0 else 1  # asks, if the price has risen
    length = abs(gap) / mean_threshold(agents, symbol)
    place_touch(agents, symbol)
    agents.counts[symbol, RESETS] += 1
    if uniform(agents.dice, symbol) < agents.traits[symbol, INFORMED_SHARE]:
        _leave_overtaken(books, agents, symbol, stale, 1.0 - LATE_SHARE, now_ms)
        _take_stale(books, agents, symbol, stale, now_ms)
    _leave_overtaken(books, agents, symbol, stale, 1.0, now_ms)
    excite(agents, symbol, now_us, agents.traits[symbol, MOVE_HEAT] * min(length, MOST_HEAT))


@kernel
def _take_stock(books: Any, agents: Any, symbol: Any, side: Any) -> Any:
    """Strike taken quotes off the list; returns the lots taken since the last look."""
    row = side_row(side)
    taken = 0
    place = agents.counts[symbol, BID_ORDERS + row] - 1
    while place >= 0:
        mine = agents.quotes[symbol, row, place]
        left = lots_left(books, mine)
        taken += mine[QUOTE_LOTS] - left
        mine[QUOTE_LOTS] = left
        if left == 0:
            forget(agents, symbol, side, place)
        place -= 1
    return taken


@kernel
def _learn(books: Any, agents: Any, symbol: Any) -> None:
    """What was bought from and sold to the makers moves their belief, by the root of its size.

    What they expected from the signs so far tells them nothing new.
    """
    traits = agents.traits[symbol]
    bought = _take_stock(books, agents, symbol, -1)
    sold = _take_stock(books, agents, symbol, 1)
    lots = bought - sold
    if lots != 0:
        root = math.sqrt(abs(lots) / traits[TRADE_LOTS])
        sign = 1.0 if lots > 0 else -1.0
        news = sign - EXPECTED_SHARE * agents.moods[symbol, SIGN_MEMORY]
        push(agents, symbol, traits[IMPACT] * traits[TICKS_OF_SIGMA] * root * news)


@kernel
def _mend_touch(books: Any, agents: Any, symbol: Any, side: Any, now_ms: Any) -> None:
    """Bring the makers' queue at the touch near to what it should be: one order more, or less."""
    traits, dice = agents.traits[symbol], agents.dice
    row = side_row(side)
    touch = agents.counts[symbol, BID + row]
    here = 0
    last = -1
    for place in range(agents.counts[symbol, BID_ORDERS + row]):
        if agents.quotes[symbol, row, place, QUOTE_PRICE] == touch:
            here += agents.quotes[symbol, row, place, QUOTE_LOTS]
            last = place
    strayed = gap_ticks(agents, symbol) / mean_threshold(agents, symbol)
    lean = LEAN * side * min(max(strayed, -2.0), 2.0)
    moods = agents.moods[symbol]
    innovation = math.sqrt(1.0 - QUEUE_KEEP * QUEUE_KEEP) * normal(dice, symbol)
    moods[BID_QUEUE + row] = QUEUE_KEEP * moods[BID_QUEUE + row] + innovation
    noise = QUEUE_NOISE * moods[BID_QUEUE + row]
    wanted = traits[TOUCH_LOTS] * math.exp(lean + noise - 0.5 * QUEUE_NOISE * QUEUE_NOISE)
    wanted = max(wanted, 1.0)
    if here > (1.0 + QUEUE_SLACK) * wanted and here > 1:
        here -= agents.quotes[symbol, row, last, QUOTE_LOTS]
        withdraw(books, agents, symbol, side, last, now_ms)
    refills = uniform(dice, symbol) < REFILL_CHANCE
    if here == 0 or (refills and here < (1.0 - QUEUE_SLACK) * wanted):
        lots = np.int64(math.ceil(wanted)) - here
        quote(books, agents, symbol, side, touch, lots, now_ms)


@kernel
def _tend_ladder(
    books: Any, agents: Any, symbol: Any, side: Any, everything: Any, now_ms: Any
) -> None:
    """Keep about one quote in each band: add where none is, thin out where there are more."""
    traits, dice = agents.traits[symbol], agents.dice
    row = side_row(side)
    geometry = np.int64(traits[GEOMETRY])
    touch = agents.counts[symbol, BID + row]
    occupancy = agents.occupancy
    bands = occupancy.shape[0]
    for band in range(bands):
        occupancy[band] = 0
    place = agents.counts[symbol, BID_ORDERS + row] - 1
    while place >= 0:
        mine = agents.quotes[symbol, row, place]
        distance = (touch - mine[QUOTE_PRICE]) * side
        if distance != 0:
            gone = distance >= traits[FURTHEST]
            if not gone:
                band = agents.band_at[geometry, distance]
                crowded = occupancy[band] > 0 and uniform(dice, symbol) < 0.5
                most = OVERSIZE * agents.band_lots[symbol, band] + 1.0
                gone = crowded or mine[QUOTE_LOTS] > most
                if not gone:
                    occupancy[band] += 1
            if gone:
                withdraw(books, agents, symbol, side, place, now_ms)
        place -= 1
    for band in range(bands):
        near = agents.edges[geometry, band]
        if occupancy[band] > 0 or (near == 0 and agents.edges[geometry, 1] == 1):
            continue
        if everything or band < NEAR_BANDS or uniform(dice, symbol) < FAR_LOOKS:
            _quote_band(books, agents, symbol, side, band, now_ms)


@kernel
def _quote_band(books: Any, agents: Any, symbol: Any, side: Any, band: Any, now_ms: Any) -> None:
    """A new quote somewhere in a band, behind the touch."""
    dice = agents.dice
    geometry = np.int64(agents.traits[symbol, GEOMETRY])
    near = max(agents.edges[geometry, band], 1)
    far = agents.edges[geometry, band + 1]
    distance = near + below(dice, symbol, far - near)
    price = agents.counts[symbol, BID + side_row(side)] - side * distance
    mean = agents.band_lots[symbol, band]
    lots = np.int64(mean * (0.5 + 0.5 * exponential(dice, symbol)) + 0.5)
    quote(books, agents, symbol, side, price, max(lots, 1), now_ms)


@kernel
def _stir(books: Any, agents: Any, symbol: Any, side: Any, now_ms: Any) -> None:
    """One maker of the ladder, whichever, changes its mind: its quote goes, another comes."""
    row = side_row(side)
    count = agents.counts[symbol, BID_ORDERS + row]
    if count == 0:
        return
    place = below(agents.dice, symbol, count)
    distance = (
        agents.counts[symbol, BID + row] - agents.quotes[symbol, row, place, QUOTE_PRICE]
    ) * side
    if distance <= 0 or distance >= agents.traits[symbol, FURTHEST]:
        return
    band = agents.band_at[np.int64(agents.traits[symbol, GEOMETRY]), distance]
    withdraw(books, agents, symbol, side, place, now_ms)
    _quote_band(books, agents, symbol, side, band, now_ms)


@kernel
def _wants_to_move(books: Any, agents: Any, symbol: Any) -> Any:
    """Whether the makers' patience is over, or the queue that held the price is."""
    gap = gap_ticks(agents, symbol)
    if abs(gap) > agents.moods[symbol, THRESHOLD]:
        return True
    if abs(gap) < max(GIVE_WAY * mean_threshold(agents, symbol), LEAST_THRESHOLD_TICKS):
        return False
    side = -1 if gap > 0.0 else 1
    touch = agents.counts[symbol, BID + side_row(side)]
    now, _ = best(books, symbol, side)
    return now == 0 or (touch - now) * side > 0


@kernel
def look_at_book(books: Any, agents: Any, symbol: Any, now_us: Any, now_ms: Any) -> None:
    """All that the makers do at one of their times."""
    drift(agents, symbol, now_us)
    _learn(books, agents, symbol)
    moved = _wants_to_move(books, agents, symbol)
    if moved:
        _move_touch(books, agents, symbol, now_us, now_ms)
    for side in (1, -1):
        # Their own quotes never reach so far: what crosses the touch is a client's, and stale.
        beyond, _ = best(books, symbol, -side)
        touch = agents.counts[symbol, BID + side_row(side)]
        if beyond != 0 and (touch - beyond) * side >= 0:
            _take_stale(books, agents, symbol, -side, now_ms)
    for side in (1, -1):
        _mend_touch(books, agents, symbol, side, now_ms)
        _tend_ladder(books, agents, symbol, side, moved, now_ms)
        _stir(books, agents, symbol, side, now_ms)


@kernel
def fill_book(books: Any, agents: Any, symbol: Any, now_ms: Any) -> None:
    """Quote everything, before the first client sees the book."""
    place_touch(agents, symbol)
    for side in (1, -1):
        _mend_touch(books, agents, symbol, side, now_ms)
        _tend_ladder(books, agents, symbol, side, True, now_ms)

"""The micro-price of Stoikov: where the mid will be after its next moves, given the touch.

S. Stoikov, "The micro-price: a high-frequency estimator of future prices" (Quantitative Finance
18(12), 2018), sections 3 and 4. The touch is a Markov chain over states of imbalance bucket and
spread in ticks; between two moves of the mid it wanders (Q), and a move of -1, -1/2, 1/2 or 1 tick
ends the wandering (R1, R2). With g1 = (1 - Q)^-1 R1 k and B = (1 - Q)^-1 R2 the adjustment is

    g = g1 + B g1 + B^2 g1 + ...        micro-price = mid + g(imbalance, spread)

Six terms are enough. The data are mirrored (imbalance to the other side, moves with the other
sign), without which B has no limit. `fit_micro_price` learns the table from recorded tops, off the
hot path; `micro_price` reads it, in a kernel.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel

__all__ = ["fit_micro_price", "micro_price", "micro_price_state"]

FloatArray = npt.NDArray[np.float64]

_TERMS = 6
# Moves of the mid, in half ticks; larger ones count as the largest.
_MOVES = np.array([-2, -1, 1, 2])


@kernel("i8(f8, f8, f8, f8, f8, i8, i8)")
def micro_price_state(
    bid: float, bid_qty: float, ask: float, ask_qty: float, tick: float, buckets: int, spreads: int
) -> int:
    """The row of a touch in the table: bucket + spread rank * buckets; -1 for what is none.

    Spreads beyond the last rank have no state: such a market is not at rest.
    """
    total = bid_qty + ask_qty
    if not (tick > 0.0 and ask > bid and bid_qty >= 0.0 and ask_qty >= 0.0 and total > 0.0):
        return -1
    rank = math.floor((ask - bid) / tick + 0.5) - 1
    if not 0 <= rank < spreads:
        return -1
    bucket = min(int(bid_qty / total * buckets), buckets - 1)
    return rank * buckets + bucket


@kernel("f8(f8, f8, f8, f8, f8, f8[:, ::1])")
def micro_price(
    bid: float, bid_qty: float, ask: float, ask_qty: float, tick: float, table: FloatArray
) -> float:
    """mid + table[spread rank, bucket] ticks; the weighted mid's place for a spread it lacks.

    table: f8[spreads, buckets], in ticks, of `fit_micro_price`. NaN where there is no touch.
    """
    spreads, buckets = table.shape
    state = micro_price_state(bid, bid_qty, ask, ask_qty, tick, buckets, spreads)
    if state >= 0:
        return 0.5 * (bid + ask) + float(table[state // buckets, state % buckets]) * tick
    total = bid_qty + ask_qty
    if not (total > 0.0 and ask > bid):
        return math.nan
    return (bid * ask_qty + ask * bid_qty) / total


def fit_micro_price(
    bids: npt.ArrayLike,
    bid_qtys: npt.ArrayLike,
    asks: npt.ArrayLike,
    ask_qtys: npt.ArrayLike,
    tick: float,
    *,
    buckets: int = 10,
    spreads: int = 2,
) -> FloatArray:
    """The table f8[spreads, buckets] in ticks from consecutive tops f8[n] in order of time.

    A state that was never seen has no adjustment. Raises ValueError for lengths that differ, fewer
    than two tops, a tick that is none, or so few buckets or spreads that nothing can be told.
    """
    tops = [np.ascontiguousarray(one, np.float64) for one in (bids, bid_qtys, asks, ask_qtys)]
    if len({one.shape for one in tops}) != 1 or tops[0].ndim != 1 or tops[0].size < 2:
        raise ValueError(f"tops of shapes {[one.shape for one in tops]}; equal ones, two or more")
    if not (tick > 0.0 and math.isfinite(tick)):
        raise ValueError(f"tick is {tick}; a positive number is wanted")
    if buckets < 2 or spreads < 1:
        raise ValueError(f"{buckets} buckets, {spreads} spreads; at least 2 and 1 are wanted")
    counts = _transitions(tops, tick, buckets, spreads)
    return _solve(*counts).reshape(spreads, buckets)


def _transitions(
    tops: list[FloatArray], tick: float, buckets: int, spreads: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How often a state went to another without a move, by each move, and with one: mirrored."""
    bids, bid_qtys, asks, ask_qtys = (one.tolist() for one in tops)
    rows = zip(bids, bid_qtys, asks, ask_qtys, strict=True)
    states = np.array(
        [micro_price_state(b, qb, a, qa, tick, buckets, spreads) for b, qb, a, qa in rows]
    )
    mids = 0.5 * (tops[0] + tops[2]) / tick
    moves = np.clip(np.round(2.0 * np.diff(mids)), -2, 2).astype(np.int64)
    size = spreads * buckets
    still, moved = np.zeros((size, size)), np.zeros((size, size))
    by_move = np.zeros((size, _MOVES.size))
    known = (states[:-1] >= 0) & (states[1:] >= 0)
    before, after, moves = states[:-1][known], states[1:][known], moves[known]
    for mirror in (False, True):
        if mirror:
            before, after = (_mirrored(one, buckets) for one in (before, after))
            moves = -moves
        rests = moves == 0
        np.add.at(still, (before[rests], after[rests]), 1.0)
        np.add.at(moved, (before[~rests], after[~rests]), 1.0)
        places = np.searchsorted(_MOVES, moves[~rests])
        np.add.at(by_move, (before[~rests], places), 1.0)
    return still, by_move, moved


def _mirrored(states: npt.NDArray[np.int64], buckets: int) -> npt.NDArray[np.int64]:
    return states // buckets * buckets + (buckets - 1 - states % buckets)


def _solve(still: FloatArray, by_move: FloatArray, moved: FloatArray) -> FloatArray:
    """The adjustments of all states in ticks, from counts."""
    seen = still.sum(axis=1) + moved.sum(axis=1)
    share = np.divide(1.0, seen, out=np.zeros_like(seen), where=seen > 0.0)[:, None]
    # What never moves would make the matrix singular: it has no next move, and no adjustment.
    stays = np.eye(seen.size) - still * share
    ends = moved.sum(axis=1) > 0.0
    stays[~ends] = np.eye(seen.size)[~ends]
    first = np.linalg.solve(stays, (by_move * share) @ (_MOVES / 2.0) * ends)
    onwards = np.linalg.solve(stays, moved * share * ends[:, None])
    found = term = first
    for _ in range(_TERMS - 1):
        term = onwards @ term
        found = found + term
    return np.asarray(found, np.float64)

"""The micro-price of Stoikov: where the mid will be after its next moves, given the touch.

S. Stoikov, "The micro-price: a high-frequency estimator of future prices" (Quantitative Finance
18(12), 2018), sections 3 and 4. The touch is a Markov chain over states of imbalance bucket and
spread in ticks; between two moves of the mid it wanders (Q), and a move of -1, -1/2, 1/2 or 1 tick
ends the wandering (R1, R2). With g1 = (1 - Q)^-1 R1 k and B = (1 - Q)^-1 R2 the adjustment is

    g = g1 + B g1 + B^2 g1 + ...        micro-price = mid + g(imbalance, spread)

Six terms are enough. The data are mirrored (imbalance to the other side, moves with the other
sign), without which B has no limit.

`micro_price_count` takes in one change of the touch and `micro_price_table` turns counts into the
table, both without memory of their own, so that a strategy may learn while it trades;
`fit_micro_price` does it at once for recorded tops. `micro_price` reads the table.

Counts are f8[n, 2 n + 1], n = buckets * spreads, a row for each state: how often it went to each
state without a move of the mid, how often to each with one, and the sum of those moves in ticks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.quant.fair_price import weighted_mid

__all__ = [
    "fit_micro_price",
    "micro_price",
    "micro_price_count",
    "micro_price_state",
    "micro_price_table",
]

FloatArray = npt.NDArray[np.float64]

_TERMS = 6
# Larger moves of the mid count as one of so many half ticks.
_LARGEST_MOVE = 2


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
    if not math.isfinite(total):
        return -1
    rank = math.floor((ask - bid) / tick + 0.5) - 1
    if not 0 <= rank < spreads:
        return -1
    bucket = min(int(bid_qty / total * buckets), buckets - 1)
    return rank * buckets + bucket


@kernel
def micro_price(bid: Any, bid_qty: Any, ask: Any, ask_qty: Any, tick: Any, table: Any) -> Any:
    """mid + table[spread rank, bucket] ticks; the weighted mid's place for a spread it lacks.

    table: f8[spreads, buckets], in ticks, of `fit_micro_price`. NaN where there is no touch.
    """
    spreads, buckets = table.shape
    state = micro_price_state(bid, bid_qty, ask, ask_qty, tick, buckets, spreads)
    if state >= 0:
        return 0.5 * (bid + ask) + table[state // buckets, state % buckets] * tick
    return weighted_mid(bid, bid_qty, ask, ask_qty) if ask > bid else math.nan


@kernel
def _mirrored(state: Any, buckets: Any) -> Any:
    """The state in which the sides have changed places."""
    return state // buckets * buckets + (buckets - 1 - state % buckets)


@kernel
def micro_price_count(counts: Any, buckets: Any, before: Any, after: Any, half_ticks: Any) -> None:
    """Count that state `before` was followed by `after`, the mid having moved; and its mirror."""
    size = counts.shape[0]
    move = max(min(half_ticks, _LARGEST_MOVE), -_LARGEST_MOVE)
    for _ in range(2):
        if move == 0:
            counts[before, after] += 1.0
        else:
            counts[before, size + after] += 1.0
            counts[before, 2 * size] += 0.5 * move
        before, after, move = _mirrored(before, buckets), _mirrored(after, buckets), -move


@kernel
def _factorise(matrix: Any, size: Any) -> None:
    """L and U of the first `size` columns, in place. No pivots: its diagonal dominates."""
    for pivot in range(size):
        for row in range(pivot + 1, size):
            factor = matrix[row, pivot] / matrix[pivot, pivot]
            matrix[row, pivot] = factor
            for column in range(pivot + 1, size):
                matrix[row, column] -= factor * matrix[pivot, column]


@kernel
def _solve(matrix: Any, size: Any, place: Any) -> None:
    """Solve for the column `place`, in place, with the L and U in front of it."""
    for row in range(size):
        for column in range(row):
            matrix[row, place] -= matrix[row, column] * matrix[column, place]
    for back in range(size):
        row = size - 1 - back
        for column in range(row + 1, size):
            matrix[row, place] -= matrix[row, column] * matrix[column, place]
        matrix[row, place] /= matrix[row, row]


@kernel
def micro_price_table(counts: Any, scratch: Any, table: Any) -> None:
    """The adjustments of all states in ticks, into `table`; scratch: f8[n, n + 3].

    A state that was never seen has none. Neither has one that no move has ended: it would make the
    matrix singular.
    """
    size, buckets = counts.shape[0], table.shape[1]
    term, onward, seen = size, size + 1, size + 2
    for row in range(size):
        stays = moves = 0.0
        for column in range(size):
            stays += counts[row, column]
            moves += counts[row, size + column]
        share = 1.0 / (stays + moves) if moves > 0.0 else 0.0
        scratch[row, seen] = share
        scratch[row, term] = counts[row, 2 * size] * share
        for column in range(size):
            scratch[row, column] = -counts[row, column] * share
        scratch[row, row] += 1.0
        table[row // buckets, row % buckets] = 0.0
    _factorise(scratch, size)
    for _ in range(_TERMS):
        _solve(scratch, size, term)
        for row in range(size):
            table[row // buckets, row % buckets] += scratch[row, term]
        # B g = (1 - Q)^-1 R2 g: what follows from where the move has led.
        for row in range(size):
            scratch[row, onward] = 0.0
            for column in range(size):
                scratch[row, onward] += counts[row, size + column] * scratch[column, term]
        for row in range(size):
            scratch[row, term] = scratch[row, onward] * scratch[row, seen]


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
    size = spreads * buckets
    counts, table = np.zeros((size, 2 * size + 1)), np.zeros((spreads, buckets))
    _count_all(tops[0], tops[1], tops[2], tops[3], tick, spreads, buckets, counts)
    micro_price_table(counts, np.zeros((size, size + 3)), table)
    return table


@kernel
def _count_all(
    bids: Any, bid_qtys: Any, asks: Any, ask_qtys: Any, tick: Any, spreads: Any, buckets: Any,
    counts: Any,
) -> None:  # fmt: skip
    before = -1
    for index in range(bids.size):
        state = micro_price_state(
            bids[index], bid_qtys[index], asks[index], ask_qtys[index], tick, buckets, spreads
        )
        if before >= 0 and state >= 0:
            rise = bids[index] - bids[index - 1] + asks[index] - asks[index - 1]
            half_ticks = math.floor(rise / tick + 0.5)
            micro_price_count(counts, buckets, before, state, half_ticks)
        before = state

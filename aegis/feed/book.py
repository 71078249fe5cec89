"""Full-depth order books: sorted price levels in preallocated arrays, changed only by kernels.

Called by the intake's kernels for every depth event and snapshot; `FullBook` is the view of one
book for cold paths and tests. It knows nothing of sequences or of time: `sync` decides what may be
applied.

One side of one instrument is a run of `capacity` keys (i64, price in 1e-8 quote units) and
quantities (f64). Bids hold +price, asks -price, so that on both sides keys ascend and the best
level is the last of the run: a change near the top moves few levels. Quantities are absolute, so
applying an event twice is harmless; 0 removes, removing what is not there is normal.

A removed level stays in its place with quantity 0, because most come back soon (in the recording
nine removals of ten), and goes when it is at the top or when the side is full. A side that is
full of live levels gives up the eighth that lies farthest from the top. Like the levels outside a
snapshot these are unknown until they change again, so each side has an edge: levels behind it are
true but others may be missing between them, and nobody is shown them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.feed.raw_bytes import move_words
from aegis.feed.tokens import PRICE_SCALE
from aegis.host.jit import kernel

__all__ = ["ABSURD_RATIO", "FullBook", "apply_side", "best_price", "copy_top"]

# A best ask ten times the best bid is not a market, whatever the sequence numbers say.
ABSURD_RATIO = 10.0


@kernel
def _lower_bound(keys: Any, first: Any, last: Any, key: Any) -> Any:
    """The first place in keys[first:last] that holds `key` or more; `last` when none does.

    Doubling steps from `first` bracket the place, halving steps find it: the levels of an event
    lie near one another, so this touches few cache lines.
    """
    step = 1
    while first + step <= last and keys[first + step - 1] < key:
        first += step
        step += step
    length = min(last, first + step - 1) - first
    while length > 0:
        half = length >> 1
        rest = length - half - 1
        below = keys[first + half] < key
        # Selects, not jumps: the processor cannot guess the outcome of a search.
        first = first + half + 1 if below else first
        length = rest if below else half
    return first


@kernel
def _make_room(keys: Any, quantities: Any, base: Any, count: Any) -> Any:
    """Free places on a full side: forget empty levels, and the farthest eighth if need be."""
    kept = base
    for place in range(base, base + count):
        if quantities[place] > 0.0:
            keys[kept] = keys[place]
            quantities[kept] = quantities[place]
            kept += 1
    held = kept - base
    if held * 8 > count * 7:
        dropped = held - count * 7 // 8
        held -= dropped
        move_words(keys, base, base + dropped, held)
        move_words(quantities, base, base + dropped, held)
    return held


@kernel
def apply_side(
    keys: Any,
    quantities: Any,
    base: Any,
    count: Any,
    capacity: Any,
    sign: Any,
    level_keys: Any,
    level_quantities: Any,
    start: Any,
    levels: Any,
) -> Any:
    """Apply `levels` changed levels (from `start` of the level arrays) to one side.

    sign is +1 for bids, -1 for asks; base is where the side's run begins. Returns the new number
    of places in use. Events list levels by ascending price, so the search goes on where the last
    one ended; any other order is only slower.
    """
    place = base
    previous = np.int64(-(2**62))
    for turn in range(levels):
        # Asks are walked backwards, so that keys ascend on both sides.
        item = start + (turn if sign > 0 else levels - 1 - turn)
        key = level_keys[item] * sign
        quantity = level_quantities[item]
        if key < previous:
            place = base
        previous = key
        end = base + count
        place = _lower_bound(keys, place, end, key)
        if place < end and keys[place] == key:
            quantities[place] = quantity
        elif quantity > 0.0:
            if count == capacity:
                count = _make_room(keys, quantities, base, count)
                end = base + count
                place = _lower_bound(keys, base, end, key)
            move_words(keys, place + 1, place, end - place)
            move_words(quantities, place + 1, place, end - place)
            keys[place] = key
            quantities[place] = quantity
            count += 1
    while count > 0 and quantities[base + count - 1] == 0.0:
        count -= 1
    return count


@kernel
def best_price(keys: Any, base: Any, count: Any, sign: Any) -> Any:
    """The best price of a side that has at least one level."""
    return (keys[base + count - 1] * sign) / PRICE_SCALE


@kernel
def copy_top(
    keys: Any, quantities: Any, base: Any, count: Any, sign: Any, edge: Any, out: Any, limit: Any
) -> Any:
    """Copy up to `limit` best levels as (price, quantity) rows of `out`, best first.

    None behind the key `edge` (0: no edge): between such levels others may be missing.
    """
    kept = 0
    place = base + count - 1
    while place >= base and kept < limit and (edge == 0 or keys[place] >= edge):
        if quantities[place] > 0.0:
            # Both integers are exact doubles, so this is the double nearest to the decimal price.
            out[kept, 0] = (keys[place] * sign) / PRICE_SCALE
            out[kept, 1] = quantities[place]
            kept += 1
        place -= 1
    return kept


class FullBook:
    """One instrument's book as arrays of (price, quantity), best first. For cold paths."""

    def __init__(
        self,
        keys: npt.NDArray[np.int64],
        quantities: npt.NDArray[np.float64],
        counts: npt.NDArray[np.int64],
    ) -> None:
        """keys, quantities: [2, capacity], bids then asks; counts: i64[2], places in use."""
        self.keys = keys
        self.quantities = quantities
        self.counts = counts

    def load(
        self, which: int, keys: npt.NDArray[np.int64], quantities: npt.NDArray[np.float64]
    ) -> int:
        """Replace bids (0) or asks (1) by a snapshot's levels, best first; returns how many fit.

        `keys` are prices in 1e-8, all different; of more levels than fit the best are kept.
        """
        kept = min(int(keys.size), int(self.keys.shape[1]))
        sign = -1 if which else 1
        self.keys[which, :kept] = keys[:kept][::-1] * sign
        self.quantities[which, :kept] = quantities[:kept][::-1]
        self.counts[which] = kept
        return kept

    def side(self, which: int) -> npt.NDArray[np.float64]:
        """All levels of bids (0) or asks (1): f64[n, 2] of (price, quantity), best first."""
        count = int(self.counts[which])
        live = self.quantities[which, :count] > 0.0
        keys = self.keys[which, :count][live][::-1]
        quantities = self.quantities[which, :count][live][::-1]
        return np.column_stack((np.abs(keys) / PRICE_SCALE, quantities))

    @property
    def bids(self) -> npt.NDArray[np.float64]:
        """All bids, best first."""
        return self.side(0)

    @property
    def asks(self) -> npt.NDArray[np.float64]:
        """All asks, best first."""
        return self.side(1)

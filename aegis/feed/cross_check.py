"""The cross-check: at one update id, bookTicker and our book must show the same top.

Called by the intake's kernels with every quote and every book. The two streams are cut from the
same book by the exchange but reach us apart, in either order, so the last few tops of both are
remembered per instrument and each newcomer is compared with its twin, all four numbers exactly.
A difference means that our book is wrong, whatever the sequence numbers say.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.feed import layout
from aegis.feed.layout import floats, words
from aegis.feed.sync import Phase
from aegis.host.jit import kernel

__all__ = [
    "RECENT_QUOTES",
    "RECENT_ROWS",
    "RECENT_TOPS",
    "compare_tops",
    "newest_differ",
    "remember",
]

# In the recording a depth event comes at most 9 bookTickers after its twin, and the twin of an
# earlier depth event always before the next one. Powers of two: the place is a masked count.
RECENT_QUOTES = 64
RECENT_TOPS = 8
RECENT_ROWS = RECENT_QUOTES + RECENT_TOPS


@kernel
def remember(
    context: Any,
    first: Any,
    size: Any,
    count: Any,
    update_id: Any,
    bid: Any,
    bid_quantity: Any,
    ask: Any,
    ask_quantity: Any,
) -> Any:
    """Put a top of book into the ring of `size` rows at `first`; count is how many came before."""
    place = first + (count & (size - 1))
    words(context, layout.RECENT_IDS)[place] = update_id
    tops = floats(context, layout.RECENT_TOPS)
    tops[4 * place] = bid
    tops[4 * place + 1] = bid_quantity
    tops[4 * place + 2] = ask
    tops[4 * place + 3] = ask_quantity


@kernel
def _agrees(
    context: Any,
    first: Any,
    size: Any,
    count: Any,
    update_id: Any,
    bid: Any,
    bid_quantity: Any,
    ask: Any,
    ask_quantity: Any,
) -> Any:
    """Compare with the remembered top of the same update id: 1 equal, 0 different, -1 none."""
    ids = words(context, layout.RECENT_IDS)
    tops = floats(context, layout.RECENT_TOPS)
    for back in range(1, min(count, size) + 1):
        place = first + ((count - back) & (size - 1))
        if ids[place] == update_id:
            same = tops[4 * place] == bid and tops[4 * place + 1] == bid_quantity
            same = same and tops[4 * place + 2] == ask and tops[4 * place + 3] == ask_quantity
            return 1 if same else 0
        if ids[place] < update_id:
            break
    return -1


@kernel
def compare_tops(
    context: Any,
    first: Any,
    size: Any,
    count: Any,
    update_id: Any,
    bid: Any,
    bid_quantity: Any,
    ask: Any,
    ask_quantity: Any,
) -> Any:
    """Count the comparison of two tops of one update id, if there is one; True if they differ."""
    verdict = _agrees(context, first, size, count, update_id, bid, bid_quantity, ask, ask_quantity)
    if verdict < 0:
        return False
    totals = words(context, layout.TOTALS)
    totals[layout.TOP_CHECKS] += 1
    if verdict == 1:
        return False
    totals[layout.TOP_MISMATCHES] += 1
    return True


def newest_differ(
    rows: npt.NDArray[np.int64], recent_tops: npt.NDArray[np.float64], instrument: int
) -> bool:
    """Whether a live book's top is not what the last bookTicker said, whatever their ids."""
    row = rows[instrument]
    quotes, tops = int(row[layout.QUOTE_COUNT]), int(row[layout.TOP_COUNT])
    if row[layout.PHASE] != Phase.LIVE or quotes == 0 or tops == 0:
        return False
    recent = recent_tops.reshape(-1, RECENT_ROWS, 4)[instrument]
    quote = recent[(quotes - 1) % RECENT_QUOTES]
    top = recent[RECENT_QUOTES + (tops - 1) % RECENT_TOPS]
    return bool((quote != top).any())

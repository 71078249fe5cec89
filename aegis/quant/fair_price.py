"""Where the price "really" is, judged from the top of the book.

Pure kernels over bid, ask and their quantities, called by strategies at each quote. With one tick
of spread the weighted mid is the best that the touch alone can say: it leans towards the side that
is about to give way.
"""

import math

from aegis.host.jit import kernel

__all__ = ["imbalance", "mid_price", "weighted_mid"]


@kernel("f8(f8,f8)")
def mid_price(bid: float, ask: float) -> float:
    """Half way between the best bid and the best ask."""
    return 0.5 * (bid + ask)


@kernel("f8(f8,f8)")
def imbalance(bid_qty: float, ask_qty: float) -> float:
    """I = Qb / (Qb + Qa), from 0 (all on the ask) to 1; NaN when both sides are empty."""
    total = bid_qty + ask_qty
    if not (total > 0.0 and bid_qty >= 0.0 and ask_qty >= 0.0):
        return math.nan
    return bid_qty / total


@kernel("f8(f8,f8,f8,f8)")
def weighted_mid(bid: float, bid_qty: float, ask: float, ask_qty: float) -> float:
    """Pb (1 - I) + Pa I: the mid pulled towards the thinner side (VAMP of the best level)."""
    share = imbalance(bid_qty, ask_qty)
    return bid + (ask - bid) * share

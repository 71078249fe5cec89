"""Where the price "really" is, judged from the top of the book.

Pure kernels over bid, ask and their quantities, called by strategies at each quote. With one tick
of spread the weighted mid is the best that the touch alone can say without data: it leans towards
the side that is about to give way. What recordings can add is in `micro_price`.
"""

import math

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel

__all__ = [
    "effective_vamp",
    "imbalance",
    "mid_price",
    "order_flow_imbalance",
    "vamp",
    "weighted_mid",
]


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


@kernel("UniTuple(f8, 2)(f8[::1], f8[::1], f8[::1], f8[::1], f8)")
def _within(
    bids: npt.NDArray[np.float64],
    bid_qtys: npt.NDArray[np.float64],
    asks: npt.NDArray[np.float64],
    ask_qtys: npt.NDArray[np.float64],
    reach: float,
) -> tuple[float, float]:
    """(lowest, highest) price within `reach` of the mid; NaN where a side has no best level."""
    if not (bids.size > 0 and asks.size > 0 and bid_qtys[0] > 0.0 and ask_qtys[0] > 0.0):
        return math.nan, math.nan
    mid = 0.5 * (bids[0] + asks[0])
    return mid * (1.0 - reach), mid * (1.0 + reach)


@kernel("f8(f8[::1], f8[::1], f8[::1], f8[::1], f8)")
def vamp(
    bids: npt.NDArray[np.float64],
    bid_qtys: npt.NDArray[np.float64],
    asks: npt.NDArray[np.float64],
    ask_qtys: npt.NDArray[np.float64],
    reach: float,
) -> float:
    """Volume-adjusted mid over all levels within `reach` (a fraction) of the mid.

    (sum Pb Qa + sum Pa Qb) / (sum Qb + sum Qa): each level's price weighted with the quantity at
    the same rank of the other side; a rank that one side lacks is left out. Levels come best first;
    one with no quantity ends its side. NaN where there is nothing to weigh.
    """
    lowest, highest = _within(bids, bid_qtys, asks, ask_qtys, reach)
    if math.isnan(lowest):
        return math.nan
    weighted = total = 0.0
    for rank in range(min(bids.size, asks.size)):
        bid_qty, ask_qty = bid_qtys[rank], ask_qtys[rank]
        if not (bid_qty > 0.0 and ask_qty > 0.0):
            break
        if rank > 0 and (bids[rank] < lowest or asks[rank] > highest):
            break
        weighted += bids[rank] * ask_qty + asks[rank] * bid_qty
        total += bid_qty + ask_qty
    return weighted / total


@kernel("UniTuple(f8, 2)(f8[::1], f8[::1], f8, f8)")
def _effective(
    prices: npt.NDArray[np.float64], qtys: npt.NDArray[np.float64], lowest: float, highest: float
) -> tuple[float, float]:
    """(mean price by quantity, quantity) of one side's levels within the prices given."""
    paid = total = 0.0
    for rank in range(prices.size):
        price, qty = prices[rank], qtys[rank]
        if not qty > 0.0 or (rank > 0 and not lowest <= price <= highest):
            break
        paid += price * qty
        total += qty
    return paid / total if total > 0.0 else math.nan, total


@kernel("f8(f8[::1], f8[::1], f8[::1], f8[::1], f8)")
def effective_vamp(
    bids: npt.NDArray[np.float64],
    bid_qtys: npt.NDArray[np.float64],
    asks: npt.NDArray[np.float64],
    ask_qtys: npt.NDArray[np.float64],
    reach: float,
) -> float:
    """Volume-adjusted mid of what each whole side within `reach` of the mid costs on average.

    (Pb_eff Qa + Pa_eff Qb) / (Qa + Qb), P_eff a side's mean price by quantity and Q its quantity.
    Unlike `vamp` no rank of one side needs one of the other. Levels as there; NaN likewise.
    """
    lowest, highest = _within(bids, bid_qtys, asks, ask_qtys, reach)
    if math.isnan(lowest):
        return math.nan
    bid, bid_qty = _effective(bids, bid_qtys, lowest, highest)
    ask, ask_qty = _effective(asks, ask_qtys, lowest, highest)
    return (bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty)


@kernel("f8(f8, f8, f8, f8, f8, f8, f8, f8)")
def order_flow_imbalance(
    bid_before: float,
    bid_qty_before: float,
    ask_before: float,
    ask_qty_before: float,
    bid: float,
    bid_qty: float,
    ask: float,
    ask_qty: float,
) -> float:
    """e_n of Cont, Kukanov and Stoikov (2014): what one change of the touch added to demand.

    Summed over an interval it is the OFI, which moves the price by OFI / (2 depth) within the same
    interval; it says nothing about the next one.
    """
    flow = 0.0
    if bid >= bid_before:
        flow += bid_qty
    if bid <= bid_before:
        flow -= bid_qty_before
    if ask <= ask_before:
        flow -= ask_qty
    if ask >= ask_before:
        flow += ask_qty_before
    return flow

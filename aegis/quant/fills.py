"""What an order that takes would get from a book: fills level by level, and what that cost.

`simulate_fills` walks displayed levels, best first; `calculate_slippage` compares what was paid
with a reference price. Prices in quote, quantities in base units; sides are +1 (buy), -1 (sell).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Fills", "calculate_slippage", "simulate_fills"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fills:
    """The fills of one order: `quantities[i]` at `prices[i]`, and what found no counterpart."""

    prices: FloatArray
    quantities: FloatArray
    unfilled: float

    @property
    def filled(self) -> float:
        """The quantity that traded."""
        return float(np.sum(self.quantities))

    @property
    def notional(self) -> float:
        """What it cost (or brought), in quote units."""
        return float(np.dot(self.prices, self.quantities))

    @property
    def average_price(self) -> float:
        """Notional over quantity; NaN where nothing traded."""
        return self.notional / self.filled if self.filled > 0.0 else math.nan


def simulate_fills(
    side: int,
    quantity: float,
    prices: npt.ArrayLike,
    quantities: npt.ArrayLike,
    *,
    limit_price: float | None = None,
) -> Fills:
    """Take `quantity` from the opposite side's levels, best first, up to `limit_price`.

    A buy takes asks, ascending; a sell takes bids, descending. Raises ValueError for levels that
    are not in this order, not positive, or not finite: a book that is wrong gives no fill.
    """
    if side not in (1, -1):
        raise ValueError(f"side is {side}; 1 (buy) or -1 (sell) is wanted")
    if not (quantity > 0.0 and math.isfinite(quantity)):
        raise ValueError(f"quantity is {quantity}; a positive number is wanted")
    levels = np.asarray(prices, np.float64)
    sizes = np.asarray(quantities, np.float64)
    if levels.shape != sizes.shape or levels.ndim != 1:
        raise ValueError(f"prices {levels.shape} and quantities {sizes.shape} do not fit")
    if not (np.isfinite(levels).all() and np.isfinite(sizes).all() and (levels > 0.0).all()):
        raise ValueError("levels must have finite, positive prices and finite quantities")
    if (sizes < 0.0).any() or (np.diff(levels) * side <= 0.0).any():
        order = "ascending" if side == 1 else "descending"
        raise ValueError(f"levels must be {order}, best first, with quantities of at least 0")
    if limit_price is not None:
        if not limit_price > 0.0:
            raise ValueError(f"limit_price is {limit_price}; a positive number is wanted")
        good = (levels - limit_price) * side <= 0.0
        levels, sizes = levels[good], sizes[good]
    before = np.concatenate(([0.0], np.cumsum(sizes)[:-1])) if sizes.size else sizes
    taken = np.clip(quantity - before, 0.0, sizes)
    hit = taken > 0.0
    left = max(0.0, quantity - float(np.sum(sizes)))
    return Fills(levels[hit], taken[hit], left)


def calculate_slippage(side: int, average_price: float, reference_price: float) -> float:
    """How much worse than the reference a price is, in basis points of it; a gain is negative.

    For a market order the reference is the mid when it was decided on (arrival price): half the
    spread is part of the slippage.
    """
    if side not in (1, -1):
        raise ValueError(f"side is {side}; 1 (buy) or -1 (sell) is wanted")
    if not (0.0 < reference_price < math.inf and 0.0 < average_price < math.inf):
        raise ValueError(
            f"prices are {average_price} and {reference_price}; positive ones are wanted"
        )
    return side * (average_price - reference_price) / reference_price * 1e4

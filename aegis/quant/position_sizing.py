"""How much to hold: by what may be lost, by a target of volatility, or by Kelly, always bounded.

Quantities are in base units, prices and equity in quote units. Every function rounds down to the
step and never up, gives 0 where the smallest order would already be too much, and raises ValueError
for an input that makes no sense: a stop that is none must not become a position.
"""

from __future__ import annotations

import math
from decimal import Decimal

__all__ = ["kelly_fraction", "position_size", "volatility_target_size"]


def position_size(
    equity: float,
    risk_fraction: float,
    entry: float,
    stop: float,
    *,
    step: float = 0.0,
    fee_bps: float = 0.0,
    max_leverage: float = math.inf,
) -> float:
    """The quantity that loses `risk_fraction` of `equity` if it is stopped out (fixed fraction).

    The loss per unit is |entry - stop| and the fees of both legs. `max_leverage` bounds quantity *
    entry / equity.
    """
    _check_positive(equity=equity, entry=entry, stop=stop, max_leverage=max_leverage)
    _check_fraction(risk_fraction, "risk_fraction")
    loss = abs(entry - stop) + (entry + stop) * _rate(fee_bps)
    if entry == stop:
        raise ValueError(f"stop is {stop}, the entry itself: there is nothing to size by")
    return _step_down(min(equity * risk_fraction / loss, max_leverage * equity / entry), step)


def volatility_target_size(
    equity: float,
    target_volatility: float,
    volatility: float,
    price: float,
    *,
    step: float = 0.0,
    max_leverage: float = 1.0,
) -> float:
    """The quantity whose volatility is `target_volatility` of the equity.

    Both volatilities are fractions over the same horizon (per year, say). A market that stands
    still asks for infinite leverage: `max_leverage` bounds it.
    """
    _check_positive(equity=equity, price=price, max_leverage=max_leverage)
    if not (target_volatility >= 0.0 and volatility >= 0.0):
        raise ValueError(
            f"volatilities are {target_volatility} and {volatility}; at least 0 is wanted"
        )
    wanted = target_volatility / volatility if volatility > 0.0 else math.inf
    leverage = min(wanted, max_leverage) if target_volatility > 0.0 else 0.0
    if not math.isfinite(leverage):
        raise ValueError(
            f"volatility is {volatility} and target_volatility {target_volatility}: without a "
            "finite max_leverage there is no size"
        )
    return _step_down(leverage * equity / price, step)


def kelly_fraction(
    win_probability: float, win_loss_ratio: float, *, scale: float = 0.5, cap: float = 0.25
) -> float:
    """The share of equity to risk on a bet: Kelly's p - (1 - p) / b, scaled and capped.

    `win_loss_ratio` b is the average win over the average loss. Full Kelly on an estimated edge
    ruins, so half of it (`scale`) and never more than `cap` is given. No edge, no bet: 0.
    """
    _check_fraction(win_probability, "win_probability")
    _check_positive(win_loss_ratio=win_loss_ratio)
    _check_fraction(scale, "scale")
    _check_fraction(cap, "cap")
    edge = win_probability - (1.0 - win_probability) / win_loss_ratio
    return min(max(edge, 0.0) * scale, cap)


def _step_down(quantity: float, step: float) -> float:
    """The largest whole number of steps that is not above the quantity; 0 step: no rounding."""
    if not (step >= 0.0 and math.isfinite(step)):
        raise ValueError(f"step is {step}; at least 0 is wanted")
    if step == 0.0:
        return float(quantity)
    # In decimals: 0.3 // 0.1 is 2 in binary, and a tenth of the position would be missing.
    # float(): what NumPy gives has a repr of its own, which is no number.
    size = Decimal(repr(float(step)))
    return float(Decimal(repr(float(quantity))) // size * size)


def _rate(bps: float) -> float:
    if not (bps >= 0.0 and math.isfinite(bps)):
        raise ValueError(f"fee_bps is {bps}; at least 0 is wanted")
    return bps * 1e-4


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0.0 or (math.isinf(value) and name != "max_leverage"):
            raise ValueError(f"{name} is {value}; a positive number is wanted")


def _check_fraction(value: float, name: str) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is {value}; between 0 and 1 is wanted")

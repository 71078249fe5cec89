"""The quotes of Avellaneda and Stoikov over a finite session.

From M. Avellaneda and S. Stoikov, "High-frequency trading in a limit order book", Quantitative
Finance 8(3), 2008, equations 6 to 8, 29 and 30. Used by the session mode of the strategy of that
name. Compared with the exact solution it skews too much and widens too much while much of the
session is left; `glft` is the better quoter when there is no closing bell.

Units as in `glft`: prices in one unit, time in seconds, inventory in orders.
"""

import math

from aegis.host.jit import kernel

__all__ = ["average_spread", "optimal_spread", "reservation_price"]


@kernel("f8(f8,f8,f8,f8,f8)")
def reservation_price(
    mid: float, inventory: float, risk_aversion: float, sigma: float, time_left: float
) -> float:
    """r = s - q gamma sigma^2 (T - t) (equation 29): where the holder of q is indifferent."""
    return mid - inventory * risk_aversion * sigma * sigma * time_left


@kernel("f8(f8,f8,f8,f8)")
def optimal_spread(
    risk_aversion: float, sigma: float, intensity_k: float, time_left: float
) -> float:
    """The whole spread: gamma sigma^2 (T - t) + (2 / gamma) ln(1 + gamma / k) (equation 30).

    It is centred on the reservation price and does not depend on the inventory. As gamma tends
    to zero it tends to 2 / k. NaN unless k is positive and gamma is not negative.
    """
    if not (intensity_k > 0.0 and risk_aversion >= 0.0):
        return math.nan
    if risk_aversion / intensity_k < 1e-12:
        return 2.0 / intensity_k
    intensity_part = 2.0 / risk_aversion * math.log1p(risk_aversion / intensity_k)
    return risk_aversion * sigma * sigma * time_left + intensity_part


@kernel("f8(f8,f8,f8,f8)")
def average_spread(risk_aversion: float, sigma: float, intensity_k: float, session: float) -> float:
    """The optimal spread averaged over a session: what the symmetric benchmark quotes."""
    return optimal_spread(risk_aversion, sigma, intensity_k, 0.5 * session)

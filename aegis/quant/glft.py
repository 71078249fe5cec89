"""The steady-state quotes of Gueant, Lehalle and Fernandez-Tapia, in closed form.

The approximation of O. Gueant, "Optimal market making" (2017), equations 4.6 and 4.7, of the
asymptotic solution of the Avellaneda-Stoikov problem: no horizon, quotes linear in the inventory.
`strategies` computes the two coefficients when its parameters change and the rest at each event.

Units are the caller's, used throughout: prices in one unit (ticks, say), time in seconds,
inventory in orders. sigma is then in ticks per square root of a second, k in 1/tick, A in
orders per second, and the risk aversion gamma in 1/(tick x order).
"""

import math

from aegis.host.jit import kernel

__all__ = ["glft_coefficients", "glft_half_spread", "glft_quotes", "glft_skew"]

# Below this ratio xi * delta / k, log1p(x) / x and (1 + x)^(1/x + 1) equal their limits (1 and e)
# to the last bit that matters, and the division by gamma would lose digits.
_NEUTRAL = 1e-12


@kernel("UniTuple(f8,2)(f8,f8,f8,f8,f8)")
def glft_coefficients(
    risk_aversion: float, intensity_a: float, intensity_k: float, order_size: float, xi: float
) -> tuple[float, float]:
    """The coefficients (c1, c2): half spread = c1 + order_size / 2 * sigma * c2.

    `intensity_a` and `intensity_k` describe the arrivals A exp(-k d) at distance d from the fair
    price; `order_size` is Delta (1 when inventory counts orders); `xi` equals the risk aversion
    for GLFT and tends to zero in Cartea-Jaimungal's model. With y = xi Delta / k::

        c1 = ln(1 + y) / (xi Delta)
        c2 = sqrt(gamma / (2 A Delta k) (1 + y)^(1/y + 1))

    Returns (NaN, NaN) unless A, k and Delta are positive and gamma and xi are not negative.
    """
    valid = risk_aversion >= 0.0 and xi >= 0.0 and order_size > 0.0
    if not (valid and intensity_a > 0.0 and intensity_k > 0.0):
        return math.nan, math.nan
    ratio = xi * order_size / intensity_k
    scale = risk_aversion / (2.0 * intensity_a * order_size * intensity_k)
    if ratio < _NEUTRAL:
        return 1.0 / intensity_k, math.sqrt(scale * math.e)
    logarithm = math.log1p(ratio)
    c1 = logarithm / (xi * order_size)
    c2 = math.sqrt(scale * math.exp((1.0 / ratio + 1.0) * logarithm))
    return c1, c2


@kernel("f8(f8,f8,f8,f8)")
def glft_half_spread(c1: float, c2: float, sigma: float, order_size: float) -> float:
    """Distance of each quote from the fair price at zero inventory (equation 4.6)."""
    return c1 + 0.5 * order_size * sigma * c2


@kernel("f8(f8,f8)")
def glft_skew(c2: float, sigma: float) -> float:
    """How far both quotes move against the position, per unit of inventory (equation 4.7)."""
    return sigma * c2


@kernel("UniTuple(f8,2)(f8,f8,f8,f8)")
def glft_quotes(
    fair_price: float, inventory: float, half_spread: float, skew: float
) -> tuple[float, float]:
    """The pair (bid, ask) around the fair price; a long inventory lowers both."""
    centre = fair_price - skew * inventory
    return centre - half_spread, centre + half_spread

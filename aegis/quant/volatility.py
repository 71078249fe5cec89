"""Volatility of a price on event time, exponentially weighted.

The market's clock, not the wall's: the same events give the same number at any replay speed. The
estimator is a ratio of two exponentially weighted sums, of squared changes and of the time they
took, so that irregular sampling and pauses in the stream do not bias it.
"""

import math

from aegis.host.jit import kernel

__all__ = ["ewma_sums", "volatility_of"]


@kernel("UniTuple(f8,2)(f8,f8,f8,f8,f8)")
def ewma_sums(
    squares: float, seconds: float, change: float, elapsed_s: float, halflife_s: float
) -> tuple[float, float]:
    """Fold one price change over `elapsed_s` seconds into the sums (squares, seconds).

    Weights halve every `halflife_s` seconds of event time. A change that is not finite, or an
    elapsed time that is not positive, leaves the sums as they are.
    """
    if not (elapsed_s > 0.0 and halflife_s > 0.0 and math.isfinite(change)):
        return squares, seconds
    weight = math.exp2(-elapsed_s / halflife_s)
    return squares * weight + change * change, seconds * weight + elapsed_s


@kernel("f8(f8,f8)")
def volatility_of(squares: float, seconds: float) -> float:
    """Price units per square root of a second; NaN before the first change."""
    if not seconds > 0.0:
        return math.nan
    return math.sqrt(squares / seconds)

"""Premium and discount: in which half of the dealing range the price closes.

The range reaches from the newest living swing low to the newest living swing high, as known at this
close; its middle is the equilibrium. ZONE is told when the half changes: side +1 premium, -1
discount, level the equilibrium, top and bottom the range, origin the newer of the two swings. The
batch library has only retracements, which are not well defined (it reads its rows asymmetrically).
"""

from typing import Any

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.emit import emit
from aegis.quant.smc.streaming.layout import RING, SWINGS_KEPT, ZONE

__all__ = ["advance_zone"]

_NEWEST = SWINGS_KEPT - 1


@kernel
def advance_zone(state: Any, out: Any) -> None:
    """After the swings of the newest candle."""
    if state.swing_count < 2:
        return
    newest, other = state.swings[_NEWEST], state.swings[_NEWEST - 1]
    top = newest.level if state.swing_side > 0 else other.level
    bottom = other.level if state.swing_side > 0 else newest.level
    state.range_top, state.range_bottom = top, bottom
    middle = bottom + 0.5 * (top - bottom)
    close = state.close[state.candles & (RING - 1)]
    zone = 1 if close > middle else (-1 if close < middle else 0)
    if zone != 0 and zone != state.zone:
        state.zone = zone
        emit(
            state, out, ZONE, zone, newest.id, middle, top, bottom, 0.0, newest.index, state.candles
        )

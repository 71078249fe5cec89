"""Fair value gaps: three candles of which the first and the third do not overlap.

Known at the close of the third candle t; its middle is t - 1. Bullish: the middle closed above its
open and high[t-2] < low[t]; the gap reaches from high[t-2] to low[t]. Bearish mirrored. Mitigated
by the first candle from t + 1 on that touches the near edge. Nothing of it ever changes.

Joined (`join_gaps`): a gap whose neighbour before it (middle t - 2) is of its side takes that one
over: GAP_REPLACED for the old, then a GAP with the wider edges, flag 1. The neighbour is taken over
even if the third candle touches it.

Events: GAP (top, bottom, level the middle of both, origin the middle candle), GAP_MITIGATED (at),
GAP_REPLACED, GAP_FORGOTTEN (the ladder was full).
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.emit import emit, new_id
from aegis.quant.smc.streaming.ladder import (
    free_rung,
    is_full,
    ladder_of,
    remove_farthest,
    settle_rung,
    top_rung,
)
from aegis.quant.smc.streaming.layout import (
    DOWN,
    GAP,
    GAP_FORGOTTEN,
    GAP_MITIGATED,
    GAP_REPLACED,
    GAPS,
    RING,
    UP,
)

__all__ = ["advance_gaps"]

_MASK = RING - 1
_EXTENDS = np.uint32(1)


@kernel
def tell_gap(state: Any, out: Any, kind: Any, side: Any, rung: Any, at: Any) -> None:
    """One event about the gap on a rung."""
    middle = 0.5 * (rung.top + rung.bottom)
    emit(state, out, kind, side, rung.id, middle, rung.top, rung.bottom, 0.0, rung.origin, at)


@kernel
def mitigate_gaps(state: Any, out: Any, side: Any, edge: Any) -> None:
    """Take down what the candle's near extreme (low for bullish gaps) has touched."""
    ladder = ladder_of(GAPS, side)
    place = top_rung(state, ladder)
    while place >= 0 and side * edge <= state.rungs[ladder, place].trigger:
        tell_gap(state, out, GAP_MITIGATED, side, state.rungs[ladder, place], state.candles)
        state.rung_count[ladder] = place
        place -= 1


@kernel
def put_up_gap(state: Any, settings: Any, out: Any, side: Any, top: Any, bottom: Any) -> None:
    """A new gap around the candle before; joined to its neighbour if that is wanted."""
    ladder = ladder_of(GAPS, side)
    extends = False
    place = top_rung(state, ladder)
    if settings.join_gaps != 0 and place >= 0:
        neighbour = state.rungs[ladder, place]
        if neighbour.origin == state.candles - 2:
            top, bottom = max(top, neighbour.top), min(bottom, neighbour.bottom)
            tell_gap(state, out, GAP_REPLACED, side, neighbour, state.candles)
            state.rung_count[ladder] = place
            extends = True
    # What is reached goes first: the price has come to it before this gap was known.
    here = state.candles & _MASK
    mitigate_gaps(state, out, side, state.low[here] if side > 0 else state.high[here])
    if is_full(state, ladder):
        tell_gap(state, out, GAP_FORGOTTEN, side, state.rungs[ladder, 0], state.candles)
        remove_farthest(state, ladder)
    rung = state.rungs[ladder, free_rung(state, ladder)]
    rung.id = new_id(state)
    rung.top = top
    rung.bottom = bottom
    rung.trigger = side * (top if side > 0 else bottom)
    rung.origin = state.candles - 1
    tell_gap(state, out, GAP, side, rung, state.candles)
    if extends and state.emitted > 0:
        out[state.emitted - 1].flags = _EXTENDS
    settle_rung(state, ladder)


@kernel
def gap_side(state: Any, now: Any) -> Any:
    """Whether the last three candles leave a gap: +1, -1 or 0."""
    if now < 2:
        return 0
    first, middle, third = (now - 2) & _MASK, (now - 1) & _MASK, now & _MASK
    body = state.close[middle] - state.open_before
    if body > 0.0 and state.high[first] < state.low[third]:
        return 1
    if body < 0.0 and state.low[first] > state.high[third]:
        return -1
    return 0


@kernel
def advance_gaps(state: Any, settings: Any, out: Any) -> None:
    """The candle `state.candles` is in the ring; `open_before` is that of the one before it."""
    now = state.candles
    high, low = state.high[now & _MASK], state.low[now & _MASK]
    found = gap_side(state, now)
    if found > 0:
        put_up_gap(state, settings, out, UP, low, state.high[(now - 2) & _MASK])
    else:
        mitigate_gaps(state, out, UP, low)
    if found < 0:
        put_up_gap(state, settings, out, DOWN, state.low[(now - 2) & _MASK], high)
    else:
        mitigate_gaps(state, out, DOWN, high)

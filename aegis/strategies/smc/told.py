"""From CANDLE records to the engine: in order, without gaps, and what is wrong with them.

The engine takes each candle once and nothing that it has said is ever rewritten. A candle that is
INCOMPLETE is taken as it is, because the market does not wait for the exchange's correction, and is
held in doubt: no new setup is traded until the correction says that it was right, or until it is
more than a swing's length ago. One that turns out to have been another is counted and put in doubt
in the same way. After a gap the engine begins anew with what follows: levels of a market that
nobody watched are guesses.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.engine import advance, restart
from aegis.quant.smc.streaming.layout import RING
from aegis.shm.tick import INCOMPLETE

__all__ = ["fit_settings", "is_trusted", "take_in"]

_MASK = RING - 1


@kernel
def forget(state: Any) -> None:
    """Listen anew; a plan and its ways out stay as they are."""
    restart(state.engine)
    state.restarts += 1
    state.doubt_at = -1
    # Counted in candles from here.
    state.plan.since = 0
    for row in range(2):
        state.sweeps[row].valid = 0
        state.blocks[row].valid = 0
        state.gaps[row].valid = 0
        state.breaks[row] = -1


@kernel
def fit_settings(params: Any, state: Any) -> None:
    """Candles of another length tell another story: after such a reload listen anew."""
    if (
        state.interval_ns == params.interval_ns
        and state.length == params.engine.length
        and state.close_break == params.engine.close_break
    ):
        return
    state.interval_ns = params.interval_ns
    state.length = params.engine.length
    state.close_break = params.engine.close_break
    forget(state)


@kernel
def hear_again(event: Any, state: Any, behind: Any) -> None:
    """A candle that was taken in `behind` candles ago is told again."""
    engine = state.engine
    index = engine.candles - 1 - behind
    if index < 0 or behind >= RING:
        return
    here = index & _MASK
    is_same = (
        engine.high[here] == event.b
        and engine.low[here] == event.c
        and engine.close[here] == event.d
    )
    if not is_same:
        state.corrected += 1
    if not is_same or (event.flags & INCOMPLETE) != 0:
        state.doubt_at = max(state.doubt_at, index)
    elif state.doubt_at == index:
        state.doubt_at = np.int64(-1)


@kernel
def take_in(event: Any, params: Any, state: Any) -> Any:
    """Show the engine a closed candle; how many events it made known, -1 if it was not taken."""
    engine = state.engine
    if engine.candles > 0:
        ahead = (event.ts_event_ns - engine.ts_ns) // params.interval_ns
        if ahead <= 0:
            hear_again(event, state, -ahead)
            return np.int64(-1)
        if ahead > 1:
            forget(state)
    taken = engine.candles
    count = advance(
        engine, params.engine, event.ts_event_ns, event.a, event.b, event.c, event.d, event.e,
        state.events,
    )  # fmt: skip
    if engine.candles == taken:
        return np.int64(-1)
    state.close = event.d
    if (event.flags & INCOMPLETE) != 0:
        state.doubt_at = taken
    return np.int64(count)


@kernel
def is_trusted(params: Any, state: Any) -> Any:
    """Whether no candle of the last swing's length may be wrong."""
    return state.doubt_at < 0 or state.engine.candles - 1 - state.doubt_at > params.engine.length

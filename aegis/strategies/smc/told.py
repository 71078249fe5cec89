"""From CANDLE records to the engine: in order, without gaps, and what is wrong with them.

The engine takes each candle once and nothing that it has said is ever rewritten. A candle that is
INCOMPLETE is taken as it is, because the market does not wait for the exchange's correction, and is
held in doubt: no new setup is traded until the correction says that it was right, or until it is
more than a swing's length ago. One that turns out to have been another is counted and put in doubt
in the same way. After a gap the engine begins anew with what follows: levels of a market that
nobody watched are guesses. The longer candles of the trend have an engine of their own, for which
the same holds: `heard` is whoever's memory, `settings` what it is asked for.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.engine import advance, restart
from aegis.quant.smc.streaming.layout import RING
from aegis.shm.tick import INCOMPLETE

__all__ = ["fit_settings", "forget_levels", "is_heard", "is_trusted", "take_in"]

_MASK = RING - 1


@kernel
def listen_anew(heard: Any) -> None:
    """The engine forgets what it was told."""
    restart(heard.engine)
    heard.restarts += 1
    heard.doubt_at = -1


@kernel
def forget_levels(state: Any) -> None:
    """What was known of an engine that began anew; a plan and its ways out stay as they are."""
    # Counted in candles from here.
    state.plan.since = 0
    for row in range(2):
        state.sweeps[row].valid = 0
        state.blocks[row].valid = 0
        state.gaps[row].valid = 0
        state.breaks[row] = -1


@kernel
def is_heard(settings: Any, heard: Any) -> Any:
    """Whether the engine's memory was made with these settings."""
    return (
        heard.interval_ns == settings.interval_ns
        and heard.length == settings.engine.length
        and heard.close_break == settings.engine.close_break
    )


@kernel
def fit_settings(settings: Any, heard: Any) -> None:
    """Candles of another length tell another story: after such a reload listen anew."""
    if is_heard(settings, heard):
        return
    heard.interval_ns = settings.interval_ns
    heard.length = settings.engine.length
    heard.close_break = settings.engine.close_break
    listen_anew(heard)


@kernel
def hear_again(event: Any, heard: Any, behind: Any) -> None:
    """A candle that was taken in `behind` candles ago is told again."""
    engine = heard.engine
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
        heard.corrected += 1
    if not is_same or (event.flags & INCOMPLETE) != 0:
        heard.doubt_at = max(heard.doubt_at, index)
    elif heard.doubt_at == index:
        heard.doubt_at = np.int64(-1)


@kernel
def take_in(event: Any, settings: Any, heard: Any, events: Any) -> Any:
    """Show the engine a closed candle; how many events it made known, -1 if it was not taken."""
    engine = heard.engine
    if engine.candles > 0:
        ahead = (event.ts_event_ns - engine.ts_ns) // settings.interval_ns
        if ahead <= 0:
            hear_again(event, heard, -ahead)
            return np.int64(-1)
        if ahead > 1:
            listen_anew(heard)
    taken = engine.candles
    count = advance(
        engine, settings.engine, event.ts_event_ns, event.a, event.b, event.c, event.d, event.e,
        events,
    )  # fmt: skip
    if engine.candles == taken:
        return np.int64(-1)
    heard.close = event.d
    if (event.flags & INCOMPLETE) != 0:
        heard.doubt_at = taken
    return np.int64(count)


@kernel
def is_trusted(settings: Any, heard: Any) -> Any:
    """Whether no candle of the last swing's length may be wrong."""
    return heard.doubt_at < 0 or heard.engine.candles - 1 - heard.doubt_at > settings.engine.length

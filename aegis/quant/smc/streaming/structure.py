"""Breaks of structure and changes of character, from the living swings.

Of four swings a, b, c, d in a row the second is the level. Bullish BOS: a < c < b < d; bullish
CHoCH: d > b > a > c; bearish mirrored. Broken by the first close (or wick, `close_break` 0) beyond
b from candle b + 2 on. Known when both are: at the close that confirms d, or at the break,
whichever is later. Of two entries known, the earlier swing's must have been broken first: a break
at j drops every earlier one not broken by then, and takes back (STRUCTURE_RETRACTED, with its id)
an earlier one that was broken at j or later but known sooner.

That is what the batch library says when it is given the living swings without its two artificial
ones. It keeps levels in float32 and compares with them (`single_levels`); here they are float64.

Events: BOS and CHOCH (level, origin b, at the break), STRUCTURE_RETRACTED (at the overruling
break). `trend` in the state is the side of the newest of them. At most 32 unbroken and 32 broken
entries are remembered; of more, the oldest are dropped.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.quant.smc.batch import pattern_of
from aegis.quant.smc.streaming.emit import emit, new_id
from aegis.quant.smc.streaming.layout import (
    BOS,
    CHOCH,
    PENDING_MAX,
    RING,
    STRUCTURE_RETRACTED,
    SWINGS_KEPT,
)

__all__ = ["advance_structure", "held_level", "mark_structure"]

_MASK = RING - 1
_BROKEN_SWING = SWINGS_KEPT - 3


@kernel
def held_level(settings: Any, level: Any) -> Any:
    """A level as it is compared with."""
    return np.float64(np.float32(level)) if settings.single_levels != 0 else level


@kernel
def copy_entry(source: Any, target: Any) -> None:
    """Copy every field."""
    target.index = source.index
    target.level = source.level
    target.side = source.side
    target.id = source.id
    target.kind = source.kind
    target.broken = source.broken


@kernel
def drop_oldest(entries: Any, count: Any) -> Any:
    """Make room in a full list; returns how many are in it."""
    if count < PENDING_MAX:
        return count
    for place in range(count - 1):
        copy_entry(entries[place + 1], entries[place])
    return count - 1


@kernel
def stand(state: Any, out: Any, index: Any, level: Any, side: Any, kind: Any, broken: Any) -> None:
    """An entry is known and broken: what it overrules goes, then it is told."""
    count = state.standing_count
    while count > 0 and state.standing[count - 1].broken >= broken:
        old = state.standing[count - 1]
        if old.index >= index:
            break
        emit(
            state, out, STRUCTURE_RETRACTED, old.side, old.id, old.level, old.level, old.level,
            0.0, old.index, broken,
        )  # fmt: skip
        count -= 1
    count = drop_oldest(state.standing, count)
    entry = state.standing[count]
    entry.index = index
    entry.level = level
    entry.side = side
    entry.id = new_id(state)
    entry.kind = kind
    entry.broken = broken
    state.standing_count = count + 1
    state.trend = side
    emit(state, out, kind, side, entry.id, level, level, level, 0.0, index, broken)


@kernel
def is_beyond(state: Any, settings: Any, side: Any, level: Any) -> Any:
    """Whether the newest candle breaks a level."""
    place = state.candles & _MASK
    price = state.close[place]
    if settings.close_break == 0:
        price = state.high[place] if side > 0 else state.low[place]
    return side * price > side * level


@kernel
def advance_structure(state: Any, settings: Any, out: Any) -> None:
    """Note what the newest candle breaks, of living swings and of known, unbroken entries."""
    now = state.candles
    side = state.swing_side
    for back in range(state.swing_count):
        swing = state.swings[SWINGS_KEPT - 1 - back]
        waiting = swing.crossed < 0 and now >= swing.index + 2
        if waiting and is_beyond(state, settings, side, held_level(settings, swing.level)):
            swing.crossed = now
        side = -side
    for place in range(state.pending_count - 1, -1, -1):
        entry = state.pending[place]
        if is_beyond(state, settings, entry.side, entry.level):
            stand(state, out, entry.index, entry.level, entry.side, entry.kind, now)
            # The older ones, unbroken or broken by this candle too, can never count again.
            kept = state.pending_count - place - 1
            for newer in range(kept):
                copy_entry(state.pending[place + 1 + newer], state.pending[newer])
            state.pending_count = kept
            return


@kernel
def mark_structure(state: Any, settings: Any, out: Any) -> None:
    """A swing has come to live: look at the newest four."""
    if state.swing_count < SWINGS_KEPT:
        return
    swings = state.swings
    level = swings[_BROKEN_SWING]
    if level.marked != 0:
        return
    side = state.swing_side
    found = pattern_of(side, swings[0].level, level.level, swings[2].level, swings[3].level)
    if found == 0:
        return
    level.marked = 1
    kind = BOS if found == 1 else CHOCH
    held = held_level(settings, level.level)
    if level.crossed >= 0:
        # Entries still unbroken would be broken later than this one: they never count.
        state.pending_count = 0
        stand(state, out, level.index, held, side, kind, level.crossed)
        return
    count = drop_oldest(state.pending, state.pending_count)
    entry = state.pending[count]
    entry.index = level.index
    entry.level = held
    entry.side = side
    entry.kind = kind
    entry.broken = -1
    state.pending_count = count + 1

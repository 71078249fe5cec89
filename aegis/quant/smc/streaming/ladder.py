"""Levels that wait for the price, the nearest on top: who is reached is found without looking far.

Each concept has two ladders, `base` for the bullish (or low) side and `base + 1` for the other. All
work in mirrored prices (side * price), so that the price always comes from above: a rung is reached
when the probe falls to its trigger. Triggers rise towards the top, so a candle costs one comparison
and each rung is put up and taken down once.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.layout import RUNGS

__all__ = [
    "copy_rung",
    "free_rung",
    "is_full",
    "ladder_of",
    "remove_farthest",
    "remove_rung",
    "settle_rung",
    "top_rung",
]


@kernel
def ladder_of(base: Any, side: Any) -> Any:
    """The number of the ladder of a concept's side."""
    return base if side > 0 else base + 1


@kernel
def copy_rung(source: Any, target: Any) -> None:
    """Copy every field."""
    target.trigger = source.trigger
    target.top = source.top
    target.bottom = source.bottom
    target.total = source.total
    target.id = source.id
    target.origin = source.origin
    target.members = source.members
    target.last = source.last


@kernel
def top_rung(state: Any, ladder: Any) -> Any:
    """The place of the nearest rung; -1 when there is none."""
    return state.rung_count[ladder] - 1


@kernel
def free_rung(state: Any, ladder: Any) -> Any:
    """Take the place on top into use and return it. The ladder must not be full."""
    place = state.rung_count[ladder]
    state.rung_count[ladder] = place + 1
    return place


@kernel
def remove_rung(state: Any, ladder: Any, place: Any) -> None:
    """Take one out of the middle; those above move down."""
    last = state.rung_count[ladder] - 1
    for index in range(place, last):
        copy_rung(state.rungs[ladder, index + 1], state.rungs[ladder, index])
    state.rung_count[ladder] = last


@kernel
def remove_farthest(state: Any, ladder: Any) -> None:
    """Take the lowest rung down."""
    remove_rung(state, ladder, np.int64(0))


@kernel
def is_full(state: Any, ladder: Any) -> Any:
    """Whether the farthest rung must go before another one comes."""
    return state.rung_count[ladder] == RUNGS


@kernel
def settle_rung(state: Any, ladder: Any) -> None:
    """Let the rung on top, just written, sink to its place; among equals the newest is nearest.

    New levels lie near the price as a rule, so it rarely sinks.
    """
    rungs = state.rungs
    place = state.rung_count[ladder] - 1
    if place == 0 or rungs[ladder, place - 1].trigger <= rungs[ladder, place].trigger:
        return
    one = rungs[ladder, place]
    trigger, top, bottom, total = one.trigger, one.top, one.bottom, one.total
    thing, origin, members, last = one.id, one.origin, one.members, one.last
    while place > 0 and rungs[ladder, place - 1].trigger > trigger:
        copy_rung(rungs[ladder, place - 1], rungs[ladder, place])
        place -= 1
    one = rungs[ladder, place]
    one.trigger = trigger
    one.top = top
    one.bottom = bottom
    one.total = total
    one.id = thing
    one.origin = origin
    one.members = members
    one.last = last

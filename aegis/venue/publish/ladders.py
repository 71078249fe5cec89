"""Sorted levels: what has changed since a depth stream's last event, and the whole book beside it.

A ladder is a row of (key, lots) pairs with ascending keys; the encoder keeps one per side of each
diff stream that somebody wants (keys are prices, lots of 0 are kept: they are the deletions), and
one per side of each book of which partial depth is wanted (keys grow with attractiveness, as in the
books themselves, so that most changes are near the end; what is gone is taken out).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from aegis.host.jit import kernel
from aegis.venue.publish.raw import move_words
from aegis.venue.publish.scales import Words

__all__ = ["Ladders", "drop", "drop_worst", "make_ladders", "put"]

PAIR: Final = 2


class Ladders(NamedTuple):
    """Many ladders of the same room: ladder k has pairs [0, counts[k]) of its row."""

    pairs: Words  # flat: [ladders * room * 2]
    counts: Words  # [ladders]
    room: Words  # [1]


def make_ladders(ladders: int, room: int) -> Ladders:
    """Empty ladders; the memory of a pair is touched when it is used."""
    return Ladders(
        np.zeros(max(1, ladders) * room * PAIR, np.int64),
        np.zeros(max(1, ladders), np.int64),
        np.array([room], np.int64),
    )


@kernel
def _place_of(ladders: Any, ladder: Any, key: Any) -> Any:
    """The place of the first pair whose key is not below `key`; looks near the end first."""
    base = ladder * ladders.room[0] * PAIR
    high = ladders.counts[ladder]
    pairs = ladders.pairs
    low = 0
    step = 1
    while step <= high:
        middle = high - step
        if pairs[base + middle * PAIR] < key:
            low = middle + 1
            break
        high = middle
        step *= 2
    while low < high:
        middle = (low + high) >> 1
        if pairs[base + middle * PAIR] < key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def put(ladders: Any, ladder: Any, key: Any, lots: Any) -> Any:
    """Set the lots of a key; returns False, changing nothing, if the ladder has no room for it."""
    base = ladder * ladders.room[0] * PAIR
    count = ladders.counts[ladder]
    pairs = ladders.pairs
    place = _place_of(ladders, ladder, key)
    at = base + place * PAIR
    if place < count and pairs[at] == key:
        pairs[at + 1] = lots
        return True
    if count == ladders.room[0]:
        return False
    if place < count:
        move_words(pairs, at + PAIR, at, (count - place) * PAIR)
    pairs[at] = key
    pairs[at + 1] = lots
    ladders.counts[ladder] = count + 1
    return True


@kernel
def drop(ladders: Any, ladder: Any, key: Any) -> None:
    """Take a key out, if it is there."""
    count = ladders.counts[ladder]
    place = _place_of(ladders, ladder, key)
    at = ladder * ladders.room[0] * PAIR + place * PAIR
    if place < count and ladders.pairs[at] == key:
        move_words(ladders.pairs, at, at + PAIR, (count - place - 1) * PAIR)
        ladders.counts[ladder] = count - 1


@kernel
def drop_worst(ladders: Any, ladder: Any) -> None:
    """Take the first pair out of a ladder that is not empty."""
    count = ladders.counts[ladder] - 1
    base = ladder * ladders.room[0] * PAIR
    move_words(ladders.pairs, base, base + PAIR, count * PAIR)
    ladders.counts[ladder] = count

"""Depth messages: what of each stream's chain has changed, and the events made of it.

Every diff stream of a symbol is a chain of its own: `pu` is the `u` of its previous event, `U` the
first id folded in, both sides ascend by price. Ids are shared by all symbols, so `U` is not the
previous `u` plus one. A chain is kept only while somebody wants it; one that begins in the middle
of a window begins with the next id, so that nobody takes it for whole. Partial depth has chains
too, for its ids, and shows the best levels, best first. Called by ``encoder`` alone.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from aegis.host.jit import inline_kernel, kernel
from aegis.venue.publish.digits import write_scaled
from aegis.venue.publish.kinds import DIFF, DIFFS, KINDS, PARTIAL, PARTIALS
from aegis.venue.publish.ladders import PAIR
from aegis.venue.publish.log import close_message, has_room, open_message
from aegis.venue.publish.messages import DEPTH_END, DEPTH_HEAD
from aegis.venue.publish.scales import PRICE_DECIMALS, QTY_DECIMALS, STEP_POINTS, TICK_POINTS
from aegis.venue.publish.tables import BASE, FIRST, LAST, MASK, NEWEST_MS, PREVIOUS
from aegis.venue.publish.templates import MAX_MESSAGE, write_fields
from aegis.venue.streams import PARTIAL_LEVELS

__all__ = ["clear_chain", "diff_room", "write_diff", "write_partials"]

# `["` price `","` quantity `"],`
MAX_LEVEL: Final = 64
_QUOTE, _COMMA, _OPEN, _CLOSE = ord('"'), ord(","), ord("["), ord("]")
_BETWEEN: Final = b'],"a":['
_LEVELS: Final = PARTIAL_LEVELS
# The signs of the keys. Not Python's integers: Numba would compile what they are passed to twice.
_BIDS, _ASKS = np.array([1, -1])


@kernel
def _write_level(out: Any, at: Any, scale: Any, ticks: Any, lots: Any) -> Any:
    """One level and the comma behind it."""
    out[at] = _OPEN
    out[at + 1] = _QUOTE
    at = write_scaled(out, at + 2, ticks * scale[TICK_POINTS], scale[PRICE_DECIMALS])
    out[at] = _QUOTE
    out[at + 1] = _COMMA
    out[at + 2] = _QUOTE
    at = write_scaled(out, at + 3, lots * scale[STEP_POINTS], scale[QTY_DECIMALS])
    out[at] = _QUOTE
    out[at + 1] = _CLOSE
    out[at + 2] = _COMMA
    return at + 3


@kernel
def _write_changes(out: Any, at: Any, scale: Any, ladders: Any, ladder: Any) -> Any:
    """All of a ladder, ascending; without the last comma."""
    count = ladders.counts[ladder]
    if count == 0:
        return at
    base = ladder * ladders.room[0] * PAIR
    for place in range(base, base + count * PAIR, PAIR):
        at = _write_level(out, at, scale, ladders.pairs[place], ladders.pairs[place + 1])
    return at - 1


@kernel
def _write_best(
    out: Any, at: Any, scale: Any, ladders: Any, ladder: Any, sign: Any, levels: Any
) -> Any:
    """The best levels of a book's side, best first; without the last comma."""
    count = ladders.counts[ladder]
    if count == 0:
        return at
    last = ladder * ladders.room[0] * PAIR + (count - 1) * PAIR
    for number in range(min(count, levels)):
        place = last - number * PAIR
        at = _write_level(out, at, scale, ladders.pairs[place] * sign, ladders.pairs[place + 1])
    return at - 1


@inline_kernel
def _write_between(out: Any, at: Any) -> Any:
    """What stands between the bids and the asks."""
    for place in range(len(_BETWEEN)):
        out[at + place] = _BETWEEN[place]
    return at + len(_BETWEEN)


@kernel
def _write_head(encoder: Any, log: Any, at: Any, symbol: Any, chain: Any, event_ms: Any) -> Any:
    """Everything before the bids."""
    ids = encoder.chains[symbol, chain]
    values = encoder.values
    # A recorded market's windows may be cut by a clock that is behind its events.
    values[0] = max(event_ms, ids[NEWEST_MS])
    values[1] = ids[NEWEST_MS]
    values[2] = ids[FIRST]
    values[3] = ids[LAST]
    values[4] = ids[PREVIOUS]
    return write_fields(log.text, at, encoder.templates, DEPTH_HEAD, encoder.scales, symbol, values)


@kernel
def _write_end(encoder: Any, log: Any, at: Any, symbol: Any) -> Any:
    """Everything behind the asks."""
    return write_fields(
        log.text, at, encoder.templates, DEPTH_END, encoder.scales, symbol, encoder.values
    )


@kernel
def diff_room(encoder: Any, symbol: Any, chain: Any) -> Any:
    """How many bytes the next event of a diff chain takes at the most."""
    ladder = (symbol * DIFFS + chain) * 2
    levels = encoder.changes.counts[ladder] + encoder.changes.counts[ladder + 1]
    return MAX_MESSAGE + levels * MAX_LEVEL


@kernel
def clear_chain(encoder: Any, symbol: Any, chain: Any) -> None:
    """An event has been cut here, wanted or not: the chain goes on behind it."""
    ids = encoder.chains[symbol, chain]
    ids[PREVIOUS] = ids[LAST]
    ids[FIRST] = 0
    if chain < DIFFS:
        ladder = (symbol * DIFFS + chain) * 2
        encoder.changes.counts[ladder] = 0
        encoder.changes.counts[ladder + 1] = 0


@kernel
def write_diff(encoder: Any, log: Any, streams: Any, symbol: Any, chain: Any, event_ms: Any) -> Any:
    """Write a diff chain's event and begin the next; returns False if the log has no room."""
    if encoder.chains[symbol, chain, FIRST] == 0:
        return True
    if not has_room(log, 1, diff_room(encoder, symbol, chain)):
        return False
    stream = encoder.words[BASE] + symbol * KINDS + DIFF + chain
    scale = encoder.scales.rows[symbol]
    ladder = (symbol * DIFFS + chain) * 2
    begin = open_message(log, streams, stream)
    at = _write_head(encoder, log, begin, symbol, chain, event_ms)
    at = _write_changes(log.text, at, scale, encoder.changes, ladder)
    at = _write_between(log.text, at)
    at = _write_changes(log.text, at, scale, encoder.changes, ladder + 1)
    at = _write_end(encoder, log, at, symbol)
    close_message(log, streams, stream, begin, at)
    clear_chain(encoder, symbol, chain)
    return True


@kernel
def write_partials(
    encoder: Any, log: Any, streams: Any, symbol: Any, speed: Any, event_ms: Any
) -> Any:
    """Write the partial depth streams of a speed that are wanted; False if the log has no room.

    All of them or none: a call that returned False is repeated as a whole.
    """
    chain = DIFFS + speed
    if encoder.chains[symbol, chain, FIRST] == 0:
        return True
    mask = encoder.symbols[symbol, MASK] >> (PARTIAL + speed * PARTIALS)
    if not has_room(log, PARTIALS, PARTIALS * (MAX_MESSAGE + 2 * _LEVELS[-1] * MAX_LEVEL)):
        return False
    scale = encoder.scales.rows[symbol]
    for number in range(PARTIALS):
        if not (mask >> number) & 1:
            continue
        levels = _LEVELS[number]
        stream = encoder.words[BASE] + symbol * KINDS + PARTIAL + speed * PARTIALS + number
        begin = open_message(log, streams, stream)
        at = _write_head(encoder, log, begin, symbol, chain, event_ms)
        at = _write_best(log.text, at, scale, encoder.books, symbol * 2, _BIDS, levels)
        at = _write_between(log.text, at)
        at = _write_best(log.text, at, scale, encoder.books, symbol * 2 + 1, _ASKS, levels)
        at = _write_end(encoder, log, at, symbol)
        close_message(log, streams, stream, begin, at)
    clear_chain(encoder, symbol, chain)
    return True

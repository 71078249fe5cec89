"""The memory of the encoders: which array holds what. ``encoder`` and ``depth`` are its writers.

All int64. `make_encoder` makes it once at start; no array is ever resized. A symbol is its number
in the venue's list, a side its bids (0) or asks (1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from aegis.venue.publish.kinds import CHAINS, DIFFS, WINDOWS
from aegis.venue.publish.ladders import Ladders, make_ladders
from aegis.venue.publish.messages import market_templates
from aegis.venue.publish.scales import Scales, Words, make_scales
from aegis.venue.publish.templates import MAX_VALUES, Templates
from aegis.venue.symbols import SymbolSpec

__all__ = ["Encoder", "make_encoder"]

# ---- one symbol (Encoder.symbols[symbol])
MASK = 0  # bit per kind: somebody wants it
ACTIVE = 1  # bit per chain: it is being kept
PENDING = 2  # bit per window: something has happened since it was last cut
LAST_ID = 3  # the newest update id
BID, BID_LOTS, ASK, ASK_LOTS = range(4, 8)  # the top as it was last published
TOP_ID, TOP_MS = 8, 9  # since when it is that
FOLLOWED = 10  # 1: the book beside the tape is whole, so partial depth can be written
SYMBOL_WORDS: Final = 16

# ---- one chain of depth events (Encoder.chains[symbol, chain])
FIRST, LAST, PREVIOUS, NEWEST_MS = range(4)  # FIRST 0: nothing has changed since its last event
CHAIN_WORDS: Final = 4

# ---- Encoder.words
BASE = 0  # the number of the first stream of the first symbol
ALL_TICKERS = 1  # 1: somebody wants !bookTicker
CUT = 2  # when each window is due next, in ms; 0: not begun
HEAD = CUT + WINDOWS  # how many of a window's pending symbols are done
TAIL = HEAD + WINDOWS  # how many it has
WORDS: Final = TAIL + WINDOWS

# Changes of one side that a chain holds before its event is sent early, and levels of a side of a
# followed book; the books themselves have no more (matching.layout). Not powers of two, or the rows
# of all symbols would begin in the same places of the caches.
CHANGES: Final = 1_020
BOOK_LEVELS: Final = 4_100


class Encoder(NamedTuple):
    """The arrays of the encoders."""

    scales: Scales
    templates: Templates
    symbols: Words  # [symbols, SYMBOL_WORDS]
    chains: Words  # [symbols, CHAINS, CHAIN_WORDS]
    changes: Ladders  # (symbol * DIFFS + chain) * 2 + side; keys are prices
    books: Ladders  # symbol * 2 + side; keys are prices, negative for asks
    pending: Words  # [WINDOWS, symbols]: the symbols of each window in order of appearance
    words: Words  # [WORDS]
    values: Words  # [MAX_VALUES]: what a template is being filled with


def make_encoder(specs: Sequence[SymbolSpec], modern: bool, base: int) -> Encoder:
    """The memory for these symbols in their order; their streams are numbered from `base`."""
    count = max(1, len(specs))
    words = np.zeros(WORDS, np.int64)
    words[BASE] = base
    return Encoder(
        scales=make_scales(specs),
        templates=market_templates(modern),
        symbols=np.zeros((count, SYMBOL_WORDS), np.int64),
        chains=np.zeros((count, CHAINS, CHAIN_WORDS), np.int64),
        changes=make_ladders(count * DIFFS * 2, CHANGES),
        books=make_ladders(count * 2, BOOK_LEVELS),
        pending=np.zeros((WINDOWS, count), np.int64),
        words=words,
        values=np.zeros(MAX_VALUES, np.int64),
    )

"""Decoded messages and snapshots, put where the kernels look for them: the careful way in.

Called by the intake for what the scanner does not read itself: frames in an unusual spelling,
buffered events that are applied at last, and the snapshots that books begin with.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from aegis.feed import layout, wire
from aegis.feed.book import FullBook
from aegis.feed.intake_memory import IntakeMemory
from aegis.feed.layout import ROW_WORDS
from aegis.feed.tokens import MAX_LEVELS
from aegis.shm.tick import MARK, QUOTE, TRADE

__all__ = ["VOID", "load_snapshot", "put_message"]

# What `put_message` says of a trade number without a public trade.
VOID: Final = 0
assert VOID not in (QUOTE, TRADE, MARK, layout.DEPTH), "a kind of its own"


def put_message(
    memory: IntakeMemory,
    instrument: int,
    message: wire.BookTicker | wire.Trade | wire.DepthUpdate | wire.MarkPrice,
) -> int:
    """Put a message where the scanner would have put it; returns its kind, or VOID."""
    integers, decimals = memory["integers"], memory["decimals"]
    integers[layout.INSTRUMENT] = instrument
    if isinstance(message, wire.MarkPrice):
        integers[layout.EVENT_MS] = message.E
        integers[layout.FUNDING_MS] = message.T
        decimals[:3] = message.p, message.i, message.r
        return MARK
    integers[layout.EVENT_MS] = message.T
    integers[layout.SENT_MS] = message.E
    if isinstance(message, wire.Trade):
        if message.is_void:
            # Its number is used up: the next trade follows it.
            row = memory["rows"].reshape(-1, ROW_WORDS)[instrument]
            row[layout.TRADE_ID] = max(int(row[layout.TRADE_ID]), message.t)
            return VOID
        integers[layout.ID] = message.t
        integers[layout.SIDE] = -1 if message.m else 1
        integers[layout.OFF_BOOK] = int(message.X != "MARKET")
        decimals[:2] = message.p, message.q
        return TRADE
    if isinstance(message, wire.BookTicker):
        integers[layout.ID] = message.u
        decimals[:4] = message.b, message.B, message.a, message.A
        return QUOTE
    integers[layout.FIRST_ID] = message.U
    integers[layout.ID] = message.u
    integers[layout.PREVIOUS_ID] = message.pu
    name = f"depth {message.s}"
    bids = wire.side_arrays(message.b, name)
    _put_levels(memory, bids, wire.side_arrays(message.a, name))
    return layout.DEPTH


def _put_levels(memory: IntakeMemory, bids: wire.Side, asks: wire.Side) -> None:
    """Put both sides' changed levels where the kernels look for them."""
    keys, quantities = memory["level_keys"], memory["level_quantities"]
    for base, (side_keys, side_quantities) in ((0, bids), (MAX_LEVELS, asks)):
        keys[base : base + side_keys.size] = side_keys
        quantities[base : base + side_keys.size] = side_quantities
    memory["integers"][layout.BID_COUNT] = bids[0].size
    memory["integers"][layout.ASK_COUNT] = asks[0].size


def load_snapshot(
    book: FullBook, row: npt.NDArray[np.int64], bids: wire.Side, asks: wire.Side, limit: int
) -> None:
    """Fill a book from a snapshot of which `limit` levels a side were asked for (0: all).

    A side that has as many may go on behind the last of them: there its edge is.
    """
    sides = (
        (0, bids, layout.BIDS, layout.BID_EDGE, layout.BID_LOADED),
        (1, asks, layout.ASKS, layout.ASK_EDGE, layout.ASK_LOADED),
    )
    for which, side, count_word, edge_word, loaded_word in sides:
        kept = book.load(which, *side)
        is_whole = kept == side[0].size and not 0 < limit <= kept
        row[count_word] = row[loaded_word] = kept
        row[edge_word] = 0 if is_whole else int(book.keys[which, 0])

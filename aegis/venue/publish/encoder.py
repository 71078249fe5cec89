"""The tape's reader: records in, messages in the log, in the order of events.

``publisher`` calls `encode` with the records of the tape, piece by piece so that no piece crosses a
multiple of GRID_MS of event time, and `cut` at each of these, which sends what is due by then. Of
one step the prints go out first, then the top of the book, then its depth. Both kernels stop when
the log is full and say so: the log is fanned out, and they are called again to go on exactly there.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from aegis.host.jit import inline_kernel, kernel
from aegis.venue.publish.depth import clear_chain, diff_room, write_diff, write_partials
from aegis.venue.publish.kinds import (
    ALL_BOOK_TICKERS,
    BOOK_TICKER,
    CHAINS,
    DIFF,
    DIFFS,
    KINDS,
    NO_WINDOW,
    PARTIAL,
    PARTIALS,
    SPEEDS,
    TICKERS_WINDOW,
    TRADE,
    WINDOW_OF_CHAIN,
    WINDOWS,
    WINDOWS_MS,
)
from aegis.venue.publish.ladders import drop, drop_worst, put
from aegis.venue.publish.log import close_message, has_room, open_message
from aegis.venue.publish.messages import BOOK_TICKER as BOOK_TICKER_TEXT
from aegis.venue.publish.messages import TRADE as TRADE_TEXT
from aegis.venue.publish.tables import (
    ACTIVE,
    ALL_TICKERS,
    ASK,
    ASK_LOTS,
    BASE,
    BID,
    BID_LOTS,
    CUT,
    FIRST,
    FOLLOWED,
    HEAD,
    LAST,
    LAST_ID,
    MASK,
    NEWEST_MS,
    PENDING,
    PREVIOUS,
    TAIL,
    TOP_ID,
    TOP_MS,
)
from aegis.venue.publish.templates import MAX_MESSAGE, write_fields
from aegis.venue.tape import LEVEL
from aegis.venue.tape import STEP as STEP_RECORD
from aegis.venue.tape import TRADE as TRADE_RECORD

__all__ = ["cut", "encode", "follow", "refresh"]

_WINDOWS_OF: Final = WINDOW_OF_CHAIN
# The chain that has no window. Not Python's 0: Numba would compile what it is passed to twice.
_AT_ONCE: Final = np.int64(0)
_WIDTHS: Final = WINDOWS_MS
_DIFF_BITS: Final = (1 << DIFFS) - 1
_PARTIAL_BITS: Final = ((1 << SPEEDS) - 1) << DIFFS


@kernel
def refresh(encoder: Any, streams: Any, muted: Any) -> None:
    """Take in who wants what; to be called, between two steps, when subscriptions have changed.

    `muted` is u8[symbols * KINDS]: streams that are not ours to send, whoever wants them.
    """
    base = encoder.words[BASE]
    for symbol in range(encoder.symbols.shape[0]):
        row = encoder.symbols[symbol]
        mask = 0
        for kind in range(KINDS):
            stream = symbol * KINDS + kind
            if streams.wanted[base + stream] and not muted[stream]:
                mask |= 1 << kind
        row[MASK] = mask
        active = (mask >> DIFF) & _DIFF_BITS
        for speed in range(SPEEDS):
            if (mask >> (PARTIAL + speed * PARTIALS)) & ((1 << PARTIALS) - 1):
                active |= 1 << (DIFFS + speed)
        begun = active & ~row[ACTIVE]
        for chain in range(CHAINS):
            if (begun >> chain) & 1:
                encoder.chains[symbol, chain, LAST] = row[LAST_ID]
                clear_chain(encoder, symbol, chain)
        row[ACTIVE] = active
        if not active & _PARTIAL_BITS:
            row[FOLLOWED] = 0
    end = base + encoder.symbols.shape[0] * KINDS
    encoder.words[ALL_TICKERS] = 1 if streams.wanted[end + ALL_BOOK_TICKERS] else 0


@kernel
def follow(encoder: Any, symbol: Any, levels: Any) -> None:
    """Take on a whole book, rows (side +1 or -1, price, lots), from which partial depth is cut.

    To be called on a finished tape: from here on its LEVEL records keep the book.
    """
    encoder.books.counts[symbol * 2] = 0
    encoder.books.counts[symbol * 2 + 1] = 0
    for row in range(levels.shape[0]):
        _set_level(encoder, symbol, levels[row, 0], levels[row, 1], levels[row, 2])
    encoder.symbols[symbol, FOLLOWED] = 1


@inline_kernel
def _set_level(encoder: Any, symbol: Any, side: Any, ticks: Any, lots: Any) -> None:
    """Set a level of a followed book."""
    ladder = symbol * 2 + (0 if side > 0 else 1)
    if lots == 0:
        drop(encoder.books, ladder, ticks * side)
    elif not put(encoder.books, ladder, ticks * side, lots):
        # More levels than there is room for: the worst one makes way.
        drop_worst(encoder.books, ladder)
        put(encoder.books, ladder, ticks * side, lots)


@kernel
def encode(encoder: Any, log: Any, streams: Any, records: Any, begin: Any, end: Any) -> Any:
    """Write the messages of the tape's records [begin, end) that go out at once; keep the rest.

    Returns `end`, or the first place that has not been read because the log is full.
    """
    for place in range(begin, end):
        kind = records[place].kind
        symbol = np.int64(records[place].symbol)
        if kind == LEVEL:
            done = _level(encoder, log, streams, records[place], symbol)
        elif kind == TRADE_RECORD:
            done = _trade(encoder, log, streams, records[place], symbol)
        elif kind == STEP_RECORD:
            done = _step(encoder, log, streams, records[place], symbol)
        else:
            done = True
        if not done:
            return place
    return end


@inline_kernel
def _trade(encoder: Any, log: Any, streams: Any, record: Any, symbol: Any) -> Any:
    """A print."""
    if not (encoder.symbols[symbol, MASK] >> TRADE) & 1:
        return True
    if not has_room(log, 1, MAX_MESSAGE):
        return False
    values = encoder.values
    values[0] = record.time_ms
    values[1] = record.a
    values[2] = record.b
    values[3] = record.c
    values[4] = 1 if record.d < 0 else 0
    stream = encoder.words[BASE] + symbol * KINDS + TRADE
    _write(encoder, log, streams, stream, TRADE_TEXT, symbol)
    return True


@kernel
def _write(encoder: Any, log: Any, streams: Any, stream: Any, template: Any, symbol: Any) -> None:
    """One message that is a filled template; there is room for it."""
    begin = open_message(log, streams, stream)
    at = write_fields(
        log.text, begin, encoder.templates, template, encoder.scales, symbol, encoder.values
    )
    close_message(log, streams, stream, begin, at)


@inline_kernel
def _level(encoder: Any, log: Any, streams: Any, record: Any, symbol: Any) -> Any:
    """A level has changed: fold it into the chains that are kept, and into the book."""
    active = encoder.symbols[symbol, ACTIVE]
    if active == 0:
        return True
    side, ticks, lots = record.b, record.c, record.d
    for chain in range(DIFFS):
        if not (active >> chain) & 1:
            continue
        ladder = (symbol * DIFFS + chain) * 2 + (0 if side > 0 else 1)
        if not put(encoder.changes, ladder, ticks, lots):
            # The chain is full: its event goes out before its time, and it begins anew.
            if not write_diff(encoder, log, streams, symbol, chain, record.time_ms):
                return False
            put(encoder.changes, ladder, ticks, lots)
        ids = encoder.chains[symbol, chain]
        if ids[FIRST] == 0:
            ids[FIRST] = record.a
        ids[LAST] = record.a
        ids[NEWEST_MS] = record.time_ms
    if active & _PARTIAL_BITS and encoder.symbols[symbol, FOLLOWED]:
        _set_level(encoder, symbol, side, ticks, lots)
    return True


@inline_kernel
def _step(encoder: Any, log: Any, streams: Any, record: Any, symbol: Any) -> Any:
    """A step has ended: its top, then the depth that goes out at once; the rest waits."""
    row = encoder.symbols[symbol]
    active = row[ACTIVE]
    room = MAX_MESSAGE
    if active & 1:
        room += diff_room(encoder, symbol, _AT_ONCE)
    if not has_room(log, 2, room):
        return False
    last_id = record.b
    if last_id != 0:
        row[LAST_ID] = last_id
    if _moved(row, record):
        _keep_top(row, record)
        if (row[MASK] >> BOOK_TICKER) & 1:
            stream = encoder.words[BASE] + symbol * KINDS + BOOK_TICKER
            _write_top(encoder, log, streams, stream, symbol, record.time_ms)
        if encoder.words[ALL_TICKERS]:
            _wait(encoder, symbol, TICKERS_WINDOW)
    if active == 0 or last_id == 0:
        return True
    for chain in range(CHAINS):
        if not (active >> chain) & 1:
            continue
        ids = encoder.chains[symbol, chain]
        # All of a step belongs to one event, unless a full chain was sent in the middle of it.
        if ids[FIRST] == 0 or (record.a < ids[FIRST] and record.a > ids[PREVIOUS]):
            ids[FIRST] = max(record.a, ids[PREVIOUS] + 1)
        ids[LAST] = last_id
        ids[NEWEST_MS] = record.time_ms
        if _WINDOWS_OF[chain] != NO_WINDOW:
            _wait(encoder, symbol, _WINDOWS_OF[chain])
    if active & 1:
        write_diff(encoder, log, streams, symbol, _AT_ONCE, record.time_ms)
    return True


@inline_kernel
def _moved(row: Any, record: Any) -> Any:
    """Are the best prices or sizes others than they were?"""
    return (
        record.c != row[BID]
        or record.d != row[BID_LOTS]
        or record.e != row[ASK]
        or record.f != row[ASK_LOTS]
    )


@inline_kernel
def _keep_top(row: Any, record: Any) -> None:
    row[BID] = record.c
    row[BID_LOTS] = record.d
    row[ASK] = record.e
    row[ASK_LOTS] = record.f
    row[TOP_ID] = row[LAST_ID]
    row[TOP_MS] = record.time_ms


@kernel
def _write_top(
    encoder: Any, log: Any, streams: Any, stream: Any, symbol: Any, event_ms: Any
) -> None:
    """A book ticker, on the symbol's own stream or on that of all."""
    row = encoder.symbols[symbol]
    values = encoder.values
    values[0] = max(event_ms, row[TOP_MS])
    values[1] = row[TOP_MS]
    values[2] = row[TOP_ID]
    values[3] = row[BID]
    values[4] = row[BID_LOTS]
    values[5] = row[ASK]
    values[6] = row[ASK_LOTS]
    _write(encoder, log, streams, stream, BOOK_TICKER_TEXT, symbol)


@inline_kernel
def _wait(encoder: Any, symbol: Any, window: Any) -> None:
    """Something of the symbol goes out at the window's end."""
    row = encoder.symbols[symbol]
    if not (row[PENDING] >> window) & 1:
        row[PENDING] |= 1 << window
        tail = encoder.words[TAIL + window]
        encoder.pending[window, tail] = symbol
        encoder.words[TAIL + window] = tail + 1


@kernel
def cut(encoder: Any, log: Any, streams: Any, now_ms: Any) -> Any:
    """Send what the windows that end at or before `now_ms` hold, in the order of their ends.

    Returns False if the log is full: to be called again, with the same time, when it is empty.
    """
    words = encoder.words
    while True:
        due = now_ms + 1
        window: Any = np.int64(0)
        for number in range(WINDOWS):
            if words[CUT + number] == 0:
                words[CUT + number] = (now_ms // _WIDTHS[number] + 1) * _WIDTHS[number]
            if words[CUT + number] < due:
                due = words[CUT + number]
                window = number
        if due > now_ms:
            return True
        if not _cut_window(encoder, log, streams, window, due):
            return False
        words[HEAD + window] = 0
        words[TAIL + window] = 0
        words[CUT + window] = (now_ms // _WIDTHS[window] + 1) * _WIDTHS[window]


@kernel
def _cut_window(encoder: Any, log: Any, streams: Any, window: Any, event_ms: Any) -> Any:
    """Send what every pending symbol has for a window that ends at `event_ms`."""
    words = encoder.words
    while words[HEAD + window] < words[TAIL + window]:
        symbol = encoder.pending[window, words[HEAD + window]]
        if window == TICKERS_WINDOW:
            if not _cut_ticker(encoder, log, streams, symbol, event_ms):
                return False
        elif not _cut_depth(encoder, log, streams, symbol, window, event_ms):
            return False
        encoder.symbols[symbol, PENDING] &= ~(1 << window)
        words[HEAD + window] += 1
    return True


@kernel
def _cut_ticker(encoder: Any, log: Any, streams: Any, symbol: Any, event_ms: Any) -> Any:
    """The symbol's book ticker on the stream of all."""
    words = encoder.words
    if words[ALL_TICKERS]:
        if not has_room(log, 1, MAX_MESSAGE):
            return False
        stream = words[BASE] + encoder.symbols.shape[0] * KINDS + ALL_BOOK_TICKERS
        _write_top(encoder, log, streams, stream, symbol, event_ms)
    return True


@kernel
def _cut_depth(
    encoder: Any, log: Any, streams: Any, symbol: Any, window: Any, event_ms: Any
) -> Any:
    """The symbol's depth streams of one speed: partial first, then the diffs."""
    row = encoder.symbols[symbol]
    active = row[ACTIVE]
    if (active >> (DIFFS + window)) & 1:
        if row[FOLLOWED]:
            if not write_partials(encoder, log, streams, symbol, window, event_ms):
                return False
        else:
            clear_chain(encoder, symbol, DIFFS + window)
    for chain in range(DIFFS):
        due = _WINDOWS_OF[chain] == window and (active >> chain) & 1
        if due and not write_diff(encoder, log, streams, symbol, chain, event_ms):
            return False
    return True

"""The intake's kernels: from staged frames to published records, one call a socket read.

Called by `intake.Intake` only. `digest` walks the frames that the listener staged, scans each,
judges it, writes books and tick records and publishes the batch once at the end, then the
counters: whoever waits for `messages` (the exchange's conductor does) finds the records already in
the ring. What a kernel cannot decide is handed back with a code, one frame at a time, and `digest`
is called again for the rest, so the order of records is the order of frames.

Never raises, never allocates, never waits. All state is in the context's arrays (layout.py).
"""

from typing import Any

import numpy as np

from aegis.feed import layout
from aegis.feed.book import ABSURD_RATIO, apply_side, best_price, copy_top
from aegis.feed.candles import count_trade, take_time
from aegis.feed.conflate import push_top, release_tops
from aegis.feed.cross_check import (
    RECENT_QUOTES,
    RECENT_ROWS,
    RECENT_TOPS,
    compare_tops,
    remember,
)
from aegis.feed.doubt import (
    believed_ms,
    book_bid,
    is_late,
    is_unreasonable,
    note_lead,
    quote_bid,
)
from aegis.feed.emit import finish, push_tick
from aegis.feed.layout import (
    DEPTH,
    EVENT_MS,
    ID,
    INSTRUMENT,
    ROW_WORDS,
    SENT_MS,
    cursors,
    floats,
    octets,
    pairs,
    words,
)
from aegis.feed.mark_prices import take_mark
from aegis.feed.scan import UNUSUAL, scan_message
from aegis.feed.sync import Phase, Verdict, judge
from aegis.feed.tokens import MAX_LEVELS, MAX_PRICE
from aegis.host.jit import kernel
from aegis.shm import books as shared_books
from aegis.shm.books import book_depth, book_write
from aegis.shm.tick import BOOK, GAP, MARK, QUOTE, TRADE

__all__ = [
    "BROKEN_ABSURD",
    "BROKEN_CROSSED",
    "BROKEN_EMPTY",
    "BROKEN_RANGE",
    "BROKEN_SHALLOW",
    "DEPTH_HELD",
    "DEPTH_ON_TIME",
    "DONE",
    "FRAME_UNUSUAL",
    "TOPS_DIFFER",
    "announce_book",
    "apply_depth",
    "digest",
    "take_message",
]

# ---- what a kernel hands back
DONE = 0
FRAME_UNUSUAL = 1  # wire must decode it
DEPTH_HELD = 2  # no live book, a gap, or too old: sync decides
BROKEN_EMPTY = 3
BROKEN_CROSSED = 4
BROKEN_ABSURD = 5
TOPS_DIFFER = 6  # bookTicker and book disagree at one update id
BROKEN_RANGE = 7  # a depth event whose ids cannot be
BROKEN_SHALLOW = 8  # hardly anything is left of what the snapshot showed
DEPTH_ON_TIME = 9  # the book was withheld because its events came late, and this one does not

_LIVE, _WAITING = int(Phase.LIVE), int(Phase.WAITING)
_APPLY, _OLD, _DUPLICATE = int(Verdict.APPLY), int(Verdict.OLD), int(Verdict.DUPLICATE)
_MS = 1_000_000
# With so few levels left of so many that the snapshot had another snapshot is due.
_MIN_LEVELS, _MANY_LEVELS = 5, 10


@kernel
def _is_repeated(rows: Any, id_word: Any, ms_word: Any, number: Any, event_ms: Any) -> Any:
    """Whether a trade or quote was seen before, or is overtaken; else remember it as the newest.

    An old id with a new time is a restarted numbering, not a duplicate (see sync.py).
    """
    if number <= rows[id_word] and event_ms <= rows[ms_word]:
        return True
    rows[id_word] = number
    rows[ms_word] = event_ms
    return False


@kernel
def _miss_trades(context: Any, instrument: Any, number: Any, event_ms: Any) -> Any:
    """Tell of trades that should have come between the last one and this."""
    rows = words(context, layout.ROWS)
    totals = words(context, layout.TOTALS)
    last = rows[instrument * ROW_WORDS + layout.TRADE_ID]
    if last == 0 or number <= last + 1:
        return
    totals[layout.TRADE_GAPS] += number - last - 1
    recv_ns = words(context, layout.CONTROL)[layout.RECV_NS]
    push_tick(
        context, instrument, np.int64(GAP), np.int64(0), event_ms * _MS, recv_ns,
        np.float64(last + 1), np.float64(number), 1.0, 0.0, 0.0,
    )  # fmt: skip


@kernel
def _take_trade(context: Any) -> Any:
    integers = words(context, layout.INTEGERS)
    decimals = floats(context, layout.DECIMALS)
    rows = words(context, layout.ROWS)
    totals = words(context, layout.TOTALS)
    recv_ns = words(context, layout.CONTROL)[layout.RECV_NS]
    instrument = integers[INSTRUMENT]
    base = instrument * ROW_WORDS
    rows[base + layout.TRADE_RECV_NS] = recv_ns
    number = integers[ID]
    last = rows[base + layout.TRADE_ID]
    event_ms = believed_ms(context, integers[EVENT_MS], rows[base + layout.TRADE_MS], number > last)
    if decimals[0] > MAX_PRICE:
        totals[layout.DECODE_ERRORS] += 1
        return DONE
    _miss_trades(context, instrument, number, event_ms)
    if _is_repeated(rows, base + layout.TRADE_ID, base + layout.TRADE_MS, number, event_ms):
        totals[layout.DUPLICATES] += 1
        return DONE
    # What was settled off the book may have any price.
    if integers[layout.OFF_BOOK] == 0 and is_unreasonable(
        context, instrument, decimals[0], book_bid(context, instrument)
    ):
        totals[layout.PRICES_REFUSED] += 1
        return DONE
    totals[layout.TRADES] += 1
    push_tick(
        context, instrument, np.int64(TRADE), integers[layout.OFF_BOOK], event_ms * _MS, recv_ns,
        decimals[0], decimals[1], np.float64(integers[layout.SIDE]), np.float64(number), 0.0,
    )  # fmt: skip
    # A trade without a time of its own belongs to no candle: the next one's id shows the gap.
    if event_ms == integers[EVENT_MS]:
        count_trade(context, instrument, number, event_ms, decimals[0], decimals[1])
    return DONE


@kernel
def _take_quote(context: Any) -> Any:
    integers = words(context, layout.INTEGERS)
    decimals = floats(context, layout.DECIMALS)
    rows = words(context, layout.ROWS)
    totals = words(context, layout.TOTALS)
    recv_ns = words(context, layout.CONTROL)[layout.RECV_NS]
    instrument = integers[INSTRUMENT]
    base = instrument * ROW_WORDS
    rows[base + layout.QUOTE_RECV_NS] = recv_ns
    number = integers[ID]
    newest_ms = rows[base + layout.QUOTE_MS]
    is_newer = number > rows[base + layout.QUOTE_ID]
    event_ms = believed_ms(context, integers[EVENT_MS], newest_ms, is_newer)
    bid, bid_quantity, ask, ask_quantity = decimals[0], decimals[1], decimals[2], decimals[3]
    if not bid < ask or ask > bid * ABSURD_RATIO or ask > MAX_PRICE:
        totals[layout.DECODE_ERRORS] += 1
        return DONE
    if _is_repeated(rows, base + layout.QUOTE_ID, base + layout.QUOTE_MS, number, event_ms):
        totals[layout.DUPLICATES] += 1
        return DONE
    if is_unreasonable(context, instrument, bid, book_bid(context, instrument)):
        totals[layout.PRICES_REFUSED] += 1
        return DONE
    totals[layout.QUOTES] += 1
    push_top(
        context, instrument, np.int64(QUOTE), event_ms * _MS, recv_ns,
        bid, bid_quantity, ask, ask_quantity, np.float64(number),
    )  # fmt: skip
    first = instrument * RECENT_ROWS
    count = rows[base + layout.QUOTE_COUNT]
    quotes, tops = np.int64(RECENT_QUOTES), np.int64(RECENT_TOPS)
    remember(context, first, quotes, count, number, bid, bid_quantity, ask, ask_quantity)
    rows[base + layout.QUOTE_COUNT] = count + 1
    if rows[base + layout.PHASE] != _LIVE:
        return DONE
    differ = compare_tops(
        context, first + quotes, tops, rows[base + layout.TOP_COUNT], number,
        bid, bid_quantity, ask, ask_quantity,
    )  # fmt: skip
    return TOPS_DIFFER if differ else DONE


@kernel
def _draw_edge(rows: Any, word: Any, key: Any) -> Any:
    """Behind this key levels may be missing; an edge only ever moves towards the top."""
    if rows[word] == 0 or key > rows[word]:
        rows[word] = key


@kernel
def _update_sides(context: Any, instrument: Any) -> Any:
    """Apply the levels at hand to both sides of the full book."""
    integers = words(context, layout.INTEGERS)
    rows = words(context, layout.ROWS)
    keys = words(context, layout.BOOK_KEYS)
    quantities = floats(context, layout.BOOK_QUANTITIES)
    level_keys = words(context, layout.LEVEL_KEYS)
    level_quantities = floats(context, layout.LEVEL_QUANTITIES)
    base = instrument * ROW_WORDS
    capacity = words(context, layout.CONTROL)[layout.SIDE_CAPACITY]
    bids_at = 2 * instrument * capacity
    bids_before, asks_before = rows[base + layout.BIDS], rows[base + layout.ASKS]
    bids = apply_side(
        keys, quantities, bids_at, bids_before, capacity, np.int64(1),
        level_keys, level_quantities, np.int64(0), integers[layout.BID_COUNT],
    )  # fmt: skip
    asks_from = np.int64(MAX_LEVELS)
    asks = apply_side(
        keys, quantities, bids_at + capacity, asks_before, capacity,
        np.int64(-1), level_keys, level_quantities, asks_from, integers[layout.ASK_COUNT],
    )  # fmt: skip
    rows[base + layout.BIDS] = bids
    rows[base + layout.ASKS] = asks
    # A side that may have been full has given up its farthest levels.
    if bids > 0 and bids_before + integers[layout.BID_COUNT] > capacity:
        _draw_edge(rows, base + layout.BID_EDGE, keys[bids_at])
    if asks > 0 and asks_before + integers[layout.ASK_COUNT] > capacity:
        _draw_edge(rows, base + layout.ASK_EDGE, keys[bids_at + capacity])


@kernel
def _copy_tops(context: Any, instrument: Any) -> Any:
    """Copy the best levels of both sides for the shared book; (bids, asks) copied."""
    rows = words(context, layout.ROWS)
    keys = words(context, layout.BOOK_KEYS)
    quantities = floats(context, layout.BOOK_QUANTITIES)
    base = instrument * ROW_WORDS
    capacity = words(context, layout.CONTROL)[layout.SIDE_CAPACITY]
    bids_at = 2 * instrument * capacity
    limit = book_depth(cursors(context, layout.BOOK_WORDS))
    bids = copy_top(
        keys, quantities, bids_at, rows[base + layout.BIDS], np.int64(1),
        rows[base + layout.BID_EDGE], pairs(context, layout.TOP_BIDS), limit,
    )  # fmt: skip
    asks = copy_top(
        keys, quantities, bids_at + capacity, rows[base + layout.ASKS], np.int64(-1),
        rows[base + layout.ASK_EDGE], pairs(context, layout.TOP_ASKS), limit,
    )  # fmt: skip
    return bids, asks


@kernel
def _find_fault(context: Any, instrument: Any) -> Any:
    """DONE when the book can be a market, else the code of what is wrong with it."""
    rows = words(context, layout.ROWS)
    keys = words(context, layout.BOOK_KEYS)
    base = instrument * ROW_WORDS
    capacity = words(context, layout.CONTROL)[layout.SIDE_CAPACITY]
    bids_at = 2 * instrument * capacity
    if rows[base + layout.BIDS] == 0 or rows[base + layout.ASKS] == 0:
        return BROKEN_EMPTY
    bid = best_price(keys, bids_at, rows[base + layout.BIDS], np.int64(1))
    ask = best_price(keys, bids_at + capacity, rows[base + layout.ASKS], np.int64(-1))
    if not bid < ask:
        return BROKEN_CROSSED
    if ask > bid * ABSURD_RATIO:
        return BROKEN_ABSURD
    if is_unreasonable(context, instrument, bid, quote_bid(context, instrument)):
        return BROKEN_ABSURD
    return DONE


@kernel
def _is_shallow(context: Any, instrument: Any, bid_rows: Any, ask_rows: Any) -> Any:
    """Whether a side shows so few levels that a snapshot has to confirm it.

    The others may be unknown, or an event has emptied a side that was deep: if it is true that
    nothing is left there, the next snapshot will say the same.
    """
    rows = words(context, layout.ROWS)
    base = instrument * ROW_WORDS
    return (bid_rows < _MIN_LEVELS and rows[base + layout.BID_LOADED] >= _MANY_LEVELS) or (
        ask_rows < _MIN_LEVELS and rows[base + layout.ASK_LOADED] >= _MANY_LEVELS
    )


@kernel
def _announce(context: Any, instrument: Any, bid_rows: Any, ask_rows: Any) -> Any:
    """Publish the levels that `_copy_tops` left in TOP_BIDS and TOP_ASKS."""
    rows = words(context, layout.ROWS)
    bids = pairs(context, layout.TOP_BIDS)
    asks = pairs(context, layout.TOP_ASKS)
    base = instrument * ROW_WORDS
    update_id = rows[base + layout.LAST_ID]
    event_ns = rows[base + layout.LAST_MS] * _MS
    recv_ns = words(context, layout.CONTROL)[layout.RECV_NS]
    book_write(
        cursors(context, layout.BOOK_WORDS), floats(context, layout.BOOK_LEVELS),
        instrument, update_id, event_ns, recv_ns, shared_books.VALID,
        bids, asks, bid_rows, ask_rows,
    )  # fmt: skip
    push_top(
        context, instrument, np.int64(BOOK), event_ns, recv_ns,
        bids[0, 0], bids[0, 1], asks[0, 0], asks[0, 1], np.float64(update_id),
    )  # fmt: skip


@kernel
def apply_depth(context: Any, announce: Any) -> Any:
    """Apply the depth event at hand, which `judge` has passed.

    With `announce` 1 the shared book is written and a BOOK record staged; with 0 (the replay of
    buffered events) only the full book changes. Returns DONE, BROKEN_*, TOPS_DIFFER or
    DEPTH_ON_TIME; in the latter cases nothing is announced. The caller must invalidate the book, or
    put it in force.
    """
    integers = words(context, layout.INTEGERS)
    rows = words(context, layout.ROWS)
    instrument = integers[INSTRUMENT]
    base = instrument * ROW_WORDS
    update_id = integers[ID]
    _update_sides(context, instrument)
    rows[base + layout.LAST_ID] = update_id
    rows[base + layout.LAST_MS] = believed_ms(
        context, integers[EVENT_MS], rows[base + layout.LAST_MS], True
    )
    rows[base + layout.PHASE] = _LIVE
    fault = _find_fault(context, instrument)
    if fault != DONE:
        return fault
    bid_rows, ask_rows = _copy_tops(context, instrument)
    if _is_shallow(context, instrument, bid_rows, ask_rows):
        return BROKEN_SHALLOW
    bids = pairs(context, layout.TOP_BIDS)
    asks = pairs(context, layout.TOP_ASKS)
    first = instrument * RECENT_ROWS
    quotes, tops = np.int64(RECENT_QUOTES), np.int64(RECENT_TOPS)
    count = rows[base + layout.TOP_COUNT]
    remember(
        context, first + quotes, tops, count, update_id,
        bids[0, 0], bids[0, 1], asks[0, 0], asks[0, 1],
    )  # fmt: skip
    rows[base + layout.TOP_COUNT] = count + 1
    if compare_tops(
        context, first, quotes, rows[base + layout.QUOTE_COUNT], update_id,
        bids[0, 0], bids[0, 1], asks[0, 0], asks[0, 1],
    ):  # fmt: skip
        return TOPS_DIFFER
    if not announce:
        return DONE
    if rows[base + layout.WITHHELD] == 0:
        _announce(context, instrument, bid_rows, ask_rows)
        return DONE
    recv_ns = words(context, layout.CONTROL)[layout.RECV_NS]
    return DONE if is_late(context, integers[EVENT_MS], recv_ns) else DEPTH_ON_TIME


@kernel
def announce_book(context: Any, instrument: Any) -> Any:
    """Write the shared book of an instrument, valid, and stage its BOOK record."""
    bid_rows, ask_rows = _copy_tops(context, instrument)
    _announce(context, instrument, bid_rows, ask_rows)


@kernel
def _take_depth(context: Any) -> Any:
    integers = words(context, layout.INTEGERS)
    rows = words(context, layout.ROWS)
    totals = words(context, layout.TOTALS)
    base = integers[INSTRUMENT] * ROW_WORDS
    rows[base + layout.DEPTH_RECV_NS] = words(context, layout.CONTROL)[layout.RECV_NS]
    totals[layout.DEPTH_EVENTS] += 1
    first, last = integers[layout.FIRST_ID], integers[ID]
    previous = integers[layout.PREVIOUS_ID]
    if first > last or previous >= last:
        totals[layout.DECODE_ERRORS] += 1
        return BROKEN_RANGE
    if rows[base + layout.PHASE] != _LIVE:
        is_idle = rows[base + layout.PHASE] == _WAITING and rows[base + layout.DEFERRED] == 1
        return DONE if is_idle else DEPTH_HELD
    verdict = judge(rows, base, first, last, previous, integers[EVENT_MS])
    if verdict == _APPLY:
        return apply_depth(context, np.int64(1))
    if verdict == _DUPLICATE:
        totals[layout.DUPLICATES] += 1
        return DONE
    return DEPTH_HELD


@kernel
def take_message(context: Any, kind: Any) -> Any:
    """Process the message at hand, scanned or decoded; returns DONE or why it needs more."""
    if kind == MARK:
        take_mark(context)
        return DONE
    control = words(context, layout.CONTROL)
    integers = words(context, layout.INTEGERS)
    recv_ns = control[layout.RECV_NS]
    words(context, layout.TOTALS)[layout.LAST_MESSAGE_NS] = recv_ns
    note_lead(context, integers[SENT_MS])
    # By the exchange's time between any two messages, however they were batched.
    if control[layout.CONFLATE_BY_EVENT] == 1:
        release_tops(context, integers[EVENT_MS] * _MS)
    take_time(context, integers[EVENT_MS])
    if kind == QUOTE:
        return _take_quote(context)
    if kind == TRADE:
        return _take_trade(context)
    return _take_depth(context)


@kernel
def _close_staging(staging: Any, sizes: Any, frames: Any) -> Any:
    """Put the zero byte that the scanner stops at behind the last frame."""
    last = 0
    for frame in range(frames):
        last += sizes[frame]
    staging[last] = 0


@kernel
def digest(context: Any) -> Any:
    """Process the staged frames from control[FRAME] on.

    Returns DONE when all are processed and published, else a code for the frame that lies in
    staging[control[START]:control[END]]; it is counted and passed, call again for the rest.
    """
    control = words(context, layout.CONTROL)
    sizes = words(context, layout.SIZES)
    staging = octets(context, layout.STAGING)
    totals = words(context, layout.TOTALS)
    frame = control[layout.FRAME]
    frames = control[layout.FRAMES]
    start = control[layout.END]
    if frame == 0:
        _close_staging(staging, sizes, frames)
    while frame < frames:
        end = start + sizes[frame]
        frame += 1
        control[layout.START] = start
        control[layout.END] = end
        control[layout.FRAME] = frame
        kind = scan_message(staging, start, end, context)
        if kind == UNUSUAL:
            return FRAME_UNUSUAL
        totals[layout.MESSAGES] += 1
        totals[layout.BYTES] += end - start
        code = take_message(context, kind)
        if code != DONE:
            return code
        start = end
    if control[layout.CONFLATE_BY_EVENT] == 0:
        release_tops(context, control[layout.RECV_NS])
    finish(context, frames)
    return DONE


assert DEPTH == BOOK, "the scanner names depth events by the record they become"

"""The intake's private memory: which array holds what, and the block of addresses kernels use.

A call of a kernel from Python costs about 45 ns for each array it is given, and the intake's
kernels need two dozen. They get one instead, `context`: the addresses and lengths of all the
others, which `words`, `floats`, `octets`, `cursors` and `ticks` turn back into arrays inside the
kernel. Whoever makes the block keeps the arrays alive; they must never be resized or replaced.

The words of one instrument (ROW_WORDS of them a row) are the whole state of its streams; the same
row is written by the kernels and by `sync.BookSync`, in one thread.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.np import arrayobj

from aegis.host.jit import intrinsic
from aegis.shm.tick import BOOK, TICK

DEPTH = BOOK

# ---- fields of the message at hand (INTEGERS)
EVENT_MS, SENT_MS, ID, FIRST_ID, PREVIOUS_ID, SIDE, OFF_BOOK = range(7)
INSTRUMENT, BID_COUNT, ASK_COUNT = 7, 8, 9
# A mark price has one time of its own, E, and tells when funding is due next.
FUNDING_MS = SENT_MS
MESSAGE_WORDS = 16

# ---- one instrument (ROWS)
PHASE, LAST_ID, LAST_MS, BIDS, ASKS = range(5)
QUOTE_ID, QUOTE_MS, QUOTE_COUNT, TOP_COUNT, TRADE_ID, TRADE_MS = range(5, 11)
DEPTH_RECV_NS, QUOTE_RECV_NS, TRADE_RECV_NS, MARK_RECV_NS = range(11, 15)
# The last key (see book.py) of each side behind which levels may be unknown; 0: all are known.
BID_EDGE, ASK_EDGE = 15, 16
# Levels that the snapshot had on each side.
BID_LOADED, ASK_LOADED = 17, 18
DEFERRED = 19  # 1: its snapshot is far from being asked for; its events need not be kept
WITHHELD = 20  # 1: the book is whole, but its events come late: not in force until they do not
ROW_WORDS = 24

# ---- an open candle (BARS, one for each instrument and interval)
BAR = np.dtype(
    [
        ("open_ms", "<i8"),  # 0: none is open yet
        ("close_ms", "<i8"),  # when the next one opens
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<i8"),  # in units of the lane's last decimal
        ("trades", "<i8"),
        ("is_close_known", "<i8"),  # 1: the close before it is right, so a bar without trades is
        ("told_ms", "<i8"),  # the event time of the last update
        ("repair_from_ms", "<i8"),  # closed candles that wait for a correction: opening times of
        ("repair_to_ms", "<i8"),  # the first and the last; 0: none
        ("pad", "<i8", (4,)),
    ]
)
assert BAR.itemsize == 128, "two cache lines"

# ---- what is known of an instrument's trades (CANDLE_LANES)
CANDLE_LANE = np.dtype(
    [
        ("last_id", "<i8"),  # of the newest trade, -1 before the first
        ("last_ms", "<i8"),
        ("trusted_ms", "<i8"),  # no trade is missing from candles that open then or later
        ("chain_ms", "<i8"),  # the same, proved by ids that follow on one another
        ("decimals", "<i8"),  # of quantities, the most seen
        ("pad", "<i8", (3,)),
    ]
)
assert CANDLE_LANE.itemsize == 64, "one cache line"

# ---- what an instrument's mark prices said (MARK_STATES)
MARK_STATE = np.dtype(
    [
        ("newest", "<f8"),  # the last mark price, believed or not
        ("rate", "<f8"),  # and of the last one that was believed: the funding rate,
        ("funding_ms", "<i8"),  # when it is paid (0: none was believed yet),
        ("event_ms", "<i8"),  # and when that was said
    ]
)

# ---- what the streams have brought so far (TOTALS); the names are counters of the feed
TOTAL_NAMES = (
    "messages",
    "bytes",
    "trades",
    "quotes",
    "depth_events",
    "ticks_published",
    "decode_errors",
    "duplicates",
    "gaps",
    "resyncs",
    "top_checks",
    "top_mismatches",
    "last_message_ns",
    "conflated",
    "trade_gaps",
    "prices_refused",
    "times_refused",
    "candles",
    "candles_incomplete",
    "candles_corrected",
    "candle_gaps",
)
(
    MESSAGES,
    BYTES,
    TRADES,
    QUOTES,
    DEPTH_EVENTS,
    TICKS_PUBLISHED,
    DECODE_ERRORS,
    DUPLICATES,
    GAPS,
    RESYNCS,
    TOP_CHECKS,
    TOP_MISMATCHES,
    LAST_MESSAGE_NS,
    CONFLATED,
    TRADE_GAPS,
    PRICES_REFUSED,
    TIMES_REFUSED,
    CANDLES,
    CANDLES_INCOMPLETE,
    CANDLES_CORRECTED,
    CANDLE_GAPS,
) = range(len(TOTAL_NAMES))

# ---- the batch at hand (CONTROL)
# The first words are packed in one go for each batch, and with a lone message, the common case, its
# size too: SIZES is a view of the middle. More frames in a batch would let the first wait longer
# for the last, fewer would pay more often for a kernel call (a third of a microsecond).
MAX_FRAMES = 16
FRAMES, FRAME, START, END, RECV_NS, FIRST_SIZE = range(6)
_REST = FIRST_SIZE + MAX_FRAMES
STAGED_TICKS, CLOCK_AHEAD_NS, SIDE_CAPACITY = range(_REST, _REST + 3)
# The window of conflation (0: none), whether the exchange's time counts, the rows that wait, and
# when the first of them is due.
CONFLATE_NS, CONFLATE_BY_EVENT, LISTED_COUNT, CONFLATE_NEXT_NS = range(_REST + 3, _REST + 7)
# What the exchange's clock leads ours by, and the largest lead of messages that it speaks against.
CLOCK_LEAD_NS, CLOCK_DOUBT_NS = range(_REST + 7, _REST + 9)
# Candles: intervals, history, pause between updates, the exchange's time and a time that jumped,
# when the next candle is due to close, and how many lanes wait for a time to be trusted from.
CANDLE_INTERVALS, CANDLE_HISTORY, CANDLE_UPDATE_MS = range(_REST + 9, _REST + 12)
EXCHANGE_MS, EXCHANGE_DOUBT_MS, CANDLES_DUE_MS, CANDLES_PENDING = range(_REST + 12, _REST + 16)
CONTROL_WORDS = 64
NO_CLOCK = -(2**62)

# ---- where the addresses stand in the context
SLOTS = (
    "staging",
    "sizes",
    "control",
    "integers",
    "decimals",
    "level_keys",
    "level_quantities",
    "symbol_table",
    "symbol_lengths",
    "symbol_names",
    "rows",
    "totals",
    "book_keys",
    "book_quantities",
    "recent_ids",
    "recent_tops",
    "batch",
    "ring_header",
    "ring_records",
    "book_words",
    "book_levels",
    "counter_words",
    "counter_places",
    "histogram",
    "top_bids",
    "top_asks",
    "conflation",
    "waiting_tops",
    "listed",
    "marks",
    "mark_states",
    "mark_words",
    "mark_prices",
    "bars",
    "candle_lanes",
    "candle_widths",
    "candle_codes",
    "candle_words",
    "candle_values",
)
(
    STAGING,
    SIZES,
    CONTROL,
    INTEGERS,
    DECIMALS,
    LEVEL_KEYS,
    LEVEL_QUANTITIES,
    SYMBOL_TABLE,
    SYMBOL_LENGTHS,
    SYMBOL_NAMES,
    ROWS,
    TOTALS,
    BOOK_KEYS,
    BOOK_QUANTITIES,
    RECENT_IDS,
    RECENT_TOPS,
    BATCH,
    RING_HEADER,
    RING_RECORDS,
    BOOK_WORDS,
    BOOK_LEVELS,
    COUNTER_WORDS,
    COUNTER_PLACES,
    HISTOGRAM,
    TOP_BIDS,
    TOP_ASKS,
    CONFLATION,
    WAITING_TOPS,
    LISTED,
    MARKS,
    MARK_STATES,
    MARK_WORDS,
    MARK_PRICES,
    BARS,
    CANDLE_LANES,
    CANDLE_WIDTHS,
    CANDLE_CODES,
    CANDLE_WORDS,
    CANDLE_VALUES,
) = range(len(SLOTS))
_COUNT = len(SLOTS)
_WORD = ir.IntType(64)
# Numba publishes no types for it.
_populate_array: Any = arrayobj.populate_array


def _view(dtype: Any, columns: int = 0) -> Any:
    """An intrinsic `view(context, slot)`: the array of `dtype` whose address is in `slot`.

    An intrinsic and not a kernel around `numba.carray`: a kernel may not return an array that it
    did not receive.
    """
    item = numba.from_dtype(np.dtype(dtype))
    array_type = types.Array(item, 2 if columns else 1, "C")
    item_bytes = np.dtype(dtype).itemsize

    def typed(typingctx: Any, block: Any, slot: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            base = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            place = builder.gep(base, [arguments[1]])
            address = builder.load(place)
            count = builder.load(builder.gep(place, [ir.Constant(_WORD, _COUNT)]))
            shape, strides = [count], [ir.Constant(_WORD, item_bytes)]
            if columns:
                wide = ir.Constant(_WORD, columns)
                shape = [builder.udiv(count, wide), wide]
                strides = [ir.Constant(_WORD, item_bytes * columns), *strides]
            array = context.make_array(array_type)(context, builder)
            _populate_array(
                array,
                data=builder.inttoptr(address, array.data.type),
                shape=shape,
                strides=strides,
                itemsize=item_bytes,
                meminfo=None,
            )
            return array._getvalue()

        return array_type(block, types.int64), codegen

    return intrinsic(typed)


# Arrays of the context inside a kernel: i64, u64 (shared memory's words), f64, u8, TICK, BAR,
# CANDLE_LANE and MARK_STATE, and f64[n, 2] for price levels.
words = _view(np.int64)
cursors = _view(np.uint64)
floats = _view(np.float64)
octets = _view(np.uint8)
ticks = _view(TICK)
bars = _view(BAR)
candle_lanes = _view(CANDLE_LANE)
mark_states = _view(MARK_STATE)
pairs = _view(np.float64, 2)

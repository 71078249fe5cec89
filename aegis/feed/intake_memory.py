"""Making the intake's arrays: private ones, and views of the instance's shared memory.

Called once a start by `intake.Intake`. What each array holds is in layout.py; here is only how
large it is and where it comes from. The arrays live as long as the process and are never resized.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.feed import layout
from aegis.feed.candles import NEVER_MS
from aegis.feed.conflate import CONFLATION_WORDS
from aegis.feed.cross_check import RECENT_ROWS
from aegis.feed.layout import BAR, CANDLE_LANE, MARK_STATE, ROW_WORDS, SLOTS, TOTAL_NAMES
from aegis.feed.symbols import SymbolTable
from aegis.feed.tokens import MAX_LEVELS
from aegis.shm.books import Books
from aegis.shm.broadcast import BroadcastRing
from aegis.shm.candles import Candles
from aegis.shm.counters import Counters
from aegis.shm.marks import Marks
from aegis.shm.tick import TICK, candle_code

__all__ = ["MAX_FRAME_BYTES", "IntakeMemory", "make_memory"]

MAX_FRAME_BYTES = 1 << 20
# The scanner reads words, so it may touch a few bytes behind the last frame.
_SLACK_BYTES = 64
_BATCH_TICKS = 512


class IntakeMemory:
    """Arrays by slot name, and `context`, the block of their addresses and lengths."""

    def __init__(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        missing = set(SLOTS) ^ set(arrays)
        assert not missing, f"the intake's arrays and slots differ in {sorted(missing)}"
        self.arrays = arrays
        self.context = np.zeros(2 * len(SLOTS), np.int64)
        for slot, name in enumerate(SLOTS):
            array = arrays[name]
            assert array.flags.c_contiguous, f"{name} must be contiguous"
            self.context[slot] = array.ctypes.data
            self.context[len(SLOTS) + slot] = array.size

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.arrays[name]


def make_memory(
    symbols: SymbolTable,
    ring: BroadcastRing,
    books: Books,
    counters: Counters,
    capacity: int,
    candles: Candles | None = None,
    update_ms: int = 0,
    marks: Marks | None = None,
) -> IntakeMemory:
    """The arrays of an intake with `capacity` levels a side of each full book.

    It builds the candles that `candles` has room for, and tells of open ones every `update_ms`.
    `marks` is where others read the believed mark prices.
    """
    count = symbols.capacity
    control = np.zeros(layout.CONTROL_WORDS, np.int64)
    control[layout.SIDE_CAPACITY] = capacity
    control[layout.CLOCK_AHEAD_NS] = layout.NO_CLOCK
    control[layout.CLOCK_LEAD_NS] = layout.NO_CLOCK
    control[layout.CLOCK_DOUBT_NS] = layout.NO_CLOCK
    top = books.depth * 2
    arrays: dict[str, npt.NDArray[Any]] = {
        "staging": np.zeros(MAX_FRAME_BYTES + _SLACK_BYTES, np.uint8),
        "sizes": control[layout.FIRST_SIZE : layout.FIRST_SIZE + layout.MAX_FRAMES],
        "control": control,
        "integers": np.zeros(layout.MESSAGE_WORDS, np.int64),
        "decimals": np.zeros(4),
        "level_keys": np.zeros(2 * MAX_LEVELS, np.int64),
        "level_quantities": np.zeros(2 * MAX_LEVELS),
        "symbol_table": symbols.table,
        "symbol_lengths": symbols.lengths,
        "symbol_names": symbols.names,
        "rows": np.zeros(count * ROW_WORDS, np.int64),
        # Counts go on after a restart of the process; readers compare them with the exchange's.
        "totals": np.array([counters[name] for name in TOTAL_NAMES], np.int64),
        "book_keys": np.zeros(2 * count * capacity, np.int64),
        "book_quantities": np.zeros(2 * count * capacity),
        "recent_ids": np.zeros(count * RECENT_ROWS, np.int64),
        "recent_tops": np.zeros(4 * count * RECENT_ROWS),
        "batch": np.zeros(_BATCH_TICKS, TICK),
        "ring_header": ring.header,
        "ring_records": ring.records,
        "book_words": books.words,
        "book_levels": books.levels,
        "counter_words": counters.words,
        "counter_places": np.array([counters.word(name) for name in TOTAL_NAMES], np.int64),
        "histogram": counters.histograms["socket_to_ring_ns"].counts,
        "top_bids": np.zeros(top),
        "top_asks": np.zeros(top),
        "conflation": np.zeros(2 * count * CONFLATION_WORDS, np.int64),
        "waiting_tops": np.zeros(2 * count, TICK),
        "listed": np.zeros(2 * count, np.int64),
        "marks": np.zeros(count),
        "mark_states": np.zeros(count, MARK_STATE),
        "mark_words": marks.words if marks is not None else np.zeros(0, np.uint64),
        "mark_prices": marks.prices if marks is not None else np.zeros(0),
        **_candle_arrays(control, count, candles, update_ms),
    }
    return IntakeMemory(arrays)


def _candle_arrays(
    control: npt.NDArray[np.int64], count: int, candles: Candles | None, update_ms: int
) -> dict[str, npt.NDArray[Any]]:
    """The state of candle building; without a region there are no intervals and nothing is due."""
    lengths_s = candles.intervals_s if candles is not None else ()
    assert candles is None or not lengths_s or candles.instruments >= count, "a ring for each row"
    control[layout.CANDLE_INTERVALS] = len(lengths_s)
    control[layout.CANDLE_HISTORY] = candles.history if candles is not None else 0
    control[layout.CANDLE_UPDATE_MS] = update_ms
    control[layout.CANDLES_DUE_MS] = NEVER_MS
    lanes = np.zeros(count, CANDLE_LANE)
    lanes["last_id"] = -1
    lanes["trusted_ms"] = lanes["chain_ms"] = NEVER_MS
    nothing = np.zeros(1)
    return {
        "bars": np.zeros(count * max(len(lengths_s), 1), BAR),
        "candle_lanes": lanes,
        "candle_widths": np.array([1000 * length_s for length_s in lengths_s] or [0], np.int64),
        "candle_codes": np.array([candle_code(one) for one in lengths_s] or [0], np.int64),
        "candle_words": candles.words if candles is not None else nothing.view(np.int64),
        "candle_values": candles.values if candles is not None else nothing,
    }

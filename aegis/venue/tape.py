"""The venue's tape: everything public that happens in its markets, in order, as 64-byte records.

The books write it (compiled ones in machine code, a mirror from its recording); after every step
``pump`` hands it to those who read it: the history (candles, tickers, recent trades), the publisher
(market streams) and the digest; then it is cleared. It is a buffer of one process, not a ring: no
record waits for a slow subscriber.

====  =======================================================================================
kind  fields a to f
====  =======================================================================================
TRADE trade id, price in ticks, lots, side of the taker (+1 bought, -1 sold), maker's owner,
      taker's owner
LEVEL update id, side (+1 bid, -1 ask), price in ticks, lots that stand there now (0: gone)
STEP  first update id of the step (0: no level changed), last update id, best bid ticks, its
      lots, best ask ticks, its lots (0 where a side is empty); closes one step of one symbol
====  =======================================================================================
"""

from __future__ import annotations

from typing import Final

import numpy as np

TRADE: Final = 1
LEVEL: Final = 2
STEP: Final = 3

RECORD: Final = np.dtype(
    [
        ("kind", "<u2"),
        ("flags", "<u2"),
        ("symbol", "<u4"),  # row of the symbol in the venue's list
        ("time_ms", "<i8"),
        ("a", "<i8"),
        ("b", "<i8"),
        ("c", "<i8"),
        ("d", "<i8"),
        ("e", "<i8"),
        ("f", "<i8"),
    ]
)
RECORD_BYTES: Final = 64
assert RECORD.itemsize == RECORD_BYTES, "a record is one cache line"

TAPE_RECORDS: Final = 65_536
# A kernel that writes stops before its step when fewer than these are free: no single step (one
# order through a whole book, one refresh of a side) writes more.
HEADROOM: Final = 16_384


class Tape:
    """The records since the last `clear`; `records[: count]` are good."""

    __slots__ = ("cursor", "records")

    def __init__(self, capacity: int = TAPE_RECORDS) -> None:
        assert capacity > HEADROOM, f"a tape of {capacity} records has no room for one step"
        self.records = np.zeros(capacity, RECORD)
        self.cursor = np.zeros(1, np.int64)  # how many are written; kernels move it

    def __len__(self) -> int:
        return int(self.cursor[0])

    def clear(self) -> None:
        """Everybody has read it."""
        self.cursor[0] = 0

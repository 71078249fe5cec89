"""The tick record: one market event in one cache line, feed to brain.

::

    byte 0            4      6       8               16             24
         +------------+------+-------+---------------+--------------+---------------------+
         | instrument | kind | flags | ts_event_ns   | ts_recv_ns   | a  b  c  d  e  f64x5|
         +------------+------+-------+---------------+--------------+---------------------+

=========== ==================================================================================
kind        a, b, c, d, e
=========== ==================================================================================
TRADE       price, quantity, taker side (+1 bought, -1 sold), trade id, 0
QUOTE       bid, bid quantity, ask, ask quantity, update id
CANDLE      open, high, low, close, volume (ts_event_ns is the candle's open time; flags: below)
BOOK        best bid, its quantity, best ask, its quantity, update id: the shared book changed
MARK        mark price, index price, funding rate, next funding time (ms), 0
FUNDING     rate that was paid, when (ms), mark price, next funding time (ms), rate from now on
LIQUIDATION price, quantity, side of the order (+1 bought, -1 sold), average price, filled
STATUS      1 feed up, 2 book valid, 3 book invalid (b: reason), 4 trading status changed (b: code)
GAP         expected id, found id (0: cannot be read), 1 for trade ids and 0 for the book's, 0, 0
CLOCK       exchange's clock minus ours (ns), 0, 0, 0, 0 (ts_event_ns is the exchange's time)
CANARY      number, 0, 0, 0, 0
RESYNC      update id of the book now in force, that of its last one (0: none), why it was out of
            force, for how long (s), 0: what changed in between is in no record
=========== ==================================================================================

The flags of a CANDLE: bit 0 CLOSED (without it the candle is still open and this is how far it has
got), bit 1 INCOMPLETE (trades of it may be missing), bit 2 CORRECTED (it was told before, and this
is what the exchange says of it), bit 3 HISTORY (a brain that was not there when it closed has read
it from the candles region: to be learned from, not to be acted upon; never in the ring). The upper
byte names its interval: one more than the place of its length among the 96 whole numbers of seconds
that divide a day (``config.intervals``). Candles of imported files have no flags: their interval is
the file's.

`ts_event_ns` is the exchange's clock, `ts_recv_ns` CLOCK_MONOTONIC when the bytes were read.
"""

import struct
from typing import Any

import numpy as np

from aegis.config.intervals import INTERVALS_S, code_of
from aegis.shm.broadcast import BroadcastRing, publish_and_wake

__all__ = [
    "BOOK",
    "CANARY",
    "CANDLE",
    "CLOCK",
    "CLOSED",
    "CORRECTED",
    "FUNDING",
    "GAP",
    "HISTORY",
    "INCOMPLETE",
    "LIQUIDATION",
    "MARK",
    "QUOTE",
    "RESYNC",
    "STATUS",
    "TICK",
    "TRADE",
    "TickStage",
    "candle_code",
    "candle_interval_s",
]

TRADE, QUOTE, CANDLE, BOOK, MARK, FUNDING = 1, 2, 3, 4, 5, 6
LIQUIDATION, STATUS, GAP, CLOCK, CANARY, RESYNC = 7, 8, 9, 10, 11, 12

# Flags of a CANDLE.
CLOSED, INCOMPLETE, CORRECTED, HISTORY = 1, 2, 4, 8
INTERVAL_SHIFT = 8

TICK = np.dtype(
    [
        ("instrument", "<u4"),
        ("kind", "<u2"),
        ("flags", "<u2"),
        ("ts_event_ns", "<i8"),
        ("ts_recv_ns", "<i8"),
        ("a", "<f8"),
        ("b", "<f8"),
        ("c", "<f8"),
        ("d", "<f8"),
        ("e", "<f8"),
    ]
)
RECORD_BYTES = 64
assert TICK.itemsize == RECORD_BYTES, "a tick is one cache line; a larger one halves throughput"

_PACK = struct.Struct("<IHHqqddddd").pack_into


def candle_code(interval_s: int) -> int:
    """What the flags of a CANDLE say of its interval: the code in its place. 1 s has code 1."""
    return (code_of(interval_s) + 1) << INTERVAL_SHIFT


def candle_interval_s(flags: int) -> int:
    """The interval of a CANDLE in seconds, by its flags; 0 when they do not say."""
    code = flags >> INTERVAL_SHIFT
    return INTERVALS_S[code - 1] if 0 < code <= len(INTERVALS_S) else 0


class TickStage:
    """The feed's staging area: records are packed here and published together.

    `add` costs one struct.pack_into; `flush` one kernel call for the batch and a wake-up check.
    A full stage flushes itself, so nothing is dropped. Raises ValueError for a stage that the
    ring could not take at once.
    """

    def __init__(self, ring: BroadcastRing, size: int = 512) -> None:
        if not 0 < size <= ring.capacity:
            raise ValueError(f"a stage of {size} records; the ring has {ring.capacity} slots")
        self.ring = ring
        self.batch: Any = np.zeros(size, TICK)
        self._bytes = self.batch.view(np.uint8).data
        self._size = size
        self.count = 0

    def add(
        self,
        instrument: int,
        kind: int,
        flags: int,
        ts_event_ns: int,
        ts_recv_ns: int,
        a: float = 0.0,
        b: float = 0.0,
        c: float = 0.0,
        d: float = 0.0,
        e: float = 0.0,
    ) -> None:
        """Stage one record (fields as in the table above)."""
        place = self.count * RECORD_BYTES
        _PACK(self._bytes, place, instrument, kind, flags, ts_event_ns, ts_recv_ns, a, b, c, d, e)
        self.count += 1
        if self.count == self._size:
            self.flush()

    def flush(self) -> int:
        """Publish what is staged and wake parked readers; returns how many records that was."""
        count = self.count
        if count:
            publish_and_wake(self.ring.header, self.ring.records, self.batch, count)
            self.count = 0
        return count

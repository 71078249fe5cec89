"""The marks region: each instrument's mark and index price, a second opinion on its book.

The exchange computes the mark from an index of other markets, so a bad print in one book does not
move it. The feed is the only writer (about once a second an instrument); execution's gate reads it
(DATA_REASONABILITY, PRICE_COLLAR) and so may the monitor. A row is one cache line, read under a
seqlock as the books are::

    byte 0        8             16           24      32       40              48
         +--------+-------------+------------+-------+--------+---------------+----------+
         | seq u64| ts_event_ns | ts_recv_ns | mark  | index  | funding rate  | 16 spare |
         +--------+-------------+------------+-------+--------+---------------+----------+

Rows start at byte 4096 of the region, in instrument order; prices and rate are f64. `ts_recv_ns` is
CLOCK_MONOTONIC, 0 while there was no mark yet.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.shm.atomics import fence_acquire, load_acquire, load_relaxed, pause, store_release
from aegis.shm.books import open_book
from aegis.shm.region import HEADER_BYTES, Region, Words

__all__ = ["MARK_BYTES", "MarkView", "Marks", "mark_read", "mark_write"]

KIND = 8
MARK_WORDS = 8
MARK_BYTES = MARK_WORDS * 8
assert MARK_BYTES == 64, "a mark is one cache line"

SEQUENCE, TS_EVENT, TS_RECV, MARK, INDEX, RATE = range(6)
_ONE = np.uint64(1)
_STRIDE = np.uint64(MARK_WORDS)
_TRIES = 1000


@kernel
def mark_read(words: Any, prices: Any, instrument: Any, out: Any) -> Any:
    """Copy mark and index into `out` f64[2]; returns ts_recv_ns, 0 when there is no whole mark."""
    base = np.uint64(instrument) * _STRIDE
    for _ in range(_TRIES):
        before = load_acquire(words, base)
        if before & _ONE:
            pause()
            continue
        recv_ns = words[base + np.uint64(TS_RECV)]
        out[0] = prices[base + np.uint64(MARK)]
        out[1] = prices[base + np.uint64(INDEX)]
        fence_acquire()
        if load_relaxed(words, base) == before:
            return np.int64(recv_ns)
    return np.int64(0)


@kernel
def mark_write(
    words: Any,
    prices: Any,
    instrument: Any,
    ts_event_ns: Any,
    ts_recv_ns: Any,
    mark: Any,
    index: Any,
    rate: Any,
) -> Any:
    """Publish one mark; words, prices: the region's u64 and f64 views. One writer only."""
    base = np.uint64(instrument) * _STRIDE
    inside = open_book(words, base)
    words[base + np.uint64(TS_EVENT)] = np.uint64(ts_event_ns)
    words[base + np.uint64(TS_RECV)] = np.uint64(ts_recv_ns)
    prices[base + np.uint64(MARK)] = mark
    prices[base + np.uint64(INDEX)] = index
    prices[base + np.uint64(RATE)] = rate
    store_release(words, base, inside + _ONE)


class MarkView(NamedTuple):
    """A consistent copy of one row."""

    ts_event_ns: int
    ts_recv_ns: int
    mark_price: float
    index_price: float
    funding_rate: float


class Marks:
    """All marks of an instance, over a region; kernels use `words` and `prices` directly."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.capacity = region.capacity
        count = self.capacity * MARK_WORDS
        self.words: Words = region.words(HEADER_BYTES, count)
        self.prices: npt.NDArray[np.float64] = region.array(np.float64, count)

    def write(
        self,
        instrument: int,
        ts_event_ns: int,
        ts_recv_ns: int,
        mark: float,
        index: float,
        rate: float = 0.0,
    ) -> None:
        """Publish one mark (the feed only). Raises IndexError."""
        self._check(instrument)
        mark_write(self.words, self.prices, instrument, ts_event_ns, ts_recv_ns, mark, index, rate)

    def read(self, instrument: int) -> MarkView | None:
        """A consistent copy, or None while there is none. In plain numpy, for people's eyes."""
        self._check(instrument)
        base = instrument * MARK_WORDS
        for _ in range(_TRIES):
            words = self.words[base : base + MARK_WORDS].tolist()
            prices = self.prices[base : base + MARK_WORDS].tolist()
            if words[SEQUENCE] & 1 or int(self.words[base]) != words[SEQUENCE]:
                continue
            if words[TS_RECV] == 0:
                return None
            return MarkView(
                words[TS_EVENT], words[TS_RECV], prices[MARK], prices[INDEX], prices[RATE]
            )
        return None

    def _check(self, instrument: int) -> None:
        if not 0 <= instrument < self.capacity:
            raise IndexError(f"instrument {instrument}; the region holds 0..{self.capacity - 1}")

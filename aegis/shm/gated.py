"""The gated ring: one writer, one reader, nothing lost. A full lane is a refusal.

Carries intents (brain to execution) and outcomes (execution to brain). The writer may not pass
the reader's HEAD: `offer` takes what fits and says how many that was; it never waits. Each side
keeps a private copy of the other's cursor and reloads it only when the copy says stop, so in the
steady state the two cores exchange one line per batch.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.shm.atomics import load_acquire, load_relaxed, store_relaxed, store_release
from aegis.shm.region import HEADER_BYTES, Region, Words
from aegis.shm.ring_header import HEAD, HEAD_CACHE, TAIL, TAIL_CACHE, ZERO, ring_capacity
from aegis.shm.wake import wake

__all__ = [
    "KIND",
    "GatedRing",
    "claim",
    "commit",
    "offer",
    "offer_and_wake",
    "skip_to_tail",
    "take",
]

KIND = 2
_ONE = np.uint64(1)


@kernel
def offer(header: Any, records: Any, batch: Any, n: Any) -> Any:
    """Publish as many of `batch[:n]` as fit; returns how many were accepted (0: full)."""
    capacity = np.uint64(records.size)
    mask = capacity - _ONE
    tail = load_relaxed(header, TAIL)
    wanted = np.uint64(n)
    head = header[HEAD_CACHE]
    if tail + wanted - head > capacity:
        head = load_acquire(header, HEAD)
        header[HEAD_CACHE] = head
    end = tail + min(wanted, capacity - (tail - head))
    item = ZERO
    while tail != end:
        records[tail & mask] = batch[item]
        item += _ONE
        tail += _ONE
    store_release(header, TAIL, end)
    return np.int64(item)


@kernel
def offer_and_wake(header: Any, records: Any, batch: Any, n: Any) -> Any:
    """`offer`, then `wake` if anything fitted, in one call. Returns the accepted count."""
    accepted = offer(header, records, batch, n)
    if accepted > 0:
        wake(header)
    return accepted


@kernel
def claim(header: Any, records: Any) -> Any:
    """The slot for the next record, to be written in place; -1 when the lane is full.

    Writing the fields straight into the slot and then calling `commit` is the fastest way to
    publish one record: copying a record that was just written field by field stalls the core's
    store forwarding (narrow stores, wide loads), 40 ns instead of 5.
    """
    capacity = np.uint64(records.size)
    tail = load_relaxed(header, TAIL)
    if tail - header[HEAD_CACHE] >= capacity:
        head = load_acquire(header, HEAD)
        header[HEAD_CACHE] = head
        if tail - head >= capacity:
            return np.int64(-1)
    return np.int64(tail & (capacity - _ONE))


@kernel
def commit(header: Any) -> None:
    """Publish the record that was written into the claimed slot."""
    store_release(header, TAIL, load_relaxed(header, TAIL) + _ONE)


@kernel
def take(header: Any, records: Any, out: Any, limit: Any) -> Any:
    """Move up to `limit` records into `out`; returns the count (0: none).

    HEAD is published once for the whole batch: the slots are free for the writer from then on,
    so act on the copies in `out`, not on the ring.
    """
    mask = np.uint64(records.size) - _ONE
    head = load_relaxed(header, HEAD)
    tail = header[TAIL_CACHE]
    if tail == head:
        tail = load_acquire(header, TAIL)
        header[TAIL_CACHE] = tail
        if tail == head:
            return 0
    count = min(tail - head, np.uint64(limit))
    item = ZERO
    while item < count:
        out[item] = records[(head + item) & mask]
        item += _ONE
    store_release(header, HEAD, head + count)
    return np.int64(count)


@kernel("void(u8[::1])")
def skip_to_tail(header: Any) -> None:
    """Reader only: forget everything that is pending (a restarted process's stale lane)."""
    tail = load_acquire(header, TAIL)
    # The cached copy moves too: a TAIL_CACHE behind HEAD would read as 2^64 pending records.
    store_relaxed(header, TAIL_CACHE, tail)
    store_release(header, HEAD, tail)


class GatedRing:
    """Python's view of a gated ring; kernels use `header` and `records` directly."""

    def __init__(self, region: Region, dtype: np.dtype[Any]) -> None:
        self.region = region
        self.header: Words = region.words(0, HEADER_BYTES // 8)
        self.records: npt.NDArray[Any] = region.array(dtype, ring_capacity(region))
        assert self.records.ctypes.data % 64 == 0, "records must start on a cache line"
        self._one = np.zeros(1, dtype)
        self._out = np.zeros(256, dtype)

    @property
    def published(self) -> int:
        """Records offered and accepted since the ring was made."""
        return int(self.header[TAIL])

    @property
    def consumed(self) -> int:
        """Records the reader has taken."""
        return int(self.header[HEAD])

    @property
    def capacity(self) -> int:
        """Slots; `published - consumed` never exceeds it."""
        return int(self.records.size)

    def pending_count(self) -> int:
        """Records accepted and not yet taken."""
        return self.published - self.consumed

    def offer(self, batch: npt.NDArray[Any]) -> int:
        """Offer an array of records; returns how many fitted, and wakes the reader if any."""
        return int(offer_and_wake(self.header, self.records, batch, batch.size))

    def write(self, record: tuple[Any, ...] | npt.NDArray[Any]) -> bool:
        """Offer one record given as a tuple in field order; False when the lane is full."""
        self._one[0] = record
        return self.offer(self._one) == 1

    def take(self, limit: int = 256) -> npt.NDArray[Any]:
        """Up to `limit` (at most 256) records, as a view that the next call overwrites."""
        count = take(self.header, self.records, self._out, min(limit, self._out.size))
        return self._out[:count]

    def read_new(self) -> list[Any]:
        """Every pending record as a plain tuple, in order."""
        found: list[Any] = []
        # What comes while we read waits for the next call: a busy writer must not hold us here.
        pending = self.pending_count()
        while len(found) < pending:
            found.extend(self.take().tolist())
        return found

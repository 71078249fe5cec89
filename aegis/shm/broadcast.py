"""The broadcast ring: one writer that never waits, readers that know when they were lapped.

Carries market data. The writer announces the slots it is about to overwrite (TAIL_INTENT), writes
them, then publishes TAIL. A reader copies first and checks afterwards: if TAIL_INTENT has moved
more than the capacity past the oldest record it copied, that copy may be torn; it throws the
copy away, counts what it lost and jumps to the newest record. Nothing is ever lost silently.

Used by the feed (writer) and by the brain, the monitor and the tape (readers).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.shm.atomics import (
    fence_acquire,
    fence_release,
    load_acquire,
    load_relaxed,
    store_relaxed,
    store_release,
)
from aegis.shm.region import HEADER_BYTES, LINE_WORDS, Region, Words
from aegis.shm.ring_header import CURSOR, TAIL, TAIL_INTENT, ZERO, ring_capacity
from aegis.shm.wake import wake

__all__ = [
    "KIND",
    "BroadcastReader",
    "BroadcastRing",
    "poll",
    "publish",
    "publish_and_wake",
    "show_cursor",
]

KIND = 1
_ONE = np.uint64(1)
_LINE = np.uint64(LINE_WORDS)


@kernel
def publish(header: Any, records: Any, batch: Any, n: Any) -> Any:
    """Publish `batch[:n]`; never blocks, never fails. Returns the new TAIL.

    `n` must not exceed the capacity (the caller's batches are far smaller).
    """
    mask = np.uint64(records.size) - _ONE
    tail = load_relaxed(header, TAIL)
    end = tail + np.uint64(n)
    store_relaxed(header, TAIL_INTENT, end)
    fence_release()
    item = ZERO
    while tail != end:
        records[tail & mask] = batch[item]
        item += _ONE
        tail += _ONE
    store_release(header, TAIL, end)
    return end


@kernel
def publish_and_wake(header: Any, records: Any, batch: Any, n: Any) -> Any:
    """`publish`, then `wake`, in the one call that Python pays for. Returns the new TAIL."""
    end = publish(header, records, batch, n)
    wake(header)
    return end


@kernel
def poll(header: Any, records: Any, cursor: Any, out: Any, limit: Any) -> Any:
    """Copy up to `limit` records after `cursor[0]` into `out`.

    Returns the count copied, 0 when there is nothing new, or minus the number lost when the
    writer lapped this reader (`cursor[0]` then stands at the newest record: resync from the
    books before going on). `cursor` is the reader's own u64[1]; it only moves forward.
    """
    capacity = np.uint64(records.size)
    mask = capacity - _ONE
    start = cursor[0]
    tail = load_acquire(header, TAIL)
    if tail == start:
        return 0
    count = min(tail - start, np.uint64(limit))
    if tail - start <= capacity:
        item = ZERO
        while item < count:
            out[item] = records[(start + item) & mask]
            item += _ONE
        fence_acquire()
        if load_relaxed(header, TAIL_INTENT) - start <= capacity:
            cursor[0] = start + count
            return np.int64(count)
    tail = load_acquire(header, TAIL)
    cursor[0] = tail
    # At least one: a cursor past TAIL is that of another ring, and must not read as a count.
    return -max(np.int64(tail - start), np.int64(1))


@kernel("void(u8[::1],i8,u8)")
def show_cursor(header: Any, slot: Any, value: Any) -> None:
    """Let the monitor see how far reader `slot` has come."""
    store_release(header, CURSOR + np.uint64(slot) * _LINE, value)


class BroadcastReader:
    """One reader's cursor and scratch space. `for record in reader.read_new()` reads what came.

    `lost` counts what the writer overwrote before it could be read (for a reader from the start,
    also what was gone when it came), `laps` how often the writer overtook this reader.
    """

    def __init__(
        self, ring: "BroadcastRing", *, from_start: bool = False, batch: int = 256
    ) -> None:
        published = ring.published
        oldest = max(published - ring.capacity, 0)
        self.ring = ring
        self.cursor: Words = np.full(1, oldest if from_start else published, np.uint64)
        self.out = np.zeros(batch, ring.records.dtype)
        self.lost = oldest if from_start else 0
        self.laps = 0

    def pending_count(self) -> int:
        """Published records that this reader has not read yet (may exceed the capacity)."""
        return int(self.ring.header[TAIL]) - int(self.cursor[0])

    def poll(self) -> npt.NDArray[Any]:
        """Up to `batch` new records, as a view that the next call overwrites."""
        count = poll(self.ring.header, self.ring.records, self.cursor, self.out, self.out.size)
        if count < 0:
            self.lost -= count
            self.laps += 1
            count = 0
        return self.out[:count]

    def read_new(self) -> list[Any]:
        """Every record published since the last call, as plain tuples in order."""
        found: list[Any] = []
        # What comes while we read waits for the next call: a busy writer must not hold us here.
        until = self.ring.published
        while int(self.cursor[0]) < until:
            found.extend(self.poll().tolist())
        return found


class BroadcastRing:
    """The writer's and attachers' view of a broadcast ring over a region."""

    def __init__(self, region: Region, dtype: np.dtype[Any]) -> None:
        self.region = region
        self.header: Words = region.words(0, HEADER_BYTES // 8)
        self.records: npt.NDArray[Any] = region.array(dtype, ring_capacity(region))
        # Kernels index by record: a line-aligned base keeps each record in its own lines.
        assert self.records.ctypes.data % 64 == 0, "records must start on a cache line"
        self._one = np.zeros(1, dtype)

    @property
    def published(self) -> int:
        """Records published since the ring was made."""
        return int(self.header[TAIL])

    @property
    def capacity(self) -> int:
        """Slots; a reader further behind than this has lost records."""
        return int(self.records.size)

    def reader(self, *, from_start: bool = False, batch: int = 256) -> BroadcastReader:
        """A new reader, at the newest record or (from_start) at the oldest one kept."""
        return BroadcastReader(self, from_start=from_start, batch=batch)

    def write(self, record: tuple[Any, ...] | npt.NDArray[Any]) -> int:
        """Publish one record given as a tuple in field order; returns its sequence."""
        self._one[0] = record
        return int(publish_and_wake(self.header, self.records, self._one, 1)) - 1

    def publish(self, batch: npt.NDArray[Any]) -> int:
        """Publish an array of records and wake sleeping readers; returns the new TAIL."""
        if batch.size > self.records.size:
            raise ValueError(f"batch of {batch.size} exceeds the ring's {self.records.size} slots")
        return int(publish_and_wake(self.header, self.records, batch, batch.size))

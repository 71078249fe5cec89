"""The disk of a trial: what the journal asks of storage, with errors, torn tails and power losses.

A write that has returned is in the page cache and survives the process; only what was synced before
a power loss surely survives that. Of the rest any prefix may, cut in the middle of a record if the
seed says so. Writes can fail whole or after a part, a sync can fail, and room can run out. The
records that reach the cache are read on the way: the oracle that nothing is sent before it is
written asks here.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.execution.journal.layout import AMEND, HEADER_BYTES, PLACE, RECORD, RECORD_BYTES
from aegis.simulator.faults import Plan

__all__ = ["SimulatedDisk", "SimulatedSync", "Storage"]

# The unused end of a preallocated file, as much of it as a reader looks at.
_ZEROS = bytes(2 * RECORD_BYTES)


class Storage:
    """What outlives the processes of a trial: files as the cache has them, and as the platter."""

    def __init__(self, plan: Plan, rng: random.Random) -> None:
        self.plan = plan
        self.rng = rng
        self.files: dict[str, bytearray] = {}
        self.synced: dict[str, bytes] = {}
        # (brain's epoch, order reference) of every placement that was written.
        self.placed: set[tuple[int, int]] = set()
        # The same with (price, quantity) of every amend that was.
        self.amended: set[tuple[int, int, int, int]] = set()
        self.owner: SimulatedDisk | None = None
        self.on_fault: Callable[[str], None] = lambda _: None
        self.on_records: Callable[[npt.NDArray[Any]], None] = lambda _: None
        self.on_torn: Callable[[npt.NDArray[Any]], None] = lambda _: None

    def mount(self) -> SimulatedDisk:
        """A process opens the directory; an earlier one that was killed has lost it."""
        self.owner = SimulatedDisk(self)
        return self.owner

    def lose_power(self) -> None:
        """What was not synced survives as any prefix of it, perhaps torn."""
        for name, content in self.files.items():
            kept = len(self.synced.get(name, b""))
            if len(content) > kept:
                del content[self.rng.randrange(kept, len(content) + 1) :]
        self.owner = None

    def fails(self, what: str, code: int) -> None:
        """Perhaps fail now."""
        if self.plan.disk_fault and self.rng.random() < self.plan.disk_fault:
            self.on_fault(f"disk {what}")
            raise OSError(code, "simulated")

    def note(self, data: bytearray) -> None:
        """Records that have reached the cache."""
        records = np.frombuffer(data, RECORD)
        self.on_records(records)
        for record in records[records["kind"] == PLACE]:
            self.placed.add((int(record["epoch"]), int(record["order_ref"])))
        for record in records[records["kind"] == AMEND]:
            names = ("epoch", "order_ref", "price_ticks", "qty_lots")
            epoch, ref, ticks, lots = (int(record[name]) for name in names)
            self.amended.add((epoch, ref, ticks, lots))


class SimulatedFile:
    """One segment."""

    def __init__(self, disk: SimulatedDisk, content: bytearray) -> None:
        self._disk = disk
        self._content = content

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """All of it, or an error, perhaps after a part."""
        storage = self._disk.alive()
        content = self._content
        raw = bytearray(data)
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        try:
            storage.fails("write", storage.rng.choice((errno.EIO, errno.ENOSPC)))
        except OSError:
            part = storage.rng.randrange(len(raw))
            content[offset : offset + part] = raw[:part]
            if offset >= HEADER_BYTES:
                # The rest of a preallocated file is zeros, as the rest of a record may be.
                whole = part // RECORD_BYTES * RECORD_BYTES
                if not any(raw[part : whole + RECORD_BYTES]):
                    whole += RECORD_BYTES
                storage.on_torn(np.frombuffer(raw[:whole], RECORD))
            raise
        content[offset : offset + len(raw)] = raw
        if offset >= HEADER_BYTES:
            storage.note(raw)

    def sync(self) -> None:
        """Make what is written outlive a power loss."""
        storage = self._disk.alive()
        storage.fails("sync", errno.EIO)
        for name, content in storage.files.items():
            if content is self._content:
                storage.synced[name] = bytes(content)

    def trim(self, length: int) -> None:
        """Give back the unused end."""
        self._disk.alive()
        del self._content[length:]

    def close(self) -> None:
        """Nothing is held."""


class SimulatedDisk:
    """One process's view of the directory; dead when the process is."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.folder = "journal"

    def alive(self) -> Storage:
        """The storage, while the process lives."""
        if self._storage.owner is not self:
            raise OSError(errno.EBADF, "the process is dead")
        return self._storage

    def names(self) -> list[str]:
        return sorted(self.alive().files)

    def create(self, name: str, size: int) -> SimulatedFile:
        storage = self.alive()
        storage.fails("create", errno.ENOSPC)
        assert size > 0
        content = storage.files[name] = bytearray()
        return SimulatedFile(self, content)

    def read(self, name: str) -> bytearray:
        return self.alive().files[name] + _ZEROS

    def size(self, name: str) -> int:
        return len(self.alive().files[name])

    def rename(self, old: str, new: str) -> None:
        storage = self.alive()
        storage.files[new] = storage.files.pop(old)
        if old in storage.synced:
            storage.synced[new] = storage.synced.pop(old)

    def remove(self, name: str) -> None:
        storage = self.alive()
        storage.files.pop(name, None)
        storage.synced.pop(name, None)

    def cut(self, name: str, length: int, aside: str) -> None:
        storage = self.alive()
        content = storage.files[name]
        storage.files[aside] = content[length:]
        del content[length:]
        storage.synced[name] = bytes(content)

    def sync(self) -> None:
        self.alive()

    def close(self) -> None:
        if self._storage.owner is self:
            self._storage.owner = None


class SimulatedSync:
    """In SyncThread's place: rounds on the trial's agenda while its process lives."""

    def __init__(
        self, work: Any, sync_ms: int, later: Callable[[int, Callable[[], None]], None]
    ) -> None:
        self._work = work
        self._pause_ns = sync_ms * 1_000_000
        self._later = later
        self._is_over = False
        later(self._pause_ns, self._round)

    def _round(self) -> None:
        if self._is_over:
            return
        try:
            self._work.turn()
        except OSError:
            # Its process was killed.
            return
        self._later(self._pause_ns, self._round)

    def close(self) -> None:
        """End the rounds."""
        self._is_over = True

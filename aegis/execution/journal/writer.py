"""The segment writer: sealed records to the current segment, the next one always in reserve.

Sans-thread and sans-clock. It appends with one write per call and never waits for a platter: the
`SyncWork` beside it does that, prepares the reserve and drops what nobody needs any more. Because a
whole segment stands preallocated behind the current one, a disk that fills up is known while there
is still room for a segment's worth of cancels and reducing orders.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.execution.journal.checksum import seal_records
from aegis.execution.journal.disk import Disk, SegmentFile
from aegis.execution.journal.layout import (
    CONTINUES,
    HEADER_BYTES,
    RECORD_BYTES,
    SegmentHeader,
    segment_name,
)

__all__ = ["SPARE_NAME", "Retired", "SegmentWriter", "Tip"]

SPARE_NAME = "spare"


@dataclass(slots=True)
class Tip:
    """Where a journal stands: what the next record follows from."""

    sequence: int = 1
    chain: int = 0
    digest: bytes = bytes(32)


@dataclass(slots=True)
class Retired:
    """A segment that is full: to be synced a last time, trimmed and closed."""

    file: SegmentFile
    length: int


class SegmentWriter:
    """One run's segments on one disk."""

    def __init__(self, disk: Disk, header: SegmentHeader, at: Tip, segment_bytes: int) -> None:
        """`header` is the first segment's, its `number`, `first_sequence` and `chain` unset."""
        self.disk = disk
        self.segment_bytes = segment_bytes
        self.at = at
        self.number = 0
        self.offset = 0
        # The first segment of this run that a recovery needs: the newest with a snapshot.
        self.base_name = ""
        self.retired: list[Retired] = []
        self.spare: SegmentFile | None = None
        self.file: SegmentFile | None = None
        self.writes = 0
        self._header = header
        self._digest = hashlib.blake2b(digest_size=32)

    @property
    def room(self) -> int:
        """Bytes left in the current segment."""
        return self.segment_bytes - self.offset

    def prepare_spare(self) -> bool:
        """Have the next segment in reserve; True when one was made. Raises OSError."""
        if self.spare is not None:
            return False
        self.disk.remove(SPARE_NAME)
        self.spare = self.disk.create(SPARE_NAME, self.segment_bytes)
        return True

    def start_segment(self, created_ns: int, *, continues: bool = False) -> None:
        """Go over to the segment in reserve. Raises OSError; the old one stays current then."""
        self.prepare_spare()
        assert self.spare is not None
        number = self.number + 1
        digest = self._digest.digest() if self.file is not None else self.at.digest
        header = replace(
            self._header,
            number=number,
            first_sequence=self.at.sequence,
            chain=self.at.chain,
            created_ns=created_ns,
            previous=digest,
            flags=CONTINUES if continues else 0,
        ).pack()
        self.spare.write(header, 0)
        name = segment_name(self._header.run, number)
        self.disk.rename(SPARE_NAME, name)
        if self.file is not None:
            self.retired.append(Retired(self.file, self.offset))
        self.file, self.spare = self.spare, None
        self.number = number
        self.offset = HEADER_BYTES
        self._digest = hashlib.blake2b(header, digest_size=32)
        if not continues:
            self.base_name = name

    def append(self, records: npt.NDArray[Any]) -> None:
        """Seal and write whole records. Raises OSError, and then none of them counts.

        `records` is a contiguous RECORD array that fits into `room`; it is sealed in place.
        """
        count = len(records)
        size = count * RECORD_BYTES
        assert self.file is not None and size <= self.room
        words: Any = records.view(np.uint64)
        at = self.at
        chain = int(seal_records(words, count, at.sequence, at.chain))
        data = memoryview(words).cast("B")
        self.file.write(data, self.offset)
        self.writes += 1
        self._digest.update(data)
        self.offset += size
        at.sequence += count
        at.chain = chain

    def close(self) -> None:
        """The end of a run: give back what is not used. Raises OSError of the last sync."""
        try:
            for done in self.retired:
                self.finish(done)
            self.retired.clear()
            if self.file is not None:
                self.finish(Retired(self.file, self.offset))
        finally:
            if self.file is not None:
                self.file.close()
            if self.spare is not None:
                self.spare.close()
                self.disk.remove(SPARE_NAME)
            self.file = self.spare = None

    @staticmethod
    def finish(done: Retired) -> None:
        """Sync a full segment a last time, cut its unused end off, close it. Raises OSError."""
        done.file.sync()
        done.file.trim(done.length)
        done.file.close()

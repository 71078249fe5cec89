"""Reading a journal back: which records are good, and what is wrong where they end.

Pure but for the `Disk` it is given. A record is good when its CRC, its sequence and its chain are
what follows from the record before; a segment, when its header ties it to the segment before. The
first thing that does not fit ends the good prefix, and it is told apart: zeros (a clean end), bytes
that are no record with nothing good after them (a torn end, as a power loss leaves it), or damage
with good records after it. Works beside a writer: what is not written yet is zeros.

A write that failed may have left a part of itself, whole records even, before the writer went over
to the segment in reserve. That one's header says where it goes on from, and what the bytes up to
there must hash to: the segment before ends there, and nothing is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.execution.journal.checksum import find_good, scan_records
from aegis.execution.journal.disk import Disk
from aegis.execution.journal.layout import (
    CHECKPOINT,
    CONTINUES,
    HEADER_BYTES,
    RECORD,
    RECORD_BYTES,
    SegmentHeader,
    is_segment,
)
from aegis.execution.journal.writer import Tip

__all__ = [
    "DAMAGED",
    "UNREADABLE",
    "Segment",
    "read_journal",
    "read_segment",
    "recovery_base",
    "scan",
]

GOOD, TORN, DAMAGED, UNREADABLE = "good", "torn", "damaged", "unreadable"


@dataclass(slots=True)
class Segment:
    """One file: its good records and what ends them. `good_bytes` counts the header, too."""

    name: str
    header: SegmentHeader | None
    records: npt.NDArray[Any]
    state: str = GOOD
    text: str = ""
    good_bytes: int = 0
    file_bytes: int = 0
    tip: Tip = field(default_factory=Tip)

    @property
    def is_good(self) -> bool:
        """Nothing but zeros after the good records."""
        return self.state == GOOD


def scan(content: Any, first_sequence: int, chain: int) -> tuple[int, int, str]:
    """(good records, chain after them, state) of the bytes after a header."""
    words = _words(content)
    after = np.zeros(1, np.uint64)
    good = int(scan_records(words, np.uint64(first_sequence), np.uint64(chain), after))
    rest = np.frombuffer(content, np.uint8)[good * RECORD_BYTES :]
    if not rest.any():
        return good, int(after[0]), GOOD
    later = int(find_good(words, good + 1))
    return good, int(after[0]), DAMAGED if later >= 0 else TORN


def _words(content: Any) -> npt.NDArray[np.uint64]:
    """The bytes as u64, as far as they go; the kernels take only what may be written to."""
    words = np.frombuffer(content, "<u8", len(content) // 8)
    return words if words.flags.writeable else words.copy()


def read_segment(name: str, content: bytes | bytearray | memoryview) -> Segment:
    """One file by itself, its header taken as it stands."""
    nothing = np.zeros(0, RECORD)
    try:
        header = SegmentHeader.unpack(content)
    except ValueError as error:
        return Segment(name, None, nothing, UNREADABLE, str(error), 0, len(content))
    body = memoryview(content)[HEADER_BYTES:]
    good, chain, state = scan(body, header.first_sequence, header.chain)
    records = np.frombuffer(body, RECORD, good)
    good_bytes = HEADER_BYTES + good * RECORD_BYTES
    text = ""
    if state == TORN:
        text = f"bytes that are no record from offset {good_bytes} on, nothing good after them"
    elif state == DAMAGED:
        later = int(find_good(_words(body), good + 1))
        text = (
            f"record {good} of the segment (sequence {header.first_sequence + good}, offset "
            f"{good_bytes}) is damaged; good records follow from offset "
            f"{HEADER_BYTES + later * RECORD_BYTES} on"
        )
    digest = hashlib.blake2b(memoryview(content)[:good_bytes], digest_size=32).digest()
    tip = Tip(header.first_sequence + good, chain, digest)
    return Segment(name, header, records, state, text, good_bytes, len(content), tip)


def read_journal(disk: Disk, first: str = "") -> Iterator[Segment]:
    """The segments from `first` on, each tied to the one before; ends with the first bad one."""
    before: Segment | None = None
    content: Any = b""
    for name in disk.names():
        if not is_segment(name) or name < first:
            continue
        after = disk.read(name)
        segment = read_segment(name, after)
        if before is not None:
            if segment.header is not None:
                _end_where_next_begins(before, content, segment.header)
            yield before
            if not before.is_good:
                return
            broken = _break_between(before, segment.header) if segment.header is not None else ""
            if broken:
                segment.state, segment.text = DAMAGED, broken
                segment.records = segment.records[:0]
                segment.good_bytes = 0
        before, content = segment, after
    if before is not None:
        yield before


def _end_where_next_begins(segment: Segment, content: Any, after: SegmentHeader) -> None:
    """Drop what a failed write has left at the end, when the next segment surely goes on there."""
    header = segment.header
    if header is None or not after.flags & CONTINUES:
        return
    count = after.first_sequence - header.first_sequence
    if not 0 <= count <= len(segment.records):
        return
    end = HEADER_BYTES + count * RECORD_BYTES
    digest = hashlib.blake2b(memoryview(content)[:end], digest_size=32).digest()
    if digest != after.previous:
        return
    segment.records = segment.records[:count]
    segment.state, segment.text, segment.good_bytes = GOOD, "", end
    segment.tip = Tip(after.first_sequence, after.chain, digest)


def _break_between(before: Segment, header: SegmentHeader) -> str:
    """Why a segment does not follow from the one before it; "" when it does."""
    tip = before.tip
    if header.first_sequence != tip.sequence:
        return (
            f"it begins with sequence {header.first_sequence}, {before.name} ends before "
            f"{tip.sequence}: records are missing"
        )
    if header.chain != tip.chain or header.previous != tip.digest:
        return f"it does not follow from {before.name} as that file is now: it has been changed"
    return ""


def recovery_base(disk: Disk) -> str:
    """The newest segment with a whole snapshot at its start; "" when there is none."""
    for name in reversed([name for name in disk.names() if is_segment(name)]):
        segment = read_segment(name, disk.read(name))
        if segment.header is None or segment.header.flags & CONTINUES:
            continue
        if (segment.records["kind"] == CHECKPOINT).any():
            return name
    return ""

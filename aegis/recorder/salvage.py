"""Every good frame of a damaged recording, also behind the damage, and what is missing between.

Called by `repair`. Each frame has its own sums, its number, and the count of the records before it:
behind spoiled bytes the next good head of the same recording tells exactly how many records are
missing. Behind the last good frame nobody knows; what a good head there promised is the least.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Final, NamedTuple

from aegis.recorder import layout
from aegis.recorder.frames import BadFrame, Head, parse_head, unpack
from aegis.recorder.reading import Frame, RecordingFile
from aegis.shm.instruments import INSTRUMENT

__all__ = ["Gap", "salvage"]

# How many bytes one item of a body takes; of LOSS and END there is one in each frame.
_ITEM_BYTES: Final = {
    layout.INSTRUMENTS: INSTRUMENT.itemsize,
    layout.RECORDS: layout.RECORD_BYTES,
    layout.LOSS: layout.LOSS_BODY.size,
    layout.END: layout.END_BODY.size,
}


class Gap(NamedTuple):
    """Spoiled bytes from `offset` to `end`; `lost` records are missing, or more if not `exact`."""

    offset: int
    end: int
    lost: int
    exact: bool


class _Place(NamedTuple):
    """Where the next frame should begin, and what its head should say."""

    offset: int
    segment: int
    number: int
    records: int


def salvage(recording: RecordingFile) -> Iterator[Frame | Gap]:
    """Good frames and gaps in the order of the file. Raises RecorderError when it cannot be read.

    `recording.damage` afterwards tells of the first damage. What stands behind an END is no gap.
    """
    segment = 0
    for frame in recording.frames():
        segment = frame.head.segment
        yield frame
    damage = recording.damage
    if damage is None or damage.closed or damage.offset == recording.file_bytes:
        return
    place = _Place(damage.offset, segment, recording.good_frames, recording.records)
    with (
        recording.path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        yield from _behind(content, place)


def _behind(content: mmap.mmap, place: _Place) -> Iterator[Frame | Gap]:
    while place.offset < len(content):
        frame = _next_good(content, place)
        if frame is None:
            yield from _tail(content, place)
            return
        head = frame.head
        if frame.offset > place.offset or head.number > place.number:
            yield Gap(place.offset, frame.offset, head.position - place.records, exact=True)
        yield frame
        if head.kind == layout.END:
            return
        place = _Place(frame.end, place.segment, head.number + 1, head.position + head.records)


def _tail(content: mmap.mmap, place: _Place) -> Iterator[Gap]:
    """What is spoiled to the end of the file; of an END that is spoiled nothing is missing."""
    try:
        head = parse_head(content[place.offset : place.offset + layout.HEAD_BYTES])
    except BadFrame:
        head = None
    if head is None or not _is_later(head, place):
        yield Gap(place.offset, len(content), 0, exact=False)
        return
    lost = head.position + head.records - place.records
    if lost or head.kind != layout.END:
        yield Gap(place.offset, len(content), lost, exact=head.kind == layout.END)


def _next_good(content: mmap.mmap, place: _Place) -> Frame | None:
    """The first frame from the place on that passes every check and belongs behind the last."""
    offset = content.find(layout.MAGIC, place.offset)
    while offset >= 0:
        try:
            head = parse_head(content[offset : offset + layout.HEAD_BYTES])
            if _is_later(head, place):
                begin = offset + layout.HEAD_BYTES
                body = unpack(head, content[begin : begin + head.stored_bytes])
                if _is_sized(head, body):
                    return Frame(offset, head, body)
        except BadFrame:
            pass
        offset = content.find(layout.MAGIC, offset + 1)
    return None


def _is_later(head: Head, place: _Place) -> bool:
    follows = head.number >= place.number and head.position >= place.records
    return head.segment == place.segment and follows and head.kind in _ITEM_BYTES


def _is_sized(head: Head, body: bytes) -> bool:
    item_bytes = _ITEM_BYTES[head.kind]
    if head.kind in (layout.LOSS, layout.END):
        return len(body) == item_bytes
    return len(body) % item_bytes == 0

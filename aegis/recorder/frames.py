"""One frame to bytes and back: heads, sums and compression. No file, no clock.

Called by `writing` and `reading`. A frame that does not pass every check is never handed on: what a
reader gets is what a writer wrote.
"""

from __future__ import annotations

import zlib
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import zstandard

from aegis.recorder import layout
from aegis.shm.tick import TICK

__all__ = ["BadFrame", "Head", "decode_records", "encode", "encode_records", "parse_head", "unpack"]

_LEVEL: Final = 3
_SHOWN: Final = {
    layout.HEADER: "HEADER",
    layout.INSTRUMENTS: "INSTRUMENTS",
    layout.RECORDS: "RECORDS",
    layout.LOSS: "LOSS",
    layout.END: "END",
}


class BadFrame(Exception):  # noqa: N818 (it says what was found, not that it was raised)
    """Bytes that are no frame; the text says which check they failed."""


class Head(NamedTuple):
    """A frame's head. `position` counts the records of the recording before this frame."""

    kind: int
    codec: int
    segment: int
    number: int
    position: int
    stored_bytes: int
    raw_bytes: int
    crc: int

    @property
    def name(self) -> str:
        """The kind in words."""
        return _SHOWN.get(self.kind, str(self.kind))

    @property
    def records(self) -> int:
        """How many tick records the frame holds."""
        return self.raw_bytes // layout.RECORD_BYTES if self.kind == layout.RECORDS else 0


def encode(
    kind: int, segment: int, number: int, position: int, body: bytes, raw_bytes: int = -1
) -> bytes:
    """A whole frame. `raw_bytes` is given for a body that is compressed (see `encode_records`)."""
    codec = layout.CODEC_PLAIN if raw_bytes < 0 else layout.CODEC_COLUMNS
    raw = len(body) if raw_bytes < 0 else raw_bytes
    head = layout.HEAD.pack(
        layout.MAGIC, kind, codec, segment, number, position, len(body), raw, zlib.crc32(body)
    )
    return head + layout.HEAD_CRC.pack(zlib.crc32(head)) + body


def encode_records(records: npt.NDArray[Any]) -> bytes:
    """The compressed body of a RECORDS frame."""
    words = np.ascontiguousarray(records).view(layout.WORD).reshape(-1, layout.RECORD_WORDS)
    return zstandard.ZstdCompressor(level=_LEVEL).compress(words.T.tobytes())


def decode_records(body: bytes) -> npt.NDArray[Any]:
    """The records of a RECORDS frame's raw body, an array of its own."""
    words = np.frombuffer(body, layout.WORD).reshape(layout.RECORD_WORDS, -1)
    found: npt.NDArray[Any] = np.ascontiguousarray(words.T).view(TICK).reshape(-1)
    return found


def parse_head(raw: bytes) -> Head:
    """The head in the first bytes of `raw`. Raises BadFrame."""
    if len(raw) < layout.HEAD_BYTES:
        raise BadFrame(f"torn: {len(raw)} bytes of a head of {layout.HEAD_BYTES}")
    if raw[:4] != layout.MAGIC:
        raise BadFrame(f"no frame begins here (found {raw[:4]!r})")
    if layout.HEAD_CRC.unpack_from(raw, layout.HEAD.size)[0] != zlib.crc32(raw[: layout.HEAD.size]):
        raise BadFrame("the head does not match its checksum")
    head = Head(*layout.HEAD.unpack_from(raw)[1:])
    if max(head.stored_bytes, head.raw_bytes) > layout.MAX_BODY_BYTES:
        raise BadFrame(f"a body of {head.stored_bytes} bytes, at most {layout.MAX_BODY_BYTES}")
    if head.kind == layout.RECORDS and head.raw_bytes % layout.RECORD_BYTES:
        raise BadFrame(f"{head.raw_bytes} bytes are no whole number of records")
    return head


def unpack(head: Head, stored: bytes) -> bytes:
    """The raw body of a frame. Raises BadFrame."""
    if len(stored) < head.stored_bytes:
        raise BadFrame(f"torn: {len(stored)} bytes of a body of {head.stored_bytes}")
    if zlib.crc32(stored) != head.crc:
        raise BadFrame(f"the body of a {head.name} frame does not match its checksum")
    if head.codec == layout.CODEC_PLAIN:
        return stored
    if head.codec != layout.CODEC_COLUMNS:
        raise BadFrame(f"codec {head.codec} is unknown to this version")
    try:
        # Asked first: the library believes this size and allocates it.
        size = zstandard.frame_content_size(stored)
        if size != head.raw_bytes:
            raise BadFrame(f"{size} bytes when decompressed, the head says {head.raw_bytes}")
        return zstandard.ZstdDecompressor().decompress(stored)
    except zstandard.ZstdError as error:
        raise BadFrame(f"cannot be decompressed: {error}") from error

"""A server's text frame taken apart and put together again, for faults that change what is in it.

``diverter`` gets frames as they would go out. Ours are unmasked, final text frames, bare or with
the envelope of combined streams; nothing else may come here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aegis.venue.wire.frames import text_frame

_ENVELOPE: Final = b'{"stream":"'
_DATA: Final = b'","data":'


@dataclass(frozen=True, slots=True)
class Opened:
    """What a frame carries: the opening of its envelope (empty if bare) and the payload."""

    opening: bytes
    payload: bytes

    def closed(self, payload: bytes) -> bytes:
        """The same frame around another payload."""
        return text_frame(self.opening + payload + (b"}" if self.opening else b""))


def payload_start(frame: bytes) -> int:
    """Where a frame's payload begins (RFC 6455, section 5.2)."""
    length = frame[1] & 0x7F
    return 10 if length == 127 else 4 if length == 126 else 2


def open_frame(frame: bytes) -> Opened:
    """Take a frame apart."""
    message = frame[payload_start(frame) :]
    if message.startswith(_ENVELOPE):
        end = message.index(_DATA, len(_ENVELOPE)) + len(_DATA)
        return Opened(message[:end], message[end:-1])
    return Opened(b"", message)

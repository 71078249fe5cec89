"""Server-to-client text frames, encoded once and sent to any number of subscribers.

A server's frames are unmasked (RFC 6455 section 5.1), so a frame's bytes do not depend on the
connection. Handshakes, control frames and everything that clients send go through ``websockets``.
"""

from __future__ import annotations

import struct

_TEXT_FINAL = 0x81


def text_frame(message: bytes) -> bytes:
    """One final, unmasked text frame."""
    length = len(message)
    if length < 126:
        return bytes((_TEXT_FINAL, length)) + message
    if length < 65_536:
        return struct.pack("!BBH", _TEXT_FINAL, 126, length) + message
    return struct.pack("!BBQ", _TEXT_FINAL, 127, length) + message

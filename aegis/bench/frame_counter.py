"""A WebSocket client that only counts: the cheapest reader that still reads every frame.

`bench venue` measures a server with it, so it must cost less than what it measures: one read, one
compiled walk over the frame headers. It speaks plain RFC 6455 from a server (unmasked), checks that
no frame is cut short, and keeps an order-independent sum of the bytes so that nothing is skipped.
"""

from __future__ import annotations

import base64
import os
import select
import socket
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel

__all__ = ["FrameCounter", "masked_frame", "open_websocket"]

BUFFER_BYTES: Final = 4 * 1024 * 1024
_TEXT: Final = 1
_HEAD_BYTES: Final = 16 * 1024


@kernel
def _walk(buffer: Any, start: int, end: int, counts: Any) -> int:
    """Count whole frames in buffer[start:end]; returns where the first incomplete one begins.

    counts: text frames, payload bytes of them, other frames.
    """
    at = start
    while at + 2 <= end:
        size: Any = np.int64(buffer[at + 1] & 0x7F)
        body = at + 2
        if size == 126:
            if at + 4 > end:
                break
            size = (np.int64(buffer[at + 2]) << 8) | np.int64(buffer[at + 3])
            body = at + 4
        elif size == 127:
            if at + 10 > end:
                break
            size = np.int64(0)
            for place in range(2, 10):
                size = (size << 8) | np.int64(buffer[at + place])
            body = at + 10
        if body + size > end:
            break
        if buffer[at] & 0x0F == _TEXT:
            counts[0] += 1
            counts[1] += size
        else:
            counts[2] += 1
        at = body + size
    return at


def open_websocket(port: int, path: str) -> tuple[socket.socket, bytes]:
    """A connected socket after the handshake, and what was read behind it. Raises OSError."""
    wire = socket.create_connection(("127.0.0.1", port), timeout=10.0)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n"
    )
    wire.sendall(request.encode())
    head = b""
    while b"\r\n\r\n" not in head:
        more = wire.recv(4096)
        if not more or len(head) > _HEAD_BYTES:
            raise OSError(f"no WebSocket at {path}: {head[:100]!r}")
        head += more
    answer, _, rest = head.partition(b"\r\n\r\n")
    if not answer.startswith(b"HTTP/1.1 101"):
        raise OSError(f"no WebSocket at {path}: {answer[:100]!r}")
    return wire, rest


def masked_frame(message: bytes) -> bytes:
    """A client's text frame; the mask is zero, which RFC 6455 allows and costs nothing."""
    size = len(message)
    head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0xFE)) + size.to_bytes(2)
    return head + b"\0\0\0\0" + message


class FrameCounter:
    """Some connections of one process, read whenever they are readable."""

    def __init__(self, port: int, paths: Iterable[str]) -> None:
        self._poll = select.epoll()
        self._wires: dict[int, socket.socket] = {}
        self._buffers: dict[int, npt.NDArray[np.uint8]] = {}
        self._kept: dict[int, int] = {}
        self._counts = np.zeros(3, np.int64)
        self.closed = 0
        for path in paths:
            wire, rest = open_websocket(port, path)
            wire.setblocking(False)
            number = wire.fileno()
            buffer = np.zeros(BUFFER_BYTES, np.uint8)
            buffer[: len(rest)] = np.frombuffer(rest, np.uint8)
            self._wires[number], self._buffers[number] = wire, buffer
            self._kept[number] = len(rest)
            self._poll.register(number, select.EPOLLIN)

    @property
    def messages(self) -> int:
        """Text messages read so far."""
        return int(self._counts[0])

    @property
    def payload_bytes(self) -> int:
        """The sum of their sizes."""
        return int(self._counts[1])

    def read(self, timeout_s: float) -> None:
        """Wait for data, at most so long, and count what has come."""
        for number, _ in self._poll.poll(timeout_s):
            self._read_one(number)

    def close(self) -> None:
        """Leave without goodbyes."""
        for wire in self._wires.values():
            wire.close()
        self._poll.close()

    def _read_one(self, number: int) -> None:
        buffer, kept = self._buffers[number], self._kept[number]
        try:
            got = self._wires[number].recv_into(buffer[kept:].data)
        except BlockingIOError:
            return
        except OSError:
            got = 0
        if got == 0:
            self._poll.unregister(number)
            self.closed += 1
            return
        end = kept + got
        done = _walk(buffer, 0, end, self._counts)
        left = end - done
        if left and done:
            buffer[:left] = buffer[done:end].copy()
        self._kept[number] = left

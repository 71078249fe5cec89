"""The one port: tells WebSocket upgrades from plain HTTP by the request's head, and steps aside.

Every accepted connection begins as a FrontDoor. It reads until the head is complete, picks the
protocol that will serve the connection, puts that in its own place and replays the bytes to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

HEAD_END: Final = b"\r\n\r\n"
MAX_HEAD_BYTES: Final = 16 * 1024
HEAD_TIMEOUT_S: Final = 10.0
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Connection: close\r\nContent-Length: 0\r\n\r\n"
)


def wants_upgrade(head: bytes) -> bool:
    """Is there an `Upgrade: websocket` header? Names and values in any case."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"upgrade" and b"websocket" in value.lower():
            return True
    return False


class FrontDoor(asyncio.Protocol):
    """The first protocol of a connection."""

    def __init__(
        self,
        make_http: Callable[[], asyncio.BaseProtocol],
        make_socket: Callable[[], asyncio.BaseProtocol],
    ) -> None:
        self._make_http = make_http
        self._make_socket = make_socket
        self._transport: asyncio.Transport | None = None
        self._head = bytearray()
        self._timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        loop = asyncio.get_running_loop()
        self._timeout = loop.call_later(HEAD_TIMEOUT_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None, "data before connection_made"
        self._head += data
        if HEAD_END not in self._head:
            if len(self._head) > MAX_HEAD_BYTES:
                transport.write(_TOO_LARGE)
                transport.close()
            return
        self._cancel_timeout()
        seen = bytes(self._head)
        head = seen[: seen.index(HEAD_END)]
        make = self._make_socket if wants_upgrade(head) else self._make_http
        successor = cast(asyncio.Protocol, make())
        transport.set_protocol(successor)
        successor.connection_made(transport)
        successor.data_received(seen)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timeout()

    def _cancel_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

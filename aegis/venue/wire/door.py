"""The one port: tells WebSocket upgrades from plain HTTP by the head of a request.

Every accepted connection begins as a FrontDoor, which reads until the head is complete. For an
upgrade it puts the WebSocket's protocol in its own place; in front of HTTP it stays, because a
client may ask for an upgrade on a connection that served its REST requests before.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final, cast

from aiohttp.web import RequestHandler

HEAD_END: Final = b"\r\n\r\n"
MAX_HEAD_BYTES: Final = 16 * 1024
HEAD_TIMEOUT_S: Final = 10.0
# Every upgrade has it, hardly any other request: whatever lacks it goes to HTTP unread.
_UPGRADE: Final = re.compile(rb"\r\nupgrade[ \t]*:", re.IGNORECASE)
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
    """The first protocol of a connection, and the one in front of HTTP."""

    def __init__(
        self,
        make_http: Callable[[], RequestHandler],
        make_socket: Callable[[], asyncio.Protocol],
        doors: set[FrontDoor] | None = None,
    ) -> None:
        """`doors`, if given, holds this one for as long as the connection is its own."""
        self._doors = set() if doors is None else doors
        self._make_http = make_http
        self._make_socket = make_socket
        self._http: RequestHandler | None = None
        self._transport: asyncio.Transport | None = None
        self._head = bytearray()
        self._timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._doors.add(self)
        self._await_head(self._transport)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None, "data before connection_made"
        if self._http is not None and not self._head and not _may_upgrade(data):
            self._http.data_received(data)
            return
        self._head += data
        if HEAD_END not in self._head:
            if len(self._head) > MAX_HEAD_BYTES:
                transport.write(_TOO_LARGE)
                transport.close()
            elif self._timeout is None:
                self._await_head(transport)
            return
        self._cancel_timeout()
        seen = bytes(self._head)
        self._head.clear()
        if wants_upgrade(seen[: seen.index(HEAD_END)]):
            self._leave_http()
            self._doors.discard(self)
            socket = self._make_socket()
            transport.set_protocol(socket)
            socket.connection_made(transport)
            socket.data_received(seen)
            return
        if self._http is None:
            self._http = self._make_http()
            self._http.connection_made(transport)
        self._http.data_received(seen)

    def eof_received(self) -> None:
        if self._http is not None:
            self._http.eof_received()

    def pause_writing(self) -> None:
        if self._http is not None:
            self._http.pause_writing()

    def resume_writing(self) -> None:
        if self._http is not None:
            self._http.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._cancel_timeout()
        self._doors.discard(self)
        if self._http is not None:
            self._http.connection_lost(exc)

    def _leave_http(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            # It closes the transport that it has lost; this one goes on under the WebSocket.
            http.transport = None
            http.connection_lost(None)

    def _await_head(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        self._timeout = loop.call_later(HEAD_TIMEOUT_S, transport.abort)

    def _cancel_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None


class ClosedDoor(asyncio.Protocol):
    """For one connection too many: it ends before it has begun."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


def _may_upgrade(data: bytes) -> bool:
    """Must this be looked at, on a connection that speaks HTTP already?

    An upgrade is a GET, and it begins a chunk: a client sends it with nothing else under way.
    """
    if not data.startswith(b"GET "):
        return False
    return HEAD_END not in data or _UPGRADE.search(data) is not None

"""The REST order line: order commands over kept-alive connections, for when the WebSocket is down.

The same request bytes as on the order connection, the same client order id, the same answers: a
reply becomes an `Answer` with the request's id, so that the core knows one kind of outcome only.
`send` has handed the bytes to the kernel when it returns; a connection carries one request at a
time, so a line whose connections are all under way is not `is_ready`. A connection that ends, is
silent for too long or answers nonsense makes its request's fate unknown. Nothing is sent twice.

The connections are made before they are needed and again when they are lost (`keep`). No exception,
log or repr holds a parameter, a signature or a key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from aegis.execution.endpoints import Endpoints, Keys
from aegis.execution.errors import OrderLinkError
from aegis.execution.http_replies import HttpReply, HttpReplyReader
from aegis.execution.order_signing import ORDER_PATH, HttpRequest, rest_request
from aegis.execution.replies import Answer, ErrorBody, OrderBody
from aegis.host.clock import monotonic_ns

__all__ = ["ReplyHeaders", "RestOrderLine"]

CONNECTIONS = 4
_REPLY_TIMEOUT_NS = 5_000_000_000
_CONNECT_TIMEOUT_S = 3.0
_LOOK_EVERY_S = 0.25
_LONGEST_PAUSE_S = 5.0
_ORDER = msgspec.json.Decoder(OrderBody)
_ERROR = msgspec.json.Decoder(ErrorBody)

ReplyHeaders = Callable[[dict[str, str]], None]
"""Hears the headers (names in lower case) of every reply, for the rate ledger."""


class _Connection(asyncio.Protocol):
    """One connection; it knows the request that is under way on it."""

    def __init__(self, line: RestOrderLine) -> None:
        self._line = line
        self._reader = HttpReplyReader()
        self.transport: asyncio.Transport | None = None
        self.request_id: int | None = None
        self.sent_ns = 0

    @property
    def is_whole(self) -> bool:
        """Whether what is written still leaves: neither side has begun to close."""
        return self.transport is not None and not self.transport.is_closing()

    @property
    def is_idle(self) -> bool:
        """Whether it takes a request now."""
        return self.request_id is None and self.is_whole

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        try:
            reply = self._reader.feed(data)
        except ValueError:
            self._line.undecodable += 1
            self.end()
            return
        if reply is None:
            return
        request_id, self.request_id = self.request_id, None
        if request_id is None or not reply.keeps_open:
            # A reply that nobody asked for, such as a server's farewell.
            self.end()
        if request_id is not None:
            self._line.replied(request_id, reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._line.lost(self)

    def end(self) -> None:
        """Close at once; `connection_lost` follows."""
        if self.transport is not None:
            self.transport.abort()


class RestOrderLine:
    """A few connections to one REST address, for one account's order commands."""

    def __init__(
        self,
        endpoints: Endpoints,
        keys: Keys,
        on_answer: Callable[[Answer, int], None],
        on_change: Callable[[], None] = lambda: None,
        on_headers: ReplyHeaders = lambda headers: None,
        *,
        connections: int = CONNECTIONS,
    ) -> None:
        self._endpoints = endpoints
        self._keys = keys
        self._on_answer = on_answer
        self._on_change = on_change
        self._on_headers = on_headers
        self._wanted = connections
        self._open: list[_Connection] = []
        self._host = ""
        self._is_closed = False
        self.undecodable = 0

    def __repr__(self) -> str:
        return f"RestOrderLine(connections={len(self._open)})"

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return any(connection.is_whole for connection in self._open)

    @property
    def is_ready(self) -> bool:
        """Whether one of them is idle."""
        return any(connection.is_idle for connection in self._open)

    def under_way(self) -> list[int]:
        """The requests whose replies are still to come."""
        asked = (connection.request_id for connection in self._open)
        return [request_id for request_id in asked if request_id is not None]

    async def connect(self) -> None:
        """Make the connections that are missing; raises OrderLinkError when there is none then."""
        url = self._endpoints.rest_url()
        if url is None:
            raise OrderLinkError("the exchange has no address yet")
        self._is_closed = False
        was_connected = self.is_connected
        made = [self._make(url) for _ in range(self._wanted - len(self._open))]
        results = await asyncio.gather(*made, return_exceptions=True)
        if not self._open:
            kinds = sorted({type(result).__name__ for result in results if result is not None})
            raise OrderLinkError(f"no REST connection for orders ({', '.join(kinds)})")
        if not was_connected:
            self._on_change()

    async def _make(self, url: str) -> None:
        parts = urlsplit(url)
        trust = self._endpoints.trust(url)
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            _, made = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self),
                parts.hostname or "",
                parts.port or (443 if trust is not None else 80),
                ssl=trust,
                server_hostname=parts.hostname if trust is not None else None,
            )
        self._host = parts.netloc
        if made.transport is not None and not self._is_closed:
            self._open.append(made)
        else:
            made.end()

    async def keep(self) -> None:
        """Make lost connections again and end silent ones, until cancelled."""
        pause_s = _LOOK_EVERY_S
        while True:
            now_ns = monotonic_ns()
            for connection in list(self._open):
                silent_ns = now_ns - connection.sent_ns
                if connection.request_id is not None and silent_ns > _REPLY_TIMEOUT_NS:
                    connection.end()
            if len(self._open) < self._wanted:
                try:
                    await self.connect()
                    pause_s = _LOOK_EVERY_S
                except OrderLinkError:
                    pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    def send(self, request: Any) -> None:
        """Sign one request and hand it to an idle connection's socket. Only while `is_ready`."""
        connection = next(one for one in self._open if one.is_idle)
        assert connection.transport is not None
        asked = rest_request(request, self._keys.signer)
        connection.request_id = asked.request_id
        connection.sent_ns = monotonic_ns()
        connection.transport.write(self._text(asked))

    def _text(self, asked: HttpRequest) -> bytes:
        in_body = asked.method != "DELETE"
        path = ORDER_PATH if in_body else f"{ORDER_PATH}?{asked.query}"
        body = asked.query if in_body else ""
        form = "Content-Type: application/x-www-form-urlencoded\r\n" if in_body else ""
        return (
            f"{asked.method} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"X-MBX-APIKEY: {self._keys.api_key}\r\n{form}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def close(self) -> None:
        """Close every connection. What was under way is not told of."""
        self._is_closed = True
        connections, self._open = self._open, []
        for connection in connections:
            connection.end()

    def replied(self, request_id: int, reply: HttpReply) -> None:
        """One whole reply."""
        now_ns = monotonic_ns()
        answer = _answer_of(request_id, reply)
        self._on_headers(reply.headers)
        self._on_answer(answer, now_ns)

    def lost(self, connection: _Connection) -> None:
        """A connection has ended, by whoever's doing."""
        if connection not in self._open:
            return
        self._open.remove(connection)
        request_id, connection.request_id = connection.request_id, None
        if request_id is not None:
            # It may have been carried out: nobody knows.
            cut = ErrorBody(0, "the connection ended before the reply")
            self._on_answer(Answer(id=request_id, status=0, error=cut), monotonic_ns())
        if not self._open:
            self._on_change()


def _answer_of(request_id: int, reply: HttpReply) -> Answer:
    """What the order connection would have said."""
    retry_after = reply.headers.get("retry-after")
    try:
        if reply.status == 200:
            return Answer(id=request_id, status=200, result=_ORDER.decode(reply.body))
        error = _ERROR.decode(reply.body)
        return Answer(id=request_id, status=reply.status, error=error, retry_after=retry_after)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if reply.status == 200:
            # Done, and we do not know what: that is asked about.
            return Answer(id=request_id, status=200)
        page = " ".join(reply.body[:200].decode("utf-8", "replace").split())
        error = ErrorBody(0, page)
        return Answer(id=request_id, status=reply.status, error=error, retry_after=retry_after)

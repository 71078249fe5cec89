"""REST over aiohttp: reads a request, asks the gateway, writes the reply. No rule stands here.

``wire.door`` hands connections to the handlers that `make_server` makes; what a request means is
decided by ``gateway.rest``. A body that is too long or never comes is refused, so that no client
can hold memory or a handler for longer than a few seconds.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from typing import Final

from aiohttp import web

from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.faults.control import is_control
from aegis.venue.faults.room import FaultRoom
from aegis.venue.gateway.calls import Call, Reply
from aegis.venue.gateway.rest import RestRequest, admit, refusal

KEEPALIVE_S: Final = 75.0
BODY_TIMEOUT_S: Final = 10.0
# How long the rest of a refused body is read, so that its sender may read the refusal.
LINGER_S: Final = 1.0
# How long a request that is never answered keeps its connection: longer than any client waits.
LONGEST_WAIT_S: Final = 600.0
# The largest request there is, a batch of orders with all their parameters, is about 4 KiB.
MAX_BODY_BYTES: Final = 64 * 1024
JSON: Final = "application/json"

log = logging.getLogger(__name__)
# aiohttp writes a traceback for every request that is no HTTP; to a server that is no event.
_silent = logging.getLogger("aegis.venue.aiohttp")
_silent.setLevel(logging.CRITICAL)


def make_server(core: Core, faults: FaultRoom, is_local: bool) -> web.Server:
    """A factory of HTTP protocol handlers, all answering from the same core.

    `is_local` says that the port is open to this machine alone: only then is there a control
    endpoint.
    """

    async def handle(request: web.BaseRequest) -> web.Response:
        try:
            return await _handle(core, faults, is_local, request)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            log.exception("a request could not be answered")
            return _response(refusal(core, request.remote or "", reject(-1001)))

    return web.Server(
        handle, access_log=None, keepalive_timeout=KEEPALIVE_S, logger=_silent,
        auto_decompress=False, lingering_time=LINGER_S,
    )  # fmt: skip


async def _handle(
    core: Core, faults: FaultRoom, is_local: bool, request: web.BaseRequest
) -> web.Response:
    address = request.remote or ""
    body = await _body(request)
    if body is None:
        response = _response(refusal(core, address, reject(-1013)))
        response.force_close()
        return response
    # The target as it was sent: signatures are over its very characters.
    path, _, query = request.raw_path.partition("?")
    if is_local and is_control(path) and _from_here(request):
        return _response(faults.control(request.method, path, query, body))
    rest = RestRequest(
        method=request.method,
        path=path,
        query=query,
        body=body.decode("utf-8", "replace"),
        api_key=request.headers.get("X-MBX-APIKEY"),
        address=address,
    )
    answer = admit(core, rest)
    if isinstance(answer, Call):
        edge = _Edge(request)
        faults.carry_out(answer, edge)
        answer = await edge.answer
    return _response(answer)


def _from_here(request: web.BaseRequest) -> bool:
    """Does a program on this machine ask, and not a web page in somebody's browser?

    A page may send requests to loopback addresses, also by a name that it lets point here. It
    cannot help sending its Origin, or that name.
    """
    host = request.headers.get("Host", "").rpartition(":")[0].strip("[]")
    peer = request.remote or ""
    return "Origin" not in request.headers and _is_loopback(peer) and _is_loopback(host)


def _is_loopback(text: str) -> bool:
    if text == "localhost":
        return True
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


async def _body(request: web.BaseRequest) -> bytes | None:
    """The whole body; None if it is too long or does not come in time."""
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        return None
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while part := await request.content.readany():
                parts.append(part)
                size += len(part)
                if size > MAX_BODY_BYTES:
                    return None
    except (TimeoutError, web.RequestPayloadError):
        return None
    return b"".join(parts)


def _response(reply: Reply) -> web.Response:
    headers = {"Content-Type": JSON, **reply.headers}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


class _Edge:
    """The way back of one request (faults.requests.Edge)."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self.answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def deliver(self, reply: Reply) -> None:
        # The client may have gone while its request waited; what it asked for is done all the same.
        if not self.answer.done():
            self.answer.set_result(reply)

    def twice(self, reply: Reply) -> None:
        transport = self._request.transport
        if transport is not None:
            lines = [f"HTTP/1.1 {reply.status} OK", f"Content-Length: {len(reply.body)}"]
            lines += [f"{name}: {value}" for name, value in reply.headers.items()]
            head = "\r\n".join([*lines, f"Content-Type: {JSON}", "", ""])
            transport.write(head.encode() + reply.body)
        self.deliver(reply)

    def cut(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()
        if not self.answer.done():
            self.answer.set_exception(ConnectionResetError("cut by a fault"))

    def keep_waiting(self) -> None:
        asyncio.get_running_loop().call_later(LONGEST_WAIT_S, self.cut)

    def owner(self) -> object:
        return self._request.transport

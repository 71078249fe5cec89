"""REST over aiohttp: reads a request, asks the gateway, writes the reply. No rule stands here.

``wire.door`` hands connections to the handlers that `make_server` makes; what a request means is
decided by ``gateway.rest``.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from aegis.venue.core import Core
from aegis.venue.gateway.calls import Call, Reply
from aegis.venue.gateway.rest import RestRequest, admit
from aegis.venue.wire.dispatch import Dispatcher

KEEPALIVE_S = 75.0


def make_server(core: Core, dispatcher: Dispatcher) -> web.Server:
    """A factory of HTTP protocol handlers, all answering from the same core."""

    async def handle(request: web.BaseRequest) -> web.Response:
        # The target as it was sent: signatures are over its very characters.
        path, _, query = request.raw_path.partition("?")
        body = await request.read() if request.body_exists else b""
        rest = RestRequest(
            method=request.method,
            path=path,
            query=query,
            body=body.decode("utf-8", "replace"),
            api_key=request.headers.get("X-MBX-APIKEY"),
            address=request.remote or "",
        )
        answer = admit(core, rest)
        if isinstance(answer, Call):
            answer = await _carry_out(dispatcher, answer)
        return web.Response(
            status=answer.status,
            body=answer.body,
            headers=answer.headers,
            content_type="application/json",
        )

    return web.Server(handle, access_log=None, keepalive_timeout=KEEPALIVE_S)


async def _carry_out(dispatcher: Dispatcher, call: Call) -> Reply:
    """Wait for the call's turn; most have theirs at once."""
    answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def deliver(reply: Reply) -> None:
        # The client may have gone while its request waited; what it asked for is done all the same.
        if not answer.done():
            answer.set_result(reply)

    dispatcher.submit(call, deliver)
    return await answer

"""The one port: REST and WebSocket upgrades, also both on one connection, head by head."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
import uvloop
from aiohttp import web

from aegis.venue.wire.door import MAX_HEAD_BYTES, FrontDoor, wants_upgrade

UPGRADE = b"GET /public/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
PLAIN = b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"


class Echo(asyncio.Protocol):
    """Stands for the WebSocket: tells how much it was given, and echoes what comes later."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        told = b"socket %d\n" % len(data) if data.startswith(b"GET") else data
        self.transport.write(told)  # type: ignore[attr-defined]


async def answer(request: web.BaseRequest) -> web.Response:
    return web.Response(body=request.raw_path.encode() + b" " + await request.read())


class House:
    """A server behind front doors, and one raw connection to it."""

    async def __aenter__(self) -> House:
        loop = asyncio.get_running_loop()
        self.http = web.Server(answer, access_log=None)
        self.server = await loop.create_server(lambda: FrontDoor(self.http, Echo), "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        self.server.close()
        await self.http.shutdown(1)

    async def send(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self.writer.write(chunk)
            await self.writer.drain()
            await asyncio.sleep(0.01)

    async def body(self) -> bytes:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return await self.reader.readexactly(length)

    async def line(self) -> bytes:
        return await asyncio.wait_for(self.reader.readline(), 5)


def go(scene: object) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene)  # type: ignore[arg-type]


@pytest.mark.parametrize("cut", [4, 20, 60, len(UPGRADE) - 1])
def test_an_upgrade_follows_requests_on_the_same_connection(cut: int) -> None:
    async def scene() -> None:
        async with House() as house:
            for _ in range(2):
                await house.send(PLAIN)
                assert await house.body() == b"/plain "
            await house.send(UPGRADE[:cut], UPGRADE[cut:])
            assert await house.line() == b"socket %d\n" % len(UPGRADE)
            await house.send(b"frames\n")
            assert await house.line() == b"frames\n"
            assert house.http.connections == []

    go(scene())


def test_bodies_and_split_heads_reach_http_unharmed() -> None:
    async def scene() -> None:
        async with House() as house:
            await house.send(POST[:30], POST[30:], b"upg", b"rade: ")
            assert await house.body() == b"/form upgrade: "
            await house.send(PLAIN[:2], PLAIN[2:])
            assert await house.body() == b"/plain "
            await house.send(PLAIN + PLAIN)
            assert [await house.body(), await house.body()] == [b"/plain ", b"/plain "]

    go(scene())


def test_a_head_without_end_is_refused_at_once() -> None:
    async def scene() -> None:
        async with House() as house:
            await house.send(PLAIN)
            await house.body()
            await house.send(b"GET /" + b"x" * MAX_HEAD_BYTES)
            assert b"431" in await house.line()

    go(scene())


def test_one_client_session_may_do_both() -> None:
    """As ccxt does: aiohttp takes the upgrade over a connection of its pool."""

    async def scene() -> None:
        async with House() as house, aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{house.port}/plain"
            async with session.get(url) as reply:
                assert await reply.text() == "/plain "
            # The socket of this house is no WebSocket; that it was asked is what counts.
            with pytest.raises(aiohttp.ClientError, match="socket 2"):
                await session.ws_connect(url)

    go(scene())


def test_an_upgrade_is_known_in_any_case() -> None:
    assert wants_upgrade(b"GET / HTTP/1.1\r\nUPGRADE: WebSocket")
    assert not wants_upgrade(b"GET / HTTP/1.1\r\nX-Upgrade: websocket\r\nUpgrade: h2c")

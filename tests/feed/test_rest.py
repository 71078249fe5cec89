"""What a refusal over REST means, and how long it asks us to be silent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from aiohttp import web

from aegis.feed.errors import RateLimitedError, RestError
from aegis.feed.rest import MAX_BODY_BYTES, MarketRest, pause_of


@pytest.mark.parametrize(
    ("status", "header", "text", "pause_s"),
    [
        (429, "7", "", 7.0),
        (418, "7", "", 7.0),
        (429, None, "Too many requests", 10.0),
        (418, None, "no time given", 120.0),
        (418, None, "IP banned until 1700000030000.", 30.0),
        (418, None, "IP banned until 1600000000000.", 0.0),
        (429, "soon", "", 10.0),
        (429, "99999999999", "", 259200.0),
    ],
)
def test_how_long_to_be_silent(status: int, header: str | None, text: str, pause_s: float) -> None:
    assert pause_of(status, header, text, 1_700_000_000_000) == pause_s


async def serve(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.AppRunner:
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


def ask(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], deadline_s: float = 5.0
) -> bytes:
    async def act() -> bytes:
        runner = await serve(handler)
        try:
            async with MarketRest(deadline_s) as rest:
                return await rest.get(f"http://127.0.0.1:{runner.addresses[0][1]}/", symbol="X")
        finally:
            await runner.cleanup()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(act())


def test_the_body_of_a_good_answer() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text=request.query["symbol"] * 100_000)

    assert ask(handler) == b"X" * 100_000


@pytest.mark.parametrize("status", [429, 418])
def test_refusals_tell_how_long_to_wait(status: int) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Retry-After": "3"}, text='{"code":-1003}')

    with pytest.raises(RateLimitedError, match=f"{status}, wait 3 s") as error:
        ask(handler)
    assert error.value.retry_after_s == 3.0


def test_other_errors_show_status_and_text() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=400, text='{"code":-1121,"msg":"Invalid symbol."}')

    with pytest.raises(RestError, match=r"400: .*Invalid symbol"):
        ask(handler)


def test_no_answer_in_time_is_an_error() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30.0)
        return web.Response()

    with pytest.raises(RestError, match=r"no answer within 0\.1 s"):
        ask(handler, 0.1)


def test_an_endless_answer_is_refused() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(MAX_BODY_BYTES // (1 << 20) + 2):
            await response.write(b" " * (1 << 20))
        return response

    with pytest.raises(RestError, match="answer of more than"):
        ask(handler)


def test_nobody_there_is_an_error() -> None:
    async def act() -> bytes:
        async with MarketRest(1.0) as rest:
            return await rest.get("http://127.0.0.1:9/")

    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        pytest.raises(RestError, match="ClientConnectorError"),
    ):
        runner.run(act())

"""What a refusal over REST means, and how long it asks us to be silent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from aiohttp import web

from aegis.feed.errors import RateLimitedError, RestError
from aegis.feed.gate import AddressGate
from aegis.feed.rest import MAX_BODY_BYTES, MarketRest, pause_of
from aegis.shm.rate_ledger import RateLedger


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


@pytest.mark.parametrize("status", [429, 418])
def test_nothing_is_asked_inside_a_pause_also_by_a_successor(status: int, tmp_path: Path) -> None:
    asked: list[float] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(asyncio.get_running_loop().time())
        return web.Response(status=status if len(asked) == 1 else 200, headers={"Retry-After": "3"})

    async def act() -> None:
        runner = await serve(handler)
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        try:
            for wait_s in ("wait 3 s", "not asked"):
                # The second is another process, which met no refusal of its own.
                gate = AddressGate()
                gate.ledger = RateLedger.open(tmp_path / "rates", 0)
                async with MarketRest(1.0, gate=gate) as rest:
                    with pytest.raises(RateLimitedError, match=wait_s):
                        await rest.get(url)
                    with pytest.raises(RateLimitedError, match="not asked") as error:
                        await rest.get(url)
                    assert 0.0 < error.value.retry_after_s <= 3.01
                    assert len(asked) == 1
                gate.ledger.close()
            async with MarketRest(1.0, gate=AddressGate()) as rest:
                rest.gate.ledger = RateLedger.open(tmp_path / "rates", 0)
                await asyncio.sleep(rest.gate.left_s)
                assert await rest.get(url) == b""
                rest.gate.ledger.close()
        finally:
            await runner.cleanup()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(act())
    assert asked[1] - asked[0] >= 2.99
    assert not (tmp_path / "rates").exists(), "the last one removes it, once the pause is over"


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

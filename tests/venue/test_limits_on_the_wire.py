"""Limits as clients meet them: headers, error frames, refused handshakes, closed connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
import uvloop
from websockets.exceptions import ConnectionClosed, InvalidStatus

from aegis.venue.build import VenueOptions
from aegis.venue.limits import RateLimits
from aegis.venue.serve import Venue, running
from tests.venue.client import Client, api_request, client, receive, stream
from tests.venue.desk import KEYS

KEY = KEYS[0]
Scene = Callable[[Venue, Client], Awaitable[None]]
PLENTY = RateLimits(ban_first_s=60.0)


def play(scene: Scene, **limits: Any) -> None:
    async def run() -> None:
        options = VenueOptions(keys=KEYS, limits=replace(PLENTY, **limits))
        async with running(options) as venue, client(venue.url, KEY) as rest:
            await asyncio.wait_for(scene(venue, rest), 20)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


async def get(rest: Client, path: str) -> tuple[int, Any, Any]:
    async with aiohttp.ClientSession() as web, web.get(rest.url + path) as response:
        return response.status, response.headers, await response.json()


def test_every_reply_tells_the_weight_that_is_used() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        await get(rest, "/fapi/v1/depth?symbol=BTCUSDT&limit=1000")
        for path, wanted_status in (
            ("/fapi/v1/time", 200), ("/fapi/v1/nothing", 404), ("/fapi/v1/order", 401),
            ("/fapi/v1/depth?symbol=NOPE", 400),
        ):  # fmt: skip
            status, headers, _ = await get(rest, path)
            assert status == wanted_status
            assert int(headers["X-MBX-USED-WEIGHT-1M"]) > 20

    play(scene)


def test_429_then_418_everywhere() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        async with (
            stream(venue.url, "/ws-fapi/v1?returnRateLimits=false") as api,
            stream(venue.url, "/public/ws/btcusdt@depth@0ms") as public,
        ):
            for _ in range(4):
                status, headers, body = await get(rest, "/fapi/v1/depth?symbol=BTCUSDT&limit=1000")
            assert (status, body["code"]) == (429, -1003)
            assert 1 <= int(headers["Retry-After"]) <= 60
            await api.send('{"id":1,"method":"ping"}')
            assert (await receive(api))["status"] == 429
            status, headers, body = await get(rest, "/fapi/v1/time")
            assert (status, body["code"]) == (418, -1003)
            assert body["msg"].startswith("Way too many requests; IP banned until ")
            assert 55 <= int(headers["Retry-After"]) <= 60
            until_ms = int(body["msg"].split("until ")[1].split(".")[0])
            assert 55_000 < until_ms - venue.core.wall_ms() <= 60_000
            await api.send('{"id":2,"method":"session.status"}')
            told = await receive(api)
            assert (told["id"], told["status"], told["error"]["code"]) == (2, 418, -1003)
            for path in ("/public/ws", "/ws-fapi/v1"):
                with pytest.raises(InvalidStatus) as caught:
                    async with stream(venue.url, path):
                        pass
                response = caught.value.response
                assert response.status_code == 418
                assert json.loads(response.body or b"")["code"] == -1003
                assert int(response.headers["Retry-After"]) > 50
            # What flows already, flows on.
            assert (await receive(public))["e"] == "depthUpdate"

    play(scene, weight_per_minute=50, refusals_before_ban=3)


def test_an_order_too_many_and_going_on_after_it() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
                 "quantity": "0.010", "price": "55000.0"}  # fmt: skip
        async with stream(venue.url, "/ws-fapi/v1") as api:
            statuses = []
            for _ in range(6):
                await api.send(api_request(KEY, "order.place", **order))
                answer = await receive(api)
                statuses.append((answer["status"], answer.get("error", {}).get("code")))
            assert statuses == [
                (200, None), (200, None), (429, -1015), (429, -1015), (418, -1003), (418, -1003),
            ]  # fmt: skip

    play(scene, orders_per_10s=2, refusals_before_ban=2)


def test_the_eleventh_message_in_a_second_ends_a_stream_connection() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        async with stream(venue.url, "/public/ws") as socket:
            for n in range(10):
                await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": n}))
            for n in range(10):
                assert (await receive(socket))["id"] == n
            with pytest.raises(ConnectionClosed) as caught:
                await socket.send('{"method":"LIST_SUBSCRIPTIONS","id":10}')
                await receive(socket)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1008

    play(scene)


def test_pings_and_pongs_count_and_who_floods_often_is_banned() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        for path in ("/market/ws", "/ws-fapi/v1", "/public/ws"):
            async with stream(venue.url, path) as socket:
                with pytest.raises(ConnectionClosed) as caught:
                    for n in range(12):
                        if n % 2:
                            await socket.pong(b"x")
                        else:
                            await socket.ping(str(n).encode())
                    await receive(socket)
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1008
        status, _, body = await get(rest, "/fapi/v1/time")
        assert (status, body["code"]) == (418, -1003)

    play(scene, floods_before_ban=3)


def test_five_pings_a_second_and_any_number_of_requests_on_the_api() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        async with stream(venue.url, "/ws-fapi/v1?returnRateLimits=false") as api:
            for n in range(40):
                await api.send(json.dumps({"id": n, "method": "time"}))
            for n in range(5):
                await api.ping(str(n).encode())
            for n in range(40):
                assert (await receive(api))["id"] == n

    play(scene)


def test_connection_attempts_and_the_weight_of_a_handshake() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        async with stream(venue.url, "/ws-fapi/v1"), stream(venue.url, "/ws-fapi/v1"):
            _, headers, _ = await get(rest, "/fapi/v1/time")
            assert headers["X-MBX-USED-WEIGHT-1M"] == "11"
            with pytest.raises(InvalidStatus) as caught:
                async with stream(venue.url, "/public/ws"):
                    pass
            assert caught.value.response.status_code == 429

    play(scene, connections_per_5min=2)


def test_lifetime_and_pings_of_the_server() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        async with stream(venue.url, "/public/ws") as socket:
            with pytest.raises(ConnectionClosed) as caught:
                await receive(socket)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
        host, port = venue.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET /public/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        # This client answers no ping: it gets a few more, and is cut without a close.
        heard = b""
        with contextlib.suppress(ConnectionError):
            heard = await asyncio.wait_for(reader.read(), 10)
        assert heard.count(b"\x89") >= 2
        assert b"\x88" not in heard
        writer.close()

    play(scene, lifetime_s=2.0, ping_every_s=0.2, pong_within_s=0.8)


def test_streams_of_a_connection_and_the_longest_window() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        async with stream(venue.url, "/public/ws") as socket:
            names = [f"btcusdt@x{n}" for n in range(4)]
            await socket.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
            assert (await receive(socket))["error"]["code"] == 2
        for window, status in (("5000", 200), ("5001", 400)):
            assert (await rest.call("GET", "/fapi/v3/balance", recvWindow=window))[0] == status
        async with stream(venue.url, "/ws-fapi/v1") as api:
            await api.send(api_request(KEY, "account.balance", recvWindow=5001))
            assert (await receive(api))["error"]["code"] == -1130

    play(scene, streams_per_connection=3, max_recv_window_ms=5_000)


def test_exchange_info_tells_the_configured_numbers() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        rows = (await rest.good("GET", "/fapi/v1/exchangeInfo", False))["rateLimits"]
        assert {(row["rateLimitType"], row["interval"]): row["limit"] for row in rows} == {
            ("REQUEST_WEIGHT", "MINUTE"): 77, ("ORDERS", "SECOND"): 5, ("ORDERS", "MINUTE"): 6,
        }  # fmt: skip
        own = await rest.good("GET", "/fapi/v1/rateLimit/order")
        assert sorted(row["limit"] for row in own) == [5, 6]

    play(scene, weight_per_minute=77, orders_per_10s=5, orders_per_minute=6)


def test_the_throttle_of_the_whole_system() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
        answers = [(await rest.call("POST", "/fapi/v1/order", **order)) for _ in range(3)]
        assert [status for status, _ in answers if status != 200] != []
        status, body = answers[-1]
        assert (status, body["code"]) == (503, -1008)
        reducing = {**order, "side": "SELL", "reduceOnly": "true"}
        assert (await rest.call("POST", "/fapi/v1/order", **reducing))[0] == 200

    play(scene, throttle_orders_per_s=1)

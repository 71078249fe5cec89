"""Faults on the wire: a running venue, real sockets, and the control endpoint that arms them."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage

from aegis.venue.faults.schema import Fault
from tests.venue.client import api_request, receive, receive_until, stream
from tests.venue.faults.drill import KEY, ORDER, Drill, play


async def raw_stream(drill: Drill, path: str) -> asyncio.StreamReader:
    """A stream connection without a WebSocket library in between, past its handshake."""
    host, port = drill.venue.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    reader.writer = writer  # type: ignore[attr-defined]
    return reader


async def next_frame(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(2)
    length = head[1] & 0x7F
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    return await reader.readexactly(length)


def test_a_cut_inside_a_frame_from_a_schedule() -> None:
    async def scene(drill: Drill) -> None:
        reader = await raw_stream(drill, "/public/ws/btcusdt@depth@0ms")
        whole = 0
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            while True:
                await next_frame(reader)
                whole += 1
        assert whole == 3
        assert len(caught.value.partial) > 0
        async with stream(drill.venue.url, "/public/ws/btcusdt@depth@0ms") as socket:
            assert (await receive(socket))["e"] == "depthUpdate"

    play(scene, Fault("cut", stream="btcusdt@depth@0ms", after=3))


def test_half_open_is_neither_read_nor_written_nor_closed() -> None:
    async def scene(drill: Drill) -> None:
        reader = await raw_stream(drill, "/public/ws/btcusdt@depth@0ms")
        await next_frame(reader)
        await drill.arm("half_open")
        await drill.until(lambda: not drill.venue.faults.board.armed)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_drain(reader), 0.3)
        reader.writer.write(b"\x89\x80\x00\x00\x00\x00")  # type: ignore[attr-defined]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.4)
        assert len(drill.venue.keeper) == 1
        reader.writer.close()  # type: ignore[attr-defined]

    play(scene)


async def _drain(reader: asyncio.StreamReader) -> None:
    while True:
        await next_frame(reader)


def test_one_stream_falls_silent_and_the_others_go_on() -> None:
    async def scene(drill: Drill) -> None:
        path = "/stream?streams=btcusdt@bookTicker/btcusdt@depth@0ms"
        async with stream(drill.venue.url, path) as socket:
            number = await drill.arm("silent", stream="*@bookTicker", connection="legacy/1")
            await drill.until(lambda: drill.venue.faults.board.armed[number].struck > 5)
            seen = [(await receive(socket))["stream"] for _ in range(60)]
            assert set(seen[-20:]) == {"btcusdt@depth@0ms"}
            await drill.end(number)
            await receive_until(socket, lambda one: one["stream"] == "btcusdt@bookTicker")
        await drill.until(lambda: not drill.venue.faults._streams._diverters)

    play(scene)


def test_closes_of_connections() -> None:
    async def scene(drill: Drill) -> None:
        async with (
            stream(drill.venue.url, "/public/ws") as public,
            stream(drill.venue.url, "/market/ws") as market,
            stream(drill.venue.url, "/ws-fapi/v1") as api,
        ):
            await drill.arm("day_close", connection="public/*")
            with pytest.raises(ConnectionClosed) as caught:
                await asyncio.wait_for(public.recv(), 5)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
            await drill.arm("pong_close", connection="market/1")
            with pytest.raises(ConnectionClosed) as caught:
                await asyncio.wait_for(market.recv(), 5)
            assert caught.value.rcvd is None
            await api.send('{"id":1,"method":"ping"}')
            assert (await receive(api))["status"] == 200

    play(scene)


def test_a_key_is_revoked_in_a_session_and_comes_back() -> None:
    async def scene(drill: Drill) -> None:
        async with stream(drill.venue.url, "/ws-fapi/v1?returnRateLimits=false") as api:
            await api.send(api_request(KEY, "session.logon"))
            assert (await receive(api))["result"]["apiKey"] == KEY.api_key
            number = await drill.arm("key_revoked", account=0)
            assert await receive(api) == {
                "id": None, "status": 401,
                "error": {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."},
            }  # fmt: skip
            await api.send(api_request(KEY, "account.balance"))
            assert (await receive(api))["error"]["code"] == -2015
            assert (await drill.rest.call("GET", "/fapi/v3/balance"))[0] == 401
            await drill.end(number)
            assert (await drill.rest.call("GET", "/fapi/v3/balance"))[0] == 200
            await api.send('{"id":2,"method":"session.status"}')
            assert (await receive(api))["result"]["apiKey"] is None

    play(scene)


def test_a_listen_key_expires_and_then_there_is_silence() -> None:
    async def scene(drill: Drill) -> None:
        key = await drill.rest.listen_key()
        async with stream(drill.venue.url, f"/private/ws/{key}") as private:
            await drill.arm("listen_key_expired", account=0)
            told = await receive(private)
            assert (told["e"], told["listenKey"]) == ("listenKeyExpired", key)
            await drill.rest.good("POST", "/fapi/v1/order", **ORDER)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(private.recv(), 0.3)
            status, body = await drill.rest.call("PUT", "/fapi/v1/listenKey", signed=False)
            assert (status, body["code"]) == (400, -1125)
            assert await drill.rest.listen_key() != key

    play(scene)


def test_lost_answers_and_what_was_done_all_the_same() -> None:
    async def scene(drill: Drill) -> None:
        await drill.arm("ack_lost", endpoint="POST /fapi/v1/order")
        with pytest.raises(aiohttp.ClientError):
            await drill.rest.call("POST", "/fapi/v1/order", newClientOrderId="lost", **ORDER)
        found = await drill.rest.good(
            "GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="lost"
        )
        assert found["status"] == "FILLED"
        await drill.arm("ack_lost", how="silent", truth="not_placed", endpoint="order.place")
        await drill.arm("duplicate_answer", endpoint="order.status")
        async with stream(drill.venue.url, "/ws-fapi/v1?returnRateLimits=false") as api:
            await api.send(api_request(KEY, "order.place", newClientOrderId="two", **ORDER))
            await api.send(
                api_request(KEY, "order.status", symbol="BTCUSDT", origClientOrderId="two")
            )
            first, second = await receive(api), await receive(api)
            assert first == second
            assert first["error"]["code"] == -2013

    play(scene)


def test_events_overtake_the_answer() -> None:
    async def scene(drill: Drill) -> None:
        key = await drill.rest.listen_key()
        async with (
            stream(drill.venue.url, f"/private/ws/{key}") as private,
            stream(drill.venue.url, "/ws-fapi/v1") as api,
        ):
            await drill.arm("fill_before_ack", delay_ms=100, endpoint="order.place")
            await api.send(api_request(KEY, "order.place", **ORDER))
            answer = asyncio.create_task(receive(api))
            await receive_until(
                private, lambda one: one["e"] == "ORDER_TRADE_UPDATE" and one["o"]["x"] == "TRADE"
            )
            assert not answer.done()
            assert (await answer)["status"] == 200

    play(scene)


def test_duplicate_answers_of_http_are_two_responses() -> None:
    async def scene(drill: Drill) -> None:
        host, port = drill.venue.url.removeprefix("http://").split(":")
        await drill.arm("duplicate_answer", endpoint="GET /fapi/v1/time")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /fapi/v1/time HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = await asyncio.wait_for(reader.read(), 5)
        assert text.count(b"HTTP/1.1 200 OK") == text.count(b"serverTime") == 2
        writer.close()

    play(scene)


def test_the_control_endpoint_tells_what_is_armed_and_what_is_over() -> None:
    async def scene(drill: Drill) -> None:
        status, answer = await drill.control("GET")
        assert (status, answer["active"], answer["past"]) == (200, [], [])
        kinds = (await drill.control("GET", "/menu"))[1]["kinds"]
        assert {"kind": "drop"}.items() <= kinds[0].items()
        async with stream(drill.venue.url, "/public/ws"):
            faults = [{"kind": "drop", "name": "one"}, {"kind": "silent", "stream": "x"}]
            assert (await drill.control("POST", body=faults))[1] == {"added": [1, 2]}
            status, answer = await drill.control("GET")
            assert answer["connections"] == ["public/1"]
            assert [row["kind"] for row in answer["active"]] == ["drop", "silent"]
        assert (await drill.control("DELETE", "?name=one"))[1] == {"removed": [1]}
        assert (await drill.control("DELETE"))[1] == {"removed": [2]}
        answer = (await drill.control("GET"))[1]
        assert ([row["number"] for row in answer["past"]], answer["active"]) == ([1, 2], [])
        status, answer = await drill.control("DELETE", "?number=9")
        assert (status, answer["problems"][0]["message"]) == (404, "is not armed")
        assert (await drill.control("PUT"))[0] == 405
        for body, message in (
            ({"kind": "dorp"}, "is no kind of fault"),
            ({"kind": "delay", "delay_ms": -1}, "must be greater than or equal to 0"),
            ([3], "must be a table"),
        ):
            status, answer = await drill.control("POST", body=body)
            assert (status, answer["problems"][0]["message"]) == (400, message)
        async with drill.web.post(f"{drill.venue.url}/venue/faults", data="{") as response:
            assert response.status == 400

    play(scene)


def test_the_control_endpoint_is_for_programs_on_this_machine() -> None:
    async def scene(drill: Drill) -> None:
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example:80"}):
            status, answer = await drill.control("GET", **headers)
            assert (status, answer["code"]) == (404, -5000)
        assert (await drill.control("GET", Host="localhost:80"))[0] == 200

    play(scene)


def test_a_venue_that_others_can_reach_has_no_control_endpoint(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(drill: Drill) -> None:
        status, answer = await drill.control("POST", body={"kind": "maintenance"})
        assert (status, answer["code"]) == (404, -5000)
        assert not drill.venue.faults.board.armed

    play(scene, host="0.0.0.0", allow_remote=True)
    assert "whoever reaches this machine can reach the exchange" in caplog.text


def test_without_faults_nothing_is_diverted_and_requests_go_straight() -> None:
    async def scene(drill: Drill) -> None:
        async with stream(drill.venue.url, "/public/ws/btcusdt@depth@0ms") as socket:
            await receive(socket)
            assert not drill.venue.faults._streams._diverters
            assert not drill.venue.hub._diversions

    play(scene)


def test_connections_are_not_taken_beyond_the_descriptors_there_are() -> None:
    async def scene(drill: Drill) -> None:
        venue = drill.venue
        venue._most_connections = 3
        async with stream(venue.url, "/public/ws") as first, stream(venue.url, "/public/ws"):
            with pytest.raises((OSError, InvalidMessage)):
                async with stream(venue.url, "/public/ws"), stream(venue.url, "/public/ws"):
                    pass
            await first.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            assert (await receive(first))["id"] == 1

    play(scene)

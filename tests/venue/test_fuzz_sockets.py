"""Hostile bytes on the port itself, and clients that are slow, half done or do not read.

After each of them the venue must answer the next client; what it answers to the hostile one is a
documented code, a page of the protocol below (400, 404, 426, 431) or a close. Nothing is logged as
an error, nobody else notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from aegis.venue.build import VenueOptions
from aegis.venue.limits import RateLimits
from aegis.venue.serve import Venue, running
from aegis.venue.wire import door, http
from tests.venue import fuzz, wire_fuzz
from tests.venue.client import Client, client, receive, stream
from tests.venue.desk import KEYS
from tests.venue.wire_fuzz import END, UPGRADE, frame

SEED = 7_000_000
FULL, SHORT = 4_000, 800
AT_ONCE = 16
ANSWER_S = 0.25
PROTOCOL_PAGES = {101, 400, 404, 405, 413, 414, 426, 431, 505}
CLOSE_CODES = {1000, 1002, 1003, 1007, 1008, 1009, 1011}
LIMITS = RateLimits(
    weight_per_minute=10**9, orders_per_10s=10**9, orders_per_minute=10**9,
    refusals_before_ban=10**9, connections_per_5min=10**9, floods_before_ban=10**9,
)  # fmt: skip
Scene = Callable[[Venue, Client], Awaitable[None]]


def play(scene: Scene, patience_s: float = 120.0, **options: Any) -> None:
    async def run() -> None:
        merged = VenueOptions(**{"keys": KEYS, "limits": LIMITS, **options})
        async with running(merged) as venue, client(venue.url, KEYS[0]) as rest:
            await asyncio.wait_for(scene(venue, rest), patience_s)
            assert await rest.good("GET", "/fapi/v1/ping", False) == {}
            for task in venue._tasks:
                assert not task.done(), task

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


async def dial(venue: Venue) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = venue.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def converse(venue: Venue, chunks: list[bytes]) -> bytes:
    """Send the chunks, hear what comes, go. The venue may hang up at any point."""
    reader, writer = await dial(venue)
    heard = b""
    with contextlib.suppress(ConnectionError):
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0)
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            while piece := await reader.read(65_536):
                heard += piece
    writer.transport.abort()
    return heard


def judge(case: Any, heard: bytes, documented: set[int]) -> None:
    """An HTTP answer has a documented code or is a page of the protocol; frames are well formed."""
    if not heard:
        return
    match = re.match(rb"HTTP/1\.[01] (\d{3})", heard)
    assert match is not None, (case, heard[:200])
    status = int(match[1])
    if status == 101:
        frames(case, heard.partition(END)[2])
        return
    body = heard.partition(END)[2]
    if b"application/json" in heard.partition(END)[0] and body.startswith(b'{"code":-'):
        code = int(re.match(rb'\{"code":(-\d+)', body)[1])  # type: ignore[index]
        assert code in documented, (case, body[:200])
        assert status < 500, (case, body[:200])
        assert code not in (-1000, -1001), (case, body[:200])
    else:
        assert status == 200 or status in PROTOCOL_PAGES, (case, heard[:300])
    assert fuzz.SECRET.encode() not in heard or fuzz.SECRET in repr(case)


def frames(case: Any, data: bytes) -> None:
    """Every whole frame that the server sent."""
    place = 0
    while place + 2 <= len(data):
        opcode, length = data[place] & 0x0F, data[place + 1]
        assert data[place] & 0x70 == 0, (case, data[place : place + 20])
        assert length & 0x80 == 0, "a server masks nothing"
        start = place + 2
        if length == 126:
            length, start = int.from_bytes(data[start : start + 2], "big"), start + 2
        elif length == 127:
            length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        payload = data[start : start + length]
        place = start + length
        if place > len(data):
            return
        if opcode == 1:
            json.loads(payload)
        elif opcode == 8:
            code = int.from_bytes(payload[:2], "big") if payload else 1000
            assert code in CLOSE_CODES or code >= 3000 or code in (5000, 999, 0), (case, code)
        else:
            assert opcode in (9, 10), (case, opcode)


@pytest.fixture(scope="module")
def documented(shared_data: Path) -> set[int]:
    rows = json.loads((shared_data / "usdm" / "usdm_error_codes.json").read_text())
    return {row["code"] for row in rows} | {-5000}


def test_hostile_bytes(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, documented: set[int]
) -> None:
    caplog.set_level(logging.WARNING)
    size = FULL if request.config.getoption("--long") else SHORT

    async def scene(venue: Venue, rest: Client) -> None:
        await rest.good(
            "POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="LIMIT",
            timeInForce="GTC", quantity="0.010", price="55000.0",
        )  # fmt: skip
        numbers = iter(range(size))

        async def attack() -> None:
            for number in numbers:
                dice = random.Random(f"{SEED}:{number}")
                make = dice.choice(
                    [
                        wire_fuzz.http_case,
                        wire_fuzz.handshake_case,
                        lambda dice: wire_fuzz.rest_case(dice, venue.core.wall_ms()),
                        lambda dice: wire_fuzz.frame_case(dice, venue.core.wall_ms()),
                    ]
                )
                chunks = make(dice)
                case = (number, [chunk[:300] for chunk in chunks])
                judge(case, await converse(venue, chunks), documented)

        await asyncio.gather(*(attack() for _ in range(AT_ONCE)))
        assert venue.core.tally.rest_requests > size / 10
        while len(venue.keeper):
            await asyncio.sleep(0.01)

    play(scene, patience_s=600.0)
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == []


def test_half_a_head_and_half_a_body_are_cut_off_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "HEAD_TIMEOUT_S", 0.2)
    monkeypatch.setattr(http, "BODY_TIMEOUT_S", 0.2)

    async def scene(venue: Venue, rest: Client) -> None:
        head = b"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n"
        for chunks, wanted in (
            ([b"GET /fapi"], b""),
            ([b""], b""),
            ([b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /fa"], b"HTTP/1.1 200"),
            ([head, b"half of i"], b'HTTP/1.1 400 Bad Request'),
        ):  # fmt: skip
            reader, writer = await dial(venue)
            for chunk in chunks:
                writer.write(chunk)
                await asyncio.sleep(0.05)
            heard = b""
            with contextlib.suppress(ConnectionError):
                heard = await asyncio.wait_for(reader.read(), 5)
            assert heard.startswith(wanted), heard
            writer.close()

    play(scene)


def test_a_drop_at_a_time_is_a_request_like_any_other() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        reader, writer = await dial(venue)
        for byte in b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert (await reader.read()).endswith(b"{}")
        writer.close()

    play(scene)


def test_who_does_not_read_is_cut_and_the_others_notice_nothing() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        _, writer = await dial(venue)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /ws-fapi/v1 HTTP/1.1\r\n" + UPGRADE)
        text = b'{"id":1,"method":"depth","params":{"symbol":"BTCUSDT","limit":1000}}'
        async with stream(venue.url, "/public/ws/btcusdt@bookTicker") as socket:
            with contextlib.suppress(ConnectionError):
                while not venue.keeper.cut:
                    writer.write(frame(text) * 50)
                    await asyncio.wait_for(writer.drain(), 5)
                    await receive(socket)
        writer.transport.abort()
        assert venue.keeper.cut == 1

    play(scene, max_buffer_bytes=200_000)


def test_a_message_in_too_many_pieces_or_too_long_is_closed_with_a_code() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        for bytes_sent, code in (
            (frame(b"{", final=False) + frame(b"", 0, final=False) * 1_100, 1009),
            (frame(b"x" * 300_000), 1009),
            (frame(b"\xff\xfe"), 1007),
            (frame(b"{}", masked=False), 1002),
        ):
            reader, writer = await dial(venue)
            writer.write(b"GET /public/ws HTTP/1.1\r\n" + UPGRADE)
            await reader.readuntil(END)
            with contextlib.suppress(ConnectionError):
                writer.write(bytes_sent)
                await writer.drain()
            head = await asyncio.wait_for(reader.readexactly(4), 5)
            assert (head[0] & 0x0F, int.from_bytes(head[2:4], "big")) == (8, code)
            writer.transport.abort()

    play(scene)

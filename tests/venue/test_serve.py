"""The running venue over real sockets: one port, streams that build books, orders and events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop
from websockets.exceptions import ConnectionClosed, InvalidStatus

from aegis.config.models import VenueConfig
from aegis.venue.build import VenueOptions
from aegis.venue.digest import EventDigest
from aegis.venue.errors import OptionsError
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.serve import Venue, running
from aegis.venue.tape import Tape
from tests.venue.client import (
    Client,
    api_request,
    client,
    receive,
    receive_until,
    stream,
    synchronised,
)
from tests.venue.desk import KEYS

Scene = Callable[[Venue, Client], Awaitable[None]]
KEY = KEYS[0]


def play(scene: Scene, **options: Any) -> None:
    """Run a scene against a fresh venue in this process."""

    async def run() -> None:
        merged = VenueOptions(**{"keys": KEYS, **options})
        async with running(merged) as venue, client(venue.url, KEY) as rest:
            await scene(venue, rest)
            assert venue.core.exchange.ledger.imbalance_e8() == 0
            assert venue.core.exchange.ledger.imbalance_lots() == {}
            for task in venue._tasks:
                assert not task.done(), task

    go(run())


def go(coroutine: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(coroutine, 30))


def test_one_port_serves_rest_and_every_kind_of_websocket() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        assert await rest.good("GET", "/fapi/v1/ping", False) == {}
        info = await rest.good("GET", "/fapi/v1/exchangeInfo", False)
        assert [row["symbol"] for row in info["symbols"]] == list(VenueConfig().symbols)
        async with stream(venue.url, "/public/ws/0") as socket:
            await socket.send('{"method":"SUBSCRIBE","params":["btcusdt@bookTicker"],"id":"u-1"}')
            first, second = await receive(socket), await receive(socket)
            assert first == {"result": None, "id": "u-1"}
            assert second["e"] == "bookTicker"
        async with stream(venue.url, "/stream?streams=ethusdt@depth@0ms") as socket:
            event = await receive(socket)
            assert event["stream"] == "ethusdt@depth@0ms"
            assert event["data"]["s"] == "ETHUSDT"
        async with stream(venue.url, "/ws-fapi/v1?returnRateLimits=false") as socket:
            await socket.send('{"id":"x","method":"ping"}')
            assert await receive(socket) == {"id": "x", "status": 200, "result": {}}
        with pytest.raises(InvalidStatus):
            async with stream(venue.url, "/nowhere"):
                pass
        assert len(venue.keeper) <= 1
        assert venue.url.startswith("http://127.0.0.1:")

    play(scene)


def test_a_wrong_route_is_acknowledged_and_silent() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        async with stream(venue.url, "/public/ws") as socket:
            wrong = ["btcusdt@markPrice@1s", "btcusdt@aggTrade", "nosuch@trade"]
            await socket.send(json.dumps({"method": "SUBSCRIBE", "params": wrong, "id": 1}))
            assert await receive(socket) == {"result": None, "id": 1}
            await socket.send('{"method":"LIST_SUBSCRIPTIONS","id":2}')
            assert (await receive(socket))["result"] == wrong
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 0.3)
        async with stream(venue.url, "/market/ws/btcusdt@aggTrade") as socket:
            assert (await receive(socket))["e"] == "aggTrade"

    play(scene)


@pytest.mark.parametrize("name", ["depth@0ms", "depth@100ms"])
def test_a_local_book_equals_the_venues(name: str) -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        async with stream(venue.url, f"/public/ws/btcusdt@{name}") as socket:
            book = await synchronised(rest, socket, "BTCUSDT")
            for _ in range(10):
                assert book.apply(await receive(socket))
            # Read on until the stream has come to where the venue's book stands.
            market = venue.core.exchange.markets["BTCUSDT"]
            while book.last_id != market.book.last_update_id():
                assert book.apply(await receive(socket))
            spec = market.spec
            for side, sign in (("b", BUY), ("a", SELL)):
                wanted = {
                    spec.price_text(price): spec.qty_text(lots)
                    for price, lots in market.book.depth(sign, 1000)
                }
                assert book.levels[side] == wanted

    play(scene)


def test_an_order_from_placement_to_cancellation_with_its_events() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        key = await rest.listen_key()
        async with stream(venue.url, f"/private/ws/{key}") as private:
            book = await rest.good("GET", "/fapi/v1/depth", False, symbol="BTCUSDT", limit=5)
            best_ask = book["asks"][0][0]
            bought = await rest.good(
                "POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET",
                quantity="0.010", newOrderRespType="RESULT",
            )  # fmt: skip
            assert (bought["status"], bought["executedQty"]) == ("FILLED", "0.010")
            events = await receive_until(private, _is_filled)
            assert (events[0]["o"]["x"], events[0]["o"]["X"]) == ("NEW", "NEW")
            lite = [event for event in events if event["e"] == "TRADE_LITE"]
            updates = [event["o"] for event in events if event["e"] == "ORDER_TRADE_UPDATE"][1:]
            assert [event["t"] for event in lite] == [update["t"] for update in updates]
            assert updates[-1]["z"] == "0.010"
            account = (await receive(private))["a"]
            assert account["P"][0]["pa"] == "0.010"
            price = f"{float(best_ask) - 500:.1f}"
            resting = await rest.good(
                "POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="LIMIT",
                timeInForce="GTX", quantity="0.010", price=price, newClientOrderId="rest-1",
            )  # fmt: skip
            assert resting["status"] == "NEW"
            await rest.good(
                "PUT", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", orderId=resting["orderId"],
                quantity="0.020", price=price,
            )  # fmt: skip
            open_orders = await rest.good("GET", "/fapi/v1/openOrders", symbol="BTCUSDT")
            assert [(o["clientOrderId"], o["origQty"]) for o in open_orders] == [
                ("rest-1", "0.020")
            ]
            await rest.good(
                "DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="rest-1"
            )
            story = [(await receive(private))["o"]["x"] for _ in range(3)]
            assert story == ["NEW", "AMENDMENT", "CANCELED"]
            risk = await rest.good("GET", "/fapi/v3/positionRisk")
            assert risk[0]["positionAmt"] == "0.010"

    play(scene)


def _is_filled(event: dict[str, Any]) -> bool:
    return event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["X"] == "FILLED"


async def _rest_at_the_touch(rest: Client, side: str, index: str) -> None:
    """Post-only: where the market has moved meanwhile, the order is refused and tried anew."""
    for _ in range(50):
        ticker = await rest.good("GET", "/fapi/v1/ticker/bookTicker", False, symbol="BTCUSDT")
        status, body = await rest.call(
            "POST", "/fapi/v1/order", symbol="BTCUSDT", side=side, type="LIMIT",
            timeInForce="GTX", quantity="0.002", price=ticker[index],
        )  # fmt: skip
        if status == 200:
            return
        assert body["code"] == -5022
    raise AssertionError("the touch moved 50 times between a question and an order")


def test_resting_orders_are_filled_by_the_flow() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        key = await rest.listen_key()
        path = f"/private/stream?listenKey={key}&events=TRADE_LITE"
        async with stream(venue.url, path) as private:
            for side, index in (("BUY", "bidPrice"), ("SELL", "askPrice")):
                await _rest_at_the_touch(rest, side, index)
            event = await receive(private)
            assert event["stream"] == key
            assert (event["data"]["e"], event["data"]["m"]) == ("TRADE_LITE", True)

    play(scene)


def test_a_deleted_listen_key_falls_silent_and_a_port_in_use_is_named() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        key = await rest.listen_key()
        async with stream(venue.url, f"/private/ws/{key}") as private:
            order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
            await rest.good("POST", "/fapi/v1/order", **order)
            assert (await receive(private))["e"] == "ORDER_TRADE_UPDATE"
            assert await rest.good("DELETE", "/fapi/v1/listenKey", signed=False) == {}
            await receive_until(private, lambda event: event["e"] == "ACCOUNT_UPDATE")
            await rest.good("POST", "/fapi/v1/order", **order)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(private.recv(), 0.2)
        taken = VenueOptions(config=VenueConfig(port=venue.port), keys=KEYS)
        with pytest.raises(OptionsError, match=f"127.0.0.1:{venue.port}: Address already in use"):
            await Venue(taken).start()

    play(scene)


def test_the_websocket_api_over_a_socket() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        async with stream(venue.url, "/ws-fapi/v1") as socket:
            await socket.send(api_request(KEY, "session.logon"))
            assert (await receive(socket))["result"]["apiKey"] == KEY.api_key
            await socket.send(
                api_request(
                    KEY, "order.place", symbol="BTCUSDT", side="SELL", type="LIMIT",
                    timeInForce="GTC", quantity="0.010", price="62000.0", newClientOrderId="w1",
                )
            )  # fmt: skip
            placed = await receive(socket)
            assert (placed["status"], placed["result"]["clientOrderId"]) == (200, "w1")
            await socket.send("{broken")
            assert (await receive(socket))["status"] == 400
            await socket.send(
                api_request(KEY, "order.cancel", symbol="BTCUSDT", origClientOrderId="w1")
            )
            assert (await receive(socket))["result"]["status"] == "CANCELED"
        assert venue.core.tally.ws_requests == 2

    play(scene)


def test_a_slow_reader_is_cut_and_the_others_go_on() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        host, port = venue.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1)
        writer.write(
            b"GET /public/stream?streams=btcusdt@depth@0ms/btcusdt@trade/ethusdt@depth@0ms HTTP/1.1"
            b"\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        async with stream(venue.url, "/public/ws/btcusdt@bookTicker") as socket:
            # Nobody reads the first connection; flood it with a stream of the test's own.
            while not venue.keeper.cut:
                venue.hub.publish("btcusdt@trade", b'"' + b"x" * 50_000 + b'"')
                venue.hub.flush()
                await receive(socket)
        assert venue.keeper.cut == 1
        writer.transport.abort()
        assert reader is not None

    play(scene, max_buffer_bytes=200_000)


def test_garbage_on_the_port_harms_nobody() -> None:
    async def scene(venue: Venue, rest: Client) -> None:
        host, port = venue.url.removeprefix("http://").split(":")
        for garbage in (
            b"\x00" * 100 + b"\r\n\r\n",
            b"GET / HTTP/9.9\r\nUpgrade: websocket\r\n\r\n",
            b"x" * 40_000,
            b"GET /public/ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            b"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd",
        ):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(garbage)
            await asyncio.wait_for(reader.read(100), 5)
            writer.close()
        async with stream(venue.url, "/public/ws") as socket:
            await socket.send("{broken")
            assert (await receive(socket))["error"]["code"] == 3
            with pytest.raises(ConnectionClosed):
                await receive(socket)
        assert await rest.good("GET", "/fapi/v1/ping", False) == {}

    play(scene)


def test_same_seed_same_events_as_they_are_served() -> None:
    """Two venues, not at the same time, not equally fast: the same public history."""
    hashes: list[list[str]] = []
    for pause_s in (0.0, 0.02):
        seen: list[str] = []

        class Witness(EventDigest):
            def consume(self, tape: Tape, origin_ms: int, seen: list[str] = seen) -> None:
                # How many records are on the tape at a time depends on the machine: one by one.
                for place in range(len(tape)):
                    one = Tape()
                    one.records[0] = tape.records[place]
                    one.cursor[0] = 1
                    super().consume(one, origin_ms)
                    seen.append(self.hex())

        async def scene(
            venue: Venue, rest: Client, seen: list[str] = seen, pause_s: float = pause_s
        ) -> None:
            while len(seen) < 1_000:
                await rest.good("GET", "/fapi/v1/time", False)
                await asyncio.sleep(0.005 + pause_s)

        async def run(scene: Scene = scene) -> None:
            venue = Venue(VenueOptions(config=VenueConfig(seed=99), keys=KEYS))
            venue.pump.digest = Witness()
            try:
                await venue.start()
                async with client(venue.url, KEY) as rest:
                    await scene(venue, rest)
            finally:
                await venue.close()

        go(run())
        hashes.append(seen[:1_000])
    assert hashes[0] == hashes[1]
    assert len(set(hashes[0])) == 1_000

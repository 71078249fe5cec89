"""A small exchange on a real socket, with faults on request. Runs in the test's own event loop.

It serves the combined market stream and two REST questions from one port, speaks for a `Market`,
and knows nothing of the feed's code. Faults: cut in the middle of a frame, silent streams, lost
events, snapshots that are old, refused or late, subscriptions that are never acknowledged.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from typing import Any

from aiohttp import ClientConnectionResetError, WSMsgType, web

from tests.feed.market import Market, compact, frame


def exchange_info(symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "symbol": symbol, "status": "TRADING", "pricePrecision": 2, "quantityPrecision": 3,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "1", "maxPrice": "1000000",
             "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95"},
        ],
    }  # fmt: skip
    return {"serverTime": 1, "symbols": [{**row, **changes}]}


class FakeExchange:
    """Use as `async with FakeExchange(market) as exchange`."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.port = 0
        self.sockets: dict[web.WebSocketResponse, set[str]] = {}
        self.requests: Counter[str] = Counter()
        self.sent = 0
        self.acknowledges = True
        self.answers_pings = True
        self.silent: set[str] = set()
        self.info = exchange_info(market.symbol)
        # Answers to the next snapshot requests instead of a good one: (status, headers, body).
        self.refusals: list[tuple[int, dict[str, str], bytes]] = []
        # Answers to the next handshakes and questions for the list: (status, headers).
        self.refused_sockets: list[tuple[int, dict[str, str]]] = []
        self.refused_lists: list[tuple[int, dict[str, str]]] = []
        self.old_snapshots: list[dict[str, Any]] = []
        self._runner: web.AppRunner | None = None
        self._transports: dict[web.WebSocketResponse, Any] = {}

    async def __aenter__(self) -> FakeExchange:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/fapi/v1/exchangeInfo", self._exchange_info)
        app.router.add_get("/fapi/v1/depth", self._depth)
        app.router.add_get("/public/stream", self._stream)
        app.router.add_get("/market/stream", self._stream)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        for transport in list(self._transports.values()):
            transport.abort()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def subscribed(self) -> set[str]:
        return set().union(*self.sockets.values()) if self.sockets else set()

    # ---- what it sends

    async def tell(self, payload: dict[str, Any]) -> None:
        """Send a payload to whoever has subscribed to its stream."""
        text = frame(payload)
        stream = json.loads(text)["stream"]
        if stream.partition("@")[2] in self.silent:
            return
        for socket, names in list(self.sockets.items()):
            if stream in names:
                # The feed may have given the connection up a moment ago.
                with contextlib.suppress(ClientConnectionResetError):
                    await socket.send_str(text.decode())
                    self.sent += 1

    async def step(self, *, lose: bool = False) -> None:
        """One change of the market: depth event, bookTicker, trade."""
        event = self.market.step()
        if not lose:
            await self.tell(event)
        await self.tell(self.market.quote())
        await self.tell(self.market.trade())

    def cut_inside_a_frame(self) -> None:
        """Send half a frame and end the TCP connection."""
        for transport in list(self._transports.values()):
            text = frame(self.market.quote())
            transport.write(bytes([0x81, 126]) + len(text).to_bytes(2, "big") + text[:40])
            transport.close()

    def abort(self) -> None:
        for transport in list(self._transports.values()):
            transport.abort()

    # ---- what it serves

    async def _exchange_info(self, request: web.Request) -> web.Response:
        self.requests["exchangeInfo"] += 1
        if self.refused_lists:
            status, headers = self.refused_lists.pop(0)
            return web.Response(status=status, headers=headers)
        return web.Response(body=compact(self.info), content_type="application/json")

    async def _depth(self, request: web.Request) -> web.Response:
        self.requests["depth"] += 1
        if self.refusals:
            status, headers, body = self.refusals.pop(0)
            return web.Response(status=status, headers=headers, body=body)
        snapshot = self.old_snapshots.pop(0) if self.old_snapshots else self.market.snapshot()
        return web.Response(body=compact(snapshot), content_type="application/json")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.requests[request.path] += 1
        if self.refused_sockets:
            status, headers = self.refused_sockets.pop(0)
            return web.Response(status=status, headers=headers)
        socket = web.WebSocketResponse(autoping=False, compress=False)
        await socket.prepare(request)
        transport = request.transport
        assert transport is not None
        self.sockets[socket] = set()
        self._transports[socket] = transport
        try:
            async for message in socket:
                if message.type is WSMsgType.PING:
                    self.requests["ping"] += 1
                    if self.answers_pings:
                        await socket.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    self.requests["pong"] += 1
                elif message.type is WSMsgType.TEXT:
                    await self._control(socket, json.loads(message.data))
        finally:
            self.sockets.pop(socket, None)
            self._transports.pop(socket, None)
        return socket

    async def _control(self, socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
        self.requests[request["method"]] += 1
        self.sockets[socket] |= set(request["params"])
        if self.acknowledges:
            await socket.send_json({"result": None, "id": request["id"]})

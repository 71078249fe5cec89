"""A small exchange on loopback that misbehaves on demand: REST, order API and private stream.

Written for these tests alone and apart from both execution and the embedded exchange, so that a
shared misunderstanding cannot hide. It knows one account; nothing matches by itself: the tests say
`fill`. A fault applies to the next request of its kind.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aegis.shm.wiring import Credentials
from tests.execution.test_symbols import INFO

Json = dict[str, Any]
OPEN = ("NEW", "PARTIALLY_FILLED")


def mint() -> Credentials:
    """Keys whose text would be recognised anywhere."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Credentials("KEY" + "a" * 61, "SECRETcanary" + "b" * 52, pem, b"")


@dataclass
class Order:
    """One order; quantities and prices as decimals."""

    order_id: int
    client_id: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    status: str = "NEW"
    filled: Decimal = Decimal(0)
    updated_ms: int = 1

    def row(self) -> Json:
        return {
            "orderId": self.order_id,
            "clientOrderId": self.client_id,
            "symbol": self.symbol,
            "side": self.side,
            "status": self.status,
            "price": str(self.price),
            "origQty": str(self.qty),
            "executedQty": str(self.filled),
            "updateTime": self.updated_ms,
            "newField": {"unknown": True},
        }


@dataclass
class Fault:
    """What goes wrong with a request: whether it is carried out, and what the client sees."""

    carried_out: bool = True
    answer: Json | None = None  # an error object with its "status"
    silent: bool = False
    cut: bool = False
    before_answer: Callable[[Order], None] | None = None


@dataclass
class FakeExchange:
    """`async with FakeExchange() as exchange`; everything it was asked is in `requests`."""

    credentials: Credentials = field(default_factory=mint)
    orders: dict[str, Order] = field(default_factory=dict)
    trades: list[Json] = field(default_factory=list)
    position: Decimal = Decimal(0)
    entry: str = "0.0"
    place_faults: list[Fault] = field(default_factory=list)
    cancel_faults: list[Fault] = field(default_factory=list)
    amend_faults: list[Fault] = field(default_factory=list)
    rest_faults: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    placements: list[str] = field(default_factory=list)
    after_absent: Callable[[str], None] | None = None
    refuse_streams: bool = False
    rest_held: asyncio.Event | None = None  # REST answers only once it is set
    refuse_orders: bool = False
    port: int = 0
    leverage: int = 20
    algo_orders: list[Json] = field(default_factory=list)
    incomes: list[Json] = field(default_factory=list)
    now_ms: int = 1_000
    week_ms: int = 0  # since when trades are listed that are asked for by no number

    def __post_init__(self) -> None:
        self.order_lines: set[web.WebSocketResponse] = set()
        self.stream_paths: list[str] = []
        self.streams: set[web.WebSocketResponse] = set()
        self._pushes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FakeExchange:
        app = web.Application()
        app.router.add_get("/ws-fapi/v1", self._order_line)
        app.router.add_get("/private/ws/{key}", self._stream)
        app.router.add_get("/ws/{key}", self._stream)
        app.router.add_route("*", "/fapi/{rest:.*}", self._rest)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut_all()
        await self._runner.cleanup()

    # What the tests do to it

    async def cut_all(self) -> None:
        """Close every socket."""
        for line in [*self.order_lines, *self.streams]:
            await line.close()

    def open_ids(self) -> list[str]:
        return [order.client_id for order in self.orders.values() if order.status in OPEN]

    def add(self, client_id: str, side: str = "BUY", qty: str = "0.002") -> Order:
        """An order that is simply there."""
        order = Order(
            len(self.orders) + 1, client_id, "BTCUSDT", side, Decimal(qty), Decimal("59990.0")
        )
        self.orders[client_id] = order
        return order

    def fill(self, order: Order, qty: str, *, told: int = 1) -> None:
        """Fill a part; `told` is how many times the stream says so."""
        amount = Decimal(qty)
        order.filled += amount
        order.status = "FILLED" if order.filled == order.qty else "PARTIALLY_FILLED"
        self.position += amount if order.side == "BUY" else -amount
        self.entry = str(order.price)
        trade = {
            "id": len(self.trades) + 1,
            "orderId": order.order_id,
            "side": order.side,
            "price": str(order.price),
            "qty": qty,
            "commission": "0.0100",
            "commissionAsset": "USDT",
            "maker": True,
            "time": self.now_ms,
        }
        self.trades.append(trade)
        for _ in range(told):
            self.tell(order, "TRADE", l=qty, L=str(order.price), t=trade["id"], n="0.0100", m=True)

    def cancel(self, order: Order) -> None:
        """Cancel as the exchange would."""
        order.status = "CANCELED"
        self.tell(order, "CANCELED")

    def amend(self, order: Order, price: str, qty: str) -> None:
        """Give an order new terms, as the exchange would."""
        order.price, order.qty = Decimal(price), Decimal(qty)
        order.updated_ms = self.now_ms + 1
        self.tell(order, "AMENDMENT")

    def tell(self, order: Order, x: str, **fields: Any) -> None:
        """Push an ORDER_TRADE_UPDATE."""
        self.now_ms += 1
        details = {
            "s": order.symbol,
            "c": order.client_id,
            "S": order.side,
            "x": x,
            "X": order.status,
            "i": order.order_id,
            "q": str(order.qty),
            "p": str(order.price),
            "z": str(order.filled),
            "N": "USDT",
            "T": self.now_ms,
            "rp": "0",
            "st": 1,
        }
        event = {"e": "ORDER_TRADE_UPDATE", "E": self.now_ms, "T": self.now_ms}
        self.push({**event, "o": details | fields})
        if x == "TRADE":
            self.push({"e": "TRADE_LITE", "E": self.now_ms, "s": order.symbol, "t": fields["t"]})
            row = {"s": "BTCUSDT", "pa": str(self.position), "ep": self.entry, "ps": "BOTH"}
            account = {"m": "ORDER", "B": [{"a": "USDT", "wb": "9000.5"}], "P": [row]}
            self.push({"e": "ACCOUNT_UPDATE", "E": self.now_ms, "a": account})

    def push(self, event: Json) -> None:
        """Send one event to every private stream, in order."""
        for stream in self.streams:
            task = asyncio.get_running_loop().create_task(stream.send_str(json.dumps(event)))
            self._pushes.add(task)
            task.add_done_callback(self._pushes.discard)

    # REST

    async def _rest(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/fapi/")
        action = f"{request.method} {path}"
        self.requests.append(action)
        text = request.query_string or (await request.text())
        if self.rest_held is not None:
            await self.rest_held.wait()
        if self.rest_faults.get(action):
            status, body = self.rest_faults[action].pop(0)
            return web.Response(status=status, text=body)
        public = path in ("v1/time", "v1/exchangeInfo")
        if not public and request.headers.get("X-MBX-APIKEY") != self.credentials.api_key:
            return _error(401, -2015, "Invalid API-key, IP, or permissions for action.")
        if "signature=" in text and not self._is_signed(text):
            return _error(400, -1022, "Signature for this request is not valid.")
        if action == "POST v1/order":
            return await self._place_by_rest(request, dict(parse_qsl(text)))
        return self._answer(action, dict(parse_qsl(text)))

    async def _place_by_rest(self, request: web.Request, params: Json) -> web.Response:
        fault = self.place_faults.pop(0) if self.place_faults else Fault()
        client_id = params["newClientOrderId"]
        self.placements.append(client_id)
        reply = fault.answer or self._place(client_id, params, fault)
        if fault.answer is not None:
            self._place(client_id, params, fault)
        if fault.cut:
            assert request.transport is not None
            request.transport.close()
        if fault.silent:
            await asyncio.Event().wait()
        if "error" in reply:
            return web.json_response(reply["error"], status=reply["status"])
        return web.json_response(reply["result"])

    def _is_signed(self, text: str) -> bool:
        payload, _, signature = text.partition("&signature=")
        secret = self.credentials.hmac_secret.encode()
        return hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest() == signature

    def _answer(self, action: str, query: dict[str, str]) -> web.Response:
        order = self.orders.get(query.get("origClientOrderId", ""))
        if action == "GET v1/time":
            return web.json_response({"serverTime": time.time_ns() // 1_000_000})
        if action == "GET v1/exchangeInfo":
            return web.json_response(INFO)
        if action == "GET v1/accountConfig":
            return web.json_response({"canTrade": True, "dualSidePosition": False})
        if action == "GET v1/openAlgoOrders":
            return web.json_response(self.algo_orders)
        if action == "GET v1/symbolConfig":
            row = {"symbol": query["symbol"], "marginType": "CROSSED", "leverage": self.leverage}
            return web.json_response([row])
        if action.endswith("v1/listenKey"):
            return web.json_response({"listenKey": "l" * 64})
        if action == "GET v1/openOrders":
            return web.json_response([o.row() for o in self.orders.values() if o.status in OPEN])
        if action == "GET v1/order":
            if order is None:
                late, self.after_absent = self.after_absent, None
                if late is not None:
                    late(query["origClientOrderId"])
                return _error(400, -2013, "Order does not exist.")
            return web.json_response(order.row())
        if action == "DELETE v1/order":
            if order is None or order.status not in OPEN:
                return _error(400, -2011, "Unknown order sent.")
            self.cancel(order)
            return web.json_response(order.row())
        if action == "GET v1/userTrades":
            wanted, first = int(query.get("orderId", 0)), int(query.get("fromId", 0))
            found = [t for t in self.trades if wanted in (0, t["orderId"]) and t["id"] >= first]
            if not wanted and not first:
                found = [t for t in found if t["time"] >= self.week_ms]
            return web.json_response(found)
        if action == "GET v1/income":
            return web.json_response(
                [row for row in self.incomes if row["time"] >= int(query["startTime"])]
            )
        if action == "GET v3/positionRisk":
            row = {"symbol": "BTCUSDT", "positionSide": "BOTH", "updateTime": self.now_ms}
            amounts = {"positionAmt": str(self.position), "entryPrice": self.entry}
            return web.json_response([row | amounts])
        if action == "GET v1/openAlgoOrders":
            return web.json_response([])
        if action == "POST v1/countdownCancelAll":
            return web.json_response(query)
        if action == "GET v3/balance":
            return web.json_response([{"asset": "USDT", "balance": "10000.0"}])
        return _error(404, 0, "no such path")

    # The order API

    async def _order_line(self, request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse()
        if self.refuse_orders:
            raise web.HTTPServiceUnavailable
        await line.prepare(request)
        self.order_lines.add(line)
        logged_on = False
        try:
            async for message in line:
                if message.type is not WSMsgType.TEXT:
                    continue
                body = json.loads(message.data)
                method, params = body["method"], body["params"]
                if method == "session.logon":
                    logged_on = self._logs_on(params)
                    error = {"status": 400, "error": {"code": -1022, "msg": "bad signature"}}
                    reply: Json = {"status": 200, "result": {}} if logged_on else error
                    await line.send_str(json.dumps({"id": body["id"], **reply}))
                elif not logged_on:
                    await line.send_str(json.dumps({"id": body["id"], "status": 401}))
                else:
                    await self._command(line, body["id"], method, params)
        finally:
            self.order_lines.discard(line)
        return line

    def _logs_on(self, params: Json) -> bool:
        signature = base64.b64decode(params.pop("signature"))
        payload = "&".join(f"{key}={params[key]}" for key in sorted(params)).encode()
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        private = load_pem_private_key(self.credentials.ed25519_private_pem, None)
        assert isinstance(private, Ed25519PrivateKey)
        try:
            private.public_key().verify(signature, payload)
        except InvalidSignature:
            return False
        return params["apiKey"] == self.credentials.api_key

    async def _command(
        self, line: web.WebSocketResponse, request_id: int, method: str, params: Json
    ) -> None:
        faults = {"order.place": self.place_faults, "order.modify": self.amend_faults}.get(
            method, self.cancel_faults
        )
        fault = faults.pop(0) if faults else Fault()
        assert abs(params["timestamp"] - time.time() * 1000) < params["recvWindow"]
        reply: Json
        if method == "order.place":
            client_id = params["newClientOrderId"]
            self.placements.append(client_id)
            reply = self._place(client_id, params, fault)
        else:
            order = self.orders.get(params["origClientOrderId"])
            if fault.before_answer is not None and order is not None:
                fault.before_answer(order)
            if order is None or order.status not in OPEN:
                reply = {"status": 400, "error": {"code": -2011, "msg": "Unknown order sent."}}
            else:
                if fault.carried_out and method == "order.modify":
                    self.amend(order, params["price"], params["quantity"])
                elif fault.carried_out:
                    self.cancel(order)
                reply = {"status": 200, "result": order.row()}
        if fault.answer is not None:
            reply = fault.answer
        if fault.cut:
            await line.close()
        elif not fault.silent:
            await line.send_str(json.dumps({"id": request_id, **reply}))

    def _place(self, client_id: str, params: Json, fault: Fault) -> Json:
        if client_id in self.open_ids():
            return {"status": 400, "error": {"code": -4116, "msg": "duplicate"}}
        if not fault.carried_out:
            return {"status": 400, "error": {"code": -2019, "msg": "Margin is insufficient."}}
        order = self.add(client_id, params["side"], params["quantity"])
        order.price = Decimal(params["price"])
        row = order.row()
        self.tell(order, "NEW")
        if fault.before_answer is not None:
            fault.before_answer(order)
        return {"status": 200, "result": row}

    # The private stream

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        if self.refuse_streams:
            raise web.HTTPServiceUnavailable
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        self.stream_paths.append(request.path)
        self.streams.add(stream)
        try:
            async for _ in stream:
                pass
        finally:
            self.streams.discard(stream)
        return stream


def _error(status: int, code: int, text: str) -> web.Response:
    return web.json_response({"code": code, "msg": text}, status=status)

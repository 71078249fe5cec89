"""The exchange's front: wire in, wire out, and every way in which it may fail between the two.

It checks timestamps against the receive window as the exchange documents it, counts request weight,
keeps listen keys, and, by the trial's plan, loses, repeats, delays and garbles: three texts of 503,
-1006 and -1007 with the order really placed or really not, placements that come into being late,
-2011 for an order that rests, queries that do not yet see one, 429, 418, and events that come
twice, out of order or not at all.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from aegis.simulator.agenda import Agenda
from aegis.simulator.amend_front import UNCLEAR, put_order, serve_amend
from aegis.simulator.exchange import SYMBOL, Exchange, Refusal, RestingOrder, money_text
from aegis.simulator.faults import Plan
from aegis.simulator.network import Line

__all__ = ["EXCHANGE_EPOCH_MS", "Front"]

Json = dict[str, Any]
_MS = 1_000_000
EXCHANGE_EPOCH_MS = 1_763_700_000_000
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_WEIGHT_CAP = 2_400
_WEIGHTS = {
    "GET v3/positionRisk": 5,
    "GET v1/userTrades": 5,
    "GET v1/accountConfig": 5,
    "GET v3/balance": 5,
    "GET v1/income": 30,
    "POST v1/countdownCancelAll": 10,
}

_INFO = _encode(
    {
        "symbols": [
            {
                "symbol": SYMBOL,
                "status": "TRADING",
                "contractType": "PERPETUAL",
                "filters": [
                    {
                        "filterType": "PRICE_FILTER",
                        "minPrice": "556.80",
                        "maxPrice": "4529764",
                        "tickSize": "0.10",
                    },
                    {
                        "filterType": "LOT_SIZE",
                        "minQty": "0.001",
                        "maxQty": "1000",
                        "stepSize": "0.001",
                    },
                    {
                        "filterType": "MARKET_LOT_SIZE",
                        "minQty": "0.001",
                        "maxQty": "120",
                        "stepSize": "0.001",
                    },
                    {"filterType": "MIN_NOTIONAL", "notional": "50"},
                ],
            }
        ],
        "rateLimits": [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": _WEIGHT_CAP,
            },
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 100_000},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 30_000},
        ],
    }
)
# What a placement may get instead of its answer, besides UNCLEAR: (status, code, text).
_CERTAIN = (
    (503, 0, "Service Unavailable."),
    (503, 0, "Internal error; unable to process your request. Please try again."),
    (503, -1008, "Server is currently overloaded with other requests."),
    (400, -2019, "Margin is insufficient."),
    (400, -2027, "Exceeded the maximum allowable position at current leverage."),
    (400, -1021, "Timestamp for this request is outside of the recvWindow."),
    (400, -5028, "Timestamp for this request is outside of the ME recvWindow."),
    (429, -1003, "Too many requests."),
    (400, -4164, "Order's notional must be no smaller than 50."),
)
_QUERY = (
    (503, 0, "Unknown error, please check your request or try again later."),
    (503, 0, "Service Unavailable."),
    (502, 0, "<html>Bad gateway</html>"),
    (500, -1000, "An unknown error occurred while processing the request."),
    (408, -1007, "Timeout waiting for response from backend server."),
    (400, -1021, "Timestamp for this request is outside of the recvWindow."),
)

_REFUSALS = (_QUERY[1], _QUERY[5])


class Front:
    """The server's side of every line and request of one trial."""

    def __init__(
        self,
        agenda: Agenda,
        plan: Plan,
        rng: random.Random,
        exchange: Exchange,
        on_violation: Callable[[str, str], None],
    ) -> None:
        self.agenda = agenda
        self.plan = plan
        self.rng = rng
        self.exchange = exchange
        self.on_violation = on_violation
        self.streams: list[Line] = []
        self.order_line: Line | None = None
        self.keys: set[str] = set()
        self._next_key = 1
        self._kept: list[bytes] = []
        self._held: bytes | None = None
        self._weights: deque[tuple[int, int]] = deque()
        self.quiet_until_ns = 0
        self.banned_until_ns = 0
        self.countdown_ns: int | None = None
        self.hedge_mode = False
        self.loose_events = 0

    # Time

    def now_ms(self) -> int:
        """The exchange's clock."""
        return EXCHANGE_EPOCH_MS + self.agenda.timeline.now_ns // _MS

    def check_time(self, timestamp: int, window: int) -> None:
        """Raises Refusal for a timestamp outside of its window."""
        server = self.now_ms()
        if not (timestamp < server + 1_000 and server - timestamp <= window):
            raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")

    # Lines

    def on_line_open(self, line: Line) -> bool:
        """A WebSocket wants to be opened; whether it may."""
        if line.url.startswith("private/ws/"):
            line.key = line.url.rpartition("/")[2]
            if line.key not in self.keys:
                return False
            self.streams.append(line)
        return True

    def on_line_message(self, line: Line, data: bytes) -> None:
        """One request of an order line."""
        request = _decode(data)
        method, parameters = request["method"], request["params"]
        number = request["id"]
        if method == "session.logon":
            line.logged_on = True
            self.order_line = line
            line.send_down(_encode({"id": number, "status": 200, "result": {}}))
        elif not line.logged_on:
            self._answer(line, number, {"status": 401, "error": {"code": -2015, "msg": "log on"}})
        elif method == "order.place":
            self._place(line, number, parameters)
        elif method == "order.cancel":
            self._cancel(line, number, parameters)
        elif method == "order.modify":
            serve_amend(self, line, number, parameters, self._answer)
        else:
            error = {"code": -1130, "msg": f"no method {method}"}
            self._answer(line, number, {"status": 400, "error": error})

    def _answer(self, line: Line, number: Any, reply: Json) -> None:
        plan, rng = self.plan, self.rng
        payload = _encode({"id": number, **reply})
        if plan.answer_lost and rng.random() < plan.answer_lost * 0.3:
            return
        line.send_down(payload)
        if plan.answer_twice and rng.random() < plan.answer_twice * 0.3:
            if rng.random() < 0.5:
                line.send_down(payload)
            else:
                self.agenda.after(rng.randrange(3_000 * _MS), self._answer_again, payload)

    def _answer_again(self, payload: bytes) -> None:
        """An answer comes once more, on whatever order line there is by now."""
        line = self.order_line
        if line is not None and line.is_open:
            line.send_down(payload)

    def _place(self, line: Line, number: Any, parameters: Json) -> None:
        rng, plan = self.rng, self.plan
        if self.quiet_until_ns > self.agenda.timeline.now_ns:
            self._answer(line, number, _error(429, -1003, "Too many requests."))
            return
        if plan.place_fault and rng.random() < plan.place_fault:
            if rng.random() < 0.5:
                self._answer(line, number, _error(*rng.choice(_CERTAIN)))
                return
            if rng.random() < 0.5:
                self._do_place(parameters)
            unclear = rng.choice(UNCLEAR)
            if rng.random() < 0.8:
                self._answer(line, number, _error(*unclear))
            return
        if plan.delayed_placement and rng.random() < plan.delayed_placement:
            self._place_late(line, number, parameters)
            return
        self._answer(line, number, self._do_place(parameters))

    def _place_late(self, line: Line, number: Any, parameters: Json) -> None:
        """It will come into being, but not yet; the answer is -1007, nothing, or comes with it."""
        rng = self.rng
        left_ms = parameters["timestamp"] + parameters["recvWindow"] - self.now_ms()
        if left_ms > 1:
            self.agenda.after(rng.randrange(left_ms) * _MS, self._do_place, parameters)
        if rng.random() < 0.5:
            self._answer(line, number, _error(*rng.choice(UNCLEAR)))

    def _do_place(self, parameters: Json) -> Json:
        exchange = self.exchange
        exchange.now_ms = self.now_ms()
        try:
            self.check_time(parameters["timestamp"], parameters["recvWindow"])
            order = exchange.place(
                parameters["newClientOrderId"],
                1 if parameters["side"] == "BUY" else -1,
                _scaled(parameters.get("price", "0"), 1),
                _scaled(parameters["quantity"], 3),
                "MARKET" if parameters["type"] == "MARKET" else parameters["timeInForce"],
                reduces=parameters.get("reduceOnly") == "true",
            )
        except Refusal as refusal:
            return _error(refusal.status, refusal.code, refusal.text)
        return {"status": 200, "result": exchange.row(order)}

    def _cancel(self, line: Line, number: Any, parameters: Json) -> None:
        rng = self.rng
        if self.plan.cancel_fault and rng.random() < self.plan.cancel_fault:
            kind = rng.randrange(4)
            if kind == 0:
                self._do_cancel(parameters)
                return
            if kind == 1:
                if rng.random() < 0.5:
                    self._do_cancel(parameters)
                self._answer(line, number, _error(*rng.choice(UNCLEAR)))
            elif kind == 2:
                self._answer(line, number, _error(*rng.choice(_CERTAIN[:3] + _CERTAIN[5:8])))
            else:
                self._answer(line, number, _error(400, -2011, "Unknown order sent."))
            return
        self._answer(line, number, self._do_cancel(parameters))

    def _do_cancel(self, parameters: Json) -> Json:
        self.exchange.now_ms = self.now_ms()
        try:
            self.check_time(parameters["timestamp"], parameters["recvWindow"])
            order = self.exchange.cancel(parameters["origClientOrderId"])
        except Refusal as refusal:
            return _error(refusal.status, refusal.code, refusal.text)
        return {"status": 200, "result": self.exchange.row(order)}

    # The private stream

    def tell(self, event: Json) -> None:
        """One event of the account, to whoever listens."""
        plan, rng = self.plan, self.rng
        payload = _encode(event)
        if plan.event_lost and rng.random() < plan.event_lost * 0.3:
            self.loose_events += 1
            return
        if plan.event_swapped and self._held is None and rng.random() < plan.event_swapped * 0.3:
            self._held = payload
            self.agenda.after(rng.randrange(1, 200 * _MS), self._release)
            return
        self._push(payload)
        if self._held is not None:
            self._release()
        if plan.event_twice:
            self._kept = [*self._kept[-7:], payload]
            if rng.random() < plan.event_twice * 0.3:
                self._push(rng.choice(self._kept))

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._push(held)

    def _push(self, payload: bytes) -> None:
        self.streams = [line for line in self.streams if line.is_open]
        for line in self.streams:
            line.send_down(payload)

    def expire_keys(self) -> None:
        """The listen key ends: one event, and silence from then on."""
        self.keys.clear()
        self._push(_encode({"e": "listenKeyExpired", "E": self.now_ms(), "listenKey": "k"}))
        self.streams.clear()

    # REST

    def on_http(self, method: str, path: str, text: str) -> tuple[int, bytes, dict[str, str]]:
        """One request; (status, body, headers)."""
        now_ns = self.agenda.timeline.now_ns
        self.exchange.now_ms = self.now_ms()
        action = f"{method} {path.removeprefix('fapi/')}"
        weights = self._weights
        weights.append((now_ns, _WEIGHTS.get(action, 1)))
        while weights[0][0] < now_ns - 60_000 * _MS:
            weights.popleft()
        used = sum(weight for _, weight in weights)
        headers = {"X-MBX-USED-WEIGHT-1M": str(used)}
        if used > _WEIGHT_CAP:
            self.on_violation("I9", f"{used} request weight within a minute")
        if self.banned_until_ns > now_ns:
            left_s = (self.banned_until_ns - now_ns) // (1_000 * _MS) + 1
            headers["Retry-After"] = str(left_s)
            return 418, _body(-1003, "Way too many requests; banned."), headers
        if self.quiet_until_ns > now_ns:
            headers["Retry-After"] = "1"
            return 429, _body(-1003, "Too many requests."), headers
        plan, rng = self.plan, self.rng
        if plan.query_fault and rng.random() < plan.query_fault:
            status, code, told = rng.choice(_QUERY)
            # What is certainly refused has changed nothing.
            is_refused = (status, code, told) in _REFUSALS
            if rng.random() < 0.5 and not is_refused:
                self._serve(action, text)
            return status, _body(code, told) if code else told.encode(), headers
        status, answer = self._serve(action, text)
        if isinstance(answer, bytes):
            return status, answer, headers
        return status, _encode(answer), headers

    def _serve(self, action: str, text: str) -> tuple[int, Any]:
        query = dict(parse_qsl(text))
        try:
            if "timestamp" in query:
                self.check_time(int(query["timestamp"]), int(query["recvWindow"]))
            handler = _REST.get(action)
            if handler is None:
                raise Refusal(-5000, f"no path {action}", 404)
            return 200, handler(self, query)
        except Refusal as refusal:
            return refusal.status, {"code": refusal.code, "msg": refusal.text}

    def _seen(self, order: RestingOrder) -> bool:
        """Whether queries see an order yet."""
        return self.now_ms() >= order.born_ms + self.plan.replica_lag_ns // _MS

    def _get_order(self, query: dict[str, str]) -> Json:
        order = self.exchange.find(query["origClientOrderId"])
        if not self._seen(order):
            raise Refusal(-2013, "Order does not exist.")
        return self.exchange.row(order)

    def _delete_order(self, query: dict[str, str]) -> Json:
        return self.exchange.row(self.exchange.cancel(query["origClientOrderId"]))

    def _post_order(self, query: dict[str, str]) -> Json:
        reply = self._do_place(
            {
                **query,
                "timestamp": int(query["timestamp"]),
                "recvWindow": int(query["recvWindow"]),
            }
        )
        if reply["status"] != 200:
            raise Refusal(reply["error"]["code"], reply["error"]["msg"], reply["status"])
        result: Json = reply["result"]
        return result

    def _open_orders(self, _: dict[str, str]) -> list[Json]:
        return [self.exchange.row(order) for order in self.exchange.open.values()]

    def _user_trades(self, query: dict[str, str]) -> list[Json]:
        found = self.exchange.trades
        if "orderId" in query:
            wanted = int(query["orderId"])
            found = [trade for trade in found if trade["orderId"] == wanted]
        if "fromId" in query:
            found = [trade for trade in found if trade["id"] >= int(query["fromId"])]
        if "startTime" in query:
            found = [trade for trade in found if trade["time"] >= int(query["startTime"])]
        return found[-int(query.get("limit", "500")) :] if "fromId" not in query else found[:1000]

    def _income(self, query: dict[str, str]) -> list[Json]:
        first, limit = int(query["startTime"]), int(query["limit"])
        rows = [row for row in self.exchange.income if row["time"] >= first]
        start = (int(query["page"]) - 1) * limit
        return rows[start : start + limit]

    def _new_key(self, _: dict[str, str]) -> Json:
        key = f"listen{self._next_key}"
        self._next_key += 1
        self.keys.add(key)
        return {"listenKey": key}

    def _extend_key(self, _: dict[str, str]) -> Json:
        if not self.keys:
            raise Refusal(-1125, "This listenKey does not exist.")
        return {}

    def _cancel_everything(self, _: dict[str, str]) -> Json:
        self.exchange.cancel_all()
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _countdown(self, query: dict[str, str]) -> Json:
        time_ms = int(query["countdownTime"])
        now_ns = self.agenda.timeline.now_ns
        self.countdown_ns = now_ns + time_ms * _MS if time_ms else None
        return {"symbol": SYMBOL, "countdownTime": query["countdownTime"]}

    def run_countdown(self) -> None:
        """Cancel everything when the countdown has run out."""
        due = self.countdown_ns
        if due is not None and due <= self.agenda.timeline.now_ns:
            self.countdown_ns = None
            self.exchange.now_ms = self.now_ms()
            self.exchange.cancel_all()

    def _account_config(self, _: dict[str, str]) -> Json:
        return {"canTrade": True, "dualSidePosition": self.hedge_mode, "multiAssetsMargin": False}

    def _balance(self, _: dict[str, str]) -> list[Json]:
        return [{"asset": "USDT", "balance": money_text(self.exchange.wallet_e8)}]


_REST: dict[str, Callable[[Front, dict[str, str]], Any]] = {
    "GET v1/time": lambda front, _: {"serverTime": front.now_ms()},
    "GET v1/exchangeInfo": lambda *_: _INFO,
    "GET v1/accountConfig": Front._account_config,
    "POST v1/listenKey": Front._new_key,
    "PUT v1/listenKey": Front._extend_key,
    "DELETE v1/listenKey": lambda *_: {},
    "GET v1/openOrders": Front._open_orders,
    "GET v1/openAlgoOrders": lambda *_: [],
    "GET v1/order": Front._get_order,
    "POST v1/order": Front._post_order,
    "DELETE v1/order": Front._delete_order,
    "PUT v1/order": put_order,
    "DELETE v1/allOpenOrders": Front._cancel_everything,
    "DELETE v1/algoOpenOrders": lambda *_: {"code": 200, "msg": "done"},
    "POST v1/countdownCancelAll": Front._countdown,
    "GET v1/userTrades": Front._user_trades,
    "GET v1/income": Front._income,
    "GET v3/positionRisk": lambda front, _: [front.exchange.position_row()],
    "GET v3/balance": Front._balance,
}


def _scaled(text: str, decimals: int) -> int:
    whole, _, fraction = text.partition(".")
    scale: int = 10**decimals
    return int(whole) * scale + int((fraction + "0" * decimals)[:decimals] or "0")


def _error(status: int, code: int, text: str) -> Json:
    return {"status": status, "error": {"code": code, "msg": text}}


def _body(code: int, text: str) -> bytes:
    return _encode({"code": code, "msg": text})

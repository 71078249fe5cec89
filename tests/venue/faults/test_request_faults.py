"""Request faults without a socket: what was really done, and what the client was told."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest

from aegis.venue.faults.board import Action, FaultBoard
from aegis.venue.faults.menu import MENU, Room
from aegis.venue.faults.requests import EFFECTS, RequestFaults
from aegis.venue.faults.schema import Fault
from aegis.venue.gateway.calls import Call, Reply
from aegis.venue.gateway.rest import RestRequest, admit
from aegis.venue.gateway.wsapi import WsApiSession
from tests.venue.desk import CLIENT, KEYS, Desk, sign

INTERNAL = "Internal error; unable to process your request. Please try again."
UNKNOWN = "Unknown error, please check your request or try again later."


class Way:
    """The way back to a client, written down."""

    def __init__(self, owner: object = None) -> None:
        self.log: list[Any] = []
        self._owner = owner or self

    def deliver(self, reply: Reply) -> None:
        self.log.append((reply.status, _decoded(reply.body)))

    def twice(self, reply: Reply) -> None:
        self.deliver(reply)
        self.deliver(reply)

    def cut(self) -> None:
        self.log.append("cut")

    def keep_waiting(self) -> None:
        self.log.append("waits")

    def owner(self) -> object:
        return self._owner


def _decoded(body: bytes) -> Any:
    return json.loads(body) if body[:1] in (b"{", b"[") else body


class Bench:
    """A desk whose requests go through faults."""

    def __init__(self, *faults: Fault) -> None:
        self.desk = Desk()
        self.desk.book()
        self.board = FaultBoard(1)
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.filled: list[str] = []
        self.faults = RequestFaults(
            self.desk.core, self.board, lambda call, deliver: deliver(call.run()),
            lambda delay_s, do: self.timers.append((delay_s, do)), self._fill,
        )  # fmt: skip
        self.board.actions["stale_snapshot"] = Action(self.faults.take_snapshots)
        self.board.open(0, faults)

    def _fill(self, call: Call) -> bool:
        self.filled.append(call.facts.name)
        return True

    def ring(self) -> None:
        """All timers that were set go off."""
        timers, self.timers = self.timers, []
        for _, do in timers:
            do()

    def rest(self, method: str, path: str, key: Any = KEYS[0], **parameters: Any) -> list[Any]:
        query = urllib.parse.urlencode({"timestamp": self.desk.wall_ms, **parameters})
        query += f"&signature={sign(key, query)}"
        call = admit(self.desk.core, RestRequest(method, path, query, "", key.api_key, "10.0.0.9"))
        assert isinstance(call, Call), call
        way = Way()
        self.faults.carry_out(call, way)
        return way.log

    def place(self, **changes: Any) -> list[Any]:
        order = {
            "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
            "quantity": "0.010", "price": "59000.00", **changes,
        }  # fmt: skip
        return self.rest("POST", "/fapi/v1/order", **order)

    def ws(self, method: str, way: Way, **parameters: Any) -> list[Any]:
        session = WsApiSession(self.desk.core, "10.0.0.9", shows_limits=False)
        full = {"apiKey": KEYS[0].api_key, "timestamp": self.desk.wall_ms, **parameters}
        payload = "&".join(f"{name}={value}" for name, value in sorted(full.items()))
        full["signature"] = sign(KEYS[0], payload)
        call = session.receive(json.dumps({"id": 7, "method": method, "params": full}))
        assert isinstance(call, Call), call
        self.faults.carry_out(call, way)
        return way.log

    @property
    def open_orders(self) -> int:
        return len(self.desk.exchange.orders.open_of(CLIENT))


def test_every_request_kind_has_an_effect_and_no_other_has() -> None:
    assert set(EFFECTS) == {kind for kind, dish in MENU.items() if dish.room is Room.REQUEST}


LIES = {
    "unknown_503": (503, -1000, UNKNOWN),
    "unavailable_503": (503, -1000, "Service Unavailable."),
    "internal_503": (503, -1001, INTERNAL),
    "timeout_1007": (408, -1007, None),
    "unexpected_1006": (503, -1006, None),
}  # fmt: skip


@pytest.mark.parametrize("truth", ["placed", "not_placed", "late"])
@pytest.mark.parametrize("kind", LIES)
def test_errors_that_do_not_say_what_became_of_the_order(kind: str, truth: str) -> None:
    bench = Bench(Fault(kind, truth=truth, endpoint="POST *"))
    ((status, body),) = bench.place()
    wanted_status, code, text = LIES[kind]
    assert (status, body["code"]) == (wanted_status, code)
    assert text in (None, body["msg"])
    assert bench.open_orders == (truth == "placed")
    bench.ring()
    assert bench.open_orders == (truth != "not_placed")
    assert bench.place(price="58000.00")[0][0] == 200


@pytest.mark.parametrize("how", ["cut", "silent"])
@pytest.mark.parametrize("truth", ["placed", "not_placed", "late"])
def test_a_lost_answer(how: str, truth: str) -> None:
    bench = Bench(Fault("ack_lost", how=how, truth=truth))
    assert bench.place() == ["cut" if how == "cut" else "waits"]
    assert bench.open_orders == (truth == "placed")
    bench.ring()
    assert bench.open_orders == (truth != "not_placed")


def test_late_answers_and_late_execution() -> None:
    bench = Bench(
        Fault("slow_answer", delay_ms=300), Fault("fill_before_ack"),
        Fault("late_execution", delay_ms=900),
    )  # fmt: skip
    for number, delay_s in enumerate((0.3, 0.02), 1):
        assert bench.place() == []
        assert (bench.open_orders, bench.timers[0][0]) == (number, delay_s)
        bench.board.advance(0)
        bench.timers.clear()
    assert bench.place() == []
    assert (bench.open_orders, bench.timers[0][0]) == (2, 0.9)
    bench.ring()
    assert bench.open_orders == 3


def test_an_order_that_is_executed_after_its_window_is_refused_by_the_engine() -> None:
    bench = Bench(Fault("unknown_503", truth="late", delay_ms=5_000))
    bench.place(recvWindow="1000")
    bench.desk.wall_ms += 5_000
    bench.ring()
    assert bench.open_orders == 0


REFUSALS: list[tuple[Fault, int, int]] = [
    (Fault("engine_window"), 400, -5028),
    (Fault("rate_limited"), 429, -1003),
    (Fault("throttled"), 503, -1008),
    (Fault("refused", code=-2019), 400, -2019),
    (Fault("refused", code=-4400), 400, -4400),
    (Fault("refused", code=-2015), 401, -2015),
    (Fault("refused", code=-1102), 400, -1102),
]


@pytest.mark.parametrize(("fault", "status", "code"), REFUSALS)
def test_refusals_leave_no_trace(fault: Fault, status: int, code: int) -> None:
    bench = Bench(fault)
    ((got, body),) = bench.place()
    assert (got, body["code"]) == (status, code)
    assert "%s" not in body["msg"]
    assert bench.open_orders == 0


def test_the_throttle_spares_what_reduces_or_only_asks() -> None:
    bench = Bench(Fault("throttled", times=9))
    bench.desk.order(type="MARKET", quantity="0.010")
    reducing = {"side": "SELL", "price": "61000.00", "reduceOnly": "true"}
    assert bench.place(**reducing)[0][0] == 200
    assert bench.rest("GET", "/fapi/v1/openOrders")[0][0] == 200
    assert bench.place()[0][0] == 503


def test_a_ban_bans() -> None:
    bench = Bench(Fault("banned", ban_ms=5_000))
    ((status, body),) = bench.place()
    until_ms = bench.desk.wall_ms + 5_000
    assert status == 418
    assert body["msg"].startswith(f"Way too many requests; IP banned until {until_ms}.")
    limiter = bench.desk.core.limiter
    with pytest.raises(Exception, match="banned until"):
        limiter.check_ban("10.0.0.9", until_ms - 1)
    limiter.check_ban("10.0.0.9", until_ms)


@pytest.mark.parametrize("status", [403, 451, 502])
def test_pages_of_a_firewall(status: int) -> None:
    bench = Bench(Fault("blocked", status=status, times=2))
    ((got, page),) = bench.place()
    assert (got, page.startswith(b"<html>")) == (status, True)
    ((got, body),) = bench.ws("order.cancel", Way(), symbol="BTCUSDT", orderId=1)
    assert (got, body["status"], body["error"]["code"]) == (status, status, -1011)


def test_an_answer_twice_and_an_answer_on_the_next_connection() -> None:
    bench = Bench(Fault("duplicate_answer"), Fault("stale_answer", endpoint="order.*"))
    first, second = bench.place()
    assert first == second
    bench.board.advance(0)
    old, new = Way(), Way()
    key = {"symbol": "BTCUSDT", "orderId": first[1]["orderId"]}
    assert bench.ws("order.cancel", old, **key) == []
    assert bench.open_orders == 0
    assert bench.ws("order.status", Way(old), **key)[0][1]["result"]["status"] == "CANCELED"
    stale, fresh = bench.ws("order.status", new, **key)
    assert "executedQty" in stale[1]["result"]
    assert (stale[1]["result"]["status"], fresh[1]["status"]) == ("CANCELED", 200)
    assert not bench.faults.owes


def test_a_snapshot_from_before() -> None:
    bench = Bench(Fault("stale_snapshot", symbol="BTC*"))
    before = bench.desk.btc.book.last_update_id()
    bench.desk.quote(1, 599_000, 5)
    body = bench.rest("GET", "/fapi/v1/depth", symbol="BTCUSDT", limit=5)[0][1]
    assert body["lastUpdateId"] == before < bench.desk.btc.book.last_update_id()
    assert len(body["bids"]) == 1
    eth = bench.rest("GET", "/fapi/v1/depth", symbol="ETHUSDT", limit=5)[0][1]
    assert eth["lastUpdateId"] != before or eth["bids"] == []
    bench.board.remove(list(bench.board.armed.values()))
    body = bench.rest("GET", "/fapi/v1/depth", symbol="BTCUSDT", limit=5)[0][1]
    assert len(body["bids"]) == 2


def test_what_is_filled_first_and_who_is_meant() -> None:
    bench = Bench(
        Fault("fill_first", times=9), Fault("refused", code=-2022, account=1, times=9)
    )  # fmt: skip
    order_id = bench.place()[0][1]["orderId"]
    bench.rest("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=order_id)
    assert bench.filled == ["DELETE /fapi/v1/order"]
    ((status, body),) = bench.rest("GET", "/fapi/v1/openOrders", KEYS[1])
    assert (status, body["code"]) == (400, -2022)


def test_the_counters_that_a_lockstep_goes_by_tell_what_went_out() -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
             "quantity": "0.010", "price": "59000.00"}  # fmt: skip
    for fault, answers in (
        (Fault("slow_answer", delay_ms=1), 1),
        (Fault("ack_lost"), 0),
        (Fault("ack_lost", truth="not_placed"), 0),
        (Fault("unknown_503"), 1),
        (Fault("unknown_503", truth="not_placed"), 1),
        (Fault("unknown_503", truth="late"), 1),
        (Fault("duplicate_answer"), 2),
        (Fault("refused", code=-2019), 1),
        (Fault("blocked", status=403), 1),
    ):
        bench = Bench(fault)
        way = Way()
        bench.ws("order.place", way, **order)
        bench.ring()
        tally = bench.desk.core.tally
        assert (tally.ws_requests, tally.ws_answers) == (1, answers), fault.kind
        assert len([entry for entry in way.log if entry not in ("cut", "waits")]) == answers

"""Lists of orders and trades: windows, limits, paging, and what is forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from aegis.config.models import VenueConfig
from tests.venue.desk import KEYS, START_MS, Desk

DAY_MS = 86_400_000


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.book(lots=100_000)
    return desk


def later(desk: Desk, ms: int) -> None:
    desk.now_ms += ms
    desk.wall_ms += ms


def rows(desk: Desk, path: str, **parameters: Any) -> list[Any]:
    status, body = desk.call("GET", f"/fapi/v1/{path}", symbol="BTCUSDT", **parameters)
    assert status == 200, body
    return list(body)


def names(desk: Desk, **parameters: Any) -> list[str]:
    return [row["clientOrderId"] for row in rows(desk, "allOrders", **parameters)]


@pytest.fixture
def history(desk: Desk) -> Desk:
    """Six orders, a day apart, of which every second one has filled."""
    for number in range(6):
        price = "60000.1" if number % 2 else "59000"
        desk.order(quantity="0.001", price=price, newClientOrderId=f"o{number}")
        later(desk, DAY_MS)
    return desk


def test_all_orders_are_the_newest_of_a_week(history: Desk) -> None:
    assert names(history) == ["o0", "o1", "o2", "o3", "o4", "o5"]
    assert names(history, limit=2) == ["o4", "o5"]
    later(history, 2 * DAY_MS)
    assert names(history) == ["o1", "o2", "o3", "o4", "o5"]
    assert names(history, startTime=START_MS) == ["o0", "o1", "o2", "o3", "o4", "o5"]
    assert names(history, endTime=START_MS + DAY_MS) == ["o0", "o1"]
    assert names(history, startTime=START_MS + DAY_MS, endTime=START_MS + 2 * DAY_MS) == [
        "o1", "o2",
    ]  # fmt: skip


def test_all_orders_from_an_id_on_go_forward(history: Desk) -> None:
    third = rows(history, "allOrders")[2]["orderId"]
    assert names(history, orderId=third, limit=2) == ["o2", "o3"]
    assert names(history, orderId=third + 10**9) == []


@pytest.mark.parametrize("path", ["allOrders", "userTrades", "forceOrders", "allAlgoOrders"])
def test_windows_are_a_week_at_most(desk: Desk, path: str) -> None:
    week = 7 * DAY_MS
    for parameters, code in (
        ({"startTime": 2, "endTime": 1}, -1023),
        ({"startTime": 1, "endTime": 2 + week}, -4165),
        ({"startTime": -1}, -1130),
        ({"endTime": "x"}, -1102),
        ({"limit": 0}, -1130),
        ({"limit": 1_001}, -1130),
    ):
        _, body = desk.call("GET", f"/fapi/v1/{path}", symbol="BTCUSDT", **parameters)
        assert body["code"] == code, parameters
    assert rows(desk, path, startTime=1, endTime=1 + week) == []


def test_the_exchange_forgets_untraded_orders_after_three_days(history: Desk) -> None:
    history.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
    # o4 was placed two days ago, o2 four, o0 six.
    assert names(history) == ["o1", "o3", "o4", "o5"]
    query = {"symbol": "BTCUSDT", "origClientOrderId": "o2"}
    assert history.call("GET", "/fapi/v1/order", **query)[1]["code"] == -2013
    later(history, 91 * DAY_MS)
    query["origClientOrderId"] = "o5"
    assert history.call("GET", "/fapi/v1/order", **query)[1]["code"] == -2013


def test_open_orders_stay_known_however_old(history: Desk) -> None:
    later(history, 100 * DAY_MS)
    assert [row["clientOrderId"] for row in rows(history, "openOrders")] == ["o0", "o2", "o4"]
    status, row = history.call(
        "GET", "/fapi/v1/openOrder", symbol="BTCUSDT", origClientOrderId="o0"
    )
    assert (status, row["status"], row["time"]) == (200, "NEW", START_MS)
    _, body = history.call("GET", "/fapi/v1/openOrder", symbol="BTCUSDT", origClientOrderId="o1")
    assert body["code"] == -2013


def test_orders_of_all_symbols_may_be_asked_for_since_2026() -> None:
    desk = Desk()
    assert desk.call("GET", "/fapi/v1/allOrders")[0] == 200
    old = Desk(VenueConfig(dialect="2024"))
    assert old.call("GET", "/fapi/v1/allOrders")[1]["code"] == -1102


def test_trades_by_id_and_by_time(desk: Desk) -> None:
    for _ in range(5):
        desk.order(type="MARKET", quantity="0.001")
        later(desk, DAY_MS)
    found = rows(desk, "userTrades")
    ids = [row["id"] for row in found]
    assert ids == sorted(ids) and len(ids) == 5

    def asked(**parameters: Any) -> list[int]:
        return [row["id"] for row in rows(desk, "userTrades", **parameters)]

    assert asked(limit=2) == ids[-2:]
    assert asked(fromId=ids[1], limit=2) == ids[1:3]
    assert asked(orderId=found[3]["orderId"]) == [ids[3]]
    assert asked(startTime=START_MS, limit=2) == ids[:2]
    assert asked(endTime=START_MS + DAY_MS) == ids[:2]
    _, body = desk.call(
        "GET", "/fapi/v1/userTrades", symbol="BTCUSDT", fromId=1, startTime=START_MS
    )
    assert body["code"] == -1128
    later(desk, 20 * DAY_MS)
    assert asked() == []
    assert asked(fromId=0) == ids
    assert desk.call("GET", "/fapi/v1/userTrades")[1]["code"] == -1102
    assert rows(desk, "userTrades", limit=1, fromId=ids[0])[0]["positionSide"] == "BOTH"


def test_the_fields_of_a_trade_are_the_dialects() -> None:
    gained = {"baseQty", "marginAsset", "pair"}
    for dialect, there in (("2026", True), ("2024", False)):
        desk = Desk(VenueConfig(dialect=dialect))
        desk.book()
        desk.order(type="MARKET", quantity="0.001")
        assert (gained <= set(rows(desk, "userTrades")[0])) == there
        assert ({"pair", "cumBase"} <= set(rows(desk, "allOrders")[0])) == there


def test_replies_are_trimmed_since_2026() -> None:
    """Placing, cancelling and modifying lost their averages; queries keep them."""
    replies = {}
    for dialect in ("2026", "2024"):
        desk = Desk(VenueConfig(dialect=dialect))
        desk.book()
        key = {"symbol": "BTCUSDT", "origClientOrderId": "a"}
        _, placed = desk.order(quantity="0.010", price="59000", newClientOrderId="a")
        _, amended = desk.call("PUT", "/fapi/v1/order", **key, side="BUY", quantity="0.020",
                               price="59000")  # fmt: skip
        _, queried = desk.call("GET", "/fapi/v1/order", **key)
        _, cancelled = desk.call("DELETE", "/fapi/v1/order", **key)
        replies[dialect] = (placed, amended, queried, cancelled)
    averages = {"avgPrice", "cumQuote"}
    for reply in (*replies["2026"][:2], replies["2026"][3]):
        assert not averages & set(reply)
    placed, amended, queried, cancelled = replies["2024"]
    assert averages <= set(placed) and averages <= set(queried)
    assert "cumQuote" in cancelled and "avgPrice" not in cancelled
    assert "cumBase" in amended and "modifyId" not in amended
    assert "modifyId" in replies["2026"][1]
    assert "cumQty" not in queried and "time" in queried


def test_the_order_test_endpoint_places_nothing(desk: Desk) -> None:
    path = "/fapi/v1/order/test"
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
             "quantity": "0.010", "price": "59000", "newClientOrderId": "tried"}  # fmt: skip
    status, body = desk.call("POST", path, **order)
    assert (status, body["status"], body["clientOrderId"]) == (200, "NEW", "tried")
    assert (body["avgPrice"], body["selfTradePreventionMode"]) == ("0.00000", "NONE")
    stop = {**order, "type": "STOP", "stopPrice": "60500", "price": "60600"}
    status, body = desk.call("POST", path, **stop)
    assert (status, body["type"], body["stopPrice"]) == (200, "STOP", "60500.00")
    for changes, code in (
        ({"quantity": "50"}, -2019),
        ({"price": "1"}, -4013),
        ({"reduceOnly": "true"}, -2022),
        ({"positionSide": "LONG"}, -4061),
    ):
        assert desk.call("POST", path, **{**order, **changes})[1]["code"] == code
    assert desk.exchange.orders.open == {} and desk.exchange.take_events() == []
    assert len(desk.exchange.board) == 0
    _, real = desk.order(quantity="0.010", price="59000", newClientOrderId="tried")
    assert real["orderId"] > 0


def test_nobody_sees_anothers_orders(desk: Desk) -> None:
    _, mine = desk.order(quantity="0.010", price="59000", newClientOrderId="mine")
    desk.order(type="MARKET", quantity="0.001")
    for path in ("openOrders", "allOrders", "userTrades"):
        assert desk.call("GET", f"/fapi/v1/{path}", KEYS[1], symbol="BTCUSDT")[1] == []
    for method in ("GET", "DELETE"):
        _, body = desk.call(
            method, "/fapi/v1/order", KEYS[1], symbol="BTCUSDT", orderId=mine["orderId"]
        )
        assert body["code"] == (-2013 if method == "GET" else -2011)

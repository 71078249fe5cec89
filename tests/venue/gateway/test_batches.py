"""Several orders at once: each by itself, in the order of the request, counted five and one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.venue.desk import Desk

LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
         "quantity": "0.010", "price": "59000"}  # fmt: skip


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.book()
    return desk


def batch(desk: Desk, method: str, rows: Any, **parameters: Any) -> tuple[int, Any]:
    text = rows if isinstance(rows, str) else json.dumps(rows)
    return desk.call(method, "/fapi/v1/batchOrders", batchOrders=text, **parameters)


def test_placing_answers_each_in_its_place(desk: Desk) -> None:
    status, rows = batch(desk, "POST", [
        {**LIMIT, "newClientOrderId": "a"},
        {**LIMIT, "reduceOnly": "true"},
        {**LIMIT, "quantity": 0.02, "price": 59000.5, "reduceOnly": False},
        {**LIMIT, "symbol": "NOPE"},
        {**LIMIT, "type": "STOP_MARKET", "stopPrice": "58000"},
    ])  # fmt: skip
    assert status == 200
    assert [row.get("code", row.get("status")) for row in rows] == [
        "NEW", -2022, "NEW", -1121, -4120,
    ]  # fmt: skip
    assert rows[1] == {"code": -2022, "msg": "ReduceOnly Order is rejected."}
    assert (rows[0]["clientOrderId"], rows[2]["price"]) == ("a", "59000.50")
    # On batches nothing is prevented by default.
    assert rows[0]["selfTradePreventionMode"] == "NONE"
    assert desk.order(quantity="0.010", price="59000")[1]["selfTradePreventionMode"] == (
        "EXPIRE_MAKER"
    )


def test_modifying(desk: Desk) -> None:
    for name in ("a", "b"):
        desk.order(quantity="0.010", price="59000", newClientOrderId=name)
    status, rows = batch(desk, "PUT", [
        {"symbol": "BTCUSDT", "side": "BUY", "origClientOrderId": "a", "quantity": "0.020",
         "price": "59000"},
        {"symbol": "BTCUSDT", "side": "BUY", "origClientOrderId": "b", "quantity": "0.010",
         "price": "59000"},
        {"symbol": "BTCUSDT", "side": "BUY", "origClientOrderId": "c", "quantity": "0.010",
         "price": "59000"},
    ])  # fmt: skip
    assert status == 200
    assert [row.get("code", row.get("origQty")) for row in rows] == ["0.020", -5027, -2013]


def test_cancelling_by_either_list(desk: Desk) -> None:
    ids = [desk.order(quantity="0.010", price="59000")[1]["orderId"] for _ in range(3)]
    path = "/fapi/v1/batchOrders"
    status, rows = desk.call("DELETE", path, symbol="BTCUSDT", orderIdList=f"[{ids[0]},7]")
    assert status == 200
    assert rows[0]["status"] == "CANCELED"
    assert rows[1] == {"code": -2011, "msg": "Unknown order sent."}
    desk.order(quantity="0.010", price="59000", newClientOrderId="named")
    _, rows = desk.call("DELETE", path, symbol="BTCUSDT", origClientOrderIdList='["named"]')
    assert rows[0]["clientOrderId"] == "named"
    eleven = json.dumps(list(range(11)))
    for parameters, code in (
        ({}, -1102),
        ({"orderIdList": eleven}, -4032),
        ({"orderIdList": '["1"]'}, -1130),
        ({"orderIdList": "1"}, -1130),
        ({"origClientOrderIdList": "[1]"}, -1130),
    ):
        assert desk.call("DELETE", path, symbol="BTCUSDT", **parameters)[1]["code"] == code


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], -4082),
        ([LIMIT] * 6, -4082),
        ("nonsense", -1130),
        ('["{}"]', -1130),
        ({"a": 1}, -1130),
        ([{**LIMIT, "price": [1]}], -1130),
    ],
)
def test_what_is_no_batch(desk: Desk, method: str, rows: Any, code: int) -> None:
    status, body = batch(desk, method, rows)
    assert (status, body["code"]) == (400, code)
    assert desk.exchange.orders.open == {}


def test_an_empty_value_is_refused_for_its_order_alone(desk: Desk) -> None:
    _, rows = batch(desk, "POST", [{**LIMIT, "price": None}, LIMIT])
    assert [row.get("code", row.get("status")) for row in rows] == [-1105, "NEW"]


def test_a_batch_counts_five_and_one(desk: Desk) -> None:
    reply = desk.reply("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps([LIMIT] * 2))
    assert (reply.headers["X-MBX-ORDER-COUNT-10S"], reply.headers["X-MBX-ORDER-COUNT-1M"]) == (
        "5", "1",
    )  # fmt: skip
    assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "5"
    reply = desk.reply("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT", orderIdList="[1]")
    assert "X-MBX-ORDER-COUNT-10S" not in reply.headers
    assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "6"

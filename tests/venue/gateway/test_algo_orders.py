"""The endpoints of the algo service: keys, lists, weights, and the WebSocket API's two methods."""

from __future__ import annotations

from typing import Any

import pytest

from aegis.venue.gateway.ordering import ORDER_METHODS, ORDERS
from tests.venue.desk import KEYS, START_MS
from tests.venue.order_desk import OrderDesk

STOP = {"triggerPrice": "59500", "quantity": "0.010"}


@pytest.fixture
def desk() -> OrderDesk:
    return OrderDesk()


def rows(desk: OrderDesk, path: str, **parameters: Any) -> list[Any]:
    status, body = desk.call("GET", f"/fapi/v1/{path}", **parameters)
    assert status == 200, body
    return list(body)


def test_an_order_is_named_by_one_of_its_ids(desk: OrderDesk) -> None:
    for method in ("GET", "DELETE"):
        assert desk.call(method, "/fapi/v1/algoOrder")[1]["code"] == -1102
        _, body = desk.call(method, "/fapi/v1/algoOrder", algoId=1, clientAlgoId="x")
        assert body["code"] == (-2013 if method == "GET" else -2011)
    _, placed = desk.algo(**STOP, clientAlgoId="mine")
    _, found = desk.call("GET", "/fapi/v1/algoOrder", algoId=placed["algoId"], clientAlgoId="no")
    assert found["clientAlgoId"] == "mine"
    _, body = desk.call("GET", "/fapi/v1/algoOrder", KEYS[1], algoId=placed["algoId"])
    assert body["code"] == -2013


def test_those_that_wait_are_open_and_all_are_listed(desk: OrderDesk) -> None:
    ids = [desk.algo(**STOP)[1]["algoId"] for _ in range(2)]
    later = desk.algo(side="BUY", triggerPrice="60500", quantity="0.010")[1]["algoId"]
    desk.print_at(595_000)
    assert [row["algoId"] for row in rows(desk, "openAlgoOrders")] == [later]
    assert rows(desk, "openAlgoOrders", symbol="ETHUSDT") == []
    assert rows(desk, "openAlgoOrders", algoId=ids[0]) == []
    assert rows(desk, "openAlgoOrders", algoId=later, algoType="CONDITIONAL")[0]["side"] == "BUY"
    assert desk.call("GET", "/fapi/v1/openAlgoOrders", algoType="VP")[1]["code"] == -1130
    listed = rows(desk, "allAlgoOrders", symbol="BTCUSDT")
    assert [row["algoStatus"] for row in listed] == ["FINISHED", "FINISHED", "NEW"]
    assert [row["algoId"] for row in listed] == [*ids, later]
    assert rows(desk, "allAlgoOrders", symbol="BTCUSDT", limit=1)[0]["algoId"] == later
    forward = rows(desk, "allAlgoOrders", symbol="BTCUSDT", algoId=ids[1], limit=1)
    assert forward[0]["algoId"] == ids[1]
    assert rows(desk, "allAlgoOrders", symbol="BTCUSDT", endTime=START_MS - 1) == []
    assert desk.call("GET", "/fapi/v1/allAlgoOrders")[1]["code"] == -1102


def test_what_it_costs() -> None:
    everything, one = {}, {"symbol": "BTCUSDT"}
    for (method, path), asked, cost in (
        (("POST", "algoOrder"), everything, 0),
        (("DELETE", "algoOrder"), everything, 1),
        (("DELETE", "algoOpenOrders"), one, 1),
        (("GET", "algoOrder"), everything, 1),
        (("GET", "openAlgoOrders"), one, 1),
        (("GET", "openAlgoOrders"), everything, 40),
        (("GET", "allAlgoOrders"), one, 5),
        (("GET", "forceOrders"), one, 20),
        (("GET", "forceOrders"), everything, 50),
        (("POST", "batchOrders"), everything, 5),
    ):
        assert ORDERS[method, f"/fapi/v1/{path}"].cost(asked) == cost
    for name in ("order.place", "order.modify", "algoOrder.place"):
        assert ORDER_METHODS[name].order and ORDER_METHODS[name].weight == 0
    assert ORDER_METHODS["algoOrder.cancel"].weight == 1


def test_placing_counts_as_an_order(desk: OrderDesk) -> None:
    reply = desk.reply("POST", "/fapi/v1/algoOrder", symbol="BTCUSDT", algoType="CONDITIONAL",
                       side="SELL", type="STOP_MARKET", **STOP)  # fmt: skip
    assert (reply.headers["X-MBX-ORDER-COUNT-10S"], reply.headers["X-MBX-USED-WEIGHT-1M"]) == (
        "1", "0",
    )  # fmt: skip

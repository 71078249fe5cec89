"""Replies and events of orders against the field lists of the official SDK: names and types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aegis.venue.events import AssetModeEvent, CallNote, MarginCallEvent
from aegis.venue.payloads.user import encode
from tests.venue.desk import CLIENT, START_MS
from tests.venue.order_desk import OrderDesk

# Only trailing stops have these, and an algo order's reply on REST alone has the last two.
TRAILING_ONLY = {"activatePrice", "priceRate", "AP", "cr"}
JSON_TYPES: dict[str, type] = {"str": str, "int": int, "bool": bool}


@pytest.fixture(scope="module")
def models(shared_data: Path) -> dict[str, dict[str, Any]]:
    loaded = json.loads((shared_data / "usdm" / "usdm_sdk_models_18.0.1.json").read_text())
    return dict(loaded)


@pytest.fixture
def desk() -> OrderDesk:
    return OrderDesk()


def check(
    body: dict[str, Any], fields: dict[str, str], absent: frozenset[str] = frozenset()
) -> None:
    """`absent` may be missing: fields that this body's case does not have."""
    missing = set(fields) - set(body) - absent - TRAILING_ONLY
    extra = set(body) - set(fields)
    assert not missing and not extra, f"lacks {sorted(missing)}, has {sorted(extra)} too many"
    for name, value in body.items():
        kind = fields[name].removeprefix("Optional[").removesuffix("]")
        if kind in JSON_TYPES and value is not None:
            assert type(value) is JSON_TYPES[kind], f"{name} is {value!r}, not {kind}"


def rest(models: dict[str, dict[str, Any]], name: str) -> dict[str, str]:
    return dict(models["rest_api"][name])


def event(models: dict[str, dict[str, Any]], name: str) -> dict[str, str]:
    return dict(models["websocket_streams"][name])


def test_orders(desk: OrderDesk, models: dict[str, dict[str, Any]]) -> None:
    key = {"symbol": "BTCUSDT", "origClientOrderId": "a"}
    _, placed = desk.order(quantity="0.010", price="59100", newClientOrderId="a")
    check(placed, rest(models, "NewOrderResponse"))
    _, amended = desk.call("PUT", "/fapi/v1/order", **key, side="BUY", quantity="0.020",
                           price="59100")  # fmt: skip
    check(amended, rest(models, "ModifyOrderResponse"))
    _, history = desk.call("GET", "/fapi/v1/orderAmendment", **key)
    check({**history[0], "priceMatch": ""}, {
        **rest(models, "GetOrderModifyHistoryResponseInner"), "priceMatch": "",
    })  # fmt: skip
    check(history[0]["amendment"], rest(models, "GetOrderModifyHistoryResponseInnerAmendment"))
    for path, model in (
        ("order", "QueryOrderResponse"),
        ("openOrder", "QueryCurrentOpenOrderResponse"),
    ):
        check(desk.call("GET", f"/fapi/v1/{path}", **key)[1], rest(models, model))
    _, rows = desk.call("GET", "/fapi/v1/openOrders", symbol="BTCUSDT")
    check(rows[0], rest(models, "CurrentAllOpenOrdersResponseInner"))
    _, rows = desk.call("GET", "/fapi/v1/allOrders", symbol="BTCUSDT")
    check(rows[0], rest(models, "AllOrdersResponseInner"))
    batch = json.dumps([{"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
                         "quantity": "0.010", "price": "59100"}])  # fmt: skip
    _, rows = desk.call("POST", "/fapi/v1/batchOrders", batchOrders=batch)
    refusal = frozenset({"code", "msg"})
    check(rows[0], rest(models, "PlaceMultipleOrdersResponseInner"), refusal)
    ids = f"[{rows[0]['orderId']}]"
    _, rows = desk.call("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT", orderIdList=ids)
    check(rows[0], rest(models, "CancelMultipleOrdersResponseInner"), refusal)
    check(desk.call("DELETE", "/fapi/v1/order", **key)[1], rest(models, "CancelOrderResponse"))
    trailing = {"type": "TRAILING_STOP_MARKET", "side": "SELL", "callbackRate": "1"}
    _, tested = desk.call(
        "POST", "/fapi/v1/order/test", symbol="BTCUSDT", quantity="0.010", **trailing
    )
    check(tested, rest(models, "TestOrderResponse"))
    assert set(tested) >= {"activatePrice", "priceRate"}
    _, told = desk.call("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT",
                        countdownTime=1_000)  # fmt: skip
    check(told, rest(models, "AutoCancelAllOpenOrdersResponse"))
    _, told = desk.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
    check(told, rest(models, "CancelAllOpenOrdersResponse"))


def test_trades_and_forced_orders(desk: OrderDesk, models: dict[str, dict[str, Any]]) -> None:
    desk.buy("0.010")
    account = desk.exchange.account(CLIENT)
    desk.exchange.place_forced(account, "BTCUSDT", "BOTH", -1, 10, 580_000, desk.now_ms)
    _, rows = desk.call("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
    check(rows[0], rest(models, "AccountTradeListResponseInner"))
    _, rows = desk.call("GET", "/fapi/v1/forceOrders", symbol="BTCUSDT")
    check(rows[0], rest(models, "UsersForceOrdersResponseInner"))


def test_algo_orders(desk: OrderDesk, models: dict[str, dict[str, Any]]) -> None:
    _, placed = desk.algo(triggerPrice="59500", quantity="0.010")
    check(placed, rest(models, "NewAlgoOrderResponse"))
    _, rows = desk.call("GET", "/fapi/v1/openAlgoOrders")
    check(rows[0], rest(models, "CurrentAllAlgoOpenOrdersResponseInner"))
    # What the SDK does not list of these two stands in recorded replies.
    prices = {"tpTriggerPrice", "tpPrice", "slTriggerPrice", "slPrice"}
    recorded = dict.fromkeys([*prices, "actualType", "actualQty"], "Optional[str]")
    _, found = desk.call("GET", "/fapi/v1/algoOrder", algoId=placed["algoId"])
    check(found, {**rest(models, "QueryAlgoOrderResponse"), **recorded})
    _, rows = desk.call("GET", "/fapi/v1/allAlgoOrders", symbol="BTCUSDT")
    check(rows[0], {**rest(models, "QueryAllAlgoOrdersResponseInner"), **recorded})
    _, told = desk.call("DELETE", "/fapi/v1/algoOrder", algoId=placed["algoId"])
    check(told, rest(models, "CancelAlgoOrderResponse"))
    _, told = desk.call("DELETE", "/fapi/v1/algoOpenOrders", symbol="BTCUSDT")
    check(told, rest(models, "CancelAllAlgoOpenOrdersResponse"))


def test_a_recorded_reply_has_our_keys(desk: OrderDesk, shared_data: Path) -> None:
    folder = shared_data / "payloads" / "usdm" / "rest" / "Trading"
    _, placed = desk.algo(triggerPrice="59500", quantity="0.010")
    _, found = desk.call("GET", "/fapi/v1/algoOrder", algoId=placed["algoId"])
    for name, ours in (("PlaceConditionalOrder", placed), ("GetConditionalOrder", found)):
        text = (folder / f"{name}.txt").read_text()
        assert set(ours) == set(json.loads(text[text.index("{") :]))


def test_events(desk: OrderDesk, models: dict[str, dict[str, Any]]) -> None:
    desk.quote(-1, 600_000, 10)
    desk.buy("0.010")
    desk.algo(type="TRAILING_STOP_MARKET", quantity="0.010", callbackRate="1")
    desk.algo(triggerPrice="59500", quantity="50")
    desk.order(quantity="0.010", price="59100", newClientOrderId="a")
    desk.call("PUT", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="a", side="BUY",
              quantity="0.020", price="59100")  # fmt: skip
    desk.print_at(594_000)
    seen = set()
    for body in desk.heard():
        name = body.pop("e")
        seen.add(name)
        if name == "ORDER_TRADE_UPDATE":
            absent = {"N", "n"} if not body["o"]["t"] else set()
            absent |= {"M"} if body["o"]["x"] != "AMENDMENT" else set()
            check(body["o"], event(models, "OrderTradeUpdateO"), frozenset(absent))
        elif name == "ALGO_UPDATE":
            placed_too = body["o"]["X"] in ("TRIGGERED", "FINISHED")
            absent = set() if placed_too else {"ap", "aq", "act"}
            absent |= {"rm"} if body["o"]["X"] != "REJECTED" else set()
            check(body["o"], event(models, "AlgoUpdateO"), frozenset(absent))
        elif name == "TRADE_LITE":
            check(body, event(models, "TradeLite"))
        else:
            check(body["a"], event(models, "AccountUpdateA"), frozenset({"S"}))
            check(body["a"]["B"][0], event(models, "AccountUpdateABInner"))
            check(body["a"]["P"][0], event(models, "AccountUpdateAPInner"))
    assert seen == {"ORDER_TRADE_UPDATE", "ALGO_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE"}


def test_what_the_money_room_tells(desk: OrderDesk) -> None:
    note = CallNote("BTCUSDT", "LONG", 10, False, 0, 60_000 * 10**8, -(10**8), 5 * 10**7)
    ((name, message),) = encode(
        MarginCallEvent(CLIENT, START_MS, 316_000_000, (note,)), desk.exchange.markets
    )
    assert (name, json.loads(message)) == (
        "MARGIN_CALL",
        {
            "e": "MARGIN_CALL", "E": START_MS, "cw": "3.16000000",
            "p": [{
                "s": "BTCUSDT", "ps": "LONG", "pa": "0.010", "mt": "CROSSED", "iw": "0",
                "mp": "60000.00000000", "up": "-1.00000000", "mm": "0.50000000",
            }],
        },
    )  # fmt: skip
    ((name, message),) = encode(AssetModeEvent(CLIENT, START_MS, True), desk.exchange.markets)
    assert json.loads(message)["ai"] == {"j": True}


def test_events_of_2024_lack_what_came_later() -> None:
    desk = OrderDesk("2024")
    desk.order(quantity="0.010", price="59100", newClientOrderId="a")
    desk.call("PUT", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="a", side="BUY",
              quantity="0.020", price="59100")  # fmt: skip
    desk.buy("0.010")
    heard = desk.heard()
    assert "TRADE_LITE" not in {body["e"] for body in heard}
    for body in heard:
        if body["e"] == "ORDER_TRADE_UPDATE":
            assert not {"er", "M"} & set(body["o"])

"""Rules of orders beyond the plain life: ends, prices of the book, reasons, modifications."""

from __future__ import annotations

from typing import Any

import pytest

from aegis.venue.events import OrderEvent
from aegis.venue.matching.interface import BUY, SELL
from tests.venue.desk import CLIENT, KEYS, OTHER, Desk
from tests.venue.test_exchange import story


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.book()
    desk.exchange.take_events()
    return desk


# --- the end of an order ---


def test_good_till_date(desk: Desk) -> None:
    def place(after_ms: int) -> tuple[int, Any]:
        return desk.order(
            quantity="0.010", price="59000", timeInForce="GTD", newClientOrderId="mortal",
            goodTillDate=desk.now_ms + after_ms,
        )  # fmt: skip

    assert place(600_000)[1]["code"] == -5040
    assert place(601_000)[0] == 200
    desk.take(SELL, 599_999, 1_000)
    desk.take(SELL, 590_000, 4)
    story(desk)
    desk.exchange.on_second(desk.now_ms + 600_999)
    assert story(desk) == []
    desk.exchange.on_second(desk.now_ms + 601_000)
    assert story(desk) == ["EXPIRED/EXPIRED"]
    _, order = desk.call("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="mortal")
    assert (order["status"], order["executedQty"], order["timeInForce"]) == (
        "EXPIRED", "0.004", "GTD",
    )  # fmt: skip
    assert order["goodTillDate"] == desk.now_ms + 601_000


def test_an_order_without_an_end_lasts_a_year_unless_it_has_filled(desk: Desk) -> None:
    desk.order(quantity="0.010", price="59000", newClientOrderId="old")
    desk.order(quantity="0.010", price="60000.0", newClientOrderId="part")
    desk.take(SELL, 600_000, 1_005)
    story(desk)
    year_ms = 365 * 86_400_000
    desk.exchange.on_second(desk.now_ms + year_ms - 1)
    assert story(desk) == []
    desk.exchange.on_second(desk.now_ms + year_ms)
    assert story(desk) == ["EXPIRED/EXPIRED"]
    assert [order.client_id for order in desk.exchange.orders.open_of(CLIENT)] == ["part"]


# --- prices that the book makes ---


@pytest.mark.parametrize(
    ("side", "match", "price"),
    [
        ("BUY", "QUEUE", "60000.00"),
        ("BUY", "QUEUE_5", "59999.60"),
        ("SELL", "QUEUE", "60000.10"),
        ("SELL", "OPPONENT_5", "59999.60"),
        ("BUY", "OPPONENT", "60000.10"),
    ],
)
def test_price_match(desk: Desk, side: str, match: str, price: str) -> None:
    for level in range(1, 5):
        desk.quote(BUY, 600_000 - level, 10)
    status, order = desk.order(side=side, quantity="0.010", priceMatch=match)
    assert (status, order["price"], order["priceMatch"]) == (200, price, match)
    assert desk.order(side=side, quantity="0.010", priceMatch="QUEUE_20")[1]["code"] == -5041


def test_amending_by_price_match(desk: Desk) -> None:
    _, order = desk.order(quantity="0.010", price="59000")
    base = {"symbol": "BTCUSDT", "side": "BUY", "orderId": order["orderId"], "quantity": "0.010"}
    _, amended = desk.call("PUT", "/fapi/v1/order", **base, priceMatch="QUEUE")
    assert (amended["price"], amended["priceMatch"]) == ("60000.00", "QUEUE")
    assert desk.call("PUT", "/fapi/v1/order", **base, priceMatch="QUEUE_20")[1]["code"] == -5041


# --- why orders expire ---


def reasons(desk: Desk) -> list[tuple[str, int]]:
    return [
        (event.order.status, event.reason)
        for event in desk.exchange.take_events()
        if isinstance(event, OrderEvent) and event.execution == "EXPIRED"
    ]


@pytest.mark.parametrize(
    ("taker", "mode", "told"),
    [
        ({"timeInForce": "GTC", "price": "59999"}, "EXPIRE_TAKER", [("EXPIRED_IN_MATCH", 1)]),
        ({"timeInForce": "IOC", "price": "59999"}, "EXPIRE_TAKER", [("EXPIRED_IN_MATCH", 3)]),
        (
            {"timeInForce": "IOC", "price": "59999"},
            "EXPIRE_BOTH",
            [("EXPIRED_IN_MATCH", 1), ("EXPIRED_IN_MATCH", 3)],
        ),
        (
            {"timeInForce": "IOC", "price": "60000"},
            "EXPIRE_MAKER",
            [("EXPIRED_IN_MATCH", 1), ("EXPIRED", 2)],
        ),
        ({"timeInForce": "FOK", "price": "60000"}, "EXPIRE_BOTH", []),
    ],
)
def test_self_trade_prevention_says_who_expired(
    desk: Desk, taker: dict[str, str], mode: str, told: list[tuple[str, int]]
) -> None:
    desk.take(SELL, 600_000, 1_000)
    desk.order(quantity="0.010", price="60000.0")
    desk.exchange.take_events()
    desk.order(side="SELL", quantity="0.010", selfTradePreventionMode=mode, **taker)
    assert reasons(desk) == told


def test_a_market_order_that_may_only_reduce_goes_before_those_that_rest(desk: Desk) -> None:
    desk.order(type="MARKET", quantity="0.010")
    for price, quantity in (("60100", "0.006"), ("60200", "0.004")):
        desk.order(side="SELL", quantity=quantity, price=price, reduceOnly="true")
    desk.exchange.take_events()
    status, _ = desk.order(side="SELL", type="MARKET", quantity="0.010", reduceOnly="true")
    assert status == 200
    assert reasons(desk) == [("EXPIRED", 4), ("EXPIRED", 4)]
    assert desk.exchange.account(CLIENT).position("BTCUSDT").lots == 0
    again = {"side": "SELL", "type": "MARKET", "quantity": "0.001", "reduceOnly": "true"}
    assert desk.order(**again)[1]["code"] == -2022


def test_an_order_in_front_knocks_out_what_could_only_open(desk: Desk) -> None:
    """One sweep of a taker may fill both at once: the second would turn the position round."""
    desk.order(type="MARKET", quantity="0.010")
    desk.order(side="SELL", quantity="0.010", price="60200", reduceOnly="true")
    desk.exchange.take_events()
    desk.order(side="SELL", quantity="0.010", price="60300")
    assert reasons(desk) == []
    desk.order(side="SELL", quantity="0.001", price="60100")
    assert reasons(desk) == [("EXPIRED", 4)]
    desk.assert_balanced()


# --- modifications ---


def test_the_history_of_modifications(desk: Desk) -> None:
    _, order = desk.order(quantity="0.010", price="59000", newClientOrderId="moved")
    base = {"symbol": "BTCUSDT", "side": "BUY", "orderId": order["orderId"]}
    _, first = desk.call("PUT", "/fapi/v1/order", **base, quantity="0.020", price="59000")
    desk.now_ms += 5
    _, second = desk.call(
        "PUT", "/fapi/v1/order", **base, quantity="0.020", price="59001", modifyId=77
    )
    assert (first["modifyId"], second["modifyId"]) == (1, 77)
    asked = {"symbol": "BTCUSDT", "origClientOrderId": "moved"}
    _, rows = desk.call("GET", "/fapi/v1/orderAmendment", **asked)
    assert [row["amendment"] for row in rows] == [
        {
            "price": {"before": "59000.00", "after": "59001.00"},
            "origQty": {"before": "0.020", "after": "0.020"},
            "count": 2,
            "modifyId": 77,
        },
        {
            "price": {"before": "59000.00", "after": "59000.00"},
            "origQty": {"before": "0.010", "after": "0.020"},
            "count": 1,
            "modifyId": 1,
        },
    ]
    assert [row["amendmentId"] for row in rows] == [2, 1]
    _, rows = desk.call("GET", "/fapi/v1/orderAmendment", **asked, limit=1)
    assert len(rows) == 1
    _, rows = desk.call("GET", "/fapi/v1/orderAmendment", **asked, endTime=desk.now_ms - 1)
    assert [row["amendmentId"] for row in rows] == [1]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"side": "SELL"}, -1117),
        ({"price": "63000.2"}, -4016),
        ({"quantity": "0.001", "price": "40000"}, -5029),
        ({"quantity": "60"}, -2019),
        ({"reduceOnly": "true"}, -5047),
        ({"orderId": "1"}, -2013),
    ],
)
def test_a_refused_modification_leaves_the_order_alone(
    desk: Desk, changes: dict[str, str], code: int
) -> None:
    _, order = desk.order(quantity="0.010", price="59000")
    desk.quote(BUY, 590_000, 7)
    desk.exchange.take_events()
    base = {
        "symbol": "BTCUSDT", "side": "BUY", "orderId": order["orderId"], "quantity": "0.020",
        "price": "59000",
    }  # fmt: skip
    status, body = desk.call("PUT", "/fapi/v1/order", **{**base, **changes})
    assert (status, body["code"]) == (400, code)
    assert desk.exchange.take_events() == []
    # It still stands in front of whoever came after it.
    desk.take(SELL, 600_000, 1_000)
    desk.take(SELL, 590_000, 10)
    assert story(desk)[-2] == "TRADE/FILLED"


def test_an_order_can_be_modified_so_often_and_no_more(desk: Desk) -> None:
    _, order = desk.order(quantity="0.010", price="59000")
    desk.exchange.orders.open[order["orderId"]].amendments = 9_999
    base = {"symbol": "BTCUSDT", "side": "BUY", "orderId": order["orderId"], "price": "59000"}
    assert desk.call("PUT", "/fapi/v1/order", **base, quantity="0.020")[0] == 200
    assert desk.call("PUT", "/fapi/v1/order", **base, quantity="0.030")[1]["code"] == -5026


# --- where the symbol does not trade ---


@pytest.mark.parametrize(
    ("status", "opening", "reducing"),
    [
        ("TRADING_HALT", -1122, -1122),
        ("PRE_SETTLE", -4140, 200),
        ("SETTLING", -1122, -1122),
        ("CLOSE", -4141, -4141),
    ],
)
def test_the_status_of_a_symbol(desk: Desk, status: str, opening: int, reducing: int) -> None:
    desk.order(type="MARKET", quantity="0.010")
    _, resting = desk.order(quantity="0.010", price="59000")
    desk.btc.status = status
    assert desk.order(quantity="0.010", price="59000")[1]["code"] == opening
    code, body = desk.order(side="SELL", type="MARKET", quantity="0.001", reduceOnly="true")
    assert body.get("code", code) == reducing
    amended = {"symbol": "BTCUSDT", "side": "BUY", "orderId": resting["orderId"]}
    assert (
        desk.call("PUT", "/fapi/v1/order", **amended, quantity="0.020", price="59000")[1]["code"]
        == -5024
    )
    cancelled = desk.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=resting["orderId"])
    assert cancelled[0] == 200


# --- orders against the owner's will ---


def test_a_forced_order_is_told_as_a_liquidation(desk: Desk) -> None:
    desk.order(type="MARKET", quantity="0.010")
    desk.order(quantity="0.010", price="59000")
    desk.exchange.take_events()
    account = desk.exchange.account(CLIENT)
    assert desk.exchange.expire_all(account, "BTCUSDT", 5, desk.now_ms) == 1
    order = desk.exchange.place_forced(account, "BTCUSDT", "BOTH", SELL, 10, 590_000, desk.now_ms)
    assert order.status == "FILLED" and order.client_id.startswith("autoclose-")
    assert story(desk) == [
        "EXPIRED/EXPIRED", "NEW/NEW", "CALCULATED/FILLED", "account 0",
    ]  # fmt: skip
    _, rows = desk.call("GET", "/fapi/v1/forceOrders", symbol="BTCUSDT")
    assert [row["orderId"] for row in rows] == [order.order_id]
    assert desk.call("GET", "/fapi/v1/forceOrders", autoCloseType="ADL")[1] == []
    # A client's own order is none, whatever it calls itself.
    desk.order(quantity="0.010", price="59000", newClientOrderId="autoclose-1")
    assert len(desk.call("GET", "/fapi/v1/forceOrders")[1]) == 1
    desk.assert_balanced()


def test_a_position_that_is_taken_over_past_the_book(desk: Desk) -> None:
    desk.order(type="MARKET", quantity="0.010")
    desk.order(KEYS[1], side="SELL", type="MARKET", quantity="0.006")
    desk.exchange.take_events()
    exchange = desk.exchange
    loser, winner = exchange.account(CLIENT), exchange.account(OTHER)
    order = exchange.open_forced(loser, "BTCUSDT", "BOTH", SELL, 10, 590_000, desk.now_ms)
    counter = exchange.open_forced(winner, "BTCUSDT", "BOTH", BUY, 6, 590_000, desk.now_ms, "ADL")
    exchange.trade_past_book(order, winner, 6, counter, desk.now_ms)
    exchange.trade_past_book(order, exchange.ledger.insurance, 4, None, desk.now_ms)
    assert (loser.position("BTCUSDT").lots, winner.position("BTCUSDT").lots) == (0, 0)
    _, rows = desk.call("GET", "/fapi/v1/forceOrders", KEYS[1], autoCloseType="ADL")
    assert [(row["clientOrderId"], row["status"]) for row in rows] == [("adl_autoclose", "FILLED")]
    desk.assert_balanced()

"""Orders through their whole life: every time in force, refusals that leave no trace, events."""

from __future__ import annotations

import random
from typing import Any

import pytest

from aegis.venue.errors import RejectError
from aegis.venue.events import AccountEvent, OrderEvent
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.requests import OrderKey
from tests.venue.desk import CLIENT, KEYS, OTHER, Desk


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.book()
    desk.exchange.take_events()
    return desk


def story(desk: Desk, account_id: int = CLIENT) -> list[str]:
    """The account's events as short words."""
    words = []
    for event in desk.exchange.take_events():
        if event.account_id != account_id:
            continue
        if isinstance(event, OrderEvent):
            words.append(f"{event.execution}/{event.order.status}")
        elif isinstance(event, AccountEvent) and event.cause == "ORDER":
            words.append(f"account {event.positions[-1].lots}")
    return words


def test_a_limit_order_rests_fills_in_part_and_is_cancelled(desk: Desk) -> None:
    status, order = desk.order(quantity="0.010", price="59999.9", newClientOrderId="one")
    assert (status, order["status"], order["executedQty"]) == (200, "NEW", "0.000")
    assert story(desk) == ["NEW/NEW"]
    assert desk.take(SELL, 599_999, 1_004) == 1_004
    assert story(desk) == ["TRADE/PARTIALLY_FILLED", "account 4"]
    status, order = desk.call(
        "DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=order["orderId"]
    )
    assert (status, order["status"], order["executedQty"]) == (200, "CANCELED", "0.004")
    assert story(desk) == ["CANCELED/CANCELED"]
    status, order = desk.call("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="one")
    assert (order["status"], order["avgPrice"], order["time"]) == (
        "CANCELED",
        "59999.90000",
        desk.now_ms,
    )
    assert desk.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="one") == (
        400,
        {"code": -2011, "msg": "Unknown order sent."},
    )
    desk.assert_balanced()


def test_a_market_order_is_new_then_trades_level_by_level(desk: Desk) -> None:
    desk.quote(SELL, 600_005, 50)
    status, order = desk.order(type="MARKET", quantity="1.050", newOrderRespType="RESULT")
    assert (status, order["status"], order["executedQty"], order["price"]) == (
        200, "FILLED", "1.050", "0",
    )  # fmt: skip
    assert story(desk) == [
        "NEW/NEW", "TRADE/PARTIALLY_FILLED", "account 1000", "TRADE/FILLED", "account 1050",
    ]  # fmt: skip
    _, trades = desk.call("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
    assert [(row["price"], row["qty"], row["maker"]) for row in trades] == [
        ("60000.10", "1.000", False), ("60000.50", "0.050", False),
    ]  # fmt: skip
    assert trades[0]["commission"] == "30.00005000"  # 5 bps of 60,000.10
    desk.assert_balanced()


def test_an_acknowledgement_says_new_even_of_a_filled_order(desk: Desk) -> None:
    _, order = desk.order(type="MARKET", quantity="0.001")
    assert (order["status"], order["cumQty"]) == ("NEW", "0.000")
    assert story(desk)[-2] == "TRADE/FILLED"


def test_a_market_order_expires_where_the_book_ends(desk: Desk) -> None:
    _, order = desk.order(type="MARKET", quantity="2", newOrderRespType="RESULT")
    assert (order["status"], order["executedQty"]) == ("EXPIRED", "1.000")
    events = [e for e in desk.exchange.take_events() if isinstance(e, OrderEvent)]
    assert [(e.execution, e.reason) for e in events] == [("NEW", 0), ("TRADE", 0), ("EXPIRED", 9)]


def test_ioc_expires_its_rest(desk: Desk) -> None:
    _, order = desk.order(
        timeInForce="IOC", quantity="1.5", price="60000.1", newOrderRespType="RESULT"
    )
    assert (order["status"], order["executedQty"]) == ("EXPIRED", "1.000")
    events = [e for e in desk.exchange.take_events() if isinstance(e, OrderEvent)]
    assert events[-1].reason == 2
    assert desk.exchange.orders.open == {}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"timeInForce": "FOK", "quantity": "1.001", "price": "60000.1"}, -5021),
        ({"timeInForce": "GTX", "quantity": "0.001", "price": "60000.1"}, -5022),
        ({"quantity": "0.001", "price": "60000.05"}, -4014),
        ({"quantity": "0.001", "price": "60000.001"}, -1111),
        ({"quantity": "0.0001", "price": "60000"}, -1111),
        ({"quantity": "0", "price": "60000"}, -4003),
        ({"quantity": "1001", "price": "60000"}, -4005),
        ({"quantity": "0.001", "price": "-1"}, -4001),
        ({"quantity": "0.001", "price": "100"}, -4013),
        ({"quantity": "0.001", "price": "9999999"}, -4002),
        ({"quantity": "0.001", "price": "63000.2"}, -4016),
        ({"side": "SELL", "quantity": "0.001", "price": "56999.9"}, -4024),
        ({"quantity": "0.001", "price": "48000", "side": "SELL"}, -4024),
        ({"quantity": "0.001", "price": "49999.9"}, -4164),
        ({"quantity": "50", "price": "60000"}, -2019),
        ({"quantity": "0.001", "price": "60000", "reduceOnly": "true"}, -2022),
        ({"type": "STOP_MARKET", "quantity": "0.001"}, -4120),
        ({"type": "ICEBERG", "quantity": "0.001"}, -1116),
        ({"quantity": "0.001", "price": "60000", "timeInForce": "GTD"}, -1102),
        ({"quantity": "0.001", "price": "60000", "timeInForce": "RPI"}, -1115),
        ({"side": "HOLD", "quantity": "0.001", "price": "60000"}, -1117),
        ({"symbol": "NOPE", "quantity": "0.001", "price": "60000"}, -1121),
        ({"quantity": "", "price": "60000"}, -1105),
        ({"quantity": "abc", "price": "60000"}, -1102),
        ({"price": "60000"}, -1102),
        ({"quantity": "0.001", "price": "60000", "newClientOrderId": "x y"}, -4015),
        ({"quantity": "0.001", "price": "60000", "newClientOrderId": "x" * 37}, -4015),
        ({"quantity": "0.001", "price": "60000", "positionSide": "LONG"}, -4061),
        ({"quantity": "0.001", "price": "60000", "selfTradePreventionMode": "?"}, -5039),
        ({"quantity": "0.001", "price": "60000", "newOrderRespType": "FULL"}, -1136),
    ],
)
def test_a_refused_order_leaves_no_trace(desk: Desk, parameters: dict[str, Any], code: int) -> None:
    before = desk.btc.book.depth(BUY, 99), desk.btc.book.depth(SELL, 99)
    status, body = (
        desk.order(newClientOrderId="gone")
        if not parameters
        else desk.order(**{"newClientOrderId": "gone", **parameters})
    )
    assert (status, body["code"]) == (400, code), body
    assert desk.exchange.take_events() == []
    assert (desk.btc.book.depth(BUY, 99), desk.btc.book.depth(SELL, 99)) == before
    found = desk.call("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="gone")
    assert found == (400, {"code": -2013, "msg": "Order does not exist."})


def test_a_client_id_is_unique_among_open_orders_only(desk: Desk) -> None:
    same = {"quantity": "0.001", "price": "59999.9", "newClientOrderId": "same"}
    assert desk.order(**same)[0] == 200
    assert desk.order(**same)[1]["code"] == -4116
    assert desk.order(KEYS[1], **same)[0] == 200
    desk.exchange.cancel(CLIENT, OrderKey("BTCUSDT", None, "same"), desk.now_ms)
    assert desk.order(**same)[0] == 200


def test_open_orders_are_limited_to_200(desk: Desk) -> None:
    for _ in range(200):
        assert desk.order(quantity="0.001", price="59000")[0] == 200
        desk.now_ms += 60
    desk.now_ms += 60_000
    assert desk.order(quantity="0.001", price="59000")[1]["code"] == -2025


def test_amending_loses_the_place_in_the_queue(desk: Desk) -> None:
    _, mine = desk.order(quantity="0.010", price="59999.9")
    desk.quote(BUY, 599_999, 10)
    status, amended = desk.call(
        "PUT", "/fapi/v1/order", symbol="BTCUSDT", orderId=mine["orderId"], side="BUY",
        quantity="0.005", price="59999.9",
    )  # fmt: skip
    assert (status, amended["origQty"], amended["status"], amended["pair"]) == (
        200, "0.005", "NEW", "BTCUSDT",
    )  # fmt: skip
    desk.take(SELL, 599_999, 1_010)
    assert story(desk) == ["NEW/NEW", "AMENDMENT/NEW"]
    desk.take(SELL, 599_999, 5)
    assert story(desk) == ["TRADE/FILLED", "account 5"]


def test_amending_may_take_or_cancel(desk: Desk) -> None:
    def amend(order: dict[str, Any], **changes: str) -> tuple[int, Any]:
        merged = {"symbol": "BTCUSDT", "side": "BUY", "orderId": order["orderId"], **changes}
        return desk.call("PUT", "/fapi/v1/order", **merged)

    _, order = desk.order(quantity="0.010", price="59999")
    assert amend(order, quantity="0.010", price="59999")[1]["code"] == -5027
    assert amend(order, quantity="0.010", price="60000.1")[0] == 200
    assert story(desk)[-2:] == ["TRADE/FILLED", "account 10"]
    assert amend(order, quantity="0.010", price="59999")[1]["code"] == -2013
    _, post_only = desk.order(quantity="0.010", price="59999", timeInForce="GTX")
    assert amend(post_only, quantity="0.010", price="60000.1")[1]["status"] == "CANCELED"
    _, filled = desk.order(quantity="0.010", price="60000.0")
    desk.take(SELL, 600_000, 1_004)
    assert amend(filled, quantity="0.004", price="60000.0")[1]["status"] == "CANCELED"
    desk.assert_balanced()


@pytest.mark.parametrize(
    ("mode", "own_bid", "taker"),
    [
        ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "FILLED"),
        ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
        ("NONE", "FILLED", "FILLED"),
    ],
)
def test_self_trade_prevention(desk: Desk, mode: str, own_bid: str, taker: str) -> None:
    _, bid = desk.order(quantity="0.010", price="60000.0", newClientOrderId="bid")
    desk.take(SELL, 600_000, 1_000)
    desk.quote(BUY, 600_000, 1_000)
    _, sell = desk.order(
        side="SELL", type="MARKET", quantity="0.010", selfTradePreventionMode=mode,
        newOrderRespType="RESULT",
    )  # fmt: skip
    assert sell["status"] == taker
    _, bid = desk.call("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="bid")
    assert bid["status"] == own_bid
    desk.assert_balanced()


def test_reduce_only_orders_are_knocked_out_when_the_position_shrinks(desk: Desk) -> None:
    desk.order(type="MARKET", quantity="0.010")
    reducing = {"side": "SELL", "reduceOnly": "true"}
    assert desk.order(**reducing, quantity="0.006", price="60100")[0] == 200
    assert desk.order(**reducing, quantity="0.004", price="60200")[0] == 200
    assert desk.order(**reducing, quantity="0.001", price="60300")[1]["code"] == -4118
    story(desk)
    desk.order(side="SELL", type="MARKET", quantity="0.003")
    assert story(desk)[-1] == "EXPIRED/EXPIRED"
    left = desk.exchange.orders.open_of(CLIENT)
    assert [order.qty_lots for order in left] == [6]


def test_cancel_all_and_the_countdown(desk: Desk) -> None:
    for price in ("59000", "59001"):
        desk.order(quantity="0.001", price=price)
    status, body = desk.call(
        "POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=1_000
    )
    assert (status, body) == (200, {"symbol": "BTCUSDT", "countdownTime": "1000"})
    assert desk.exchange.fire_countdowns(desk.wall_ms + 999, desk.now_ms) == 0
    assert desk.exchange.fire_countdowns(desk.wall_ms + 1_000, desk.now_ms) == 2
    assert story(desk)[-2:] == ["CANCELED/CANCELED"] * 2
    desk.order(quantity="0.001", price="59000")
    status, body = desk.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
    assert (status, body["code"]) == (200, 200)
    assert desk.exchange.orders.open == {}


def test_margin_counts_positions_and_orders_of_all_symbols(desk: Desk) -> None:
    assert desk.order(quantity="3", price="59999")[0] == 200  # 9,000 of 10,000 USDT at 20x
    assert desk.order(quantity="0.5", price="59999")[1]["code"] == -2019
    # The other side needs no margin of its own while it is smaller.
    assert desk.order(side="SELL", quantity="3", price="60001")[0] == 200
    assert desk.call("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=40)[0] == 200
    assert desk.order(quantity="0.5", price="59999")[0] == 200
    assert (
        desk.call("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=126)[1]["code"] == -4028
    )


@pytest.mark.parametrize("seed", range(3))
def test_money_and_positions_are_conserved_under_random_trading(seed: int) -> None:
    desk = Desk()
    desk.book(lots=100)
    dice = random.Random(seed)
    for _ in range(400):
        desk.now_ms += 1_000
        account = dice.choice((CLIENT, OTHER))
        key = KEYS[account - CLIENT]
        price = f"{60_000 + dice.randrange(-30, 31) / 10:.1f}"
        choice = dice.random()
        if choice < 0.5:
            desk.order(
                key, side=dice.choice(("BUY", "SELL")), quantity=f"0.{dice.randrange(1, 60):03d}",
                price=price, timeInForce=dice.choice(("GTC", "IOC", "FOK", "GTX")),
                reduceOnly=dice.choice(("false", "false", "true")),
                selfTradePreventionMode=dice.choice(("NONE", "EXPIRE_MAKER", "EXPIRE_BOTH")),
            )  # fmt: skip
        elif choice < 0.7:
            side = dice.choice((BUY, SELL))
            desk.quote(side, 600_000 + dice.randrange(-30, 31), dice.randrange(1, 60))
        elif choice < 0.85:
            desk.take(dice.choice((BUY, SELL)), 600_000, dice.randrange(1, 90))
        else:
            orders = desk.exchange.orders.open_of(account)
            if orders:
                order = dice.choice(orders)
                desk.call(
                    "PUT", "/fapi/v1/order", key, symbol="BTCUSDT", orderId=order.order_id,
                    side="BUY" if order.side == 1 else "SELL", price=price, quantity="0.020",
                )  # fmt: skip
        desk.assert_balanced()
    assert desk.exchange.user_trades, "the dice never traded"
    for order in desk.exchange.orders.open.values():
        assert desk.btc.book.cancel(order.order_id, desk.now_ms) == order.left_lots
    for account_id in (CLIENT, OTHER):
        # What the orders hold is what the sums say, to the last unit.
        sums = [0, 0]
        for order in desk.exchange.orders.open_of(account_id):
            sums[order.side != BUY] += desk.btc.spec.notional_e8(order.price_ticks, order.left_lots)
        assert desk.exchange.open_notional(account_id, "BTCUSDT") == tuple(sums)


def test_an_unknown_symbol_is_refused_everywhere(desk: Desk) -> None:
    with pytest.raises(RejectError) as caught:
        desk.exchange.cancel_all(CLIENT, "NOPE", 0) or desk.exchange.market("NOPE")
    assert caught.value.code == -1121

"""Hedge mode end to end: what opens, what closes, what is refused, and what is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.venue.desk import CLIENT, KEYS
from tests.venue.order_desk import OrderDesk

MODE = "/fapi/v1/positionSide/dual"


@pytest.fixture
def desk() -> OrderDesk:
    desk = OrderDesk()
    assert desk.call("POST", MODE, dualSidePosition="true") == (
        200, {"code": 200, "msg": "success"},
    )  # fmt: skip
    desk.quote(1, 600_000, 1_000)
    desk.quote(-1, 600_001, 1_000)
    desk.heard()
    return desk


def held(desk: OrderDesk) -> tuple[int, int, int]:
    account = desk.exchange.account(CLIENT)
    both, long_, short = (account.position("BTCUSDT", side).lots for side in
                          ("BOTH", "LONG", "SHORT"))  # fmt: skip
    return both, long_, short


def trade(desk: OrderDesk, side: str, position_side: str, quantity: str) -> tuple[int, Any]:
    return desk.order(side=side, positionSide=position_side, type="MARKET", quantity=quantity)


def test_both_sides_are_held_at_once(desk: OrderDesk) -> None:
    assert trade(desk, "BUY", "LONG", "0.010")[0] == 200
    assert trade(desk, "SELL", "SHORT", "0.004")[0] == 200
    assert held(desk) == (0, 10, -4)
    heard = desk.heard()
    orders = [body["o"] for body in heard if body["e"] == "ORDER_TRADE_UPDATE"]
    assert [one["ps"] for one in orders] == ["LONG", "LONG", "SHORT", "SHORT"]
    updates = [body["a"]["P"] for body in heard if body["e"] == "ACCOUNT_UPDATE"]
    # BOTH comes along with the side that changed.
    assert [[(row["ps"], row["pa"]) for row in rows] for rows in updates] == [
        [("BOTH", "0.000"), ("LONG", "0.010")], [("BOTH", "0.000"), ("SHORT", "-0.004")],
    ]  # fmt: skip
    assert trade(desk, "SELL", "LONG", "0.006")[0] == 200
    assert trade(desk, "BUY", "SHORT", "0.004")[0] == 200
    assert held(desk) == (0, 4, 0)
    _, trades = desk.call("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
    assert [(row["side"], row["positionSide"]) for row in trades] == [
        ("BUY", "LONG"), ("SELL", "SHORT"), ("SELL", "LONG"), ("BUY", "SHORT"),
    ]  # fmt: skip
    desk.assert_balanced()


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, -4061),
        ({"positionSide": "BOTH"}, -4061),
        ({"positionSide": "LONG", "reduceOnly": "true"}, -4062),
        ({"positionSide": "LONG", "reduceOnly": "false"}, -4062),
        ({"side": "SELL", "positionSide": "LONG"}, -2022),
        ({"side": "BUY", "positionSide": "SHORT"}, -2022),
    ],
)
def test_what_hedge_mode_refuses(desk: OrderDesk, parameters: dict[str, str], code: int) -> None:
    assert desk.order(**{"type": "MARKET", "quantity": "0.010", **parameters})[1]["code"] == code
    assert desk.story() == []


def test_one_way_mode_knows_no_sides(desk: OrderDesk) -> None:
    for side in ("LONG", "SHORT"):
        _, body = desk.order(KEYS[1], type="MARKET", quantity="0.010", positionSide=side)
        assert body["code"] == -4061


def test_no_more_than_is_held_can_be_closed(desk: OrderDesk) -> None:
    trade(desk, "BUY", "LONG", "0.010")
    close = {"side": "SELL", "positionSide": "LONG", "quantity": "0.006"}
    assert desk.order(**close, price="60200")[0] == 200
    assert desk.order(**close, price="60300")[1]["code"] == -2022
    # A better price goes before it, and leaves it no room: it is knocked out.
    assert desk.order(**close, price="60100")[0] == 200
    assert desk.story()[-1] == "EXPIRED LIMIT EXPIRED er4"
    # A market order goes before all that rest.
    assert trade(desk, "SELL", "LONG", "0.010")[0] == 200
    assert desk.story()[-1] == "EXPIRED LIMIT EXPIRED er4"
    assert held(desk) == (0, 0, 0)
    desk.assert_balanced()


def test_orders_of_the_other_side_do_not_matter(desk: OrderDesk) -> None:
    trade(desk, "BUY", "LONG", "0.010")
    opening = {"side": "SELL", "positionSide": "SHORT", "quantity": "0.500", "price": "60100"}
    assert desk.order(**opening)[0] == 200
    closing = {"side": "SELL", "positionSide": "LONG", "quantity": "0.010", "price": "60200"}
    assert desk.order(**closing)[0] == 200
    desk.assert_sums_agree()


def test_closing_orders_need_no_margin(desk: OrderDesk) -> None:
    desk.call("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage="1")
    assert trade(desk, "BUY", "LONG", "0.160")[0] == 200  # nearly all of 10,000
    assert trade(desk, "SELL", "SHORT", "0.010")[1]["code"] == -2019
    assert trade(desk, "SELL", "LONG", "0.160")[0] == 200


def test_the_mode_changes_only_when_nothing_is_open(desk: OrderDesk) -> None:
    def switch(wanted: str) -> int:
        return int(desk.call("POST", MODE, dualSidePosition=wanted)[1]["code"])

    assert switch("true") == -4059
    _, resting = desk.order(positionSide="LONG", quantity="0.010", price="59000")
    assert switch("false") == -4067
    desk.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=resting["orderId"])
    _, waiting = desk.algo(positionSide="SHORT", triggerPrice="59500", quantity="0.010")
    assert switch("false") == -4067
    desk.call("DELETE", "/fapi/v1/algoOrder", algoId=waiting["algoId"])
    trade(desk, "SELL", "SHORT", "0.010")
    assert switch("false") == -4068
    trade(desk, "BUY", "SHORT", "0.010")
    assert switch("false") == 200
    assert desk.call("GET", MODE)[1] == {"dualSidePosition": False}
    assert desk.order(type="MARKET", quantity="0.001")[0] == 200


def test_conditional_orders_of_a_side(desk: OrderDesk) -> None:
    trade(desk, "BUY", "LONG", "0.010")
    trade(desk, "SELL", "SHORT", "0.005")
    desk.heard()
    for side, of, code in (("BUY", "LONG", -2022), ("SELL", "SHORT", -2022)):
        _, body = desk.algo(side=side, positionSide=of, closePosition="true",
                            triggerPrice="59500" if side == "SELL" else "60500")  # fmt: skip
        assert body["code"] == code
    _, body = desk.algo(positionSide="LONG", triggerPrice="59500", quantity="0.010",
                        reduceOnly="true")  # fmt: skip
    assert body["code"] == -4062
    status, _ = desk.algo(positionSide="LONG", triggerPrice="59500", closePosition="true",
                          timeInForce="GTE_GTC")  # fmt: skip
    assert status == 200
    desk.take(-1, 600_000, 1_000)
    desk.print_at(595_000)
    child = next(body["o"] for body in desk.heard() if body["e"] == "ORDER_TRADE_UPDATE")
    assert (child["ps"], child["q"], child["R"], child["cp"]) == ("LONG", "0.010", False, True)
    assert held(desk) == (0, 0, -5)
    desk.assert_balanced()


def test_a_tied_order_ends_with_its_own_side_only(desk: OrderDesk) -> None:
    trade(desk, "BUY", "LONG", "0.010")
    trade(desk, "SELL", "SHORT", "0.005")
    tied = {"triggerPrice": "59000.1", "closePosition": "true", "timeInForce": "GTE_GTC"}
    assert desk.algo(**tied, positionSide="LONG")[0] == 200
    desk.heard()
    trade(desk, "BUY", "SHORT", "0.005")
    assert "algo EXPIRED" not in desk.story()
    trade(desk, "SELL", "LONG", "0.010")
    assert "algo EXPIRED" in desk.story()

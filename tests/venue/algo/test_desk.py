"""Conditional orders through their lives: events in their order, every end, both dialects."""

from __future__ import annotations

from typing import Any

import pytest

from aegis.venue.algo.requests import parse_algo
from aegis.venue.errors import RejectError
from tests.venue.desk import CLIENT, KEYS
from tests.venue.order_desk import OrderDesk

SELL_BELOW = {"side": "SELL", "triggerPrice": "59500", "quantity": "0.010"}


@pytest.fixture
def desk() -> OrderDesk:
    return OrderDesk()


@pytest.fixture
def old() -> OrderDesk:
    return OrderDesk("2024")


def holding(desk: OrderDesk, quantity: str = "0.010") -> None:
    """Buy at the last price, for somebody to have a stop for."""
    desk.quote(-1, 600_000, round(float(quantity) * 1_000))
    desk.buy(quantity)
    desk.heard()


def old_stop(desk: OrderDesk, **parameters: Any) -> Any:
    merged = {"side": "SELL", "type": "STOP_MARKET", "stopPrice": "59500", **parameters}
    return desk.order(**merged)


# --- the algo service ---


def test_a_stop_from_its_placement_to_its_end(desk: OrderDesk) -> None:
    holding(desk)
    status, placed = desk.algo(**SELL_BELOW, clientAlgoId="stop", reduceOnly="true")
    assert (status, placed["algoStatus"], placed["triggerTime"]) == (200, "NEW", 0)
    assert (placed["activatePrice"], placed["callbackRate"]) == ("", "")
    assert desk.story() == ["algo NEW"]
    desk.print_at(595_001)
    assert desk.story() == []
    desk.print_at(595_000)
    heard = desk.heard()
    names = [body["e"] for body in heard]
    assert names == ["ALGO_UPDATE", "ALGO_UPDATE", "ORDER_TRADE_UPDATE", "TRADE_LITE",
                     "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ALGO_UPDATE"]  # fmt: skip
    triggering, triggered, new, _, trade, _, finished = (body.get("o") for body in heard)
    assert [triggering["X"], triggered["X"], finished["X"]] == [
        "TRIGGERING", "TRIGGERED", "FINISHED",
    ]  # fmt: skip
    assert (triggering["ai"], triggered["ai"]) == ("", str(new["i"]))
    assert triggering["tt"] == desk.now_ms and "ap" not in triggering
    assert (triggered["aq"], triggered["act"]) == ("0", "MARKET")
    assert (finished["aq"], finished["ap"]) == ("0.01", "59000")
    assert (new["c"], new["o"], new["ot"], new["sp"]) == (
        "stop",
        "MARKET",
        "STOP_MARKET",
        "59500.00",
    )
    assert new["i"] != placed["algoId"] and trade["X"] == "FILLED" and new["R"]
    _, row = desk.call("GET", "/fapi/v1/algoOrder", clientAlgoId="stop")
    assert (row["algoStatus"], row["actualOrderId"], row["actualType"], row["actualQty"]) == (
        "FINISHED", str(new["i"]), "MARKET", "0.010",
    )  # fmt: skip
    assert (row["actualPrice"], row["triggerTime"]) == ("59000.00000", desk.now_ms)
    assert desk.query("stop")["origType"] == "STOP_MARKET"
    desk.assert_balanced()


def test_a_stop_limit_rests_and_is_finished_when_it_is_cancelled(desk: OrderDesk) -> None:
    desk.algo(type="STOP", side="BUY", triggerPrice="60500", price="60600", quantity="0.010",
              clientAlgoId="entry")  # fmt: skip
    desk.heard()
    desk.print_at(605_000)
    assert desk.story() == ["algo TRIGGERING", "algo TRIGGERED", "NEW LIMIT NEW"]
    _, row = desk.call("GET", "/fapi/v1/algoOrder", clientAlgoId="entry")
    assert row["algoStatus"] == "TRIGGERED"
    # It is an order now: the algo service cannot cancel it, the other endpoint can.
    assert desk.call("DELETE", "/fapi/v1/algoOrder", clientAlgoId="entry")[1]["code"] == -2011
    desk.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="entry")
    assert desk.story() == ["CANCELED LIMIT CANCELED", "algo FINISHED"]


def test_cancelling(desk: OrderDesk) -> None:
    _, placed = desk.algo(**SELL_BELOW)
    status, body = desk.call("DELETE", "/fapi/v1/algoOrder", algoId=placed["algoId"])
    assert (status, body) == (
        200,
        {
            "algoId": placed["algoId"], "clientAlgoId": placed["clientAlgoId"], "code": "200",
            "msg": "success",
        },
    )  # fmt: skip
    assert desk.story() == ["algo NEW", "algo CANCELED"]
    assert desk.call("DELETE", "/fapi/v1/algoOrder", algoId=placed["algoId"])[1]["code"] == -2011
    desk.print_at(595_000)
    assert desk.story() == []
    desk.print_at(600_000)
    for _ in range(2):
        desk.algo(**SELL_BELOW)
    status, body = desk.call("DELETE", "/fapi/v1/algoOpenOrders", symbol="BTCUSDT")
    assert (status, body["code"]) == (200, 200)
    assert desk.story() == ["algo NEW", "algo NEW", "algo CANCELED", "algo CANCELED"]


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"reduceOnly": "true"}, "ReduceOnly Order is rejected."),
        ({"quantity": "", "closePosition": "true"}, "ReduceOnly Order is rejected."),
        ({"quantity": "50"}, "Margin is insufficient."),
        (
            {"type": "STOP", "price": "58900", "timeInForce": "GTX"},
            "Due to the order could not be executed as maker, "
            "the Post Only order will be rejected.",
        ),
        (
            {"type": "STOP", "price": "58900", "timeInForce": "FOK", "quantity": "110"},
            "Margin is insufficient.",
        ),
    ],
)
def test_what_the_engine_refuses_is_rejected_with_its_words(
    desk: OrderDesk, parameters: dict[str, str], text: str
) -> None:
    merged = {name: value for name, value in {**SELL_BELOW, **parameters}.items() if value}
    assert desk.algo(**merged, clientAlgoId="no")[0] == 200
    desk.print_at(595_000)
    heard = desk.heard()
    assert [body["o"]["X"] for body in heard] == ["NEW", "TRIGGERING", "REJECTED"]
    assert heard[-1]["o"]["rm"] == text
    assert desk.query("no")["code"] == -2013
    _, row = desk.call("GET", "/fapi/v1/algoOrder", clientAlgoId="no")
    assert (row["algoStatus"], row["actualOrderId"]) == ("REJECTED", "")


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"triggerPrice": "60000"}, -2021),
        ({"triggerPrice": "60000.1"}, -2021),
        ({"side": "BUY", "triggerPrice": "60000"}, -2021),
        ({"type": "TAKE_PROFIT_MARKET", "triggerPrice": "60000"}, -2021),
        ({"triggerPrice": "1000", "quantity": "0.001"}, -4164),
        ({"type": "STOP", "price": "50000"}, -4184),
        ({"type": "STOP", "side": "BUY", "triggerPrice": "60500", "price": "70000"}, -4183),
        ({"positionSide": "LONG"}, -4061),
        ({"timeInForce": "GTE_GTC"}, -2022),
        ({"timeInForce": "GTD", "goodTillDate": "1800000600000"}, -5040),
        ({"timeInForce": "GTD", "goodTillDate": "253402300799000"}, -5040),
        ({"symbol": "NOPE"}, -1121),
    ],
)
def test_refusals_leave_no_trace(desk: OrderDesk, parameters: dict[str, str], code: int) -> None:
    status, body = desk.algo(**{**SELL_BELOW, "clientAlgoId": "gone", **parameters})
    assert (status, body["code"]) == (400, code)
    assert desk.story() == []
    assert desk.call("GET", "/fapi/v1/algoOrder", clientAlgoId="gone")[1]["code"] == -2013


@pytest.mark.parametrize(
    ("side", "activation", "accepted"),
    [
        ("BUY", "59999.9", True),
        ("BUY", "60000", False),
        ("SELL", "60000.1", True),
        ("SELL", "60000", False),
    ],
)
def test_where_a_trailing_stop_may_be_activated(
    desk: OrderDesk, side: str, activation: str, accepted: bool
) -> None:
    status, body = desk.algo(
        side=side, type="TRAILING_STOP_MARKET", quantity="0.010", callbackRate="1",
        activatePrice=activation,
    )  # fmt: skip
    assert (status == 200) == accepted
    if not accepted:
        assert body["code"] == -2021


def test_a_trailing_stop_follows_and_turns(desk: OrderDesk) -> None:
    holding(desk)
    _, placed = desk.algo(type="TRAILING_STOP_MARKET", quantity="0.010", callbackRate="1",
                          activatePrice="60300", reduceOnly="true")  # fmt: skip
    assert (placed["activatePrice"], placed["callbackRate"]) == ("60300.00", "1.0")
    assert desk.heard()[0]["o"]["ia"] is False
    desk.print_at(594_000)  # not activated: no fall is too deep
    for ticks in (603_000, 605_000, 599_000):
        desk.print_at(ticks)
        assert desk.story() == []
    desk.print_at(598_950)  # 1 % below 60,500
    heard = desk.heard()
    assert [body["o"]["X"] for body in heard if body["e"] == "ALGO_UPDATE"] == [
        "TRIGGERING", "TRIGGERED", "FINISHED",
    ]  # fmt: skip
    assert heard[0]["o"]["ia"] is True
    child = next(body["o"] for body in heard if body["e"] == "ORDER_TRADE_UPDATE")
    assert (child["ot"], child["AP"], child["cr"], child["sp"]) == (
        "TRAILING_STOP_MARKET", "60300.00", "1.0", "0",
    )  # fmt: skip


def test_mark_price_triggers_come_with_the_second(desk: OrderDesk) -> None:
    desk.algo(**SELL_BELOW, workingType="MARK_PRICE")
    desk.print_at(594_000)
    desk.move_middle(595_000)
    assert desk.story() == ["algo NEW"]
    desk.second()
    assert desk.story()[:2] == ["algo TRIGGERING", "algo TRIGGERED"]


def test_price_protection_waits_until_mark_and_contract_price_agree(desk: OrderDesk) -> None:
    # A market so wide that the last price can be far from its middle.
    for side, edge in ((1, 560_000), (-1, 640_000)):
        desk.quote(side, edge, 1_000)
        desk.take(-side, edge + side, 100_000)
    desk.print_at(600_000)
    assert desk.btc.spec.trigger_protect_e4 == 500
    guarded = {**SELL_BELOW, "priceProtect": "TRUE"}
    assert desk.algo(**guarded)[1]["priceProtect"] is True
    desk.print_at(565_000)
    assert desk.btc.mark_e8() == 60_000 * 10**8
    desk.second()
    assert desk.story() == ["algo NEW"]
    desk.quote(1, 590_000, 100)
    desk.print_at(594_000)
    desk.second()
    assert desk.story()[:2] == ["algo TRIGGERING", "algo TRIGGERED"]


def test_an_order_tied_to_a_position_ends_with_it(desk: OrderDesk) -> None:
    holding(desk)
    tied = {"timeInForce": "GTE_GTC", "closePosition": "true", "side": "SELL"}
    assert desk.algo(**tied, triggerPrice="59500", clientAlgoId="loss")[0] == 200
    status, _ = desk.algo(
        **tied, type="TAKE_PROFIT_MARKET", triggerPrice="60500", clientAlgoId="gain"
    )
    assert status == 200
    desk.heard()
    desk.print_at(605_000)
    heard = desk.heard()
    told = [(body["o"]["caid"], body["o"]["X"]) for body in heard if body["e"] == "ALGO_UPDATE"]
    assert told == [
        ("gain", "TRIGGERING"), ("gain", "TRIGGERED"), ("gain", "FINISHED"), ("loss", "EXPIRED"),
    ]  # fmt: skip
    child = next(body["o"] for body in heard if body["e"] == "ORDER_TRADE_UPDATE")
    assert (child["q"], child["cp"], child["R"], child["f"]) == ("0.010", True, True, "GTC")
    assert desk.exchange.account(CLIENT).position("BTCUSDT").lots == 0


def test_one_stop_triggers_the_next(desk: OrderDesk) -> None:
    """Each sells into what stands a step lower; every print on the way may trigger another."""
    for step in range(3):
        desk.quote(1, 594_000 - 1_000 * step, 10)
    for step in range(3):
        desk.algo(side="SELL", triggerPrice=str(59_500 - 100 * step), quantity="0.010",
                  clientAlgoId=f"step-{step}")  # fmt: skip
    desk.heard()
    desk.print_at(595_000)
    told = [body["o"]["caid"] for body in desk.heard() if body.get("o", {}).get("X") == "FINISHED"]
    assert told == ["step-0", "step-1", "step-2"]
    assert desk.exchange.account(CLIENT).position("BTCUSDT").lots == -30
    desk.assert_balanced()


def test_a_clients_own_trade_triggers_as_any_other(desk: OrderDesk) -> None:
    desk.algo(**SELL_BELOW)
    desk.quote(1, 595_000, 5)
    desk.heard()
    desk.order(KEYS[1], side="SELL", type="MARKET", quantity="0.005")
    assert desk.story()[0] == "algo TRIGGERING"


def test_two_hundred_conditional_orders_are_enough(desk: OrderDesk) -> None:
    for _ in range(200):
        assert desk.algo(**SELL_BELOW)[0] == 200
    assert desk.algo(**SELL_BELOW)[1]["code"] == -4045
    desk.call("DELETE", "/fapi/v1/algoOpenOrders", symbol="BTCUSDT")
    assert desk.algo(**SELL_BELOW)[0] == 200


def test_a_client_id_is_unique_among_those_that_wait(desk: OrderDesk) -> None:
    assert desk.algo(**SELL_BELOW, clientAlgoId="same")[0] == 200
    assert desk.algo(**SELL_BELOW, clientAlgoId="same")[1]["code"] == -4116
    # An order may have it already: then the child gets an id of its own.
    desk.order(quantity="0.010", price="59100", newClientOrderId="same")
    desk.heard()
    desk.print_at(595_000)
    child = next(body["o"] for body in desk.heard() if body["e"] == "ORDER_TRADE_UPDATE")
    assert child["c"] != "same" and len(child["c"]) == 22


def test_the_end_of_a_waiting_order(desk: OrderDesk) -> None:
    end = desk.now_ms + 700_000
    desk.algo(**SELL_BELOW, timeInForce="GTD", goodTillDate=end, clientAlgoId="mortal")
    desk.second(699)
    assert desk.story() == ["algo NEW"]
    desk.second()
    assert desk.story() == ["algo EXPIRED"]
    _, row = desk.call("GET", "/fapi/v1/algoOrder", clientAlgoId="mortal")
    assert (row["algoStatus"], row["goodTillDate"]) == ("EXPIRED", end)


def test_nobody_waits_for_prices_that_trigger_nothing(desk: OrderDesk) -> None:
    """The market's driver is stopped by a print outside of the band, and by no other."""
    market = desk.btc
    desk.algo(**SELL_BELOW)
    desk.algo(side="BUY", type="STOP_MARKET", triggerPrice="60500", quantity="0.010")
    for ticks in (595_001, 604_999):
        desk.quote(1 if ticks < 600_000 else -1, ticks, 1)
        desk.btc.book.submit(10**15, 2, -1 if ticks < 600_000 else 1, ticks, 1,
                             now_ms=desk.now_ms, rest=False)  # fmt: skip
        assert market.take_prints() is None
    desk.call("DELETE", "/fapi/v1/algoOpenOrders", symbol="BTCUSDT")
    desk.print_at(590_001)
    assert market.take_prints() is None


# --- 2024 ---


def test_a_stop_of_2024_expires_and_is_new_as_what_it_becomes(old: OrderDesk) -> None:
    holding(old)
    status, placed = old_stop(old, quantity="0.010", newClientOrderId="stop", reduceOnly="true")
    assert (status, placed["status"], placed["type"]) == (200, "NEW", "STOP_MARKET")
    assert (placed["stopPrice"], placed["avgPrice"]) == ("59500.00", "0.00000")
    assert old.query("stop")["status"] == "NEW"
    old.heard()
    old.print_at(595_000)
    heard = old.heard()
    told = [body["o"] for body in heard if body["e"] == "ORDER_TRADE_UPDATE"]
    assert [(one["x"], one["X"], one["o"], one["ot"]) for one in told] == [
        ("EXPIRED", "EXPIRED", "STOP_MARKET", "STOP_MARKET"),
        ("NEW", "NEW", "MARKET", "STOP_MARKET"),
        ("TRADE", "FILLED", "MARKET", "STOP_MARKET"),
    ]  # fmt: skip
    assert {(one["i"], one["c"], one["sp"]) for one in told} == {
        (placed["orderId"], "stop", "59500.00")
    }
    assert all("er" not in one for one in told)
    assert "TRADE_LITE" not in [body["e"] for body in heard]
    row = old.query("stop")
    assert (row["status"], row["type"], row["origType"]) == ("FILLED", "MARKET", "STOP_MARKET")
    old.assert_balanced()


def test_what_the_engine_refused_in_2024(old: OrderDesk) -> None:
    holding(old)
    _, placed = old_stop(old, quantity="0.010", reduceOnly="true", newClientOrderId="late")
    old.quote(1, 600_000, 10)
    old.order(side="SELL", type="MARKET", quantity="0.010")
    old.heard()
    old.print_at(595_000)
    expired, refused = old.heard()
    assert (expired["o"]["x"], refused["e"]) == ("EXPIRED", "CONDITIONAL_ORDER_TRIGGER_REJECT")
    assert refused["or"] == {
        "s": "BTCUSDT", "i": placed["orderId"], "r": "ReduceOnly Order is rejected.",
    }  # fmt: skip
    assert old.query("late")["status"] == "EXPIRED"


def test_stops_of_2024_are_orders_everywhere(old: OrderDesk) -> None:
    holding(old)
    _, closing = old_stop(old, closePosition="true", workingType="MARK_PRICE", priceProtect="TRUE")
    assert (closing["origQty"], closing["closePosition"], closing["workingType"]) == (
        "0.000", True, "MARK_PRICE",
    )  # fmt: skip
    _, trailing = old.order(side="SELL", type="TRAILING_STOP_MARKET", quantity="0.010",
                            callbackRate="0.5", activationPrice="60100")  # fmt: skip
    assert (trailing["activatePrice"], trailing["priceRate"]) == ("60100.00", "0.5")
    _, listed = old.call("GET", "/fapi/v1/openOrders", symbol="BTCUSDT")
    assert [row["type"] for row in listed] == ["STOP_MARKET", "TRAILING_STOP_MARKET"]
    key = {"symbol": "BTCUSDT", "side": "SELL", "orderId": closing["orderId"]}
    status, body = old.call("PUT", "/fapi/v1/order", **key, quantity="0.010", price="59000")
    assert (status, body["code"]) == (400, -5025)
    assert old.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")[0] == 200
    assert old.story()[-2:] == [
        "CANCELED STOP_MARKET CANCELED", "CANCELED TRAILING_STOP_MARKET CANCELED",
    ]  # fmt: skip
    assert old.call("GET", "/fapi/v1/openOrders", symbol="BTCUSDT")[1] == []


def test_a_tied_order_of_2024_expires_after_the_trade(old: OrderDesk) -> None:
    holding(old)
    for kind, trigger in (("STOP_MARKET", "59500"), ("TAKE_PROFIT_MARKET", "60500")):
        old_stop(old, type=kind, stopPrice=trigger, closePosition="true", timeInForce="GTE_GTC")
    old.heard()
    old.print_at(595_000)
    assert [word for word in old.story() if "account" not in word] == [
        "EXPIRED STOP_MARKET EXPIRED", "NEW MARKET NEW", "TRADE MARKET FILLED",
        "EXPIRED TAKE_PROFIT_MARKET EXPIRED",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"quantity": "0.010", "stopPrice": "60000"}, -2021),
        ({"quantity": "0.010", "reduceOnly": "true"}, -2022),
        ({"quantity": "50"}, -2019),
        ({"quantity": "0.010", "newClientOrderId": "taken"}, -4116),
    ],
)
def test_refusals_of_2024(old: OrderDesk, parameters: dict[str, str], code: int) -> None:
    old.order(quantity="0.010", price="59100", newClientOrderId="taken")
    old.heard()
    assert old_stop(old, **parameters)[1]["code"] == code
    assert old.story() == []


def test_the_algo_service_did_not_exist_in_2024(old: OrderDesk) -> None:
    assert old.algo(**SELL_BELOW)[0] == 404
    for method, path in (
        ("GET", "algoOrder"), ("DELETE", "algoOrder"), ("GET", "openAlgoOrders"),
        ("GET", "allAlgoOrders"), ("DELETE", "algoOpenOrders"),
    ):  # fmt: skip
        status, body = old.call(method, f"/fapi/v1/{path}", symbol="BTCUSDT", algoId=1)
        assert (status, body["code"]) == (404, -5000)


def test_a_condition_is_kept_by_the_exchange_not_by_the_request(desk: OrderDesk) -> None:
    """Placing twice from one request must not make two orders share what they wait for."""
    parameters = {
        "symbol": "BTCUSDT", "algoType": "CONDITIONAL", "side": "SELL", "quantity": "0.010",
        "type": "TRAILING_STOP_MARKET", "callbackRate": "1",
    }  # fmt: skip
    request = parse_algo(parameters, desk.btc.spec)
    first = desk.exchange.place_algo(CLIENT, request, desk.now_ms)
    second = desk.exchange.place_algo(CLIENT, request, desk.now_ms)
    assert request.condition is not None and request.condition.extreme_e8 == 0
    assert desk.exchange.algos.live[first.algo_id].condition is not (
        desk.exchange.algos.live[second.algo_id].condition
    )
    with pytest.raises(RejectError):
        desk.exchange.cancel_algo(CLIENT, 1, None, desk.now_ms)

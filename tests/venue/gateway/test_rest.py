"""The REST gateway without a socket: statuses, headers, limits, and every endpoint answering."""

from __future__ import annotations

from typing import Any

import pytest

from aegis.venue.gateway.rest import ENDPOINTS
from aegis.venue.limits import RateLimits
from tests.venue.desk import KEYS, Desk

PAIR = {"pair": "BTCUSDT", "contractType": "PERPETUAL"}
STATISTICS = (
    "openInterestHist", "topLongShortAccountRatio", "topLongShortPositionRatio",
    "globalLongShortAccountRatio", "takerlongshortRatio",
)  # fmt: skip
PARAMETERS: dict[str, dict[str, Any]] = {
    "/fapi/v1/klines": {"symbol": "BTCUSDT", "interval": "1m"},
    "/fapi/v1/markPriceKlines": {"symbol": "BTCUSDT", "interval": "1m"},
    "/fapi/v1/premiumIndexKlines": {"symbol": "BTCUSDT", "interval": "1m"},
    "/fapi/v1/indexPriceKlines": {"pair": "BTCUSDT", "interval": "1m"},
    "/fapi/v1/continuousKlines": {**PAIR, "interval": "1m"},
    "/fapi/v1/assetIndex": {"symbol": "BTCUSD"},
    "/futures/data/basis": {**PAIR, "period": "5m"},
    "/futures/data/delivery-price": {"pair": "BTCUSDT"},
    **{f"/futures/data/{path}": {"symbol": "BTCUSDT", "period": "5m"} for path in STATISTICS},
    "/fapi/v1/order": {"symbol": "BTCUSDT", "origClientOrderId": "none"},
    "/fapi/v1/openOrder": {"symbol": "BTCUSDT", "origClientOrderId": "none"},
    "/fapi/v1/countdownCancelAll": {"symbol": "BTCUSDT", "countdownTime": "0"},
    "/fapi/v1/leverage": {"symbol": "BTCUSDT", "leverage": "5"},
    "/fapi/v1/marginType": {"symbol": "BTCUSDT", "marginType": "ISOLATED"},
    "/fapi/v1/positionSide/dual": {"dualSidePosition": "false"},
    "/fapi/v1/positionMargin": {"symbol": "BTCUSDT", "amount": "1", "type": "1"},
    "/fapi/v1/multiAssetsMargin": {"multiAssetsMargin": "false"},
    "/fapi/v1/feeBurn": {"feeBurn": "true"},
    "/fapi/v1/batchOrders": {"symbol": "BTCUSDT", "batchOrders": "[{}]", "orderIdList": "[1]"},
    "/fapi/v1/orderAmendment": {"symbol": "BTCUSDT", "orderId": "1"},
    "/fapi/v1/algoOrder": {"symbol": "BTCUSDT", "algoId": "1"},
}
REFUSED = {
    ("POST", "/fapi/v1/order"): -1102,
    ("PUT", "/fapi/v1/order"): -1102,
    ("GET", "/fapi/v1/order"): -2013,
    ("DELETE", "/fapi/v1/order"): -2011,
    ("GET", "/fapi/v1/openOrder"): -2013,
    ("POST", "/fapi/v1/positionSide/dual"): -4059,
    ("POST", "/fapi/v1/positionMargin"): -4049,
    ("POST", "/fapi/v1/multiAssetsMargin"): -4171,
    **{("GET", f"/fapi/v1/{kind}/asyn"): -4084 for kind in ("income", "order", "trade")},
    **{("GET", f"/fapi/v1/{kind}/asyn/id"): -4084 for kind in ("income", "order", "trade")},
    ("POST", "/fapi/v1/order/test"): -1102,
    ("POST", "/fapi/v1/algoOrder"): -1102,
    ("GET", "/fapi/v1/algoOrder"): -2013,
    ("DELETE", "/fapi/v1/algoOrder"): -2011,
    ("PUT", "/fapi/v1/listenKey"): -1125,
    ("DELETE", "/fapi/v1/listenKey"): -1125,
}


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.book()
    desk.take(1, 600_001, 3)
    return desk


@pytest.mark.parametrize("place", list(ENDPOINTS), ids=lambda place: " ".join(place))
def test_every_endpoint_answers(desk: Desk, place: tuple[str, str]) -> None:
    method, path = place
    parameters = PARAMETERS.get(path, {"symbol": "BTCUSDT"})
    reply = desk.reply(method, path, **parameters)
    status, body = desk.call(method, path, **parameters)
    if place in REFUSED:
        assert (status, body["code"]) == (400, REFUSED[place])
    elif path != "/fapi/v1/marginType":
        assert status == 200, body
    assert int(reply.headers["X-MBX-USED-WEIGHT-1M"]) == ENDPOINTS[place].cost(
        {key: str(value) for key, value in parameters.items()}
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/fapi/v1/nothing"), ("GET", "/fapi/v1/listenKey"), ("GET", "/fapi/v1/account")],
)
def test_unknown_paths_and_methods_are_404(desk: Desk, method: str, path: str) -> None:
    status, body = desk.call(method, path)
    assert (status, body["code"]) == (404, -5000)


def test_security_levels(desk: Desk) -> None:
    assert desk.call("GET", "/fapi/v1/time", None, signed=False)[0] == 200
    assert desk.call("POST", "/fapi/v1/listenKey", None, signed=False)[1]["code"] == -2014
    assert desk.call("POST", "/fapi/v1/listenKey", signed=False)[0] == 200
    unsigned = desk.call("GET", "/fapi/v1/openOrders", signed=False, timestamp=desk.wall_ms)
    assert unsigned[1]["code"] == -1102
    assert desk.call("GET", "/fapi/v1/openOrders", signed=False)[1]["code"] == -1102
    late = desk.call("GET", "/fapi/v1/openOrders", timestamp=desk.wall_ms - 5_001)
    assert late[1]["code"] == -1021
    wrong = desk.call("GET", "/fapi/v1/openOrders", signed=False, timestamp=desk.wall_ms,
                      signature="0" * 64)  # fmt: skip
    assert wrong[1] == {"code": -1022, "msg": "Signature for this request is not valid."}


def test_an_order_that_waited_too_long_is_refused_by_the_engine(desk: Desk) -> None:
    from aegis.venue.gateway.calls import Call
    from aegis.venue.gateway.rest import RestRequest, admit
    from tests.venue.desk import sign

    query = (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=59000"
        f"&recvWindow=100&timestamp={desk.wall_ms}"
    )
    request = RestRequest(
        "POST", "/fapi/v1/order", f"{query}&signature={sign(KEYS[0], query)}", "",
        KEYS[0].api_key, "127.0.0.1",
    )  # fmt: skip
    call = admit(desk.core, request)
    assert isinstance(call, Call)
    desk.wall_ms += 101
    assert b"-5028" in call.run().body
    assert desk.exchange.orders.open == {}


def test_order_counts_and_their_limit() -> None:
    desk = Desk(limits=RateLimits(orders_per_10s=2, orders_per_minute=3))
    desk.book()
    codes = []
    for _ in range(4):
        codes.append(desk.order(quantity="0.001", price="59000")[1].get("code"))
    assert codes == [None, None, -1015, -1015]
    desk.now_ms += 10_000
    reply = desk.reply(
        "POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC",
        quantity="0.001", price="59000",
    )  # fmt: skip
    assert (reply.headers["X-MBX-ORDER-COUNT-10S"], reply.headers["X-MBX-ORDER-COUNT-1M"]) == (
        "1", "3",
    )  # fmt: skip
    status, body = desk.order(quantity="0.001", price="59000")
    assert (status, body["code"]) == (429, -1015)
    # Cancels are not counted.
    assert desk.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")[0] == 200


def test_weight_limit_and_its_window() -> None:
    desk = Desk(limits=RateLimits(weight_per_minute=25))
    assert desk.call("GET", "/fapi/v1/depth", signed=False, symbol="BTCUSDT", limit=1000)[0] == 200
    assert desk.call("GET", "/fapi/v1/trades", signed=False, symbol="BTCUSDT")[0] == 200
    reply = desk.reply("GET", "/fapi/v1/time", signed=False)
    assert reply.status == 429
    assert b"-1003" in reply.body
    assert 0 < int(reply.headers["Retry-After"]) <= 60
    desk.wall_ms += 60_000
    assert desk.call("GET", "/fapi/v1/time", signed=False)[0] == 200


def test_public_market_data(desk: Desk) -> None:
    _, depth = desk.call("GET", "/fapi/v1/depth", signed=False, symbol="BTCUSDT", limit=5)
    assert depth["bids"] == [["60000.00", "1.000"]]
    assert depth["asks"] == [["60000.10", "0.997"]]
    assert depth["lastUpdateId"] == desk.btc.book.last_update_id()
    bad = desk.call("GET", "/fapi/v1/depth", signed=False, symbol="BTCUSDT", limit=7)
    assert bad == (400, {"code": -4021, "msg": "'7' is not valid depth limit."})
    _, trades = desk.call("GET", "/fapi/v1/trades", signed=False, symbol="BTCUSDT")
    assert [(row["price"], row["qty"], row["isBuyerMaker"]) for row in trades] == [
        ("60000.10", "0.003", False)
    ]
    _, klines = desk.call("GET", "/fapi/v1/klines", signed=False, symbol="BTCUSDT", interval="1m")
    assert klines[-1][1:6] == ["60000.10", "60000.10", "60000.10", "60000.10", "0.003"]
    _, ticker = desk.call("GET", "/fapi/v1/ticker/bookTicker", signed=False)
    assert [row["symbol"] for row in ticker] == list(desk.exchange.markets)
    _, premium = desk.call("GET", "/fapi/v1/premiumIndex", signed=False, symbol="BTCUSDT")
    assert premium["markPrice"] == "60000.05000000"
    assert premium["nextFundingTime"] % (8 * 3_600_000) == 0


def test_account_views_agree(desk: Desk) -> None:
    desk.order(type="MARKET", quantity="0.100")
    desk.order(quantity="0.200", price="59999")
    _, v3 = desk.call("GET", "/fapi/v3/account")
    _, v2 = desk.call("GET", "/fapi/v2/account")
    _, balance = desk.call("GET", "/fapi/v3/balance")
    _, risk = desk.call("GET", "/fapi/v3/positionRisk")
    _, risk_v2 = desk.call("GET", "/fapi/v2/positionRisk")
    assert len(risk) == 1
    assert len(risk_v2) == len(v2["positions"]) == len(desk.exchange.markets)
    assert v3["totalWalletBalance"] == v2["totalWalletBalance"] == balance[0]["balance"]
    assert v3["availableBalance"] == balance[0]["availableBalance"]
    assert risk[0]["positionAmt"] == v3["positions"][0]["positionAmt"] == "0.100"
    assert risk[0]["entryPrice"] == "60000.10000"
    assert risk[0]["bidNotional"] == "11999.80000000"
    fee = 60_000.1 * 0.1 * 0.0005
    assert float(v3["totalWalletBalance"]) == pytest.approx(10_000 - fee, abs=1e-8)
    initial = (6_000.005 + 11_999.8) / 20
    assert float(v3["totalInitialMargin"]) == pytest.approx(initial, abs=1e-6)
    _, rate = desk.call("GET", "/fapi/v1/commissionRate", symbol="BTCUSDT")
    assert (rate["makerCommissionRate"], rate["takerCommissionRate"]) == ("0.0002", "0.0005")


def test_one_account_never_sees_the_other(desk: Desk) -> None:
    _, order = desk.order(quantity="0.001", price="59000", newClientOrderId="mine")
    for name, value in (("orderId", order["orderId"]), ("origClientOrderId", "mine")):
        body = desk.call("GET", "/fapi/v1/order", KEYS[1], symbol="BTCUSDT", **{name: value})[1]
        assert body["code"] == -2013
        body = desk.call("DELETE", "/fapi/v1/order", KEYS[1], symbol="BTCUSDT", **{name: value})[1]
        assert body["code"] == -2011
    assert desk.call("GET", "/fapi/v1/openOrders", KEYS[1])[1] == []
    assert desk.call("GET", "/fapi/v1/allOrders", KEYS[1])[1] == []
    assert desk.call("DELETE", "/fapi/v1/allOpenOrders", KEYS[1], symbol="BTCUSDT")[0] == 200
    assert len(desk.call("GET", "/fapi/v1/openOrders")[1]) == 1

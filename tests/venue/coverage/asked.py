"""How each REST endpoint is asked on the stage, so that its reply has every field it can have.

One entry per endpoint that the venue implements; the walk over the fixtures and the SDK's list of
endpoints both use it. An entry may have to do something first: there must be an order to cancel.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from aegis.venue.matching.interface import BUY, SELL
from tests.venue.coverage.stage import V1, Answer, Stage
from tests.venue.desk import KEYS

Asked = Callable[[Stage], Answer]

PAIR: Final = {"pair": "BTCUSDT", "contractType": "PERPETUAL"}
CANDLES: Final = {"interval": "1m", "limit": 5}
PERIOD: Final = {"period": "5m"}
LIMIT: Final = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
                "quantity": "0.020", "price": "59991.0"}  # fmt: skip


def public(path: str, **parameters: Any) -> Asked:
    return lambda stage: stage.public(path, **parameters)


def of_symbol(path: str, **parameters: Any) -> Asked:
    return public(path, symbol="BTCUSDT", **parameters)


def signed(method: str, path: str, **parameters: Any) -> Asked:
    return lambda stage: stage.ask(method, f"{V1}/{path}", **parameters)


def keyed(method: str, path: str, **parameters: Any) -> Asked:
    return lambda stage: stage.keyed(method, f"{V1}/{path}", **parameters)


def of_account(path: str) -> Asked:
    return lambda stage: stage.call("GET", path)


# --- orders ---


def place(stage: Stage) -> Answer:
    """In 2024 a trailing stop, which has all fields; in 2026 conditional orders are no orders."""
    if stage.modern:
        return stage.order(type="MARKET", quantity="0.001", newOrderRespType="RESULT")
    name = stage.trail()
    stage.must(stage.ask("DELETE", f"{V1}/order", origClientOrderId=name))
    return stage.call(
        "POST", f"{V1}/order", symbol="BTCUSDT", side="SELL", type="TRAILING_STOP_MARKET",
        quantity="0.005", callbackRate="1.0", activationPrice="60500",
    )  # fmt: skip


def cancel(stage: Stage) -> Answer:
    name = stage.rest() if stage.modern else stage.trail()
    return stage.ask("DELETE", f"{V1}/order", origClientOrderId=name)


def query(path: str) -> Asked:
    def asked(stage: Stage) -> Answer:
        name = stage.rest() if stage.modern else stage.trail()
        return stage.ask("GET", f"{V1}/{path}", origClientOrderId=name)

    return asked


def amend(stage: Stage) -> Answer:
    return stage.call(
        "PUT", f"{V1}/order",
        **{**LIMIT, "origClientOrderId": stage.rest(), "price": "59992.0"},
    )  # fmt: skip


def amendments(stage: Stage) -> Answer:
    body = stage.must(amend(stage))
    return stage.ask("GET", f"{V1}/orderAmendment", orderId=body["orderId"])


def place_batch(stage: Stage) -> Answer:
    good = {**LIMIT, "newClientOrderId": stage.name()}
    if not stage.modern:
        good = {"symbol": "BTCUSDT", "side": "SELL", "type": "TRAILING_STOP_MARKET",
                "quantity": "0.005", "callbackRate": "1.0", "activationPrice": "60500"}  # fmt: skip
    bad = {**LIMIT, "side": "SELL", "quantity": "50", "price": "60010.0", "reduceOnly": "true"}
    return stage.call("POST", f"{V1}/batchOrders", batchOrders=json.dumps([good, bad]))


def amend_batch(stage: Stage) -> Answer:
    good = {**LIMIT, "origClientOrderId": stage.rest(), "price": "59992.0"}
    bad = {**LIMIT, "origClientOrderId": "never"}
    return stage.call("PUT", f"{V1}/batchOrders", batchOrders=json.dumps([good, bad]))


def cancel_batch(stage: Stage) -> Answer:
    names = [stage.rest() if stage.modern else stage.trail(), "never"]
    return stage.ask("DELETE", f"{V1}/batchOrders", origClientOrderIdList=json.dumps(names))


def force_liquidation(stage: Stage) -> None:
    """The second account buys all it can; the market falls to a margin call, then further."""
    stage.must(stage.call("POST", f"{V1}/leverage", KEYS[1], symbol="BTCUSDT", leverage=100))
    stage.must(stage.order(KEYS[1], type="MARKET", quantity="15"))
    start, _ = stage.btc.book.best(BUY)
    for fall in (3_500, 5_000):
        stage.take(SELL, start - fall, 10_000_000)
        for level in range(5):
            stage.quote(BUY, start - fall - level, 100_000)
        stage.quote(SELL, start - fall + 100, 100_000)
        stage.pass_time(stage.now_ms + 5_000)


def force_orders(stage: Stage) -> Answer:
    """On a stage that is thrown away."""
    stage = Stage("2026" if stage.modern else "2024")
    force_liquidation(stage)
    return stage.call("GET", f"{V1}/forceOrders", KEYS[1], symbol="BTCUSDT")


# --- conditional orders of 2026 ---


def place_algo(stage: Stage) -> Answer:
    return stage.ask(
        "POST", f"{V1}/algoOrder", algoType="CONDITIONAL", side="SELL", type="TAKE_PROFIT",
        quantity="0.005", price="61000", triggerPrice="61000", clientAlgoId=stage.name(),
    )  # fmt: skip


def cancel_algo(stage: Stage) -> Answer:
    return stage.call("DELETE", f"{V1}/algoOrder", clientAlgoId=stage.trail())


def triggered(stage: Stage) -> str:
    """An algo order that has become an order, because somebody bought the ask away; its id."""
    far = max(stage.btc.book.best(SELL)[0], stage.btc.last_ticks) + 9
    price = stage.btc.spec.price_text(far - 5)
    name = stage.name()
    stage.must(
        stage.ask(
            "POST", f"{V1}/algoOrder", algoType="CONDITIONAL", side="BUY", type="STOP_MARKET",
            quantity="0.002", triggerPrice=price, clientAlgoId=name,
        )
    )  # fmt: skip
    nearer = sum(lots for ticks, lots in stage.btc.book.depth(SELL, 50) if ticks < far)
    stage.quote(SELL, far, 100_000)
    stage.take(BUY, far, nearer + 1)
    stage.pass_time(stage.now_ms + 1_000)
    return name


def query_algo(stage: Stage) -> Answer:
    return stage.call("GET", f"{V1}/algoOrder", clientAlgoId=triggered(stage))


def all_algos(stage: Stage) -> Answer:
    triggered(stage)
    return stage.ask("GET", f"{V1}/allAlgoOrders")


# --- accounts ---


def isolated(stage: Stage) -> Stage:
    """The second account has an isolated position, with margin added."""
    account = {"symbol": "BTCUSDT", "key": KEYS[1]}
    stage.call("POST", f"{V1}/marginType", marginType="ISOLATED", **account)
    stage.must(stage.order(KEYS[1], type="MARKET", quantity="0.010"))
    return stage


def add_margin(stage: Stage) -> Answer:
    isolated(stage)
    return stage.call(
        "POST", f"{V1}/positionMargin", KEYS[1], symbol="BTCUSDT", amount="10", type=1
    )


def margin_history(stage: Stage) -> Answer:
    stage.must(add_margin(stage))
    return stage.call("GET", f"{V1}/positionMargin/history", KEYS[1], symbol="BTCUSDT")


def margin_type(stage: Stage) -> Answer:
    now = stage.call("GET", f"{V1}/symbolConfig", KEYS[1], symbol="ETHUSDT")[1][0]["marginType"]
    wanted = "ISOLATED" if now == "CROSSED" else "CROSSED"
    return stage.call("POST", f"{V1}/marginType", KEYS[1], symbol="ETHUSDT", marginType=wanted)


def switch(path: str, name: str) -> Asked:
    """Turn a mode of an account without positions on, and answer with turning it off again."""

    def asked(stage: Stage) -> Answer:
        fresh = Stage("2026" if stage.modern else "2024")
        was = fresh.call("GET", f"{V1}/{path}", KEYS[1])[1][name]
        return fresh.call("POST", f"{V1}/{path}", KEYS[1], **{name: str(not was).lower()})

    return asked


def listen_key(method: str) -> Asked:
    def asked(stage: Stage) -> Answer:
        stage.must(stage.keyed("POST", f"{V1}/listenKey"))
        return stage.keyed(method, f"{V1}/listenKey")

    return asked


ASKED: Final[dict[tuple[str, str], Asked]] = {
    **{
        ("GET", f"{V1}/{path}"): of_symbol(f"{V1}/{path}")
        for path in (
            "ping", "time", "exchangeInfo", "depth", "trades", "aggTrades", "premiumIndex",
            "fundingRate", "fundingInfo", "ticker/24hr", "ticker/price", "ticker/bookTicker",
            "openInterest", "constituents", "symbolAdlRisk", "insuranceBalance", "indexInfo",
            "tradingSchedule",
        )
    },
    **{
        ("GET", f"{V1}/{path}"): of_symbol(f"{V1}/{path}", **CANDLES)
        for path in ("klines", "markPriceKlines", "premiumIndexKlines")
    },
    **{
        ("GET", f"/futures/data/{path}"): of_symbol(f"/futures/data/{path}", **PERIOD)
        for path in (
            "openInterestHist", "topLongShortAccountRatio", "topLongShortPositionRatio",
            "globalLongShortAccountRatio",
        )
    },
    ("GET", "/futures/data/takerlongshortRatio"): of_symbol(
        "/futures/data/takerlongshortRatio", **PERIOD, limit=500
    ),
    ("GET", "/fapi/v2/ticker/price"): of_symbol("/fapi/v2/ticker/price"),
    ("GET", f"{V1}/rpiDepth"): of_symbol(f"{V1}/rpiDepth", limit=1_000),
    ("GET", f"{V1}/continuousKlines"): public(f"{V1}/continuousKlines", **PAIR, **CANDLES),
    ("GET", f"{V1}/indexPriceKlines"): public(
        f"{V1}/indexPriceKlines", pair="BTCUSDT", **CANDLES
    ),
    ("GET", "/futures/data/basis"): public("/futures/data/basis", **PAIR, **PERIOD),
    ("GET", "/futures/data/delivery-price"): public("/futures/data/delivery-price", pair="BTCUSDT"),
    ("GET", f"{V1}/assetIndex"): public(f"{V1}/assetIndex", symbol="BTCUSD"),
    ("GET", f"{V1}/historicalTrades"): keyed("GET", "historicalTrades", symbol="BTCUSDT"),
    # orders
    ("POST", f"{V1}/order"): place,
    ("POST", f"{V1}/order/test"): signed("POST", "order/test", **LIMIT),
    ("PUT", f"{V1}/order"): amend,
    ("DELETE", f"{V1}/order"): cancel,
    ("GET", f"{V1}/order"): query("order"),
    ("POST", f"{V1}/batchOrders"): place_batch,
    ("PUT", f"{V1}/batchOrders"): amend_batch,
    ("DELETE", f"{V1}/batchOrders"): cancel_batch,
    ("DELETE", f"{V1}/allOpenOrders"): lambda stage: Stage(
        "2026" if stage.modern else "2024"
    ).ask("DELETE", f"{V1}/allOpenOrders"),
    ("POST", f"{V1}/countdownCancelAll"): signed("POST", "countdownCancelAll", countdownTime=0),
    ("GET", f"{V1}/openOrder"): query("openOrder"),
    ("GET", f"{V1}/openOrders"): signed("GET", "openOrders"),
    ("GET", f"{V1}/allOrders"): signed("GET", "allOrders"),
    ("GET", f"{V1}/orderAmendment"): amendments,
    ("GET", f"{V1}/forceOrders"): force_orders,
    ("GET", f"{V1}/userTrades"): signed("GET", "userTrades"),
    ("GET", f"{V1}/rateLimit/order"): signed("GET", "rateLimit/order"),
    ("POST", f"{V1}/algoOrder"): place_algo,
    ("DELETE", f"{V1}/algoOrder"): cancel_algo,
    ("DELETE", f"{V1}/algoOpenOrders"): lambda stage: Stage("2026").ask(
        "DELETE", f"{V1}/algoOpenOrders"
    ),
    ("GET", f"{V1}/algoOrder"): query_algo,
    ("GET", f"{V1}/openAlgoOrders"): signed("GET", "openAlgoOrders"),
    ("GET", f"{V1}/allAlgoOrders"): all_algos,
    # accounts
    **{
        ("GET", path): of_account(path)
        for path in (
            "/fapi/v2/balance", "/fapi/v3/balance", "/fapi/v2/account", "/fapi/v3/account",
            f"{V1}/accountConfig", f"{V1}/income", f"{V1}/positionSide/dual",
            f"{V1}/multiAssetsMargin", f"{V1}/feeBurn", f"{V1}/leverageBracket",
            f"{V1}/adlQuantile", f"{V1}/apiTradingStatus",
        )
    },
    ("GET", "/fapi/v2/positionRisk"): lambda stage: stage.ask("GET", "/fapi/v2/positionRisk"),
    ("GET", "/fapi/v3/positionRisk"): lambda stage: stage.ask("GET", "/fapi/v3/positionRisk"),
    ("GET", f"{V1}/symbolConfig"): signed("GET", "symbolConfig"),
    ("GET", f"{V1}/commissionRate"): signed("GET", "commissionRate"),
    ("POST", f"{V1}/leverage"): signed("POST", "leverage", leverage=21),
    ("POST", f"{V1}/marginType"): margin_type,
    ("POST", f"{V1}/positionMargin"): add_margin,
    ("GET", f"{V1}/positionMargin/history"): margin_history,
    ("POST", f"{V1}/positionSide/dual"): switch("positionSide/dual", "dualSidePosition"),
    ("POST", f"{V1}/multiAssetsMargin"): switch("multiAssetsMargin", "multiAssetsMargin"),
    ("POST", f"{V1}/feeBurn"): switch("feeBurn", "feeBurn"),
    ("POST", f"{V1}/listenKey"): listen_key("POST"),
    ("PUT", f"{V1}/listenKey"): listen_key("PUT"),
    ("DELETE", f"{V1}/listenKey"): listen_key("DELETE"),
}  # fmt: skip

"""Every reply and event against the field lists of the official SDK: same names, same JSON types.

The table of exceptions says what is missing or extra on purpose.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from aegis.venue.events import LeverageEvent
from aegis.venue.matching.interface import SELL
from aegis.venue.payloads import stream as stream_payload
from aegis.venue.payloads import user as user_payload
from tests.venue.desk import CLIENT, START_MS, Desk

# Fields that only conditional orders have, and one that only this venue's documents list.
CONDITIONAL = {"activatePrice", "priceRate", "AP", "cr"}
MISSING: dict[str, set[str]] = {
    "AccountConfigUpdate": {"ai"},  # of the asset mode only
    "OrderTradeUpdateO": {"M"},  # of amendments only
    "AccountUpdateA": {"S"},  # of funding only
}
EXTRA: dict[str, set[str]] = {
    # The exchange's own documents have it, the SDK's models do not.
    "SymbolOrderBookTickerResponse1": {"lastUpdateId"},
    "ExchangeInformationResponseSymbolsInner": {"maxMoveOrderLimit"},
    "AccountInformationV2ResponsePositionsInner": {"breakEvenPrice"},
    "TradeLite": {"e"},
    "OrderTradeUpdate": {"e"},
    "AccountUpdate": {"e"},
    "AccountConfigUpdate": {"e"},
}
TYPES: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "bool": bool, "List": list}


@pytest.fixture(scope="module")
def models(shared_data: Path) -> dict[str, Any]:
    loaded = json.loads((shared_data / "usdm" / "usdm_sdk_models_18.0.1.json").read_text())
    return {**loaded["websocket_streams"], **loaded["websocket_api"], **loaded["rest_api"]}


@pytest.fixture(scope="module")
def desk() -> Desk:
    """A desk where everything has happened once."""
    desk = Desk()
    desk.book()
    desk.order(type="MARKET", quantity="0.010", newClientOrderId="taken")
    desk.order(quantity="0.020", price="59999.0", newClientOrderId="rests")
    desk.take(SELL, 600_000, 1)
    return desk


REST = [
    ("POST", "/fapi/v1/order", "NewOrderResponse",
     {"side": "BUY", "type": "MARKET", "quantity": "0.001"}),
    ("PUT", "/fapi/v1/order", "ModifyOrderResponse",
     {"side": "BUY", "origClientOrderId": "rests", "quantity": "0.021", "price": "59999.0"}),
    ("GET", "/fapi/v1/order", "QueryOrderResponse", {"origClientOrderId": "taken"}),
    ("GET", "/fapi/v1/openOrders", "CurrentAllOpenOrdersResponseInner", {}),
    ("GET", "/fapi/v1/allOrders", "AllOrdersResponseInner", {}),
    ("GET", "/fapi/v1/userTrades", "AccountTradeListResponseInner", {}),
    ("GET", "/fapi/v2/account", "AccountInformationV2Response", {}),
    ("GET", "/fapi/v3/account", "AccountInformationV3Response", {}),
    ("GET", "/fapi/v3/balance", "FuturesAccountBalanceV3Response", {}),
    ("GET", "/fapi/v2/positionRisk", "PositionInformationV2ResponseInner", {}),
    ("GET", "/fapi/v3/positionRisk", "PositionInformationV3ResponseInner", {}),
    ("GET", "/fapi/v1/accountConfig", "FuturesAccountConfigurationResponse", {}),
    ("GET", "/fapi/v1/symbolConfig", "SymbolConfigurationResponseInner", {}),
    ("GET", "/fapi/v1/commissionRate", "UserCommissionRateResponse", {}),
    ("GET", "/fapi/v1/rateLimit/order", "QueryUserRateLimitResponseInner", {}),
    ("GET", "/fapi/v1/exchangeInfo", "ExchangeInformationResponse", {}),
    ("GET", "/fapi/v1/depth", "OrderBookResponse", {}),
    ("GET", "/fapi/v1/trades", "RecentTradesListResponseInner", {}),
    ("GET", "/fapi/v1/premiumIndex", "MarkPriceResponse1", {}),
    ("GET", "/fapi/v1/ticker/bookTicker", "SymbolOrderBookTickerResponse1", {}),
    ("GET", "/fapi/v2/ticker/price", "SymbolPriceTickerV2Response1", {}),
    ("DELETE", "/fapi/v1/order", "CancelOrderResponse", {"origClientOrderId": "rests"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "model", "parameters"), REST, ids=lambda value: str(value)[:30]
)
def test_rest_replies(
    desk: Desk,
    models: dict[str, Any],
    method: str,
    path: str,
    model: str,
    parameters: dict[str, Any],
) -> None:
    status, body = desk.call(method, path, symbol="BTCUSDT", **parameters)
    assert status == 200, body
    check(body[0] if isinstance(body, list) else body, model, models)


def check(body: dict[str, Any], model: str, models: dict[str, Any]) -> None:
    """Names and types of a body, and of the rows inside it."""
    fields: dict[str, str] = models[model]
    missing = set(fields) - set(body) - CONDITIONAL
    extra = set(body) - set(fields)
    absent = MISSING.get(model, set())
    if model.endswith("FiltersInner"):
        absent = missing  # one model for all kinds of filter, of which each has its own fields
    assert missing <= absent, f"{model} lacks {sorted(missing - absent)}"
    assert extra <= EXTRA.get(model, set()), f"{model} has {sorted(extra)} too many"
    for name, value in body.items():
        kind = re.sub(r"^Optional\[(.*)\]$", r"\1", fields.get(name, ""))
        wanted = TYPES.get(kind.partition("[")[0])
        if wanted is not None and value is not None:
            assert isinstance(value, wanted), f"{model}.{name} is {value!r}, not {kind}"
            assert not (wanted is int and isinstance(value, bool)), f"{model}.{name} is a bool"
        inner = re.search(r"(\w+Inner\w*|\w+UpdateO|\w+UpdateA\w*)\b", kind)
        if inner and inner[1] in models and value:
            check(value[0] if isinstance(value, list) else value, inner[1], models)


def test_user_events(models: dict[str, Any]) -> None:
    desk = Desk()
    desk.book()
    desk.order(type="MARKET", quantity="0.010")
    desk.order(quantity="0.010", price="59000", newClientOrderId="a")
    desk.call(
        "PUT", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", origClientOrderId="a",
        quantity="0.020", price="59000",
    )  # fmt: skip
    events = [*desk.exchange.take_events(), LeverageEvent(CLIENT, 1, "BTCUSDT", 5)]
    names = {
        "TRADE_LITE": "TradeLite",
        "ORDER_TRADE_UPDATE": "OrderTradeUpdate",
        "ACCOUNT_UPDATE": "AccountUpdate",
        "ACCOUNT_CONFIG_UPDATE": "AccountConfigUpdate",
    }
    seen = set()
    for event in events:
        for name, message in user_payload.encode(event, desk.exchange.markets):
            body = json.loads(message)
            assert body["e"] == name
            seen.add(name)
            if name == "ORDER_TRADE_UPDATE" and not body["o"]["t"]:
                body["o"] |= {"N": "USDT", "n": "0"}  # absent where no commission was paid
            check(body, names[name], models)
    assert seen == set(names)


def test_stream_messages(desk: Desk, models: dict[str, Any]) -> None:
    market = desk.btc
    trade = market.recent[-1]
    spec = market.spec
    levels = market.book.depth(SELL, 2)
    bar = market.candles.read("1m", 1, 0, 2**60)[0]
    messages = {
        "DiffBookDepthStreamsResponse": stream_payload.depth_update(
            spec, START_MS, 1, 2, 0, [], levels, True
        ),
        "IndividualSymbolBookTickerStreamsResponse": stream_payload.book_ticker(
            spec, START_MS, 1, market.top(), True
        ),
        "AggregateTradeStreamsResponse": stream_payload.agg_trade(
            spec, START_MS, 1, trade, 1, 1, True
        ),
        "MarkPriceStreamResponse": stream_payload.mark_price(market, START_MS, True),
        "KlineCandlestickStreamsResponse": stream_payload.kline(spec, START_MS, "1m", 60_000, bar),
    }
    for model, message in messages.items():
        body = json.loads(message)
        fields = set(models[model])
        # The models of the SDK leave out what only tells the event's kind.
        assert fields - set(body) <= {"ps", "st"}, model
        assert set(body) - fields <= {"e", "ps", "st", "ap", "nq"}, model


def test_the_recorded_messages_have_our_keys(shared_data: Path, desk: Desk) -> None:
    """The dialect of 2024 is what was recorded in 2024, key by key and in the same order."""
    import gzip

    wanted: dict[str, list[str]] = {}
    with gzip.open(shared_data / "usdm" / "btcusdt_20240808.gz") as lines:
        for line in lines:
            data = json.loads(line.partition(b" ")[2]).get("data")
            if data:
                wanted.setdefault(data["e"], list(data))
            if len(wanted) == 3:
                break
    market = desk.btc
    ours = [
        stream_payload.depth_update(market.spec, 1, 1, 2, 0, [], [], False),
        stream_payload.book_ticker(market.spec, 1, 1, market.top(), False),
        stream_payload.trade(market.spec, market.recent[-1]),
    ]
    for message in ours:
        body = json.loads(message)
        assert list(body) == wanted[body["e"]]

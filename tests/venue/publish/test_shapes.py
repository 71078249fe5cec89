"""Every market message against what the exchange sends: field lists, types, order of the keys."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from aegis.venue.decimals import E8
from aegis.venue.liquidation import Forced
from aegis.venue.publish.publisher import Publisher
from aegis.venue.streams import ASSET_STREAMS, Route, StreamNames
from aegis.venue.wire.hub import Hub
from tests.venue.publish.world import SPECS, START_MS, Stage, Step

MODELS = {
    "btcusdt@bookTicker": "IndividualSymbolBookTickerStreamsResponse",
    "!bookTicker": "AllBookTickersStreamResponse",
    "btcusdt@depth@100ms": "DiffBookDepthStreamsResponse",
    "btcusdt@depth5": "PartialBookDepthStreamsResponse",
    "btcusdt@rpiDepth@500ms": "RpiDiffBookDepthStreamsResponse",
    "btcusdt@aggTrade": "AggregateTradeStreamsResponse",
    "btcusdt@markPrice": "MarkPriceStreamResponse",
    "!markPrice@arr@1s": "MarkPriceStreamForAllMarketResponseInner",
    "btcusdt@kline_1m": "KlineCandlestickStreamsResponse",
    "btcusdt_perpetual@continuousKline_1s": "ContinuousContractKlineCandlestickStreamsResponse",
    "btcusdt@miniTicker": "IndividualSymbolMiniTickerStreamResponse",
    "!miniTicker@arr": "AllMarketMiniTickersStreamResponseInner",
    "btcusdt@ticker": "IndividualSymbolTickerStreamsResponse",
    "!ticker@arr": "AllMarketTickersStreamsResponseInner",
    "btcusdt@forceOrder": "LiquidationOrderStreamsResponse",
    "!forceOrder@arr": "AllMarketLiquidationOrderStreamsResponse",
    "!assetIndex@arr": "AssetIndexResponseInner",
}
# Seen on the wire or in the exchange's documents, but not in the SDK's models.
EXTRA = {"RpiDiffBookDepthStreamsResponse": {"ps", "st"}}
TYPES = {"str": str, "int": int, "bool": bool, "List": list}
# The documents' own samples, where they have what the recordings do not.
SAMPLES = {
    "AggTrades": "btcusdt@aggTrade",
    "MarkPrice": "btcusdt@markPrice",
    "Klines": "btcusdt@kline_1m",
    "ContKlines": "btcusdt_perpetual@continuousKline_1s",
    "MiniTicker": "btcusdt@miniTicker",
    "Ticker": "btcusdt@ticker",
    "PartialBook": "btcusdt@depth5",
    "Liquidations": "btcusdt@forceOrder",
    "AssetIndex": "!assetIndex@arr",
}


def messages(modern: bool) -> dict[str, Any]:
    """The newest message of every stream after everything has happened once."""
    stage = Stage(modern)
    market = stage.markets[0]
    stage.forced = [
        Forced(market, -1, 14, 600_000, 60_001 * E8 + 60_000_000, "FILLED", 14, 14, START_MS - ago)
        for ago in (9, 5)
    ]
    names = [*Stage.streams(), "!assetIndex@arr", *ASSET_STREAMS.values()]
    stage.listen(names, combined=True)
    stage.tick(START_MS)
    stage.play(
        [
            Step(1, number, [(1, 5, True), (2, 6, False)], [(1, 1, 5), (-1, 1, 6)])
            for number in range(len(SPECS))
        ]
    )
    stage.tick(START_MS + 7_000)
    heard = [json.loads(raw) for raw in stage.hear()]
    assert [one["data"]["o"]["T"] for one in heard if "forceOrder" in one["stream"]] == [
        START_MS - 5, START_MS - 5,
    ]  # fmt: skip
    return {one["stream"]: one["data"] for one in heard}


@pytest.fixture(scope="module")
def models(shared_data: Path) -> dict[str, Any]:
    loaded = json.loads((shared_data / "usdm" / "usdm_sdk_models_18.0.1.json").read_text())
    return loaded["websocket_streams"]


@pytest.fixture(scope="module")
def modern() -> dict[str, Any]:
    return messages(True)


@pytest.mark.parametrize("stream", MODELS)
def test_the_dialect_of_2026_has_the_fields_of_the_sdk(
    modern: dict[str, Any], models: dict[str, Any], stream: str
) -> None:
    body = modern[stream]
    check(body[0] if isinstance(body, list) else body, MODELS[stream], models)


def check(body: dict[str, Any], model: str, models: dict[str, Any]) -> None:
    """Names and types of a body, and of the object inside it."""
    fields = models[model]
    assert set(fields) <= set(body), f"{model} lacks {sorted(set(fields) - set(body))}"
    assert set(body) - set(fields) <= EXTRA.get(model, set()), model
    for name, value in body.items():
        kind = re.sub(r"^Optional\[(.*)\]$", r"\1", fields.get(name, ""))
        wanted = TYPES.get(kind.partition("[")[0])
        assert wanted is None or type(value) is wanted, f"{model}.{name} is {value!r}, not {kind}"
        if kind in models:
            check(value, kind, models)


def test_the_dialect_of_2024_has_the_keys_of_its_recordings_in_their_order(
    shared_data: Path,
) -> None:
    ours = messages(False)
    wanted: dict[str, list[str]] = {}
    with gzip.open(shared_data / "usdm" / "btcusdt_20240808.gz") as lines:
        for line in lines:
            data = json.loads(line.partition(b" ")[2]).get("data")
            if data:
                wanted.setdefault(data["e"], list(data))
            if len(wanted) == 3:
                break
    assert list(ours["btcusdt@depth@0ms"]) == wanted["depthUpdate"]
    assert list(ours["btcusdt@bookTicker"]) == wanted["bookTicker"]
    assert list(ours["btcusdt@trade"]) == wanted["trade"]


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_dialect_of_2024_has_the_keys_of_the_documents(shared_data: Path, sample: str) -> None:
    text = (shared_data / "payloads" / "usdm" / "streams" / f"{sample}.txt").read_text()
    documented = json.loads(text[text.index("\n{") :])["data"]
    body = messages(False)[SAMPLES[sample]]
    if isinstance(body, list):
        body, documented = body[0], documented[0]
    assert keys_of(body) == keys_of(documented)


def keys_of(body: dict[str, Any]) -> set[str]:
    """All names in a body, those of an object inside it with its own before them."""
    inner = {f"{name}.{key}" for name, one in body.items() if type(one) is dict for key in one}
    return set(body) | inner


def test_every_stream_name_is_carried_on_one_route_of_2026() -> None:
    names = StreamNames([spec.symbol for spec in SPECS], modern=True)
    old = StreamNames([spec.symbol for spec in SPECS], modern=False)
    for name in [*Stage.streams(), *ASSET_STREAMS.values(), "!assetIndex@arr"]:
        routes = {route for route in Route if names.carried(name, route)}
        assert routes in ({Route.PUBLIC, Route.LEGACY}, {Route.MARKET}), name
        assert old.carried(name, Route.LEGACY)
    for name in (
        "btcusdt@kline_1s", "btcusdt@depth7", "btcusdt@depth@250ms", "nosuch@trade",
        "BTCUSDT@trade", "btcusdt_quarter@continuousKline_1m", "!ticker", "!forceOrder@arr@1s", "",
    ):  # fmt: skip
        assert not any(names.carried(name, route) for route in Route), name


def test_a_stream_that_is_recorded_is_not_ours_to_send() -> None:
    stage = Stage()
    hub = Hub()
    publisher = Publisher(stage.core, hub, frozenset({"btcusdt@trade"}))
    for name in ("btcusdt@trade", "btcusdt@bookTicker"):
        hub.subscribe(name, stage.ear, combined=False)
    publisher.refresh()
    stage.writer.write(Step(1, 0, [(1, 1, True)], [(1, 1, 1)]))
    publisher.consume_part(stage.tape, 0, len(stage.tape))
    hub.publish_recorded("btcusdt@trade", b"{}", b"{}")
    hub.flush()
    assert [json.loads(raw).get("e") for raw in stage.ear.heard] == ["bookTicker", None]

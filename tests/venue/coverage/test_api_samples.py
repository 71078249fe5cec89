"""Every recorded reply of the WebSocket API against our own: the same keys, the same JSON types.

The SDK's field lists are compared as well, in the dialect of 2026.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aegis.venue.gateway.wsapi import METHODS
from tests.venue.coverage.exceptions import API_MODELS, API_SAMPLES, API_UNMODELLED
from tests.venue.coverage.excusing import unexcused
from tests.venue.coverage.fixtures import Exchanged, socket_fixtures
from tests.venue.coverage.models import Models, departures, model_of
from tests.venue.coverage.shapes import differences
from tests.venue.coverage.stage import Stage

ORDER = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
    "quantity": "0.020", "price": "59991.0",
}  # fmt: skip
STOP = {
    "symbol": "BTCUSDT", "side": "SELL", "type": "TAKE_PROFIT", "algoType": "CONDITIONAL",
    "quantity": "0.005", "price": "61000", "triggerPrice": "61000",
}  # fmt: skip
Asked = Callable[[Stage], Any]


def ask(method: str, **parameters: Any) -> Asked:
    return lambda stage: stage.api(method, **parameters)


def about_an_order(method: str, **parameters: Any) -> Asked:
    def asked(stage: Stage) -> Any:
        # The dialect of 2024 has the fields of conditional orders in every query.
        name = stage.rest() if stage.modern else stage.trail()
        if method == "order.modify":
            name = stage.rest()
        return stage.api(method, symbol="BTCUSDT", origClientOrderId=name, **parameters)

    return asked


def with_a_listen_key(method: str) -> Asked:
    def asked(stage: Stage) -> Any:
        stage.api("userDataStream.start")
        return stage.api(method)

    return asked


ASKED: dict[str, Asked] = {
    "ping": ask("ping"),
    "time": ask("time"),
    "depth": ask("depth", symbol="BTCUSDT", limit=5),
    "ticker.price": ask("ticker.price", symbol="BTCUSDT"),
    "ticker.book": ask("ticker.book", symbol="BTCUSDT"),
    "order.place": ask("order.place", **ORDER),
    "order.modify": about_an_order("order.modify", side="BUY", quantity="0.021", price="59992.0"),
    "order.cancel": about_an_order("order.cancel"),
    "order.status": about_an_order("order.status"),
    "algoOrder.place": ask("algoOrder.place", **STOP),
    "algoOrder.cancel": lambda stage: stage.api("algoOrder.cancel", clientAlgoId=stage.trail()),
    "account.status": ask("account.status"),
    "v2/account.status": ask("v2/account.status"),
    "account.balance": ask("account.balance"),
    "v2/account.balance": ask("v2/account.balance"),
    "account.position": ask("account.position"),
    "v2/account.position": ask("v2/account.position"),
    "userDataStream.start": ask("userDataStream.start"),
    "userDataStream.ping": with_a_listen_key("userDataStream.ping"),
    "userDataStream.stop": with_a_listen_key("userDataStream.stop"),
}
# The SDK's call for each method, where it has one; a prefix of its model's name.
SDK_CALLS = {
    "depth": "order_book",
    "ticker.price": "symbol_price_ticker",
    "ticker.book": "symbol_order_book_ticker",
    "order.place": "new_order",
    "order.modify": "modify_order",
    "order.cancel": "cancel_order",
    "order.status": "query_order",
    "algoOrder.place": "new_algo_order",
    "algoOrder.cancel": "cancel_algo_order",
    "account.status": "account_information",
    "v2/account.status": "account_information_v2",
    "account.balance": "futures_account_balance",
    "v2/account.balance": "futures_account_balance_v2",
    "account.position": "position_information",
    "v2/account.position": "position_information_v2",
    "userDataStream.start": "start_user_data_stream",
    "userDataStream.ping": "keepalive_user_data_stream",
    "userDataStream.stop": "close_user_data_stream",
}


@pytest.fixture(scope="module")
def samples(shared_data: Path) -> list[Exchanged]:
    return socket_fixtures(shared_data / "payloads" / "usdm", "wsapi")


@pytest.fixture(scope="module")
def models(shared_data: Path) -> Models:
    path = shared_data / "usdm" / "usdm_sdk_models_18.0.1.json"
    loaded: dict[str, Models] = json.loads(path.read_text())
    return loaded["websocket_api"]


@pytest.fixture(scope="module")
def stages() -> dict[str, Stage]:
    return {dialect: Stage(dialect) for dialect in ("2024", "2026")}


def test_every_sample_has_our_shape(samples: list[Exchanged], stages: dict[str, Stage]) -> None:
    wrong = {}
    for sample in samples:
        method = sample.sent["method"]
        # Nearly all samples are of 2024; the algo service is of 2026.
        stage = stages["2026" if method.startswith("algo") else "2024"]
        asked = ASKED[method]
        if isinstance(sample.received["result"], list) and method.startswith("ticker"):
            asked = ask(method)
        ours = asked(stage)
        assert ours["status"] == 200, ours
        left = unexcused(differences(sample.received, ours), API_SAMPLES.get(sample.name, ()))
        if left:
            wrong[sample.name] = left
    assert wrong == {}
    assert set(API_SAMPLES) <= {sample.name for sample in samples}


def test_every_method_is_asked() -> None:
    assert set(ASKED) == set(METHODS)
    assert set(SDK_CALLS) | set(API_UNMODELLED) == set(METHODS)


@pytest.mark.parametrize("method", list(SDK_CALLS))
def test_results_have_the_documented_fields(
    stages: dict[str, Stage], models: Models, method: str
) -> None:
    reply = ASKED[method](stages["2026"])
    assert reply["status"] == 200, reply
    model = model_of(models, SDK_CALLS[method], reply)
    assert model is not None
    found = departures(models, model, reply)
    assert unexcused(found, API_MODELS.get(method, ())) == []


def test_coverage(samples: list[Exchanged]) -> None:
    print(f"\nWebSocket API samples: {len(samples)}, of these {len(API_SAMPLES)} with excuses")
    print(f"methods: {len(METHODS)}, of these {len(SDK_CALLS)} compared with the SDK's models")
    for table in (API_SAMPLES, API_MODELS):
        for name, rules in sorted(table.items()):
            for one in rules:
                print(f"  {name}: {one.reason} ({', '.join(one.excuses)})")
    assert len(samples) == 14

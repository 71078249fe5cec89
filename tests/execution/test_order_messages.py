"""The bytes of an order: valid JSON, the right parameters, the same every time."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.execution.client_id import MAX_EPOCH, MAX_REF, ClientIds
from aegis.execution.order_messages import MESSAGE_BYTES, OrderMessages
from aegis.risk.limits import InstrumentRules
from aegis.shm.intent import INTENT, IOC, MARKET, POST_ONLY, REDUCE_ONLY
from tests.execution.harness import BTC, ETH, STARTED_S

ODD = InstrumentRules("1000SHIBUSDT", True, 25, 6, 5, 0, 1, 10**9, 1, 10**6, 10**6, 0)
IDS = ClientIds("a-long-instance-name", STARTED_S)
MESSAGES = OrderMessages(IDS, (BTC, ETH, ODD), 2_000)
NOW_MS = 1_763_700_000_123


def placed(**fields: Any) -> dict[str, Any]:
    intents = np.zeros(1, INTENT)
    for name, value in ({"side": 1, "order_ref": 1, "qty_lots": 1, "epoch": 1} | fields).items():
        intents[0][name] = value
    request: dict[str, Any] = json.loads(MESSAGES.place(intents, 0, 77, NOW_MS))
    assert request["id"] == 77 and request["method"] == "order.place"
    parameters: dict[str, Any] = request["params"]
    return parameters


def test_a_post_only_order() -> None:
    assert placed(price_ticks=600_001, qty_lots=12, flags=POST_ONLY, order_ref=36) == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTX",
        "selfTradePreventionMode": "EXPIRE_TAKER",
        "newClientOrderId": IDS.text(1, 36),
        "quantity": "0.012",
        "price": "60000.1",
        "recvWindow": 2_000,
        "timestamp": NOW_MS,
    }


@pytest.mark.parametrize(
    ("flags", "kind", "tif"),
    [
        (0, "LIMIT", "GTC"),
        (POST_ONLY, "LIMIT", "GTX"),
        (IOC, "LIMIT", "IOC"),
        (MARKET, "MARKET", None),
        (MARKET | IOC, "MARKET", None),
    ],
)
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("reduce_only", [0, REDUCE_ONLY])
def test_every_kind_of_order(
    flags: int, kind: str, tif: str | None, side: int, reduce_only: int
) -> None:
    price = 0 if flags & MARKET else 600_000
    found = placed(side=side, flags=flags | reduce_only, price_ticks=price)
    assert found["type"] == kind and found.get("timeInForce") == tif
    assert found["side"] == ("BUY" if side > 0 else "SELL")
    assert found.get("reduceOnly") == ("true" if reduce_only else None)
    assert ("price" in found) == (not flags & MARKET)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([0, 1, 2]),
    st.integers(1, 10**8),
    st.integers(1, 3 * 10**9),
    st.integers(1, MAX_REF),
    st.integers(0, MAX_EPOCH),
)
def test_numbers_are_exact(instrument: int, price: int, qty: int, ref: int, epoch: int) -> None:
    rules = (BTC, ETH, ODD)[instrument]
    found = placed(
        instrument=instrument, price_ticks=price, qty_lots=qty, order_ref=ref, epoch=epoch
    )
    tick = Decimal(rules.tick_mantissa).scaleb(-rules.tick_decimals)
    step = Decimal(rules.step_mantissa).scaleb(-rules.step_decimals)
    assert Decimal(found["price"]) == price * tick
    assert Decimal(found["quantity"]) == qty * step
    assert found["newClientOrderId"] == IDS.text(epoch, ref)
    assert found["symbol"] == rules.symbol


def test_a_cancel_names_the_order_by_its_client_id() -> None:
    request = json.loads(MESSAGES.cancel(1, 5, 99, 12, NOW_MS))
    assert request == {
        "id": 12,
        "method": "order.cancel",
        "params": {
            "symbol": "ETHUSDT",
            "origClientOrderId": IDS.text(5, 99),
            "recvWindow": 2_000,
            "timestamp": NOW_MS,
        },
    }


def test_the_longest_message_fits() -> None:
    intents = np.zeros(1, INTENT)
    intents[0]["instrument"], intents[0]["side"] = 2, -1
    intents[0]["flags"] = IOC | REDUCE_ONLY
    intents[0]["order_ref"], intents[0]["epoch"] = MAX_REF, MAX_EPOCH
    intents[0]["price_ticks"] = intents[0]["qty_lots"] = 2**63 // 100
    assert len(MESSAGES.place(intents, 0, 2**62, 2**62)) < MESSAGE_BYTES

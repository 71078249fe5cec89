"""Hostile requests: never a crash, never a change, always a documented code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.venue.codes import CODES
from aegis.venue.gateway.calls import Call
from aegis.venue.gateway.rest import ENDPOINTS, RestRequest, admit
from aegis.venue.gateway.wsapi import METHODS, WsApiSession
from aegis.venue.wire.control import StreamControl
from aegis.venue.wire.targets import parse_target
from tests.venue.desk import KEYS, Desk, sign

NAMES = st.sampled_from(
    [
        "symbol", "side", "type", "timeInForce", "quantity", "price", "reduceOnly", "orderId",
        "origClientOrderId", "newClientOrderId", "limit", "interval", "startTime", "endTime",
        "leverage", "marginType", "countdownTime", "recvWindow", "selfTradePreventionMode",
        "positionSide", "fromId", "newOrderRespType", "dualSidePosition",
    ]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        [
            "BTCUSDT", "BUY", "SELL", "LIMIT", "MARKET", "GTC", "GTX", "FOK", "IOC", "true", "",
            "0", "-1", "1e99", "1e-99", "nan", "inf", "0.001", "60000", "60000.1", "9" * 400,
            "9223372036854775807", "9223372036854775808", "null", "\u0663", "\x00", "%", "\ud7ff",
        ]
    ),
    st.text(max_size=30),
)  # fmt: skip
PARAMETERS = st.dictionaries(NAMES, VALUES, max_size=9)


@pytest.fixture(scope="module")
def desk() -> Desk:
    desk = Desk()
    desk.book()
    return desk


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(ENDPOINTS)), PARAMETERS)
def test_rest(desk: Desk, place: tuple[str, str], parameters: dict[str, str]) -> None:
    desk.wall_ms += 60_000  # a new window of the weight limit
    desk.now_ms += 60_000
    recv = {"recvWindow": "60000"} if "recvWindow" not in parameters else {}
    status, body = desk.call(*place, **{**parameters, **recv})
    if status != 200:
        assert body["code"] in CODES, body
        assert CODES[body["code"]][0] == status != 500
    desk.exchange.take_events()
    desk.assert_balanced()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_rest_with_raw_garbage(desk: Desk, query: str, body: str) -> None:
    desk.wall_ms += 60_000
    for method, path in (("POST", "/fapi/v1/order"), ("GET", "/fapi/v1/depth"), (query, body)):
        request = RestRequest(method, path, query, body, KEYS[0].api_key, "127.0.0.1")
        answer = admit(desk.core, request)
        reply = answer.run() if isinstance(answer, Call) else answer
        assert reply.status in (200, 400, 401, 404, 429)
        json.loads(reply.body)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*METHODS, "session.logon", "nonsense"]), st.dictionaries(NAMES, JSON), JSON)
def test_websocket_api(desk: Desk, method: str, parameters: dict[str, Any], extra: Any) -> None:
    desk.wall_ms += 60_000
    session = WsApiSession(desk.core, "127.0.0.1")
    for text in (
        json.dumps({"id": extra, "method": method, "params": parameters}),
        json.dumps(extra),
        json.dumps({"id": 1, "method": method, "params": _signed(desk, parameters)}),
    ):
        answer = session.receive(text)
        reply = answer.run() if isinstance(answer, Call) else answer
        body = json.loads(reply.body)
        if reply.status != 200:
            assert CODES[body["error"]["code"]][0] == reply.status != 500
    desk.exchange.take_events()


def _signed(desk: Desk, parameters: dict[str, Any]) -> dict[str, Any]:
    full = {
        **{name: str(value) for name, value in parameters.items()},
        "apiKey": KEYS[0].api_key,
        "timestamp": desk.wall_ms,
    }
    payload = "&".join(f"{name}={value}" for name, value in sorted(full.items()))
    try:
        return {**full, "signature": sign(KEYS[0], payload)}
    except UnicodeEncodeError:
        return full


@settings(max_examples=300, deadline=None)
@given(JSON, st.text(max_size=60))
def test_control_messages_and_paths(message: Any, text: str) -> None:
    control = StreamControl(False, lambda name: None, lambda name: None)
    for sent in (json.dumps(message), text, json.dumps({"method": "SUBSCRIBE", "params": message})):
        json.loads(control.receive(sent).message)
    parse_target(text)
    parse_target(f"/private/stream?{text}")

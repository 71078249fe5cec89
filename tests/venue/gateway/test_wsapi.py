"""The WebSocket API without a socket: sessions, signatures over raw characters, replies."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from aegis.venue.gateway.calls import Call
from aegis.venue.gateway.wsapi import WsApiSession
from tests.venue.desk import KEYS, Desk, sign

KEY = KEYS[0]


class Talk:
    """One session and its client."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.desk.book()
        self.session = WsApiSession(self.desk.core, "127.0.0.1")

    def raw(self, text: str) -> dict[str, Any]:
        answer = self.session.receive(text)
        reply = answer.run() if isinstance(answer, Call) else answer
        decoded = json.loads(reply.body)
        assert decoded["status"] == reply.status
        return decoded

    def ask(self, method: str, request_id: Any = 1, **parameters: Any) -> dict[str, Any]:
        return self.raw(json.dumps({"id": request_id, "method": method, "params": parameters}))

    def signed(self, method: str, **parameters: Any) -> dict[str, Any]:
        """HMAC, over the parameters as Python writes them."""
        full = {"apiKey": KEY.api_key, "timestamp": self.desk.wall_ms, **parameters}
        payload = "&".join(f"{name}={value}" for name, value in sorted(full.items()))
        return self.ask(method, **full, signature=sign(KEY, payload))

    def logon(self) -> dict[str, Any]:
        full = {"apiKey": KEY.api_key, "timestamp": self.desk.wall_ms}
        payload = "&".join(f"{name}={value}" for name, value in sorted(full.items()))
        private = load_pem_private_key(KEY.ed25519_private_pem, None)
        signature = base64.b64encode(private.sign(payload.encode())).decode()
        return self.ask("session.logon", **full, signature=signature)


@pytest.fixture
def talk() -> Talk:
    return Talk()


ORDER = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
    "quantity": "0.010", "price": "59999.0",
}  # fmt: skip


def test_logon_place_status_modify_cancel_logout(talk: Talk) -> None:
    status = talk.logon()
    assert status["result"]["apiKey"] == KEY.api_key
    assert status["result"]["authorizedSince"] == talk.desk.wall_ms
    now = talk.desk.wall_ms
    placed = talk.ask("order.place", "a-1", timestamp=now, newClientOrderId="one", **ORDER)
    assert (placed["id"], placed["status"], placed["result"]["status"]) == ("a-1", 200, "NEW")
    assert [row["rateLimitType"] for row in placed["rateLimits"]] == [
        "ORDERS", "ORDERS", "REQUEST_WEIGHT",
    ]  # fmt: skip
    key = {"symbol": "BTCUSDT", "origClientOrderId": "one", "timestamp": now}
    assert talk.ask("order.status", **key)["result"]["origQty"] == "0.010"
    changed = talk.ask("v1/order.modify", side="BUY", quantity="0.020", price="59998.0", **key)
    assert changed["result"]["origQty"] == "0.020"
    assert talk.ask("order.cancel", **key)["result"]["status"] == "CANCELED"
    again = talk.ask("order.cancel", **key)
    assert (again["status"], again["error"]) == (
        400, {"code": -2011, "msg": "Unknown order sent."},
    )  # fmt: skip
    assert talk.desk.core.tally.ws_requests == talk.desk.core.tally.ws_answers == 4
    assert talk.ask("session.logout")["result"]["apiKey"] is None
    assert talk.ask("order.place", timestamp=now, **ORDER)["error"]["code"] == -2014


def test_signatures_are_over_the_characters_that_were_sent(talk: Talk) -> None:
    """python-binance sends and signs 0.001 and 30000 as JSON numbers; ccxt signs a boolean."""
    pairs = {
        "apiKey": f'"{KEY.api_key}"', "symbol": '"BTCUSDT"', "side": '"BUY"', "type": '"LIMIT"',
        "timeInForce": '"GTC"', "quantity": "0.0100", "price": "59999.00",
        "timestamp": str(talk.desk.wall_ms), "returnRateLimits": "false",
    }  # fmt: skip
    payload = "&".join(f"{name}={text.strip(chr(34))}" for name, text in sorted(pairs.items()))
    body = ",".join(f'"{name}":{text}' for name, text in pairs.items())
    signature = sign(KEY, payload)
    answer = talk.raw(
        f'{{"id":null,"method":"order.place","params":{{{body},"signature":"{signature}"}}}}'
    )
    assert answer["status"] == 200, answer
    assert "rateLimits" not in answer
    assert answer["id"] is None


def test_only_ed25519_logs_on(talk: Talk) -> None:
    assert talk.signed("session.logon")["error"]["code"] == -4056
    assert talk.ask("session.status")["result"]["apiKey"] is None
    assert talk.signed("order.place", **ORDER)["status"] == 200


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", -1102),
        ("[]", -1102),
        ('{"id":1}', -1102),
        ('{"id":1,"method":5}', -1102),
        ('{"id":1,"method":"order.explode"}', -1020),
        ('{"id":1,"method":"order.place","params":{"symbol":["x"]}}', -1102),
        ('{"id":1,"method":"order.place","params":{"symbol":null}}', -1102),
        ('{"id":1,"method":"order.place","params":[]}', -1102),
        ('{"id":1,"method":"order.place"}', -2014),
        ('{"id":1,"method":"order.place","params":{"apiKey":"nobody"}}', -2015),
        ('{"id":1,"method":"depth","params":{"symbol":"NOPE"}}', -1121),
        ('{"id":1,"method":"depth","params":{"symbol":"BTCUSDT","limit":1e9}}', -1102),
    ],
)
def test_bad_requests_get_documented_codes(talk: Talk, text: str, code: int) -> None:
    answer = talk.raw(text)
    assert answer["error"]["code"] == code
    assert answer["status"] in (400, 401)


def test_account_methods_and_streams(talk: Talk) -> None:
    for method in (
        "account.status", "v2/account.status", "account.balance", "v2/account.balance",
        "account.position", "v2/account.position",
    ):  # fmt: skip
        assert talk.signed(method)["status"] == 200, method
    started = talk.ask("userDataStream.start", apiKey=KEY.api_key)
    assert len(started["result"]["listenKey"]) == 64
    assert talk.ask("userDataStream.ping", apiKey=KEY.api_key)["result"] == started["result"]
    assert talk.ask("userDataStream.stop", apiKey=KEY.api_key)["result"] == {}
    assert talk.ask("userDataStream.ping", apiKey=KEY.api_key)["error"]["code"] == -1125
    assert talk.ask("ping")["result"] == {}
    assert talk.ask("time")["result"] == {"serverTime": talk.desk.wall_ms}
    assert talk.ask("ticker.price", symbol="BTCUSDT")["result"]["symbol"] == "BTCUSDT"


def test_every_order_request_is_tallied_even_a_refused_one(talk: Talk) -> None:
    talk.ask("order.place")
    talk.ask("order.cancel", apiKey="nobody")
    talk.signed("order.place", **{**ORDER, "price": "1"})
    talk.ask("ping")
    tally = talk.desk.core.tally
    assert (tally.ws_requests, tally.ws_answers) == (3, 3)

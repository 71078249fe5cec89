"""Signatures and timestamps, against the exchange's own vectors."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from aegis.venue.credentials import mint
from aegis.venue.errors import RejectError
from aegis.venue.gateway.access import KeyRing, check_timestamp, hmac_hex
from aegis.venue.gateway.rest import RestRequest, _read

SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
QUERY = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
BODY = "quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943"
PLAIN = (
    "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
    "&recvWindow=5000&timestamp=1591702613943"
)
PLAIN_SIGNATURE = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
MIXED_SIGNATURE = "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4"


def test_official_vectors() -> None:
    assert hmac_hex(SECRET, PLAIN.encode()) == PLAIN_SIGNATURE
    assert hmac_hex(SECRET, (QUERY + BODY).encode()) == MIXED_SIGNATURE


@pytest.mark.parametrize(
    ("query", "body", "signature"),
    [
        (f"{PLAIN}&signature={PLAIN_SIGNATURE}", "", PLAIN_SIGNATURE),
        ("", f"{PLAIN}&signature={PLAIN_SIGNATURE}", PLAIN_SIGNATURE),
        (f"signature={PLAIN_SIGNATURE}", PLAIN, PLAIN_SIGNATURE),
        (QUERY, f"{BODY}&signature={MIXED_SIGNATURE}", MIXED_SIGNATURE),
        (f"{QUERY}&signature={MIXED_SIGNATURE.upper()}", BODY, MIXED_SIGNATURE.upper()),
    ],
)
def test_what_was_signed_is_found_wherever_clients_put_it(
    query: str, body: str, signature: str
) -> None:
    ring = KeyRing()
    key = replace(mint(), hmac_secret=SECRET)
    ring.add(key, 1)
    read = _read(query, body)
    assert read.signature == signature
    ring.check_signature(key.api_key, read.payload.encode(), signature)
    assert read.parameters["price"] == "9000"
    assert "signature" not in read.parameters


def test_the_query_wins_over_the_body_and_twins_are_refused() -> None:
    assert _read("a=1", "a=2&b=3").parameters == {"a": "1", "b": "3"}
    with pytest.raises(RejectError) as caught:
        _read("a=1&a=2", "")
    assert caught.value.code == -1101
    assert RestRequest("GET", "/", "", "", None, "").api_key is None


def test_ed25519_and_every_way_to_get_it_wrong() -> None:
    ring, key = KeyRing(), mint()
    ring.add(key, 1)
    private = load_pem_private_key(key.ed25519_private_pem, None)
    good = base64.b64encode(private.sign(b"payload")).decode()
    ring.check_signature(key.api_key, b"payload", good)
    raw = private.sign(b"payload")
    flipped = base64.b64encode(bytes([raw[0] ^ 1, *raw[1:]])).decode()
    for bad in ("", "x", "0" * 64, good[:-4], flipped, good + "AAAA", "\u00e9" * 64):
        with pytest.raises(RejectError) as caught:
            ring.check_signature(key.api_key, b"payload", bad)
        assert caught.value.code == -1022
    with pytest.raises(RejectError):
        ring.check_signature(key.api_key, b"another", good)


@pytest.mark.parametrize(("api_key", "code"), [(None, -2014), ("", -2014), ("nobody", -2015)])
def test_unknown_keys(api_key: str | None, code: int) -> None:
    with pytest.raises(RejectError) as caught:
        KeyRing().account_of(api_key)
    assert (caught.value.code, caught.value.status) == (code, 401)


@pytest.mark.parametrize(
    ("timestamp", "window", "text"),
    [
        (1_000_999, None, ""),
        (1_001_000, None, "1000ms ahead"),
        (995_000, None, ""),
        (994_999, None, "outside of the recvWindow"),
        (999_000, 999, "outside of the recvWindow"),
        (999_000, 1_000, ""),
    ],
)
def test_the_receive_window(timestamp: int, window: int | None, text: str) -> None:
    parameters = {"timestamp": str(timestamp)}
    if window is not None:
        parameters["recvWindow"] = str(window)
    if not text:
        assert check_timestamp(parameters, 1_000_000) == timestamp + (window or 5_000)
        return
    with pytest.raises(RejectError, match=text) as caught:
        check_timestamp(parameters, 1_000_000)
    assert caught.value.code == -1021

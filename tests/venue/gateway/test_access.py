"""Signatures and timestamps, against the exchange's own vectors."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

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


# RFC 8032, section 7.1, TEST 2: the exchange prints no vector for Ed25519.
RFC_PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
RFC_SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_ed25519_against_the_standards_vector() -> None:
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(RFC_PUBLIC))
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ring = KeyRing()
    key = replace(mint(), ed25519_public_pem=pem)
    ring.add(key, 1)
    signature = base64.b64encode(bytes.fromhex(RFC_SIGNATURE)).decode()
    ring.check_signature(key.api_key, b"\x72", signature)
    with pytest.raises(RejectError):
        ring.check_signature(key.api_key, b"\x73", signature)


def test_keys_are_revoked_and_come_back() -> None:
    ring, one, other = KeyRing(), mint(), mint()
    ring.add(one, 16)
    ring.add(other, 17)
    assert ring.revoke(16) == [one.api_key]
    assert not ring.knows(one.api_key)
    with pytest.raises(RejectError) as caught:
        ring.account_of(one.api_key)
    assert caught.value.code == -2015
    assert ring.account_of(other.api_key) == 17
    assert ring.revoke() == [other.api_key]
    ring.restore([one.api_key, "never"])
    assert ring.account_of(one.api_key) == 16
    assert not ring.knows(other.api_key)


def test_the_longest_receive_window() -> None:
    now_ms = 1_000_000
    cases = ((60_000, 60_000, True), (60_001, 60_000, False), (10**7, 0, True))
    for window, longest, good in cases:
        parameters = {"timestamp": str(now_ms), "recvWindow": str(window)}
        if good:
            assert check_timestamp(parameters, now_ms, longest) == now_ms + window
        else:
            with pytest.raises(RejectError) as caught:
                check_timestamp(parameters, now_ms, longest)
            assert caught.value.code == -1130

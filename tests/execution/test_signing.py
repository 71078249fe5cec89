"""Signatures against the exchange's documented vectors, and what never shows."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aegis.execution.errors import UnusableSetupError
from aegis.execution.signing import Ed25519Signer, HmacSigner, session_payload, signed_query

SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "quantity": 1,
    "price": 9000,
    "timeInForce": "GTC",
    "recvWindow": 5000,
    "timestamp": 1591702613943,
}


def pem_of(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_the_official_hmac_vector() -> None:
    query = signed_query(ORDER, HmacSigner(SECRET))
    assert query == (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
        "&timestamp=1591702613943"
        "&signature=3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    )


def test_the_mixed_vector_of_query_and_body() -> None:
    payload = (
        b"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
        b"quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943"
    )
    expected = "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4"
    assert HmacSigner(SECRET).sign(payload) == expected


def test_a_signer_can_be_used_again() -> None:
    signer = HmacSigner(SECRET)
    assert signer.sign(b"x") == signer.sign(b"x") != signer.sign(b"y")


def test_ed25519_rfc8032_vector() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    signer = Ed25519Signer(pem_of(Ed25519PrivateKey.from_private_bytes(seed)))
    expected = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert base64.b64decode(signer.sign(b"")) == expected


def test_ed25519_in_a_query_is_percent_encoded_and_verifies() -> None:
    key = Ed25519PrivateKey.generate()
    query = signed_query(ORDER, Ed25519Signer(pem_of(key)))
    payload, _, signature = query.partition("&signature=")
    assert not set("+/=") & set(signature)
    (plain,) = parse_qs("s=" + signature)["s"]
    key.public_key().verify(base64.b64decode(plain), payload.encode())


def test_a_session_payload_is_sorted_and_not_encoded() -> None:
    payload = session_payload({"timestamp": 5, "apiKey": "a+/b", "recvWindow": 9})
    assert payload == b"apiKey=a+/b&recvWindow=9&timestamp=5"


def test_what_is_no_ed25519_key_is_refused_without_showing_it() -> None:
    rsa = generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for bad in (b"", b"hunter2", rsa):
        with pytest.raises(UnusableSetupError) as caught:
            Ed25519Signer(bad)
        assert "hunter2" not in str(caught.value) and caught.value.__context__ is None
    with pytest.raises(UnusableSetupError, match="empty"):
        HmacSigner("")


def test_no_secret_in_a_repr() -> None:
    pem = pem_of(Ed25519PrivateKey.generate())
    shown = repr(HmacSigner(SECRET)) + repr(Ed25519Signer(pem))
    assert SECRET not in shown and "PRIVATE" not in shown

"""Signatures: HMAC-SHA256 and Ed25519 over REST parameters and WebSocket API requests.

Called for every REST request with security and once per order connection. REST signs the
parameters exactly as transmitted (percent-encoded, in their order); the WebSocket API signs the
sorted, unencoded `key=value` list. Secrets live in this module's objects only: no method, repr or
exception shows them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol
from urllib.parse import quote_plus, urlencode

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from aegis.execution.errors import UnusableSetupError

__all__ = ["Ed25519Signer", "HmacSigner", "Signer", "session_payload", "signed_query"]

Value = str | int


class Signer(Protocol):
    """Signs the bytes that are sent."""

    def sign(self, payload: bytes) -> str:
        """The signature as text: hex for HMAC, base64 for Ed25519."""
        ...


class HmacSigner:
    """HMAC-SHA256; the signature in hex."""

    def __init__(self, secret: str) -> None:
        if not secret:
            raise UnusableSetupError("the HMAC secret is empty")
        # A keyed object is copied for each signature: the key schedule is computed once.
        self._keyed = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def __repr__(self) -> str:
        return "HmacSigner(<hidden>)"

    def sign(self, payload: bytes) -> str:
        """Lower-case hex of the digest."""
        keyed = self._keyed.copy()
        keyed.update(payload)
        return keyed.hexdigest()


class Ed25519Signer:
    """Ed25519; the signature in base64 (with percent-encoding left to the query's encoder)."""

    def __init__(self, private_pem: bytes) -> None:
        """Load an unencrypted PKCS#8 key; raises UnusableSetupError for anything else."""
        key = None
        # The parser's text may quote the input: say our own below.
        with suppress(ValueError, TypeError, UnsupportedAlgorithm):
            key = load_pem_private_key(private_pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise UnusableSetupError("the order key is no unencrypted Ed25519 key in PEM")
        self._key = key

    def __repr__(self) -> str:
        return "Ed25519Signer(<hidden>)"

    def sign(self, payload: bytes) -> str:
        """Base64 of the 64 bytes."""
        return base64.b64encode(self._key.sign(payload)).decode()


def signed_query(parameters: Mapping[str, Value], signer: Signer) -> str:
    """A query string with its signature last, ready to transmit as it is."""
    query = urlencode(parameters)
    return f"{query}&signature={quote_plus(signer.sign(query.encode()))}"


def session_payload(parameters: Mapping[str, Value]) -> bytes:
    """What a WebSocket API request signs: the parameters sorted by name, not encoded."""
    return "&".join(f"{key}={parameters[key]}" for key in sorted(parameters)).encode()

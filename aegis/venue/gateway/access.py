"""Keys, signatures and timestamps: the door every signed request goes through.

REST hands over the exact bytes that were signed, the WebSocket API its sorted parameters; the rules
(section "Signature" and "Timing" of the exchange's documents) are the same.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from aegis.config.models import MAX_INT64
from aegis.venue.codes import reject
from aegis.venue.credentials import KeyPair
from aegis.venue.errors import OptionsError
from aegis.venue.requests import integer

DEFAULT_RECV_WINDOW_MS: Final = 5_000
NO_MAX_WINDOW: Final = 0
AHEAD_MS: Final = 1_000
HMAC_HEX_CHARACTERS: Final = 64
ED25519_BYTES: Final = 64


def hmac_hex(secret: str, payload: bytes) -> str:
    """HMAC-SHA256 as lower-case hex."""
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


class KeyRing:
    """The API keys of the venue, and what each signed."""

    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}
        self._public: dict[str, Ed25519PublicKey] = {}
        self._accounts: dict[str, int] = {}
        self._revoked: dict[str, int] = {}

    def add(self, key: KeyPair, account_id: int) -> None:
        """Accept a key for an account. Raises OptionsError if its public half is no Ed25519 key."""
        public = load_pem_public_key(key.ed25519_public_pem)
        if not isinstance(public, Ed25519PublicKey):
            raise OptionsError(f"API key {key.api_key[:6]}...: its public key is not Ed25519")
        self._secrets[key.api_key] = key.hmac_secret
        self._public[key.api_key] = public
        self._accounts[key.api_key] = account_id

    def revoke(self, account_id: int | None = None) -> list[str]:
        """Take the keys of an account (of all, if None) out of use; returns them."""
        taken = [key for key, owner in self._accounts.items() if account_id in (None, owner)]
        for key in taken:
            self._revoked[key] = self._accounts.pop(key)
        return taken

    def restore(self, api_keys: list[str]) -> None:
        """Put keys that were revoked back into use."""
        for key in api_keys:
            if key in self._revoked:
                self._accounts[key] = self._revoked.pop(key)

    def knows(self, api_key: str) -> bool:
        return api_key in self._accounts

    def account_of(self, api_key: str | None) -> int:
        """The account of a key. Raises RejectError -2014 (none sent) or -2015 (unknown)."""
        if not api_key:
            raise reject(-2014)
        account_id = self._accounts.get(api_key)
        if account_id is None:
            raise reject(-2015)
        return account_id

    def check_signature(self, api_key: str, payload: bytes, signature: str) -> None:
        """Hex is HMAC, base64 is Ed25519. Raises RejectError -1022."""
        if len(signature) == HMAC_HEX_CHARACTERS:
            expected = hmac_hex(self._secrets[api_key], payload)
            if not hmac.compare_digest(expected.encode(), signature.lower().encode()):
                raise reject(-1022)
            return
        self.check_ed25519(api_key, payload, signature)

    def check_ed25519(self, api_key: str, payload: bytes, signature: str) -> None:
        """Verify a base64 Ed25519 signature. Raises RejectError -1022."""
        try:
            raw = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError) as error:
            raise reject(-1022) from error
        if len(raw) != ED25519_BYTES:
            raise reject(-1022)
        try:
            self._public[api_key].verify(raw, payload)
        except InvalidSignature as error:
            raise reject(-1022) from error


def check_timestamp(
    parameters: Mapping[str, str], now_ms: int, max_window_ms: int = NO_MAX_WINDOW
) -> int:
    """Enforce the receive window; returns the last moment at which the request is good.

    Accepted iff timestamp < now + 1000 and now - timestamp <= recvWindow. A window above
    `max_window_ms` is refused with -1130: the futures documents have no code of their own for it
    (the spot market's is -1131). Raises RejectError -1102, -1130, -1021.
    """
    timestamp = integer(parameters, "timestamp")
    if timestamp is None:
        raise reject(-1102, "timestamp")
    window = integer(parameters, "recvWindow")
    window = DEFAULT_RECV_WINDOW_MS if window is None else window
    if window < 0 or window > (max_window_ms or MAX_INT64):
        raise reject(-1130, "recvWindow")
    if timestamp >= now_ms + AHEAD_MS:
        raise reject(-1021, variant=1)
    if now_ms - timestamp > window:
        raise reject(-1021)
    return timestamp + window

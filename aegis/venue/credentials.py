"""API keys: minted in memory, never written anywhere.

Under the supervisor the keys are minted before the fork and inherited (`wiring.credentials` has the
same fields); a venue of its own mints them at start and prints them once. One key is good for both
signature types, HMAC-SHA256 and Ed25519.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization import PublicFormat as Public

KEY_CHARACTERS = 64


class KeyPair(Protocol):
    """What the venue must know of a key; the supervisor's credentials have more."""

    @property
    def api_key(self) -> str: ...
    @property
    def hmac_secret(self) -> str: ...
    @property
    def ed25519_public_pem(self) -> bytes: ...


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """One API key with both of its secrets. Has no repr, so that no log can hold it."""

    api_key: str
    hmac_secret: str
    ed25519_private_pem: bytes
    ed25519_public_pem: bytes


def mint() -> Credentials:
    """Make a fresh key."""
    private = Ed25519PrivateKey.generate()
    return Credentials(
        api_key=secrets.token_hex(KEY_CHARACTERS // 2),
        hmac_secret=secrets.token_hex(KEY_CHARACTERS // 2),
        ed25519_private_pem=private.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
        ed25519_public_pem=private.public_key().public_bytes(
            Encoding.PEM, Public.SubjectPublicKeyInfo
        ),
    )

"""API keys from a file, for clients that are to find the same keys at every start.

`aegis venue --keys FILE` reads it: one ``[[keys]]`` per account, in their order, with `api_key`,
`hmac_secret` and, for the WebSocket API's logon, `ed25519_public_key` (PEM). The keys are good at
this exchange only; it moves no money. The venue never writes such a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import Field

from aegis.config import ConfigError, load_table
from aegis.config.table import Table
from aegis.venue.credentials import KeyPair, mint
from aegis.venue.errors import OptionsError

Text = Annotated[str, Field(min_length=8, max_length=256, pattern=r"^[A-Za-z0-9]+$")]


class KeyConfig(Table):
    """One ``[[keys]]``."""

    api_key: Text = Field(examples=["a" * 64])
    hmac_secret: Text = Field(examples=["b" * 64])
    ed25519_public_key: str = Field(default="", max_length=1_024)


class KeyFile(Table):
    """The whole file."""

    keys: list[KeyConfig] = Field(min_length=1, max_length=1_000)


@dataclass(frozen=True, slots=True, repr=False)
class GivenKey:
    """A key from a file. Has no repr, so that no log can hold it."""

    api_key: str
    hmac_secret: str
    ed25519_public_pem: bytes


def load_keys(path: Path) -> tuple[KeyPair, ...]:
    """The keys of a file. Raises OptionsError naming file, key and what is wrong with it."""
    try:
        table = load_table(path, KeyFile)
    except ConfigError as error:
        raise OptionsError(str(error)) from error
    seen: set[str] = set()
    found = []
    for number, key in enumerate(table.keys):
        if key.api_key in seen:
            raise OptionsError(f"{path}: keys[{number}].api_key stands there twice")
        seen.add(key.api_key)
        found.append(GivenKey(key.api_key, key.hmac_secret, _public(path, number, key)))
    return tuple(found)


def _public(path: Path, number: int, key: KeyConfig) -> bytes:
    """The public half; where none is given one that nobody has the other half of."""
    if not key.ed25519_public_key:
        return mint().ed25519_public_pem
    pem = key.ed25519_public_key.encode()
    try:
        if isinstance(load_pem_public_key(pem), Ed25519PublicKey):
            return pem
    except (ValueError, UnsupportedAlgorithm):
        pass
    raise OptionsError(f"{path}: keys[{number}].ed25519_public_key is no Ed25519 public key in PEM")

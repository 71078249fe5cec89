"""The API keys of a real exchange: read once, by execution alone, from where nobody else can read.

`[venue] credentials` names a file: a name below $CREDENTIALS_DIRECTORY (systemd's LoadCredential,
LoadCredentialEncrypted), or a full path to a regular file of ours with mode 0600 or stricter. The
file is TOML::

    api_key = "..."
    hmac_secret = "..."           # this, or
    ed25519_private_key = \"\"\"
    -----BEGIN PRIVATE KEY-----
    ...
    \"\"\"

The fingerprint ties a key to the address that it is good for: `[venue] fingerprint` must be the one
of this key at this address, so that a key of the testnet never meets the live exchange, nor a live
key another place. It is a hash, shows nothing of the key, and `aegis check` tells it.

Raises CredentialsFileError. Its texts name the file, the key in it and what is wrong, never a
value; nothing here has a repr that shows one.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Final

import tomli

from aegis.config.environments import Environment
from aegis.config.models import VenueConfig
from aegis.execution.endpoints import Keys
from aegis.execution.errors import CredentialsFileError, UnusableSetupError
from aegis.execution.signing import Ed25519Signer, HmacSigner, Signer

__all__ = ["DIRECTORY_VARIABLE", "fingerprint_of", "load_keys", "path_of"]

DIRECTORY_VARIABLE: Final = "CREDENTIALS_DIRECTORY"
MAX_FILE_BYTES: Final = 16 * 1024
_TEXT: Final = re.compile(r"[\x21-\x7e]{8,512}")
_KNOWN: Final = ("api_key", "hmac_secret", "ed25519_private_key")


def path_of(credentials: str, directory: str | None) -> Path:
    """The file that `[venue] credentials` names; `directory` is $CREDENTIALS_DIRECTORY."""
    if credentials.startswith("/"):
        return Path(credentials)
    if not directory:
        raise CredentialsFileError(
            f"venue.credentials = {credentials}: no ${DIRECTORY_VARIABLE}; it is set by systemd "
            "for a unit with LoadCredential or LoadCredentialEncrypted, or name a full path"
        )
    return Path(directory) / credentials


def fingerprint_of(api_key: str, environment: Environment) -> str:
    """16 hexadecimal digits that name this key at this address and tell nothing of it."""
    text = f"aegis\n{environment.host}\n{api_key}".encode()
    return hashlib.sha256(text).hexdigest()[:16]


def load_keys(
    venue: VenueConfig, environment: Environment, directory: str | None
) -> tuple[Keys, str]:
    """The keys that `[venue]` names, with their fingerprint at this address. Blocks for the disk.

    Raises CredentialsFileError, also for a fingerprint that is another than the file's.
    """
    if venue.credentials is None:
        raise CredentialsFileError(f'venue.credentials: missing, mode = "{venue.mode}" needs it')
    path = path_of(venue.credentials, directory)
    table = _table(path, _read(path))
    api_key = _text(path, table, "api_key")
    signer = _signer(path, table)
    found = fingerprint_of(api_key, environment)
    if venue.fingerprint is None and venue.mode == "live":
        raise CredentialsFileError(
            f'venue.fingerprint: missing, mode = "live" needs it; the key in {path} has at '
            f'{environment.host} the fingerprint = "{found}"'
        )
    if venue.fingerprint is not None and venue.fingerprint != found:
        raise CredentialsFileError(
            f"{path}: its key at {environment.host} has the fingerprint {found}, the configuration "
            f"says {venue.fingerprint}: it is another key, or meant for another address"
        )
    return Keys(api_key, signer, signer), found


def _read(path: Path) -> bytes:
    """The file's bytes, if it is a regular file that only its owner, who we are, can read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise CredentialsFileError(f"{path}: cannot be opened: {error.strerror}") from None
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise CredentialsFileError(f"{path}: is not a regular file")
        if state.st_uid not in (os.geteuid(), 0):
            raise CredentialsFileError(
                f"{path}: belongs to user {state.st_uid}, not to us ({os.geteuid()}) or root"
            )
        if state.st_mode & 0o077:
            mode = stat.S_IMODE(state.st_mode)
            raise CredentialsFileError(f"{path}: has mode {mode:04o}; chmod 0600 it")
        content = os.read(descriptor, MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CredentialsFileError(f"{path}: cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(content) > MAX_FILE_BYTES:
        raise CredentialsFileError(f"{path}: is larger than {MAX_FILE_BYTES} bytes")
    return content


def _table(path: Path, content: bytes) -> dict[str, object]:
    table = None
    try:
        table = tomli.loads(content.decode())
    except (ValueError, RecursionError):
        # The parser's text may quote the line: say our own below, outside of its traceback.
        table = None
    if table is None:
        raise CredentialsFileError(f"{path}: is no TOML; wanted: {', '.join(_KNOWN)}")
    unknown = [key for key in table if key not in _KNOWN]
    if unknown:
        # Not even its name is shown: a secret may stand on the wrong side of the sign.
        raise CredentialsFileError(
            f"{path}: {len(unknown)} unknown keys; wanted: {', '.join(_KNOWN)}"
        )
    return table


def _text(path: Path, table: dict[str, object], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or _TEXT.fullmatch(value) is None:
        raise CredentialsFileError(f"{path}: {key}: must be a text of 8 to 512 plain characters")
    return value


def _signer(path: Path, table: dict[str, object]) -> Signer:
    if ("hmac_secret" in table) == ("ed25519_private_key" in table):
        raise CredentialsFileError(f"{path}: wanted: hmac_secret or ed25519_private_key, one of it")
    if "hmac_secret" in table:
        return HmacSigner(_text(path, table, "hmac_secret"))
    pem = table["ed25519_private_key"]
    try:
        return Ed25519Signer(str(pem).encode())
    except UnusableSetupError as error:
        raise CredentialsFileError(f"{path}: ed25519_private_key: {error}") from None

"""The file of keys: who may have it, what stands in it, and that nobody is shown any of it."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any

import pytest

from aegis.config.environments import ENVIRONMENTS, Environment
from aegis.config.models import VenueConfig
from aegis.execution.credentials import fingerprint_of, load_keys, path_of
from aegis.execution.endpoints import Keys
from aegis.execution.errors import CredentialsFileError
from aegis.execution.signing import Ed25519Signer, HmacSigner
from aegis.venue.credentials import mint

API_KEY = "CANARYkey" + "a1" * 27
SECRET = "CANARYsecret" + "b2" * 26
TESTNET = ENVIRONMENTS["testnet"]
LIVE = ENVIRONMENTS["live"]


def key_file(folder: Path, text: str | None = None, mode: int = 0o600) -> Path:
    path = folder / "exchange.key"
    body = f'api_key = "{API_KEY}"\nhmac_secret = "{SECRET}"\n' if text is None else text
    path.write_text(body)
    path.chmod(mode)
    return path


def load(path: Path, environment: Environment = TESTNET, **venue: Any) -> tuple[Keys, str]:
    table: dict[str, Any] = {"mode": "testnet", "credentials": str(path)} | venue
    return load_keys(VenueConfig(**table), environment, None)


def test_both_kinds_of_key(tmp_path: Path) -> None:
    keys, fingerprint = load(key_file(tmp_path))
    assert isinstance(keys.signer, HmacSigner) and not keys.can_log_on
    assert keys.api_key == API_KEY and len(fingerprint) == 16
    pem = mint().ed25519_private_pem.decode()
    text = f'api_key = "{API_KEY}"\ned25519_private_key = """\n{pem}"""\n'
    keys, again = load(key_file(tmp_path, text))
    assert isinstance(keys.order_signer, Ed25519Signer) and keys.can_log_on
    assert again == fingerprint


def test_a_name_is_looked_up_where_systemd_says(tmp_path: Path) -> None:
    key_file(tmp_path)
    venue = VenueConfig(mode="testnet", credentials="exchange.key")
    keys, _ = load_keys(venue, TESTNET, str(tmp_path))
    assert keys.api_key == API_KEY
    with pytest.raises(CredentialsFileError, match="CREDENTIALS_DIRECTORY"):
        path_of("exchange.key", None)


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        (None, 0o644, "0644"),
        (None, 0o660, "0660"),
        (f'api_key = "{API_KEY}"', 0o600, "one of it"),
        (f'api_key = "{API_KEY}"\nhmac_secret = ""', 0o600, "hmac_secret"),
        (f'api_key = "{API_KEY}"\n{SECRET} = 1', 0o600, "unknown"),
        (f"api_key = {API_KEY}\nhmac_secret = {SECRET}", 0o600, "no TOML"),
        (f'api_key = "{API_KEY}"\ned25519_private_key = "{SECRET}"', 0o600, "Ed25519"),
        (f'hmac_secret = "{SECRET}"', 0o600, "api_key"),
        ("x" * 20_000, 0o600, "larger"),
    ],
)
def test_what_cannot_be_used_is_told_without_showing_it(
    tmp_path: Path, text: str | None, mode: int, why: str
) -> None:
    path = key_file(tmp_path, text, mode)
    with pytest.raises(CredentialsFileError, match=why) as caught:
        load(path)
    shown = "".join(traceback.format_exception(caught.value))
    assert API_KEY not in shown and SECRET not in shown and str(path) in shown


def test_only_a_regular_file_of_ours(tmp_path: Path) -> None:
    with pytest.raises(CredentialsFileError, match="No such file"):
        load(tmp_path / "none")
    with pytest.raises(CredentialsFileError, match="regular"):
        load(tmp_path)
    (tmp_path / "link").symlink_to(key_file(tmp_path))
    with pytest.raises(CredentialsFileError, match="cannot be opened"):
        load(tmp_path / "link")
    if os.geteuid() == 0:
        path = key_file(tmp_path)
        os.chown(path, 12_345, -1)
        with pytest.raises(CredentialsFileError, match="belongs to user 12345"):
            load(path)


def test_a_key_is_tied_to_its_address(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    here, there = fingerprint_of(API_KEY, TESTNET), fingerprint_of(API_KEY, LIVE)
    assert here != there
    assert load(path, fingerprint=here)[1] == here
    with pytest.raises(CredentialsFileError, match="another key, or meant for another address"):
        load(path, LIVE, mode="live", fingerprint=here)
    with pytest.raises(CredentialsFileError, match=f'fingerprint = "{there}"'):
        load(path, LIVE, mode="live")

"""`aegis venue`: what it is asked for, what it refuses, and what it says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis.venue.alone import Asked, _options, main
from aegis.venue.credentials import mint
from aegis.venue.errors import OptionsError
from aegis.venue.key_file import load_keys
from tests.venue.client import client
from tests.waiting import eventually


@pytest.fixture
def asked(repository: Path) -> Asked:
    return Asked(repository / "aegis.toml")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        yield holder.getsockname()[1]


def changed(asked: Asked, **changes: object) -> Asked:
    return Asked(**{**{name: getattr(asked, name) for name in Asked.__slots__}, **changes})


def test_a_port_in_use_is_refused_at_once(
    asked: Asked, taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(changed(asked, port=taken_port)) == 2
    said = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{taken_port}: Address already in use" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": "0.0.0.0"}, "--host 0.0.0.0: must be a loopback address"),
        ({"host": "here"}, "--host here: must be an IP address"),
        ({"accounts": 0}, "--accounts 0: Input should be greater than or equal to 1"),
        ({"symbols": 501}, "--symbols 501: Input should be less than or equal to 500"),
        ({"config": Path("none.toml")}, "none.toml: no such file"),
        ({"dialect": "2025"}, "--dialect 2025: Input should be '2024' or '2026'"),
        ({"loop": True}, "--loop: there is no recording"),
        ({"mirrors": (Path("none.gz"),)}, "--mirror none.gz: no such file"),
        ({"mirrors": (Path("none.gz"),), "symbols": 5}, "--symbols: a mirror lists"),
        ({"faults": Path("none.toml")}, "none.toml: no such file"),
        ({"keys": Path("none.toml")}, "none.toml: no such file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_with_exit_code_2(
    asked: Asked, changes: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(changed(asked, **changes)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_options_of_the_command_line_win_over_the_file(asked: Asked) -> None:
    options = _options(
        changed(
            asked, host="0.0.0.0", allow_remote=True, accounts=3, port=4711, dialect="2024", seed=7
        )
    )
    config = options.config
    assert (config.host, config.port, config.accounts) == ("0.0.0.0", 4711, 3)
    assert (config.dialect, config.seed) == ("2024", 7)
    _, minted = options.with_keys()
    assert len({key.api_key for key in minted}) == 3
    assert config.flow == _options(asked).config.flow


def test_the_number_of_symbols_leaves_the_files_own_contracts_alone(
    asked: Asked, tmp_path: Path
) -> None:
    text = asked.config.read_text()
    own = "\n[venue.symbols.DOTUSDT]\nprice = 5.0\n[venue.symbols.BTCUSDT]\nprice = 61000.0\n"
    file = tmp_path / "aegis.toml"
    file.write_text(text.replace("[venue.flow]", own + "[venue.flow]", 1))
    for count, listed in ((2, 3), (300, 300)):
        config = _options(changed(asked, config=file, symbols=count)).config
        assert len(config.symbols) == listed
        assert config.symbols["DOTUSDT"].price == 5.0
        assert config.symbols["BTCUSDT"].price == 61_000.0


KEYS_TOML = """
[[keys]]
api_key = "{0}"
hmac_secret = "{1}"
ed25519_public_key = \"\"\"
{2}\"\"\"
[[keys]]
api_key = "secondkey"
hmac_secret = "secondsecret"
"""


def test_keys_from_a_file(tmp_path: Path) -> None:
    own = mint()
    path = tmp_path / "keys.toml"
    path.write_text(KEYS_TOML.format(own.api_key, own.hmac_secret, own.ed25519_public_pem.decode()))
    first, second = load_keys(path)
    assert (first.api_key, first.hmac_secret) == (own.api_key, own.hmac_secret)
    assert first.ed25519_public_pem.strip() == own.ed25519_public_pem.strip()
    assert second.api_key == "secondkey"
    assert own.hmac_secret not in repr(first)


ONE_KEY = '[[keys]]\napi_key = "aaaaaaaaa"\nhmac_secret = "qqqqqqqqq"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "keys: is missing"),
        ('[[keys]]\napi_key = "aaaaaaaaa"\n', "keys[0].hmac_secret: is missing"),
        ('[[keys]]\napi_key = "a b"\nhmac_secret = "qqqqqqqqq"\n', "keys[0].api_key"),
        (
            ONE_KEY * 2,
            "keys[1].api_key stands there twice",
        ),
        (
            f'{ONE_KEY}ed25519_public_key = "x"\n',
            "keys[0].ed25519_public_key is no Ed25519 public key",
        ),
    ],
)
def test_a_bad_key_file_shows_no_secret(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(OptionsError) as caught:
        load_keys(path)
    assert said in str(caught.value)
    assert "qqqqqqqqq" not in str(caught.value)


def test_it_serves_what_it_prints_and_ends_on_a_signal(repository: Path, tmp_path: Path) -> None:
    schedule = tmp_path / "faults.toml"
    schedule.write_text('[[fault]]\nkind = "refused"\ncode = -4400\nendpoint = "GET *balance"\n')
    process = subprocess.Popen(
        [
            sys.executable, "-m", "aegis.cli", "venue", "--config", str(repository / "aegis.toml"),
            "--accounts", "2", "--faults", str(schedule),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=repository,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said: list[str] = []
        while sum("PRIVATE KEY" in line for line in said) < 4:
            line = process.stdout.readline()
            assert line, said
            said.append(line)
        text = "".join(said)
        url = re.search(r"http://127\.0\.0\.1:\d+$", text, re.MULTILINE)
        assert url is not None
        keys = re.findall(r"API key +([0-9a-f]{64})", text)
        secrets = re.findall(r"HMAC secret +([0-9a-f]{64})", text)
        assert (len(set(keys)), len(set(secrets))) == (2, 2)
        assert "schedule       1 faults" in text
        codes = asyncio.run(_balances(url[0], list(zip(keys, secrets, strict=True))))
        assert codes == [-4400, None]
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.communicate()
    eventually(lambda: process.returncode is not None, "the venue's end")
    assert process.returncode == 0


async def _balances(url: str, pairs: list[tuple[str, str]]) -> list[int | None]:
    """What each account is told of its balance: a code, or None for the balance itself."""
    found: list[int | None] = []
    for api_key, secret in pairs:
        key = mint()
        own = type(key)(api_key, secret, key.ed25519_private_pem, key.ed25519_public_pem)
        async with client(url, own) as rest:
            status, body = await rest.call("GET", "/fapi/v3/balance")
            found.append(None if status == 200 else body["code"])
    return found

"""`aegis universe` without an instance: it asks the exchange, and only where it may."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import typer

from aegis.cli.universe import universe
from aegis.shm.rate_ledger import ledger_path

Call = Callable[[], tuple[int, str]]


class _Banning(http.server.BaseHTTPRequestHandler):
    """An exchange that has banned us for a minute."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(418)
        self.send_header("Retry-After", "60")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody wants to read it."""


@pytest.fixture
def port() -> Iterator[int]:
    _Banning.asked.clear()
    server = http.server.HTTPServer(("127.0.0.1", 0), _Banning)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def call(repository: Path, tmp_path: Path, port: int, capsys: pytest.CaptureFixture[str]) -> Call:
    """The command on the shipped file, pointed at that exchange."""
    text = (repository / "aegis.toml").read_text()
    text = text.replace('shm_dir = "/dev/shm"', f'shm_dir = "{tmp_path}"')
    mode = f'[venue]\nrest_url = "http://127.0.0.1:{port}"\ncredentials = "exchange.key"\n'
    text = text.replace("[venue]\n", mode, 1).replace('mode = "embedded"', 'mode = "testnet"', 1)
    file = tmp_path / "aegis.toml"
    file.write_text(text)

    def run() -> tuple[int, str]:
        with pytest.raises(typer.Exit) as ended:
            universe(None, config=file, as_json=True)
        return ended.value.exit_code, capsys.readouterr().err

    return run


def test_a_ban_is_remembered_and_never_asked_through(call: Call, port: int, tmp_path: Path) -> None:
    code, said = call()
    assert (code, len(_Banning.asked)) == (3, 1)
    assert "418, wait 60 s" in said
    code, said = call()
    assert (code, len(_Banning.asked)) == (3, 1), "the second question stays here"
    assert "not asked, the exchange wants silence for" in said
    file = ledger_path(tmp_path / "aegis-btc", f"127.0.0.1:{port}")
    assert file.exists(), "every process of the box reads it there"


def test_a_ledger_that_cannot_be_read_is_no_leave_to_ask(
    call: Call, port: int, tmp_path: Path
) -> None:
    file = ledger_path(tmp_path / "aegis-btc", f"127.0.0.1:{port}")
    file.write_bytes(b"x" * 100)
    file.chmod(0o644)
    code, said = call()
    assert (code, _Banning.asked) == (3, [])
    assert f"{file}: belongs to user" in said
    assert "not asked" in said

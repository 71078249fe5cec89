"""`aegis universe`: it asks the exchange only where it may, and claims only what it knows."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import typer

from aegis.cli.universe import universe
from aegis.feed.universe import EXCHANGE, FILE
from aegis.host.clock import monotonic_ns
from aegis.shm.instance import InstanceMemory
from aegis.shm.instruments import TRADING
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


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[InstanceMemory]:
    """An instance whose exchange cannot be asked: its venue has no port yet."""
    made = InstanceMemory.create("one", instruments=1, shm_dir=tmp_path, owner=(os.getpid(), 0))
    yield made
    made.close()


def ask(file: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, bool, str]:
    """(exit code, whether all is covered, what was said) about the instance."""
    with pytest.raises(typer.Exit) as ended:
        universe("one", config=file, as_json=True)
    shown = capsys.readouterr()
    return ended.value.exit_code, json.loads(shown.out)["covered"], shown.err


@pytest.fixture
def plain_file(repository: Path, tmp_path: Path) -> Path:
    text = (repository / "aegis.toml").read_text()
    file = tmp_path / "aegis.toml"
    file.write_text(text.replace('shm_dir = "/dev/shm"', f'shm_dir = "{tmp_path}"'))
    return file


def test_an_instance_that_follows_nothing_yet_covers_nothing(
    memory: InstanceMemory, plain_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, covered, said = ask(plain_file, capsys)
    assert (code, covered) == (1, False)
    assert "the feed has not begun yet" in said
    assert "stands still" not in said


def test_what_takes_all_is_covered_only_when_the_list_is_known(
    memory: InstanceMemory, plain_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory.instruments.set(0, symbol=b"BTCUSDT", status=TRADING, tick_size=0.1, step_size=0.001)
    memory.books.set_valid(0, True)
    feed = memory.counters["feed"]
    feed["loop_ts_ns"] = monotonic_ns()
    feed["universe_source"] = FILE
    assert ask(plain_file, capsys)[:2] == (0, True), "the symbols that the file names are known"
    feed["loop_ts_ns"] = monotonic_ns()
    feed["universe_source"] = EXCHANGE
    code, covered, said = ask(plain_file, capsys)
    assert (code, covered) == (1, False)
    assert "cannot be told now" in said

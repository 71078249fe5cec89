"""Whole sessions of real, unmodified clients against the venue, each in a process of its own.

`make test` sets up the clients' interpreter (.venv/clients, from the lock file beside this one). A
session plays its chapters over real sockets and reports each; every chapter is a test of its own.
After a session the venues behind the sockets are audited.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop

from aegis.venue.credentials import Credentials
from aegis.venue.serve import Venue
from tests.venue.clients.venues import Grounds, opened

REPOSITORY = Path(__file__).resolve().parents[3]
INTERPRETER = REPOSITORY / ".venv" / "clients" / "bin" / "python"
SYMBOL = "BTCUSDT"
BOOK_S = 4.0
LONG_BOOK_S = 60.0
SESSION_S = 300.0

CLIENTS = ("official_sdk", "python_binance", "ccxt_pro")
CHAPTERS = (
    "discovery", "market_data", "streams", "book", "user_data", "life_of_an_order", "algo_stop",
    "batch", "countdown", "settings", "hedge", "money", "websocket_api", "limits", "goodbye",
)  # fmt: skip


SESSIONS = [(client, chapter) for client in CLIENTS for chapter in CHAPTERS]
SESSIONS.append(("official_sdk", "every_method"))


@dataclass
class Report:
    """What a session told."""

    chapters: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: str = ""


_reports: dict[tuple[str, bool], Report] = {}


def report_of(client: str, long: bool) -> Report:
    """Play a client's session, once per test run."""
    if (client, long) not in _reports:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            _reports[client, long] = runner.run(_play(client, long))
    return _reports[client, long]


async def _play(client: str, long: bool) -> Report:
    assert INTERPRETER.is_file(), "the clients are not installed: run `make setup-clients`"
    async with opened() as grounds:
        report = await _run(client, json.dumps(_job(grounds, long)).encode())
        for venue in (grounds.lively, grounds.quiet, grounds.limited):
            try:
                await _audit(venue)
            except AssertionError as error:
                report.chapters["goodbye"] = {"error": f"the venue, afterwards: {error}"}
        return report


async def _run(client: str, job: bytes) -> Report:
    """The process of a session, from its job to its last word. Ends it if it does not end."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = await asyncio.create_subprocess_exec(
            INTERPRETER, "-m", f"tests.venue.clients.{client}", cwd=REPOSITORY,
            stdin=asyncio.subprocess.PIPE, stdout=out, stderr=err,
        )  # fmt: skip
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.communicate(job), SESSION_S)
        if process.returncode is None:
            process.kill()
            await process.wait()
        out.seek(0)
        err.seek(0)
        told = [json.loads(line) for line in out.read().decode().splitlines()]
        errors = f"exit code {process.returncode}\n{err.read().decode(errors='replace')[-4000:]}"
        return Report({line.pop("chapter"): line for line in told}, errors)


def _job(grounds: Grounds, long: bool) -> dict[str, Any]:
    client, *rivals = [_key(key) for key in grounds.keys]
    return {
        "lively": grounds.lively.url,
        "quiet": grounds.quiet.url,
        "limited": grounds.limited.url,
        "symbol": SYMBOL,
        "key": client,
        "rivals": rivals,
        "book_seconds": LONG_BOOK_S if long else BOOK_S,
        "long": long,
    }


def _key(key: Credentials) -> dict[str, str]:
    return {
        "api_key": key.api_key,
        "hmac_secret": key.hmac_secret,
        "ed25519_pem": key.ed25519_private_pem.decode(),
    }


async def _audit(venue: Venue) -> None:
    """Nothing was made or lost, nothing broke, nobody stayed."""
    ledger = venue.core.exchange.ledger
    assert ledger.imbalance_e8() == 0
    assert ledger.imbalance_lots() == {}
    assert venue.dispatcher.broken is None
    for _ in range(200):
        if len(venue.keeper) == 0:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(venue.keeper)} connections of the dead client are still there")


@pytest.mark.parametrize(("client", "chapter"), SESSIONS)
def test_session(client: str, chapter: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        report = report_of(client, long=False)
    _judge(report, chapter)
    assert not caplog.records, caplog.text


@pytest.mark.long
@pytest.mark.parametrize("client", CLIENTS)
def test_a_minute_of_flow_leaves_the_same_book(client: str) -> None:
    report = report_of(client, long=True)
    for chapter in [chapter for one, chapter in SESSIONS if one == client]:
        _judge(report, chapter)


def _judge(report: Report, chapter: str) -> None:
    told = report.chapters.get(chapter)
    if told is None:
        pytest.fail(f"the session never came to {chapter}:\n{report.errors}", pytrace=False)
    if told["error"]:
        pytest.fail(f"{chapter}:\n{told['error']}\n{report.errors}", pytrace=False)

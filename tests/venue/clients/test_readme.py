"""What the venue's README says works: its command starts a venue, its snippets run against it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.venue.clients.test_sessions import INTERPRETER, REPOSITORY

README = REPOSITORY / "aegis" / "venue" / "README.md"
FENCE = re.compile(r"^### (.+?)$|^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE_S = 60
END = "-----END PRIVATE KEY-----\n"
START_S = 300  # kernels that no test has needed before are compiled first
FREQTRADE = """
import asyncio, json, os, sys

import ccxt.async_support

given = json.loads(os.environ["FREQTRADE"])["exchange"]
config = {**given["ccxt_config"], "apiKey": KEY, "secret": SECRET}
config["options"]["defaultType"] = "swap"  # freqtrade's own


async def main() -> None:
    exchange = ccxt.async_support.binance(config)
    markets = await exchange.load_markets()
    (pair,) = given["pair_whitelist"]
    assert pair in markets and all(market["linear"] for market in markets.values())
    # What freqtrade asks at its start, before it trades.
    assert (await exchange.fapiPrivateGetPositionSideDual())["dualSidePosition"] is False
    assert (await exchange.fapiPrivateGetMultiAssetsMargin())["multiAssetsMargin"] is False
    tiers = await exchange.fetch_leverage_tiers()
    await exchange.set_margin_mode("isolated", pair)
    await exchange.set_leverage(3, pair)
    order = await exchange.create_order(pair, "market", "buy", 0.01)
    last = (await exchange.fetch_ticker(pair))["last"]
    stop = await exchange.create_order(
        pair, "market", "sell", 0.01, None,
        {"stopLossPrice": round(last * 0.95, 1), "reduceOnly": True},
    )
    await exchange.cancel_order(stop["id"], pair, {"stop": True})
    print(order["status"], len(tiers))
    await exchange.close()


asyncio.run(main())
"""


def blocks(language: str) -> list[tuple[str, str]]:
    """(heading above it, text) of the README's fenced blocks in a language."""
    found = []
    heading = ""
    for match in FENCE.finditer(README.read_text(encoding="utf-8")):
        if match.group(1):
            heading = match.group(1)
        elif match.group(2) == language:
            found.append((heading, match.group(3)))
    return found


PREFACE, *SNIPPETS = blocks("python")
NAMES = [heading.split()[0] for heading, _ in SNIPPETS]


@contextlib.contextmanager
def started(folder: Path) -> Iterator[dict[str, str]]:
    """The README's command, on any free port; what it prints, as the snippets' environment."""
    text = (REPOSITORY / "aegis.toml").read_text(encoding="utf-8")
    config = folder / "aegis.toml"
    config.write_text(text, encoding="utf-8")
    (_, line) = blocks("")[0]
    words = line.strip().replace("8090", "0").split()
    assert words[:2] == ["aegis", "venue"]
    command = [sys.executable, "-m", "aegis.cli", *words[1:], "--config", str(config)]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    guard = threading.Timer(START_S, process.kill)
    guard.start()
    try:
        assert process.stdout is not None
        printed = ""
        accounts = int(words[words.index("--accounts") + 1])
        while printed.count(END) < accounts:
            line = process.stdout.readline()
            assert line, f"the venue ended:\n{printed}\n{process.communicate()[1]}"
            printed += line
        guard.cancel()
        yield {
            "AEGIS_VENUE": _after("REST", printed),
            "AEGIS_KEY": _after("API key", printed),
            "AEGIS_SECRET": _after("HMAC secret", printed),
            "AEGIS_PEM": printed[printed.index("-----BEGIN") : printed.index(END) + len(END)],
        }
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0, process.communicate()[1]
    finally:
        guard.cancel()
        process.kill()
        process.communicate()


def _after(name: str, printed: str) -> str:
    found = re.search(rf"^ *{name} +(\S+)$", printed, re.MULTILINE)
    assert found, f"no {name} in\n{printed}"
    return found.group(1)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with started(tmp_path_factory.mktemp("readme")) as environment:
        yield environment


def run(source: str, environment: dict[str, str]) -> str:
    assert INTERPRETER.is_file(), "the clients are not installed: run `make setup-clients`"
    answer = subprocess.run(
        [INTERPRETER, "-m", "tests.venue.clients.snippet"], cwd=REPOSITORY, text=True,
        input=PREFACE[1] + source, env={**os.environ, **environment}, capture_output=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.mark.parametrize(
    ("heading", "source"), SNIPPETS, ids=[name.split()[0] for name, _ in SNIPPETS]
)
def test_a_snippet_runs_as_it_stands(venue: dict[str, str], heading: str, source: str) -> None:
    printed = run(source, venue)
    assert printed.strip(), f"{heading} printed nothing"


def test_freqtrades_configuration_is_one_that_ccxt_trades_with(venue: dict[str, str]) -> None:
    ((_, text),) = blocks("json")
    moved = text.replace("http://127.0.0.1:8090", venue["AEGIS_VENUE"])
    moved = moved.replace("ws://127.0.0.1:8090", venue["AEGIS_VENUE"].replace("http", "ws", 1))
    json.loads(moved)
    assert run(FREQTRADE, {**venue, "FREQTRADE": moved}).startswith("closed")


def test_every_client_of_the_lock_that_the_readme_names_has_its_version() -> None:
    text = (Path(__file__).parent / "requirements.in").read_text(encoding="utf-8")
    readme = README.read_text(encoding="utf-8")
    for name, version in re.findall(r"^([a-z-]+)==(\S+)$", text, re.MULTILINE):
        assert re.search(rf"{name}.*{re.escape(version)}", readme), f"{name} {version}"

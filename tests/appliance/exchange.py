"""A second exchange beside the appliance: `aegis venue` with one key, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.appliance.harness import REACT_S, START_S
from tests.conftest import REPOSITORY
from tests.venue.desk import hmac_of
from tests.waiting import eventually

KEYS_FILE = "venue_keys.toml"


@dataclass(frozen=True)
class Exchange:
    """A running one."""

    port: int
    process: subprocess.Popen[bytes] = field(repr=False)
    api_key: str = field(repr=False)
    secret: str = field(repr=False)

    def ask(self, path: str, **parameters: Any) -> Any:
        """A signed GET as the owner of its one account; the decoded answer."""
        query = urllib.parse.urlencode({**parameters, "timestamp": time.time_ns() // 1_000_000})
        url = f"http://127.0.0.1:{self.port}{path}?{query}&signature={hmac_of(self.secret, query)}"
        request = urllib.request.Request(url, headers={"X-MBX-APIKEY": self.api_key})
        with urllib.request.urlopen(request, timeout=REACT_S) as answer:
            return json.load(answer)


@contextlib.contextmanager
def served(folder: Path, api_key: str, secret: str, *options: str) -> Iterator[Exchange]:
    """`aegis venue` on a free port."""
    keys = folder / KEYS_FILE
    keys.write_text(f'[[keys]]\napi_key = "{api_key}"\nhmac_secret = "{secret}"\n')
    told = folder / "venue.out"
    command = ["-m", "aegis.cli", "venue", "--port", "0", "--keys", str(keys), *options]
    with told.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        found = eventually(
            lambda: re.search(r"http://127\.0\.0\.1:(\d+)", told.read_text()),
            "the exchange's address",
            START_S,
        )
        assert found is not None
        yield Exchange(int(found.group(1)), process, api_key, secret)
    finally:
        # A test may have stopped it.
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        process.wait(REACT_S)

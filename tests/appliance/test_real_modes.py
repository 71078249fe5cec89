"""A testnet run over loopback, and its secrets: looked for in everything that can be read.

The exchange is the embedded one, served on its own; the appliance reaches it as it would a real
one, by the addresses and the file of keys that the configuration names.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.conftest import MakeAppliance
from tests.appliance.exchange import KEYS_FILE, served
from tests.appliance.harness import REACT_S, Appliance

API_KEY = "CANARYkey" + secrets.token_hex(27)
SECRET = "CANARYsecret" + secrets.token_hex(26)
FIRST_CHARACTERS = 24


@pytest.fixture
def exchange_port(tmp_path: Path) -> Iterator[int]:
    """`aegis venue` with the canary as its one key; its port."""
    with served(tmp_path, API_KEY, SECRET) as exchange:
        yield exchange.port


def point_at(one: Appliance, port: int, folder: Path, mode: str, *more: str) -> Path:
    """Have an appliance's file name the exchange at `port`, and a private file of keys."""
    keys = folder / "exchange.key"
    keys.write_text(f'api_key = "{API_KEY}"\nhmac_secret = "{SECRET}"\n')
    keys.chmod(0o600)
    lines = [
        f'mode = "{mode}"',
        f'rest_url = "http://127.0.0.1:{port}"',
        f'stream_url = "ws://127.0.0.1:{port}"',
        f'order_url = "ws://127.0.0.1:{port}"',
        f'credentials = "{keys}"',
        *more,
    ]
    text = one.config.read_text()
    changed, count = re.subn(r'(?m)^mode = "embedded".*$', "\n".join(lines), text, count=1)
    assert count == 1
    one.config.write_text(changed)
    return keys


def readable_places(one: Appliance, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Everything that somebody may read: what was said, shared memory, journals, /proc."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in ("exchange.key", KEYS_FILE):
            yield str(path), path.read_bytes()
    for path in one.directory.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()
    for process in ("supervisor", "feed", "brain", "execution"):
        if one.pid(process) == 0:
            continue
        for name in ("cmdline", "environ", "comm", "status"):
            path = Path(f"/proc/{one.pid(process)}/{name}")
            try:
                yield str(path), path.read_bytes()
            except PermissionError:
                assert process == "execution", "only the holder of the keys may hide"


def memory_of(pid: int) -> Iterator[bytes]:
    """The writable memory of a process, as far as we may read it."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, flags = line.split()[:2]
            if not flags.startswith("rw") or "[v" in line:
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except OSError:
                continue


def assert_unseen(places: Iterator[tuple[str, bytes]]) -> int:
    """No piece of key or secret stands anywhere; how many places that was."""
    count = 0
    for place, content in places:
        count += 1
        for secret in (API_KEY, SECRET):
            assert secret[:FIRST_CHARACTERS].encode() not in content, place
    return count


def test_a_testnet_run_and_nobody_sees_its_keys(
    appliance: MakeAppliance, tmp_path: Path, exchange_port: int
) -> None:
    one = appliance(changes={"universe": "1"})
    point_at(one, exchange_port, tmp_path, "testnet")
    one.start("--json").until_ready()
    assert f"TESTNET: orders go to 127.0.0.1:{exchange_port}, no real money" in one.said
    one.until("an order", lambda: one.view().orders > 0)
    status = one.call("status", one.name, "--json", timeout_s=REACT_S)
    assert '"mode": "testnet"' in status.stdout or '"mode":"testnet"' in status.stdout
    assert "TESTNET" in one.call("status", one.name).stdout
    (tmp_path / "status.json").write_text(status.stdout + status.stderr)
    assert assert_unseen(readable_places(one, tmp_path)) > 15
    for process in ("supervisor", "feed", "brain"):
        assert_unseen((process, part) for part in memory_of(one.pid(process)))
    with contextlib.suppress(PermissionError):
        # Where we may look at all (as root), the search finds what is there.
        held = b"".join(memory_of(one.pid("execution")))
        assert API_KEY.encode() in held
    limits = Path(f"/proc/{one.pid('execution')}/limits").read_text()
    assert re.search(r"Max core file size\s+0\s+0", limits)
    # A crash tells its stacks, and nothing of what they worked on.
    former = one.pid("execution")
    os.kill(former, signal.SIGABRT)
    one.until_restarted("execution", former)
    assert "killed by SIGABRT" in one.said
    assert_unseen(readable_places(one, tmp_path))
    assert one.stop() == 0
    summary = one.summary()
    assert (summary["mode"], summary["open_orders"]) == ("testnet", 0)
    assert_unseen(readable_places(one, tmp_path))
    one.gone()


def resting(port: int) -> list[str]:
    """Client ids of what rests at the exchange, asked with the key by somebody else."""
    query = f"recvWindow=60000&timestamp={time.time_ns() // 1_000_000}"
    signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/fapi/v1/openOrders?{query}&signature={signature}",
        headers={"X-MBX-APIKEY": API_KEY},
    )
    with urllib.request.urlopen(request, timeout=REACT_S) as reply:
        return [str(row["clientOrderId"]) for row in json.loads(reply.read())]


def test_a_stop_cancels_in_place_of_an_execution_that_hangs(
    appliance: MakeAppliance, tmp_path: Path, exchange_port: int
) -> None:
    one = appliance(changes={"universe": "1", "drain_timeout_ms": "2000", "countdown_s": "0.0"})
    point_at(one, exchange_port, tmp_path, "testnet")
    one.start("--json").until_ready()
    one.until("a resting order", lambda: resting(exchange_port))
    # It keeps its orders at the exchange, and neither drains nor obeys a signal.
    os.kill(one.pid("execution"), signal.SIGSTOP)
    assert resting(exchange_port), "they rest while nobody looks after them"
    assert one.stop() == 1, "an execution that had to be killed is no clean end"
    assert "cancelled in place of execution" in one.said and "0 rest" in one.said
    assert resting(exchange_port) == []
    assert one.summary()["open_orders"] == 0
    assert_unseen(readable_places(one, tmp_path))
    one.gone()


def test_a_stop_without_an_exchange_says_that_nothing_is_known(
    appliance: MakeAppliance, tmp_path: Path, exchange_port: int
) -> None:
    one = appliance(changes={"universe": "1", "drain_timeout_ms": "1000"})
    keys = point_at(one, exchange_port, tmp_path, "testnet")
    one.start("--json").until_ready()
    keys.chmod(0o640)
    os.kill(one.pid("execution"), signal.SIGSTOP)
    assert one.stop() == 1
    assert "whether orders rest at the exchange is not known" in one.said
    assert "NOT DONE" in one.said and "0640" in one.said
    assert one.summary()["open_orders"] is None
    assert_unseen(readable_places(one, tmp_path))
    one.gone()


def test_live_is_refused_until_all_of_it_is_meant(appliance: MakeAppliance, tmp_path: Path) -> None:
    one = appliance()
    keys = point_at(one, 9, tmp_path, "live")
    refused = one.call("run", one.name)
    assert refused.returncode == 2 and "REAL MONEY" in refused.stderr
    text = one.config.read_text()
    one.config.write_text(text.replace('mode = "live"', 'mode = "live"\narmed = true'))
    unnamed = one.call("check", one.name)
    assert unnamed.returncode == 2
    found = re.search(r'fingerprint = "([0-9a-f]{16})"', unnamed.stderr)
    assert found is not None, unnamed.stderr
    text = one.config.read_text()
    one.config.write_text(text.replace("armed = true", f"armed = true\n{found.group()}"))
    good = one.call("check", one.name)
    assert good.returncode == 0 and "LIVE: orders move real money" in good.stdout
    keys.write_text(keys.read_text().replace(API_KEY, API_KEY[::-1]))
    other = one.call("run", one.name)
    assert other.returncode == 2 and "another key" in other.stderr
    keys.chmod(0o640)
    open_to_others = one.call("run", one.name)
    assert open_to_others.returncode == 2 and "0640" in open_to_others.stderr
    assert_unseen((part, part.encode()) for part in (unnamed.stderr, good.stdout, other.stderr))
    assert not one.directory.exists()

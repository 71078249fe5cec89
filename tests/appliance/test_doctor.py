"""Live trading and its doctor: refused without a passed one, and again once anything is another.

The exchange is the embedded one, served on its own, and the doctor really asks it. What this host
may be is accepted in the file, as an operator would; nothing is passed by.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis.doctor.record import FILE_NAME
from tests.appliance.conftest import MakeAppliance
from tests.appliance.exchange import served
from tests.appliance.harness import START_S, Appliance
from tests.appliance.test_real_modes import API_KEY, SECRET, assert_unseen, point_at

HOST = ("service_user", "listening_ports", "stolen_time", "one_build", "processes_pinned")
REFUSED = 4


@pytest.fixture
def exchange_port(tmp_path: Path) -> Iterator[int]:
    with served(tmp_path, API_KEY, SECRET) as exchange:
        yield exchange.port


@pytest.fixture
def live(appliance: MakeAppliance, tmp_path: Path, exchange_port: int) -> Appliance:
    """An instance that is meant in every other way, but that no doctor has seen."""
    # Beside other tests the disk may be slow; it is measured all the same.
    changes = {"universe": "1", "sync_ms": "30000"}
    one = appliance(changes=changes, environment={"XDG_STATE_HOME": str(tmp_path / "state")})
    point_at(one, exchange_port, tmp_path, "live", "armed = true")
    found = re.search(r'fingerprint = "([0-9a-f]{16})"', one.call("check", one.name).stderr)
    assert found is not None
    listed = ", ".join(f'"{name}"' for name in HOST)
    text = one.config.read_text().replace("armed = true", f"armed = true\n{found.group()}")
    one.config.write_text(f"{text}\n[doctor]\naccepted = [{listed}]\n")
    return one


def test_live_starts_after_a_passed_doctor_alone(live: Appliance, tmp_path: Path) -> None:
    refused = live.call("run", live.name, "--json")
    assert refused.returncode == REFUSED
    assert f"run: aegis doctor {live.name}" in refused.stderr and "no record" in refused.stderr
    assert json.loads(refused.stdout)["ok"] is False
    assert not live.directory.exists(), "nothing was begun"
    quick = live.call("doctor", live.name, "--quick", timeout_s=START_S)
    assert quick.returncode == 0 and "not kept" in quick.stdout
    assert live.call("run", live.name).returncode == REFUSED
    passed = live.call("doctor", live.name, "--json", timeout_s=START_S)
    assert passed.returncode == 0, passed.stdout
    found = {check["name"]: check for check in json.loads(passed.stdout)["checks"]}
    for name in ("exchange_account", "exchange_streams", "exchange_orders", "key_leak"):
        assert found[name]["status"] == "pass", found[name]
    assert "the key and its secret" in found["key_leak"]["found"]
    record = tmp_path / "state" / "aegis" / live.name / FILE_NAME
    assert record.stat().st_mode & 0o777 == 0o600
    assert_unseen(iter([("doctor", passed.stdout.encode()), ("record", record.read_bytes())]))
    live.start("--json").until_ready()
    assert "LIVE: orders go to" in live.said and "accepted by [doctor]" in live.said
    status = live.call("status", live.name)
    assert "accepted by [doctor]" in status.stdout and "service_user" in status.stdout
    # A visit to the running instance: its processes, sockets, regions and private stream are ours.
    live.until("an order", lambda: live.view().orders > 0)
    visited = live.call("doctor", live.name, "--json", timeout_s=START_S)
    assert visited.returncode == 0, visited.stdout
    seen = {check["name"]: check for check in json.loads(visited.stdout)["checks"]}
    assert seen["one_build"]["status"] == "pass" and "regions" in seen["one_build"]["found"]
    assert seen["processes_pinned"]["status"] == "pass"
    assert seen["exchange_countdown"]["status"] == "skipped"
    assert seen["exchange_orders"]["status"] == "pass"
    assert live.view().healthy, "the visit disturbed nothing"
    # Killed, with a record that is too old by now: what was admitted goes on.
    kept = json.loads(record.read_text())
    record.write_text(json.dumps(kept | {"unix_s": kept["unix_s"] - 25 * 3_600}))
    assert live.process is not None
    os.kill(live.pid("supervisor"), signal.SIGKILL)
    live.process.wait()
    live.until("the children to end", lambda: not live.survivors())
    # As the unit does after every end, before it starts it anew.
    assert live.call("clean", live.name).returncode == 0
    assert not live.directory.exists()
    live.start("--json").until_ready()
    assert live.stop() == 0
    assert live.summary()["open_orders"] == 0
    live.gone()
    # It ended in good order: the next start is a new one.
    assert "25 h old" in live.call("run", live.name).stderr


def test_a_passed_doctor_is_worth_nothing_for_another_configuration(
    live: Appliance, tmp_path: Path
) -> None:
    assert live.call("doctor", live.name, timeout_s=START_S).returncode == 0
    text = live.config.read_text()
    live.config.write_text(text.replace("max_order_qty = 0.01 ", "max_order_qty = 0.02 "))
    changed = live.call("run", live.name)
    assert changed.returncode == REFUSED and "configuration is another" in changed.stderr
    live.config.write_text(text)
    record = tmp_path / "state" / "aegis" / live.name / FILE_NAME
    kept = json.loads(record.read_text())
    for key, value, piece in (
        ("unix_s", kept["unix_s"] - 25 * 3_600, "25 h old"),
        ("build_id", "0" * 16, "build is another"),
        ("boot_id", "another", "started anew"),
    ):
        record.write_text(json.dumps(kept | {key: value}))
        stale = live.call("run", live.name)
        assert stale.returncode == REFUSED and piece in stale.stderr
    assert not live.directory.exists()


def test_a_failed_doctor_opens_nothing(live: Appliance, tmp_path: Path) -> None:
    keys = tmp_path / "exchange.key"
    keys.write_text(keys.read_text().replace(SECRET, SECRET[::-1]))
    failed = live.call("doctor", live.name, timeout_s=START_S)
    assert failed.returncode == 1 and "exchange_account" in failed.stdout
    assert failed.stdout.rstrip().splitlines()[-1].startswith("FAILED: ")
    assert live.call("run", live.name).returncode == REFUSED
    assert_unseen(iter([("doctor", failed.stdout.encode())]))

"""aegis@btc under a real systemd: start, faults, reload, stop, with the shipped file and unit.

The tests share one boot and follow each other in this order, as a day of the appliance would.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.booted.container import Container
from tests.waiting import eventually

pytestmark = pytest.mark.booted

UNIT = "aegis@btc.service"
CONFIG = "/etc/aegis/aegis.toml"
CHILDREN = ("feed", "brain", "execution", "venue")
# The first start compiles the kernels, on cores that other tests may be using.
START_TIMEOUT_S = 300
# The supervisor has to notice before systemd's watchdog would, and be trading again soon after.
MEND_TIMEOUT_S = 40


class Appliance:
    """One instance as an operator meets it: systemctl, aegis status, a text editor."""

    def __init__(self, box: Container, config_text: str) -> None:
        self.box = box
        self.config_text = config_text

    def status(self) -> dict[str, Any]:
        answer = self.box.run("aegis", "status", "btc", "--json", "--config", CONFIG, user="aegis")
        assert answer.stdout, f"exit code {answer.returncode}: {answer.stderr}"
        parsed: dict[str, Any] = json.loads(answer.stdout)
        return parsed

    def show(self, name: str) -> str:
        return self.box.show(UNIT, name)

    def pid_of(self, process: str) -> int:
        return int(self.status()["processes"][process]["pid"])

    def await_health(self, timeout_s: float = MEND_TIMEOUT_S) -> dict[str, Any]:
        def healthy() -> dict[str, Any] | None:
            if self.show("ActiveState") != "active":
                return None
            view = self.status()
            return view if view["ready"] and view["healthy"] else None

        try:
            return eventually(healthy, "a healthy instance", timeout_s, interval_s=0.2)
        except AssertionError as late:
            view = json.dumps(self.status().get("problems"), indent=1)
            raise AssertionError(f"{late}\n{view}\n{self.box.journal()}") from None

    def edit(self, key: str, value: str) -> None:
        """Put the shipped configuration in place, with the first key of that name set anew."""
        line = re.compile(rf"^({key} *= *)[^ #\n]+", re.MULTILINE)
        edited, count = line.subn(rf"\g<1>{value}", self.config_text, count=1)
        assert count == 1, f"the shipped file has no key {key}"
        self.box.write(CONFIG, edited)

    def restore(self) -> None:
        self.box.write(CONFIG, self.config_text)


@pytest.fixture(scope="module")
def appliance(container: Container, repository: Path) -> Appliance:
    unit = (repository / "systemd" / "aegis@.service").read_text(encoding="utf-8")
    container.write("/etc/systemd/system/aegis@.service", unit)
    installed = Appliance(container, (repository / "aegis.toml").read_text(encoding="utf-8"))
    installed.restore()
    container.check("systemctl", "daemon-reload")
    container.check("systemctl", "start", UNIT, timeout_s=START_TIMEOUT_S + 20)
    return installed


def test_start_comes_back_when_it_is_ready(appliance: Appliance) -> None:
    assert appliance.show("ActiveState") == "active"
    view = appliance.await_health()
    assert view["ready"]
    assert {name for name, process in view["processes"].items() if process["alive"]} >= set(
        CHILDREN
    )
    assert "SIMULATED" in appliance.show("StatusText")


def test_each_process_sits_on_its_core_inside_the_sandbox(appliance: Appliance) -> None:
    for name, process in appliance.status()["processes"].items():
        if name in CHILDREN:
            assert process["core_got"] == process["core_asked"], name
        seen = appliance.box.check("cat", f"/proc/{process['pid']}/status")
        facts = dict(line.split(":\t", 1) for line in seen.splitlines() if ":\t" in line)
        assert facts["NoNewPrivs"] == "1", name
        assert facts["Seccomp"] == "2", name
        assert int(facts["CapEff"], 16) == 0, name
        assert facts["Uid"].split()[0] != "0", name


@pytest.mark.parametrize("process", CHILDREN)
def test_a_stopped_child_is_noticed_and_replaced(appliance: Appliance, process: str) -> None:
    main_pid = appliance.show("MainPID")
    pid = appliance.pid_of(process)
    appliance.box.check("kill", "-STOP", str(pid))
    eventually(
        lambda: appliance.pid_of(process) not in (0, pid), f"a new {process}", MEND_TIMEOUT_S
    )
    appliance.await_health()
    assert appliance.box.run("test", "-e", f"/proc/{pid}").returncode != 0
    # Mended inside: systemd never had to step in.
    assert (appliance.show("MainPID"), appliance.show("NRestarts")) == (main_pid, "0")


def test_a_good_file_is_taken_over_by_reload(appliance: Appliance) -> None:
    before = appliance.status()
    appliance.edit("risk_aversion", "0.0612")
    appliance.box.check("systemctl", "reload", UNIT)
    after = eventually(
        lambda: (view := appliance.status())["config_version"] > before["config_version"] and view,
        "a new version of the configuration",
    )
    assert after["last_reload"]["ok"]
    assert "risk_aversion" in after["last_reload"]["text"]
    assert appliance.show("ActiveState") == "active"


def test_a_broken_file_is_refused_and_named(appliance: Appliance) -> None:
    before = appliance.status()
    appliance.edit("max_order_qty", "nan")
    appliance.box.check("systemctl", "reload", UNIT)
    after = eventually(
        lambda: (
            (view := appliance.status())["config_reload_failures"]
            > before["config_reload_failures"]
            and view
        ),
        "the refused reload",
    )
    assert after["config_version"] == before["config_version"]
    assert not after["last_reload"]["ok"]
    assert "max_order_qty" in after["last_reload"]["text"]
    assert "max_order_qty" in appliance.box.journal()
    assert (appliance.show("ActiveState"), appliance.show("NRestarts")) == ("active", "0")
    appliance.restore()
    appliance.box.check("systemctl", "reload", UNIT)
    appliance.await_health()


def test_a_stopped_supervisor_is_a_missed_watchdog(appliance: Appliance) -> None:
    appliance.box.check("systemctl", "kill", "--signal=SIGSTOP", "--kill-who=main", UNIT)
    eventually(lambda: appliance.show("NRestarts") == "1", "systemd's restart", 60, interval_s=0.2)
    appliance.await_health(START_TIMEOUT_S)
    assert "Watchdog timeout" in appliance.box.journal(400)


def test_a_killed_supervisor_is_started_again(appliance: Appliance) -> None:
    children = {process: appliance.pid_of(process) for process in CHILDREN}
    appliance.box.check("systemctl", "kill", "--signal=SIGKILL", "--kill-who=main", UNIT)
    eventually(lambda: appliance.show("NRestarts") == "2", "systemd's restart", 60, interval_s=0.2)
    appliance.await_health(START_TIMEOUT_S)
    for process, pid in children.items():
        assert appliance.pid_of(process) != pid


def test_stop_leaves_nothing(appliance: Appliance) -> None:
    appliance.box.check("systemctl", "stop", UNIT)
    assert (appliance.show("ActiveState"), appliance.show("Result")) == ("inactive", "success")
    assert appliance.box.check("ls", "/dev/shm") == ""
    assert appliance.box.run("pgrep", "--euid", "aegis").stdout == ""


def test_a_wrong_file_is_not_tried_again(appliance: Appliance) -> None:
    appliance.box.check("systemctl", "stop", UNIT)
    appliance.edit("max_order_qty", "-1.0")
    answer = appliance.box.run("systemctl", "start", UNIT, timeout_s=START_TIMEOUT_S)
    assert answer.returncode != 0
    assert appliance.show("ExecMainStatus") == "2"
    assert (appliance.show("ActiveState"), appliance.show("NRestarts")) == ("failed", "0")
    assert "max_order_qty" in appliance.box.journal()
    assert appliance.box.check("ls", "/dev/shm") == ""

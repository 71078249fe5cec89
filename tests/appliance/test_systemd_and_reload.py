"""What systemd is told over a whole life, and what SIGHUP does, over stand-in processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.conftest import MakeAppliance
from tests.appliance.harness import Appliance

QUICK = {"stall_timeout_ms": "1000", "canary_timeout_ms": "1200", "drain_timeout_ms": "2000"}


class Listener:
    """The other end of NOTIFY_SOCKET. A thread reads: the kernel queues no more than ten."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.address)
        self.messages: list[str] = []
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        while True:
            message = self.socket.recv(65_536).decode()
            if message == "the end":
                return
            self.messages.append(message)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"the end", self.address)
        self.thread.join()
        self.socket.close()

    def environment(self, watchdog_us: int = 400_000) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.address, "WATCHDOG_USEC": str(watchdog_us)}

    def count(self, beginning: str) -> int:
        return sum(message.startswith(beginning) for message in self.messages)

    def place(self, beginning: str) -> int:
        """Where the first message of a kind stands; fails when there is none."""
        found = [n for n, message in enumerate(self.messages) if message.startswith(beginning)]
        assert found, f"no {beginning} in {self.messages}"
        return found[0]


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path)
    yield made
    made.close()


def edit(one: Appliance, old: str, new: str) -> None:
    text = one.config.read_text()
    assert old in text
    one.config.write_text(text.replace(old, new, 1))


def test_the_whole_conversation(stand_ins: MakeAppliance, systemd: Listener) -> None:
    one = stand_ins(changes=QUICK, environment=systemd.environment()).start().until_ready()
    one.until("pings", lambda: systemd.count("WATCHDOG=1") >= 3)
    edit(one, "order_qty = 0.002", "order_qty = 0.003")
    os.kill(one.pid("supervisor"), signal.SIGHUP)
    one.until("the reload", lambda: systemd.count("READY=1") == 2)
    assert one.stop(signal.SIGTERM) == 0
    first_ready = systemd.place("READY=1")
    assert systemd.place("EXTEND_TIMEOUT_USEC=") < first_ready
    assert systemd.place("STATUS=starting: ") < first_ready
    assert systemd.place("WATCHDOG=1") > first_ready, "no ping before it is ready"
    reloading = systemd.place("RELOADING=1")
    assert "\nMONOTONIC_USEC=" in systemd.messages[reloading]
    assert any(message.startswith("READY=1") for message in systemd.messages[reloading + 1 :])
    assert systemd.place("STOPPING=1") > reloading
    assert systemd.count("STOPPING=1") == 1
    assert systemd.count("STATUS=gone") == 0
    assert not any("WATCHDOG=trigger" in message for message in systemd.messages)
    assert "SIMULATED" in systemd.messages[first_ready]


def test_no_ready_while_the_canary_does_not_come_round(
    stand_ins: MakeAppliance, systemd: Listener
) -> None:
    changes = {**QUICK, "restart_budget": "1"}
    environment = {**systemd.environment(), "FAKE_BRAIN": "silent"}
    one = stand_ins(changes=changes, environment=environment).start()
    assert one.finish(60) == 1
    assert systemd.count("READY=1") == 0
    assert systemd.count("WATCHDOG=1") == 0
    assert "WATCHDOG=trigger" in systemd.messages[-1]
    assert "budget" in systemd.messages[-1]
    assert systemd.place("STOPPING=1") < len(systemd.messages) - 1
    one.gone()


def test_pings_go_on_while_a_process_is_restarted_within_its_budget(
    stand_ins: MakeAppliance, systemd: Listener
) -> None:
    one = stand_ins(changes=QUICK, environment=systemd.environment()).start().until_ready()
    former_pid = one.pid("feed")
    os.kill(former_pid, signal.SIGSTOP)
    one.until_restarted("feed", former_pid)
    before = systemd.count("WATCHDOG=1")
    one.until("more pings", lambda: systemd.count("WATCHDOG=1") > before + 2)
    assert one.stop() == 0


def test_a_stopped_supervisor_does_not_ping(stand_ins: MakeAppliance, systemd: Listener) -> None:
    one = stand_ins(changes=QUICK, environment=systemd.environment()).start().until_ready()
    one.until("pings", lambda: systemd.count("WATCHDOG=1") >= 2)
    pid = one.pid("supervisor")
    os.kill(pid, signal.SIGSTOP)
    try:
        stopped = one.until(
            "it to stand still",
            lambda: next((p for p in one.view().problems if "supervisor" in p.what), None),
        )
        before = systemd.count("WATCHDOG=1")
        age = one.view().processes["supervisor"].heartbeat_age_ms or 0.0
        one.until(
            "a second without a turn",
            lambda: (one.view().processes["supervisor"].heartbeat_age_ms or 0) > age + 1_000,
        )
        assert systemd.count("WATCHDOG=1") == before, stopped
    finally:
        os.kill(pid, signal.SIGCONT)
    one.until("pings again", lambda: systemd.count("WATCHDOG=1") > before)
    assert one.stop() == 0


def test_a_good_reload_reaches_the_processes(stand_ins: MakeAppliance) -> None:
    one = stand_ins(changes=QUICK).start().until_ready()
    notes = one.notes()
    assert notes is not None
    former_hash = notes.config_hash
    assert former_hash == json.loads(one.call("check", "--json").stdout)["hash"]
    edit(one, "order_qty = 0.002", "order_qty = 0.003")
    edit(one, "max_open_orders = 10", "max_open_orders = 9")
    done = one.call("reload", one.name, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ok"]
    assert answer["config_version"] == 1
    assert "parameters.order_qty: 0.002 -> 0.003" in answer["text"]
    notes = one.notes()
    assert notes is not None and notes.config_hash != former_hash
    assert notes.config_hash == json.loads(one.call("check", "--json").stdout)["hash"]
    view = one.view()
    assert view.config_version == 1
    assert view.processes["brain"].parameters_version == 1
    assert view.processes["execution"].parameters_version == 1
    assert view.healthy
    # A process that is restarted later starts from the new configuration, too.
    former_pid = one.pid("brain")
    os.kill(former_pid, signal.SIGKILL)
    one.until_restarted("brain", former_pid)
    one.until("version", lambda: one.view().processes["brain"].parameters_version == 1)
    assert one.stop() == 0


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("order_qty = 0.002", 'order_qty = "', "TOML"),
        ("order_qty = 0.002", "order_qty = nan", "order_qty"),
        ("seed = 42", "seed = 43", "venue.seed"),
        ("max_open_orders = 10", "max_open_orders = 100", "max_open_orders"),
    ],
)
def test_a_bad_reload_keeps_the_old_configuration_and_says_so(
    stand_ins: MakeAppliance, old: str, new: str, named: str
) -> None:
    one = stand_ins(changes=QUICK).start().until_ready()
    pids = [one.pid(process) for process in ("supervisor", "brain", "execution")]
    edit(one, old, new)
    done = one.call("reload", one.name)
    assert done.returncode == 1
    assert named in done.stderr
    view = one.view()
    assert view.config_version == 0
    assert view.config_reload_failures == 1
    assert view.healthy, "it trades on with what it had"
    problem = next(p for p in view.problems if "reload" in p.what)
    assert named in problem.why
    assert problem.severity == "warning"
    assert [one.pid(process) for process in ("supervisor", "brain", "execution")] == pids
    edit(one, new, old)
    assert one.call("reload", one.name).returncode == 0
    assert not any("reload" in p.what for p in one.view().problems)
    assert one.stop() == 0


def test_stop_and_reload_of_nothing_say_so(stand_ins: MakeAppliance) -> None:
    one = stand_ins()
    for command in ("stop", "reload"):
        done = one.call(command, one.name)
        assert done.returncode == 3
        assert "not running" in done.stderr
    assert one.call("status", one.name).returncode == 3
    assert one.call("clean", one.name).returncode == 0


def test_stop_waits_until_it_is_gone(stand_ins: MakeAppliance) -> None:
    one = stand_ins(changes=QUICK).start().until_ready()
    done = one.call("stop", one.name, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"]
    assert one.finish(5) == 0
    one.gone()

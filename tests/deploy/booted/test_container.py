"""The container is what the other tests take it for: a real systemd that watches a unit.

A sample unit stands for the appliance here. If these fail, no finding of the other tests counts.
"""

from __future__ import annotations

import pytest

from tests.deploy.booted.container import Container
from tests.waiting import eventually

pytestmark = pytest.mark.booted

# Pings every half second until SIGUSR1 asks it to go silent; it then lives on, hung.
SAMPLE = """\
import signal
import threading

import sdnotify

notifier = sdnotify.SystemdNotifier(debug=True)
silent = threading.Event()
signal.signal(signal.SIGUSR1, lambda *_: silent.set())
notifier.notify("READY=1")
pause = threading.Event()
while True:
    if not silent.is_set():
        notifier.notify("WATCHDOG=1")
    pause.wait(0.5)
"""
SAMPLE_UNIT = """\
[Service]
Type=notify
ExecStart=/opt/aegis/venv/bin/python /opt/sample.py
WatchdogSec=2
Restart=on-failure
RestartSec=100ms
TimeoutAbortSec=1
"""


@pytest.fixture(scope="module")
def sample(container: Container) -> Container:
    container.write("/opt/sample.py", SAMPLE)
    container.write("/etc/systemd/system/sample.service", SAMPLE_UNIT)
    container.check("systemctl", "daemon-reload")
    container.check("systemctl", "start", "sample.service")
    return container


def test_systemd_is_process_one(container: Container) -> None:
    assert container.check("cat", "/proc/1/comm") == "systemd\n"
    assert container.check("ls", "/dev/shm") == ""


def test_no_network_but_loopback(container: Container) -> None:
    interfaces = container.check("cat", "/proc/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]


def test_the_bound_packages_work(container: Container) -> None:
    code = "import aegis, numpy, uvloop; print(aegis.__file__)"
    where = container.check("/opt/aegis/venv/bin/python", "-c", code)
    assert where == "/opt/aegis/source/aegis/__init__.py\n"


def test_a_missed_watchdog_is_a_restart(sample: Container) -> None:
    assert sample.show("sample.service", "ActiveState") == "active"
    first_pid = sample.show("sample.service", "MainPID")
    sample.check("systemctl", "kill", "--signal=SIGUSR1", "--kill-who=main", "sample.service")
    eventually(
        lambda: sample.show("sample.service", "NRestarts") == "1", "the restart", timeout_s=15
    )
    eventually(
        lambda: sample.show("sample.service", "ActiveState") == "active", "READY", timeout_s=15
    )
    assert sample.show("sample.service", "MainPID") != first_pid
    assert "Watchdog timeout" in sample.journal()

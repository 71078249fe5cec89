"""systemd/aegis@.service: systemd understands every line, the sandbox is tight, the times fit.

These tests need systemd's analyzer and no running systemd. tests/deploy/booted runs the unit.
"""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ANALYZER = shutil.which("systemd-analyze")
needs_analyzer = pytest.mark.skipif(ANALYZER is None, reason="systemd-analyze is not installed")
# systemd's scale times ten: 0 is a closed box, 96 a service without any hardening.
EXPOSURE_MAX = 20
EXPOSURE_BARE = 90


@pytest.fixture
def unit_text(repository: Path) -> str:
    return (repository / "systemd" / "aegis@.service").read_text(encoding="utf-8")


def settings_of(unit_text: str) -> dict[str, str]:
    """The last value of each setting of a unit file."""
    lines = (line for line in unit_text.splitlines() if not line.startswith("#") and "=" in line)
    return dict(line.split("=", 1) for line in lines)


def analyze(folder: Path, unit_text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    unit = folder / "aegis@.service"
    unit.write_text(unit_text, encoding="utf-8")
    assert ANALYZER is not None
    return subprocess.run(
        [ANALYZER, *arguments, str(unit)], capture_output=True, text=True, timeout=60, check=False
    )


def complaints(folder: Path, unit_text: str) -> list[str]:
    """What `systemd-analyze verify` says of the unit. Its exit code is 0 even for unknown keys.

    The command is replaced, because this machine has no /opt/aegis; lines about other units of this
    machine are left out.
    """
    verified = unit_text.replace("/opt/aegis/venv/bin/aegis", "/bin/true")
    answer = analyze(folder, verified, "verify", "--man=no")
    return [line for line in answer.stderr.splitlines() if "aegis@" in line]


@needs_analyzer
def test_systemd_has_no_complaint(tmp_path: Path, unit_text: str) -> None:
    assert complaints(tmp_path, unit_text) == []


@needs_analyzer
@pytest.mark.parametrize(
    "broken", ["WatchdogSeconds=10", "WatchdogSec=ten", "SystemCallFilter=@no-such-set"]
)
def test_a_wrong_line_is_a_complaint(tmp_path: Path, unit_text: str, broken: str) -> None:
    wrong = unit_text.replace("[Service]\n", f"[Service]\n{broken}\n")
    assert complaints(tmp_path, wrong) != []


def exposure_is_below(limit: int, folder: Path, unit_text: str) -> bool:
    arguments = ("security", "--offline=true", "--no-pager", f"--threshold={limit}")
    return analyze(folder, unit_text, *arguments).returncode == 0


@needs_analyzer
def test_the_sandbox_is_tight(tmp_path: Path, unit_text: str) -> None:
    assert exposure_is_below(EXPOSURE_MAX, tmp_path, unit_text)


@needs_analyzer
def test_the_exposure_gate_can_fail(tmp_path: Path) -> None:
    bare = "[Service]\nType=notify\nExecStart=/bin/true\n"
    assert not exposure_is_below(EXPOSURE_BARE, tmp_path, bare)


def test_the_command_is_the_one_that_the_playbook_installs(unit_text: str) -> None:
    settings = settings_of(unit_text)
    config = "--config /etc/aegis/aegis.toml"
    assert settings["ExecStart"] == f"/opt/aegis/venv/bin/aegis run %i {config}"
    after = [line for line in unit_text.splitlines() if line.startswith("ExecStopPost=")]
    command = "ExecStopPost=-/opt/aegis/venv/bin/aegis"
    # First the orders, by a client that needs nothing of the dead appliance, then the memory.
    assert after == [
        f"{command} cancel-all %i --independent --keep-stops --timeout 15 {config}",
        f"{command} clean %i {config}",
    ]
    assert int(settings["TimeoutStopSec"]) > 15
    assert settings["Type"] == "notify"
    assert settings["NotifyAccess"] == "main"


def test_what_the_jit_and_the_pinning_need_is_left_open(unit_text: str) -> None:
    settings = settings_of(unit_text)
    assert settings["MemoryDenyWriteExecute"] == "no"
    assert settings["RestrictRealtime"] == "no"
    assert "@resources" in unit_text
    assert "CPUAffinity" not in settings


def test_systemd_waits_longer_than_the_supervisor(repository: Path, unit_text: str) -> None:
    """Otherwise systemd would kill the appliance while it mends itself or cancels its orders."""
    settings = settings_of(unit_text)
    supervisor = tomllib.loads((repository / "aegis.toml").read_text())["supervisor"]
    watchdog_ms = 1000 * int(settings["WatchdogSec"])
    assert watchdog_ms > supervisor["stall_timeout_ms"] + supervisor["canary_timeout_ms"]
    assert 1000 * int(settings["TimeoutStopSec"]) > 2 * supervisor["drain_timeout_ms"]


def test_hopeless_exits_are_not_tried_again(unit_text: str) -> None:
    settings = settings_of(unit_text)
    assert settings["Restart"] == "on-failure"
    assert settings["RestartPreventExitStatus"].split() == ["2", "4"]

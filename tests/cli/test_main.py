"""The command line as a whole: cheap to load, exact exit codes, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aegis.cli import main as main_module
from aegis.cli.main import main

COMMANDS = (
    "run", "status", "stop", "reload", "clean", "check", "doctor", "record", "data", "bench",
    "venue",
)  # fmt: skip


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run a command inside this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["aegis", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.fixture
def config(repository: Path, tmp_path: Path) -> Path:
    """The shipped file with an empty directory in the place of /dev/shm."""
    path = tmp_path / "aegis.toml"
    text = (repository / "aegis.toml").read_text()
    assert 'shm_dir = "/dev/shm"' in text
    path.write_text(text.replace('shm_dir = "/dev/shm"', f'shm_dir = "{tmp_path}/shm"'))
    (tmp_path / "shm").mkdir()
    return path


def test_help_names_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, command, "--help") == 0
    assert "Usage: aegis" in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    """Else `aegis --help` would wait for Numba, and BLAS threads would exist before a fork."""
    script = (
        "import sys, aegis.cli.main;"
        "heavy = ['numpy', 'numba', 'uvloop', 'aiohttp', 'pydantic', 'cryptography'];"
        "heavy += ['pyarrow', 'zstandard'];"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "btc", "--nonsense"),
        ("run", "btc", "--for", "soon"),
        ("run", "btc", "--for", "-1"),
        ("run", "btc", "--speed", "0"),
        ("nonsense",),
        ("status", "btc", "extra"),
        (),
    ],
)
def test_wrong_usage_is_two(
    arguments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, *arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_missing_recording_is_two(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = str(config.parent / "nowhere.gz")
    assert call(monkeypatch, "run", "btc", "--config", str(config), "--mirror", mirror) == 2
    assert f"{mirror}: no such file" in capsys.readouterr().err


def test_an_unknown_instance_is_two_and_the_nearest_name_is_told(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "run", "btd", "--config", str(config)) == 2
    assert "did you mean btc" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("max_order_qty = 0.01", "max_order_qty = nan", "max_order_qty"),
        ("max_order_qty = 0.01", "max_order_qty = inf", "max_order_qty"),
        ("max_order_qty = 0.01", "", "max_order_qty"),
        ("risk_aversion = 0.002", "risk_aversoin = 0.002", "risk_aversion"),
        ("[hardware]", "[hardware", "TOML"),
    ],
)
def test_a_bad_file_is_two_and_starts_nothing(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    named: str,
) -> None:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new, 1))
    assert call(monkeypatch, "run", "btc", "--config", str(config)) == 2
    shown = capsys.readouterr().err
    assert named in shown
    assert str(config) in shown
    assert list((config.parent / "shm").iterdir()) == []


def test_no_file_is_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "none.toml")
    assert call(monkeypatch, "run", "btc", "--config", missing) == 2
    assert missing in capsys.readouterr().err


def test_status_of_nothing_is_three_with_one_object(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "status", "btc", "--config", str(config), "--json") == 3
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    found = json.loads(lines[0])
    assert found["state"] == "absent"
    assert not found["healthy"]
    assert found["problems"][0]["do"] == "aegis run btc"
    assert call(monkeypatch, "status", "--config", str(config), "--json") == 3
    assert json.loads(capsys.readouterr().out)["instances"] == []


def test_status_works_while_the_file_is_broken(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text().replace("max_order_qty = 0.01", "max_order_qty = nan", 1))
    assert call(monkeypatch, "status", "btc", "--config", str(config), "--json") == 3
    shown = capsys.readouterr()
    assert json.loads(shown.out)["directory"] == f"{config.parent}/shm/aegis-btc"
    assert "cannot be used" in shown.err


def test_what_a_command_raises_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**options: object) -> None:
        raise RuntimeError("the disk\nhas gone")

    monkeypatch.setattr(main_module, "app", broken)
    monkeypatch.delenv("AEGIS_DEBUG", raising=False)
    assert call(monkeypatch, "status") == 1
    shown = capsys.readouterr().err
    assert shown.startswith("aegis: failed: RuntimeError: the disk has gone (at test_main.py:")
    assert shown.count("\n") == 1
    monkeypatch.setenv("AEGIS_DEBUG", "1")
    assert call(monkeypatch, "status") == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_has_enough_is_no_failure(config: Path) -> None:
    script = f"{sys.executable} -m aegis.cli check --config {config} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_run_refuses_a_place_for_the_regions_that_is_none(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    repository: Path,
    tmp_path: Path,
) -> None:
    text = (repository / "aegis.toml").read_text()
    file = tmp_path / "aegis.toml"
    file.write_text(text.replace('"/dev/shm"', f'"{tmp_path}/missing"', 1))
    assert call(monkeypatch, "run", "btc", "--config", str(file)) == 2
    assert "hardware.shm_dir" in capsys.readouterr().err


def test_status_of_a_place_that_is_none_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert call(monkeypatch, "status", "--shm-dir", str(tmp_path / "missing")) == 2
    assert "no such directory" in capsys.readouterr().err


def test_ctrl_c_while_the_command_is_loading_shows_no_traceback(tmp_path: Path) -> None:
    """The signal comes at a moment of the import that is made certain by a module of our own."""
    (tmp_path / "typer.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nsignal.pause()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", "from aegis.cli.entry import main; main()"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == -signal.SIGINT
    assert done.stderr == ""

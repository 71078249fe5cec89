"""A port that is in use ends the start at once, before anything is compiled or forked."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from aegis.monitor.last_run import read_last_run
from aegis.supervisor.errors import PortTakenError
from aegis.supervisor.startup import _check_port
from tests.appliance.harness import configuration


def test_a_free_port_and_any_port_pass() -> None:
    _check_port("127.0.0.1", 0)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        free = holder.getsockname()[1]
    _check_port("127.0.0.1", free)
    _check_port("127.0.0.1", free)


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        port = holder.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            _check_port("127.0.0.1", port)


def test_aegis_run_refuses_with_exit_code_2(repository: Path, tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        port = holder.getsockname()[1]
        file = tmp_path / "aegis.toml"
        file.write_text(configuration(repository, "porttest", {"port": str(port)}))
        done = subprocess.run(
            [sys.executable, "-m", "aegis.cli", "run", "porttest", "--config", str(file)],
            capture_output=True, text=True, timeout=60, check=False, cwd=repository,
        )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr
    assert "write another port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("/dev/shm/aegis-porttest").exists()
    run = read_last_run("porttest")
    assert run is not None and run.exit_code == done.returncode
    assert f"it could not start: the exchange cannot listen on 127.0.0.1:{port}" in run.reason

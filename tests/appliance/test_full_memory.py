"""A /dev/shm that is too small: a clear refusal at the start, never a SIGBUS later.

Needs a mount namespace of its own, which only root may make.
"""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.appliance.conftest import MakeAppliance
from tests.appliance.harness import START_S, Appliance
from tests.conftest import REPOSITORY


def run_with_small_memory(one: Appliance, size: str) -> subprocess.CompletedProcess[str]:
    """`aegis run` where /dev/shm is a tmpfs of this size that nobody else sees."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare(1) is not installed")
    probe = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /dev/shm"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not make a mount namespace with a tmpfs in it")
    script = (
        f'mount -t tmpfs -o size={size} tmpfs /dev/shm && "$@"; code=$?; ls /dev/shm; exit $code'
    )
    command = ["unshare", "--mount", "sh", "-c", script, "sh"]
    return subprocess.run(
        [*command, *one.command("run", one.name, "--json")],
        cwd=REPOSITORY,
        env=one.environment,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )


@pytest.mark.parametrize("size", ["64k", "1m", "4m"])
def test_a_full_shared_memory_refuses_the_start(stand_ins: MakeAppliance, size: str) -> None:
    one = stand_ins()
    done = run_with_small_memory(one, size)
    assert done.returncode == 1, done.stderr
    assert "needs" in done.stderr
    assert "are free" in done.stderr
    assert "bytes of shared memory in all" in done.stderr
    assert "shm_dir" in done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert not json.loads(lines[0])["ok"]
    assert lines[1:] == [], "it left something in /dev/shm"

"""Execution for half an hour at 200 orders a second, with every connection lost every 20 s.

Nothing may grow, nothing may stay unknown, and position and profit must be the exchange's to the
last unit. A shorter one is had with

    AEGIS_SOAK_S=600 pytest -s --long tests/execution/test_soak.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.execution.soak_stand import CLOSE_EVERY_MS, ORDERS_PER_S, SETTLED_SHARE

STARTUP_S = 600.0
# So long it takes until what fills up to a bound is full.
FULL_S = 900.0
# Flat: the upper bound of each slope. 16 KiB a minute would be 22 MiB a day.
_MOST_PER_MINUTE = {
    "own_kib_per_min": 16.0,
    "in_use_kib_per_min": 4.0,
}
# The client of REST remembers the last 128 addresses and what they consist of: 2,300 blocks in all,
# which it has when it has asked for some four hundred.
_MOST_BLOCKS = 3_000


@pytest.mark.long
def test_half_an_hour_with_a_disconnect_every_20_s_leaves_nothing_behind(
    tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = float(os.environ.get("AEGIS_SOAK_S", "1800"))
    command = ["-m", "tests.execution.soak_stand", "--seconds", str(seconds), "--folder"]
    done = subprocess.run(
        [sys.executable, *command, str(tmp_path)],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=seconds + STARTUP_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    with capsys.disabled():
        print(f"\n{json.dumps(found, indent=1)}")
    assert found["differences"] == {}
    assert found["resting"] == 0 and found["exit_code"] == 0
    assert found["gate"] == [1, 0], "nothing has tripped the latch"
    # What the brain wants while no line is up is denied.
    assert found["orders_per_s"] > 0.9 * ORDERS_PER_S
    assert found["disconnects"] >= seconds * 1_000 // CLOSE_EVERY_MS - 1
    assert found["errors"] == 0
    assert found["own_faults"] == [], "nothing that the stand-in of the strategy is to blame for"
    assert all(line.startswith("aegis soak execution: ") for line in found["said"]), found["said"]
    assert abs(found["growth_kib"]) < 2048.0
    assert found["blocks_grown"] < _MOST_BLOCKS
    if SETTLED_SHARE * seconds >= FULL_S:
        for name, most in _MOST_PER_MINUTE.items():
            slope, error = found[name]
            assert slope + 2 * error < most, f"{name}: {slope:.2f} with an error of {error:.2f}"
    low, high = found["descriptors"]
    assert high - low < 8, "lines that are replaced are closed"

"""`aegis bench execution`: every order leaves by both transports, and the keys are whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_the_smoke_size_has_every_figure(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aegis.cli", "bench", "execution", "--smoke", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for transport in ("ws", "rest"):
        ours = found["intent_to_socket_us"][transport]
        # On a busy machine a late one is denied as stale.
        assert ours["count"] >= 0.95 * found["orders"]
        assert 0 < ours["p50"] <= ours["p99"]
        assert found["parked_us"][transport]["p50"] > 0
        assert found["baseline"]["intent_to_socket_us"][transport]["p50"] > 0
    assert 0 < found["gate_ns"]["p50"] < found["gate"]["baseline"]["gate_ns"]["p50"]
    costs = found["order_table_ns"]
    assert list(costs) == ["10000", "1000000", "10000000"]
    assert min(costs.values()) > 0
    assert found["order_table"]["grown_bytes"] < 1 << 20
    stopped = found["runaway"]
    assert 0 < stopped["halted_ms"] <= stopped["all_cancelled_ms"]
    assert stopped["control"] == "MAX_MSG_RATE"
    # What the limits allow, whatever it wanted.
    assert 0 <= stopped["orders_sent"] <= 20 < stopped["emitted"]
    # The latch that was tripped on purpose meets nobody else.
    assert list(tmp_path.rglob("*")) == []

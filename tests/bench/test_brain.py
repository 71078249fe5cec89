"""The benchmark of the brain: a short round decides, counts, and leaves nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aegis.bench.brain import STRATEGIES
from aegis.bench.brain_stand import run_brain
from aegis.bench.pair import cores


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_round_keeps_up_and_decides(strategy: str, tmp_path: Path) -> None:
    found = run_brain(strategy, 1.0, 3_000, 2.0, cores(), tmp_path)
    assert found.keeps_up, found
    assert found.symbols == 320
    assert found.ticks_per_s > 1_000
    assert 0 <= found.lag_records["p99"] <= found.lag_records["max"] < 16_384
    assert found.intents > 0
    assert 0.0 < found.event_to_intent_us["p50"] <= found.event_to_intent_us["p999"]
    assert found.collections_in_cycle == 0
    assert found.cycles > 0
    # What allocated for every event would have grown by thousands.
    assert abs(found.blocks_grown) < 0.1 * found.ticks_per_s, "the duty cycle allocates"
    assert not Path(f"/dev/shm/aegis-bench{os.getpid()}").exists()

"""`aegis bench ring` and `hop` in their smoke size: contents and keys, never a speed.

A speed measured while other tests run says nothing; that every record came whole does.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import pytest

from aegis.bench import ring_kernels
from aegis.bench.hop import measure_hop
from aegis.bench.ring import Lane, _expected_checksum, measure_ring
from aegis.shm.tick import TICK
from aegis.shm.wait import BY_NAME

PERCENTILES = ("p50", "p99", "p999", "max")
BASELINES = {"multiprocessing.Queue", "multiprocessing.Pipe", "struct"}


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return measure_ring(smoke=True)


def ordered(times: dict[str, int]) -> bool:
    """Whether these are percentiles at all."""
    values = [times[name] for name in PERCENTILES]
    return values[0] > 0 and values == sorted(values)


def test_every_record_came_and_was_whole(result: dict[str, Any]) -> None:
    assert result["verified"] is True


def test_the_lapped_reader_accounts_for_every_record(result: dict[str, Any]) -> None:
    lapped = result["lapped"]
    assert lapped["accounted"] is True
    assert lapped["torn"] == 0
    assert lapped["read"] + lapped["lost"] == lapped["published"] > 0


def test_the_result_has_its_documented_keys_on_one_line(result: dict[str, Any]) -> None:
    assert "\n" not in json.dumps(result)
    for lane in (result, *result["baselines"].values()):
        assert lane["records_per_s"] > 0
        assert lane["records_per_s_batched"] > 0
        assert ordered(lane["rtt_ns"])
    assert set(result["baselines"]) == set(result["times_faster"]) == BASELINES
    assert result["record_bytes"] == 64
    assert result["shared_core"] == (len(os.sched_getaffinity(0)) == 1)


@pytest.mark.parametrize("damage", ["lost", "repeated", "changed", "swapped"])
def test_the_checksum_notices_every_damage(damage: str) -> None:
    """The same loop that the benchmark trusts, over records that are not right."""
    count = 100
    lane, sums = Lane(256), np.zeros(2, np.uint64)
    out = np.zeros(64, TICK)
    ring_kernels.produce_singly(lane.header, lane.records, count)
    records = lane.records
    if damage == "lost":
        records[50 : count - 1] = records[51:count].copy()
    elif damage == "repeated":
        records[50] = records[49]
    elif damage == "changed":
        records[50]["d"] += 1.0
    else:
        records[[50, 51]] = records[[51, 50]]
    assert ring_kernels.consume(lane.header, lane.records, out, count, sums) == count
    assert int(sums[0]) != _expected_checksum(count) or int(sums[1]) > 0


def test_a_dead_partner_does_not_hold_the_reader_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """No signal ends a kernel, so its loops are bounded; here with less patience."""
    monkeypatch.setattr(ring_kernels, "_PATIENCE", 1_000)
    lane, sums, out = Lane(256), np.zeros(2, np.uint64), np.zeros(64, TICK)
    ring_kernels.produce_singly(lane.header, lane.records, 10)
    assert recompiled(ring_kernels.consume)(lane.header, lane.records, out, 11, sums) == 10
    assert recompiled(ring_kernels.await_turn)(np.zeros(1, np.uint64), 0, 1) == 0


def recompiled(kernel: Any) -> Any:
    """The kernel compiled anew, uncached: with the module's constants as they are now."""
    import numba

    return numba.njit(kernel.py_func)


def test_a_hop_is_measured_for_every_way_of_waiting() -> None:
    result = measure_hop(smoke=True)
    expected = set(BY_NAME) - ({"spin"} if result["shared_core"] else set())
    assert set(result["hop_ns"]) == expected
    for times in result["hop_ns"].values():
        assert ordered(times)
        assert times["count"] == result["records"]
    for lane in result["baselines"].values():
        assert ordered(lane["hop_ns"])

"""Two processes for a benchmark: each on its core, and nobody left behind."""

from __future__ import annotations

import os
import signal
import time

import pytest

from aegis.bench.pair import Cores, cores, run_pair


def children() -> str:
    """Our child processes, running or not yet reaped."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return file.read().strip()


def test_both_sides_run_on_their_cores_and_the_affinity_comes_back() -> None:
    before = os.sched_getaffinity(0)
    where = cores()
    reading, writing = os.pipe()
    seen = []
    run_pair(
        lambda: os.write(writing, repr(os.sched_getaffinity(0)).encode()) and None,
        lambda: seen.append(os.sched_getaffinity(0)),
        where,
    )
    assert os.read(reading, 100).decode() == repr({where.child})
    os.close(reading)
    os.close(writing)
    assert seen == [{where.parent}]
    assert os.sched_getaffinity(0) == before


def test_one_core_is_said_to_be_shared() -> None:
    assert Cores(1, 1).shared
    assert not Cores(0, 1).shared


def test_a_child_that_fails_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ArithmeticError("deliberate")

    with pytest.raises(RuntimeError, match="second process ended with status"):
        run_pair(fail, lambda: None, cores())
    assert "deliberate" in capfd.readouterr().err
    assert children() == ""


def test_a_parent_that_fails_takes_the_child_along() -> None:
    def sleep_for_ever() -> None:
        while True:
            signal.pause()

    def fail() -> None:
        raise ArithmeticError("deliberate")

    before = os.sched_getaffinity(0)
    began = time.monotonic()
    with pytest.raises(ArithmeticError):
        run_pair(sleep_for_ever, fail, cores())
    assert time.monotonic() - began < 5.0
    assert children() == ""
    assert os.sched_getaffinity(0) == before

"""Execution as a real process, killed and stopped at every moment that matters, and judged.

A few rounds in the ordinary suite; with --long all of them:

    AEGIS_ROUNDS=510 AEGIS_ROUNDS_SEED=1 pytest -s --long tests/execution/rounds

A round that breaks a promise prints the command that replays it.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.execution.rounds.awaits import ROOM, await_points, point_at
from tests.execution.rounds.plan import FAULTS, PROVOKED_BY, SLOW, plan_round

# What a round may take on a machine that others use as well, and what a start without kernels may.
ROUND_S = 30.0
STARTUP_S = 300.0


def play(repository: Path, *arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """A campaign in a process of its own: it forks, and this one may have threads."""
    return subprocess.run(
        [sys.executable, "-m", "tests.execution.rounds", *arguments],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.mark.alone
def test_some_rounds(repository: Path) -> None:
    done = play(
        repository, "--rounds", "12", "--seed", "2", "--seconds", "10",
        timeout_s=STARTUP_S + 12 * ROUND_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.long
@pytest.mark.alone
def test_all_rounds(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rounds = os.environ.get("AEGIS_ROUNDS", "510")
    seed = os.environ.get("AEGIS_ROUNDS_SEED", "1")
    timeout_s = STARTUP_S + int(rounds) * ROUND_S
    done = play(repository, "--rounds", rounds, "--seed", seed, timeout_s=timeout_s)
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stderr + done.stdout


def test_a_plan_follows_from_its_numbers() -> None:
    assert plan_round(3, 7) == plan_round(3, 7)
    assert plan_round(3, 7) != plan_round(3, 8)
    assert plan_round(3, 7) != plan_round(4, 7)
    assert {SLOW, *(name for names in PROVOKED_BY.values() for name in names)} <= set(FAULTS)


def test_the_sweep_dies_before_and_after_every_await_point() -> None:
    rounds = -(-2 * len(await_points()) * 5 // 4)
    swept = {
        (act.death.at, act.death.after)
        for number in range(rounds + 5)
        for act in plan_round(1, number).acts
        if act.death is not None and act.death.count == 1
    }
    wanted = {(str(point), after) for point in await_points() for after in (False, True)}
    assert wanted <= swept


def test_every_await_of_the_source_is_a_point() -> None:
    for file in ("session.py", "resolver.py"):
        for node in ast.walk(ast.parse((ROOM / file).read_text())):
            if isinstance(node, ast.Await):
                assert point_at(file, node.lineno) is not None

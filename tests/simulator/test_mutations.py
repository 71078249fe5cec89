"""The oracles bite: every bug that is put in on purpose is noticed within a few seeds."""

from __future__ import annotations

import pytest

from aegis.simulator.premises import Premises
from aegis.simulator.trial import Trial
from tests.simulator.mutations import MUTATIONS, Patch, applied

_SEEDS_EACH = 200


def caught_by(premises: Premises, patch: Patch, first: int, count: int) -> tuple[str, int] | None:
    """(oracle, seed) of the first seed that notices a mutation, None when none does."""
    for seed in range(first, first + count):
        with applied(patch):
            result = Trial(seed, premises).run()
        if result.oracle:
            return result.oracle, seed
    return None


def test_every_mutation_is_caught(capsys: pytest.CaptureFixture[str]) -> None:
    table = []
    with Premises() as premises:
        for name, patch, first in MUTATIONS:
            table.append((name, caught_by(premises, patch, first, _SEEDS_EACH)))
    with capsys.disabled():
        print()
        for name, caught in table:
            oracle, seed = caught or ("NOT CAUGHT", 0)
            print(f"  {name:36} {oracle:10} seed {seed}")
    assert [name for name, caught in table if caught is None] == []
    # Every oracle that a bug of execution can break has caught one.
    caught_with = {caught[0] for _, caught in table if caught is not None}
    assert caught_with >= {"I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10"}

"""The second half of the seeds of every run, and those that once did: none violates an oracle."""

from __future__ import annotations

import pytest

from tests.simulator.seeds import NAMED, SECOND_HALF, run_chunk


@pytest.mark.parametrize(("first", "last"), SECOND_HALF)
def test_no_seed_violates_an_oracle(first: int, last: int) -> None:
    run_chunk(first, last)


@pytest.mark.parametrize("seed", NAMED)
def test_no_seed_that_found_something_finds_it_again(seed: int) -> None:
    run_chunk(seed, seed)

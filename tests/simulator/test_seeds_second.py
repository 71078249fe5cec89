"""The second half of the seeds of every run: none violates an oracle."""

from __future__ import annotations

import pytest

from tests.simulator.seeds import SECOND_HALF, run_chunk


@pytest.mark.parametrize(("first", "last"), SECOND_HALF)
def test_no_seed_violates_an_oracle(first: int, last: int) -> None:
    run_chunk(first, last)

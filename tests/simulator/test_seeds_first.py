"""The first half of the seeds of every run: none violates an oracle, and the faults did come."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulator.seeds import FIRST_HALF, run_chunk

# What must have happened somewhere in the half, all kinds of it.
WANTED = {
    *("kill", "stop", "killed for long", "stopped for long", "power loss"),
    *("cut", "half open", "partition", "REST outage", "key expired", "429", "418"),
    *("foreign order", "liquidation", "position edited", "clock step"),
    *("brain stopped", "brain restarted", "feed stopped", "supervisor stopped"),
    *("disk write", "disk sync", "disk create"),
}


@pytest.mark.parametrize(("first", "last"), FIRST_HALF)
def test_no_seed_violates_an_oracle(first: int, last: int) -> None:
    run_chunk(first, last)


def test_every_kind_of_fault_came() -> None:
    faults: Counter[str] = Counter()
    for first, last in FIRST_HALF:
        faults += run_chunk(first, last)
    assert set(faults) >= WANTED

"""A seed gives the same steps again, traced or not; and very many, when there is time for them.

The seeds of every run are in `seeds`. The command runs any number of them:
`aegis simulate --seeds 1..100000`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from aegis.monitor.reading import instances_in
from aegis.simulator.campaign import run_seeds
from aegis.simulator.premises import Premises
from aegis.simulator.trial import Trial
from tests.simulator.seeds import complaint

_LONG = 100_000


@pytest.fixture
def premises() -> Iterator[Premises]:
    with Premises() as made:
        yield made


def test_a_seed_gives_the_same_steps_again(premises: Premises) -> None:
    for seed in (3, 44, 213):
        first, again = (Trial(seed, premises).run() for _ in range(2))
        assert first == again
        assert first.steps > 100


def test_what_it_keeps_in_shared_memory_is_nobodys_instance(premises: Premises) -> None:
    folder = premises.memory.directory.parent
    assert folder.name.startswith("aegis.")
    assert not [name for name in instances_in(folder.parent) if folder.name.endswith(name)]


def test_a_trace_changes_nothing_and_tells_what_crosses_the_edge(premises: Premises) -> None:
    lines: list[str] = []
    traced = Trial(5, premises, lines.append).run()
    assert traced == Trial(5, premises).run()
    assert any("order.place" in line for line in lines)
    assert "healed" in "\n".join(lines)
    # What execution says to people is judged, too: no key is ever in it.
    assert any("says ready" in line for line in lines)


@pytest.mark.long
def test_the_trial_does_not_depend_on_how_strings_hash() -> None:
    """A set of texts that decides what is done next would differ between two processes."""
    program = (
        "from aegis.simulator.premises import Premises\n"
        "from aegis.simulator.trial import Trial\n"
        "with Premises() as premises:\n"
        "    print([Trial(seed, premises).run().checksum for seed in range(40)])\n"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for hashes in ("1", "2")
    }
    assert len(told) == 1


@pytest.mark.long
def test_no_seed_of_very_many_violates_an_oracle() -> None:
    summary = run_seeds(1, _LONG)
    assert not summary.failed, complaint(summary)
    assert summary.seeds == _LONG

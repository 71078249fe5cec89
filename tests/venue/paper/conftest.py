"""Shared memory of its own for every test of the venue on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis.shm.instance import InstanceMemory
from tests.venue.paper.desk import BTC, PaperDesk, list_contracts


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[InstanceMemory]:
    made = InstanceMemory.create("paper-test", instruments=2, shm_dir=tmp_path)
    list_contracts(made, BTC)
    yield made
    made.close()
    made.unlink()


@pytest.fixture
def desk(memory: InstanceMemory) -> PaperDesk:
    """A market with two levels a side, in force."""
    desk = PaperDesk(memory)
    desk.feed_levels([(60000.0, 1.0), (59999.9, 2.0)], [(60000.1, 0.5), (60000.2, 2.0)])
    desk.begin()
    desk.read()
    return desk

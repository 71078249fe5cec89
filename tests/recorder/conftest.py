"""What the recorder's tests share: shared memory of their own, records of every kind, files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis.shm.instance import InstanceMemory


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[InstanceMemory]:
    """The regions of an instance whose owner nobody can ask after."""
    place = tmp_path / "shm"
    place.mkdir()
    made = InstanceMemory.create("rec-test", instruments=3, shm_dir=place)
    made.instruments.set(0, symbol="BTCUSDT", tick_size=0.1, step_size=0.001)
    yield made
    made.close()
    made.unlink()

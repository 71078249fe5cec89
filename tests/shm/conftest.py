"""What the tests of shared memory share: a directory in /dev/shm, rings in it, second processes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aegis.shm import broadcast, gated
from aegis.shm.broadcast import BroadcastRing
from aegis.shm.gated import GatedRing
from aegis.shm.region import Region
from aegis.shm.tick import TICK
from tests.shm.forked import Forked

MakeBroadcast = Callable[..., BroadcastRing]
MakeGated = Callable[..., GatedRing]
Fork = Callable[[Callable[[], object]], Forked]


@pytest.fixture
def shm_dir() -> Iterator[Path]:
    """A private directory on /dev/shm, gone after the test."""
    directory = Path(tempfile.mkdtemp(prefix="test-shm-", dir="/dev/shm"))
    yield directory
    shutil.rmtree(directory)


def _ring_region(path: Path, kind: int, capacity: int) -> Region:
    return Region.create(
        path,
        kind=kind,
        capacity=capacity,
        record_bytes=TICK.itemsize,
        body_bytes=capacity * TICK.itemsize,
        owner=(os.getpid(), 0),
    )


@pytest.fixture
def broadcast_ring(shm_dir: Path) -> MakeBroadcast:
    """Make a broadcast ring of ticks: `broadcast_ring(capacity=1024, name="ticks")`."""

    def make(capacity: int = 1024, name: str = "ticks") -> BroadcastRing:
        return BroadcastRing(_ring_region(shm_dir / name, broadcast.KIND, capacity), TICK)

    return make


@pytest.fixture
def gated_ring(shm_dir: Path) -> MakeGated:
    """Make a gated ring of tick records: `gated_ring(capacity=1024, name="lane")`."""

    def make(capacity: int = 1024, name: str = "lane") -> GatedRing:
        return GatedRing(_ring_region(shm_dir / name, gated.KIND, capacity), TICK)

    return make


@pytest.fixture
def fork() -> Iterator[Fork]:
    """Run a function in a forked process; what still runs after the test is killed."""
    children: list[Forked] = []

    def start(function: Callable[[], object]) -> Forked:
        children.append(Forked(function))
        return children[-1]

    yield start
    for child in children:
        child.kill()


@pytest.fixture
def keep_affinity() -> Iterator[None]:
    """Give this process its cores back after a test that pinned it."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)

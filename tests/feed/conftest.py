"""What the feed's tests share: compiled kernels, shared memory of their own, an intake over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aegis.feed.intake import Intake
from aegis.feed.warm_up import warm_up
from aegis.shm.instance import InstanceMemory


@pytest.fixture(scope="session", autouse=True)
def _compiled_kernels() -> None:
    # Otherwise the first test of each kernel would pay for its compilation and miss its deadline.
    warm_up()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[InstanceMemory]:
    made = InstanceMemory.create("feed-test", instruments=4, shm_dir=tmp_path)
    yield made
    made.close()
    made.unlink()


@pytest.fixture
def make_intake(memory: InstanceMemory) -> Callable[..., Intake]:
    """An intake over `memory`, for BTCUSDT unless other symbols are named."""

    def make(symbols: list[str] | None = None, side_capacity: int = 8192) -> Intake:
        return Intake(
            symbols or ["BTCUSDT"],
            memory.ticks,
            memory.books,
            memory.counters["feed"],
            side_capacity=side_capacity,
        )

    return make


@pytest.fixture
def intake(make_intake: Callable[..., Intake]) -> Intake:
    return make_intake()

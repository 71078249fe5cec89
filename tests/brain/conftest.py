"""Fixtures of the brain's tests: harnesses that close themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.brain.harness import Harness


@pytest.fixture
def make_harness(tmp_path: Path) -> Iterator[Callable[..., Harness]]:
    """Make any number of harnesses, each over regions of its own."""
    made: list[Harness] = []

    def make(**options: Any) -> Harness:
        folder = tmp_path / f"memory-{len(made)}"
        folder.mkdir()
        made.append(Harness(folder, **options))
        return made[-1]

    yield make
    for harness in made:
        harness.close()


@pytest.fixture
def harness(make_harness: Callable[..., Harness]) -> Harness:
    """A synced brain with one instrument and the default parameters."""
    return make_harness()

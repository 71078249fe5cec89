"""Fixtures of this room: a core over temporary shared memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.execution.harness import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A core that is ready to trade, with fresh books."""
    made = Desk(tmp_path)
    yield made
    made.close()

"""Fixtures of the tests with real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.appliance.harness import REAL, Appliance

MakeAppliance = Callable[..., Appliance]


@pytest.fixture
def stand_ins(tmp_path: Path) -> Iterator[MakeAppliance]:
    """Makes appliances whose four processes are stand-ins: quick, for the supervisor's own work."""
    yield from _maker(tmp_path)


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[MakeAppliance]:
    """Makes real appliances."""
    yield from _maker(tmp_path, program=REAL)


def _maker(folder: Path, **fixed: Any) -> Iterator[MakeAppliance]:
    made: list[Appliance] = []

    def make(**options: Any) -> Appliance:
        made.append(Appliance(folder, **{**fixed, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()

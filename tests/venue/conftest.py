"""The venue's kernels, loaded before the first test: a test's time is for what it tests."""

from __future__ import annotations

import pytest

from aegis.venue.warm_up import warm_up


@pytest.fixture(scope="session", autouse=True)
def kernels() -> None:
    warm_up()

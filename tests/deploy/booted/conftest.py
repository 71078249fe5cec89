"""Boots one container for all tests of a file, and skips them where this machine cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.booted.container import BaseImage, Container, ContainerError, why_not_here

# Not below the home of the user: a fresh clone with an empty home finds the base image again.
CACHE = Path("/var/tmp/aegis-booted")


@pytest.fixture(scope="session")
def base_image() -> Path:
    reason = why_not_here()
    if reason is not None:
        pytest.skip(reason)
    try:
        return BaseImage(CACHE).make()
    except ContainerError as problem:
        pytest.skip(f"no base image: {str(problem).splitlines()[-1]}")


@contextmanager
def booted(base: Path, place: Path, source: Path | None) -> Iterator[Container]:
    container = Container(base, place, source, name=f"aegis-{os.getpid()}")
    try:
        container.boot()
        yield container
    finally:
        container.stop()


@pytest.fixture(scope="module")
def container(
    base_image: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    """A box with the package of this tree at /opt/aegis."""
    place = tmp_path_factory.mktemp("booted") / "container"
    with booted(base_image, place, repository) as box:
        yield box


@pytest.fixture(scope="module")
def bare_container(
    base_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    """A box as a provider hands it out."""
    place = tmp_path_factory.mktemp("booted") / "bare"
    with booted(base_image, place, None) as box:
        yield box

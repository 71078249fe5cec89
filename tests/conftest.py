"""What every test may ask for: the reference recordings, and the switch for the long tests.

pytest reads this file by itself. It must stay cheap to import and start nothing.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent
# Tests of rules come first; those that start real processes or boot a system come last.
_TESTS = itertools.count()
LAST_ROOMS = ("tests/appliance/", "tests/deploy/booted/")
# Rooms that want the machine nearly for themselves: both cores, real time, or a whole system. They
# wait more than they compute, so two of them may run at once: the appliance's and any other.
ALONE_ROOMS = (*LAST_ROOMS, "tests/bench/", "tests/deploy/", "tests/venue/clients/")
APPLIANCE_ROOM = "tests/appliance/"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests that take minutes")
    parser.addoption(
        "--share",
        choices=("together", "alone"),
        help="only the tests that may run beside others, or only those that may not",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Property tests try the same examples in every run; --long looks for new ones."""
    settings.register_profile("replayable", derandomize=True)
    settings.register_profile("explore", print_blob=True)
    settings.load_profile("explore" if config.getoption("--long") else "replayable")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A share does not even import the rooms of the other one."""
    share = config.getoption("--share")
    if share is None or not collection_path.is_relative_to(REPOSITORY / "tests"):
        return None
    place = collection_path.relative_to(REPOSITORY).as_posix() + "/"
    is_alone = place.startswith(ALONE_ROOMS)
    # A folder on the way to one of the rooms has to be looked into.
    leads_there = any(room.startswith(place) for room in ALONE_ROOMS)
    return None if leads_there or is_alone is (share == "alone") else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def lateness(item: pytest.Item) -> int:
        path = item.path.relative_to(REPOSITORY).as_posix()
        return next((n for n, room in enumerate(LAST_ROOMS, 1) if path.startswith(room)), 0)

    items.sort(key=lateness)
    for item in items:
        path = item.path.relative_to(REPOSITORY).as_posix()
        if path.startswith(ALONE_ROOMS):
            item.add_marker(pytest.mark.alone)
            is_appliance = path.startswith(APPLIANCE_ROOM)
            item.add_marker(pytest.mark.xdist_group("appliance" if is_appliance else "others"))
    if not config.getoption("--long"):
        skip_long = pytest.mark.skip(reason="takes minutes: run with --long")
        for item in items:
            if "long" in item.keywords:
                item.add_marker(skip_long)


@pytest.fixture(scope="session", autouse=True)
def _state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What an instance keeps for its next start must neither come from nor go to this box's own."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("STATE_DIRECTORY", raising=False)
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def _own_state(_state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test meets the latch that another one tripped."""
    monkeypatch.setenv("XDG_STATE_HOME", str(_state_home / str(next(_TESTS))))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree, where Makefile and aegis.toml are."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The reference recordings: AEGIS_SHARED_DATA, or shared/data beside the repository."""
    named = os.environ.get("AEGIS_SHARED_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; set AEGIS_SHARED_DATA to its folder")
    return folder

"""The Makefile keeps what it promises: its targets, its locks and what a mistake answers."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(MAKE is None, reason="make is not installed")
TARGETS = {"help", "install", "run", "test", "lint", "bench", "provision", "clean"}
CLIENTS_LOCK = "tests/venue/clients/requirements.lock"
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock", CLIENTS_LOCK)


def make(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert MAKE is not None
    return subprocess.run(
        [MAKE, *arguments], cwd=repository, capture_output=True, text=True, timeout=60, check=False
    )


def test_help_is_the_default_and_lists_every_target(repository: Path) -> None:
    answer = make(repository)
    assert answer.returncode == 0
    listed = set(re.findall(r"^ +make (\w+) ", answer.stdout, re.MULTILINE))
    assert listed >= TARGETS
    declared = re.findall(r"^\.PHONY: (.*)$", (repository / "Makefile").read_text(), re.MULTILINE)
    assert set(" ".join(declared).split()) >= TARGETS


def pins(repository: Path, lock: str) -> dict[str, tuple[str, int]]:
    """Package name to (version, count of hashes) of a lock file."""
    text = (repository / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        pinned = re.match(r"([A-Za-z0-9_.-]+)==([^\s;]+)", line)
        if pinned:
            found[pinned.group(1)] = (pinned.group(2), line.count("--hash=sha256:"))
        else:
            assert not line or line.startswith("#"), f"{lock}: neither pin nor comment: {line}"
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_has_its_hashes(repository: Path, lock: str) -> None:
    for name, (_, hashes) in pins(repository, lock).items():
        assert hashes > 0, f"{lock}: {name} has no hash"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place(repository: Path, lock: str) -> None:
    """Neither a package registry nor a folder of the machine that made it."""
    text = (repository / lock).read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--index|--extra|--find-links|@ |(^|\s)/", text)


def test_the_locks_agree(repository: Path) -> None:
    tools = pins(repository, "requirements-dev.lock")
    for lock in ("requirements.lock", "requirements-build.lock"):
        for name, (version, _) in pins(repository, lock).items():
            assert tools[name][0] == version, f"{lock} and requirements-dev.lock differ on {name}"


def test_the_locks_hold_every_declared_dependency(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    runtime = {re.split(r"[>=]", need)[0] for need in project["dependencies"]}
    extras = project["optional-dependencies"]
    # The comparisons with other libraries run in every test, and so do the plots.
    assert {"aegis[bench]", "aegis[plots]"} <= set(extras["dev"])
    wanted = [need for need in extras["dev"] if not need.startswith("aegis[")]
    wanted += extras["bench"] + extras["plots"]
    tools = {re.split(r"[>=]", need)[0] for need in wanted}
    assert runtime <= set(pins(repository, "requirements.lock"))
    assert runtime | tools <= set(pins(repository, "requirements-dev.lock"))


def test_the_clients_are_pinned_and_in_their_lock(repository: Path) -> None:
    wanted = (repository / CLIENTS_LOCK.replace(".lock", ".in")).read_text(encoding="utf-8")
    exact = dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", wanted, re.MULTILINE))
    assert len(exact) == 3
    locked = {name: version for name, (version, _) in pins(repository, CLIENTS_LOCK).items()}
    assert exact.items() <= locked.items()

"""Compiled kernels are as old as the newest text they depend on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = """
from aegis.host.jit import kernel
from aegis.scratch.numbers import FACTOR
@kernel("i8(i8)")
def scaled(value):
    return value * FACTOR
"""
ASK = "from aegis.scratch.kernels import scaled; print(scaled(2), scaled._cache_hits.__len__())"
PRUNE = (
    "from pathlib import Path; from aegis.host.kernel_cache import prune; import sys;"
    "print(prune(Path(sys.argv[1])))"
)


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    """A package of the same name with one kernel that takes a constant from another file."""
    package = tmp_path / "copy" / "aegis"
    (package / "scratch").mkdir(parents=True)
    shutil.copy(repository / "aegis" / "__init__.py", package)
    (package / "host").mkdir()
    for name in ("__init__", "jit", "kernel_cache"):
        shutil.copy(repository / "aegis" / "host" / f"{name}.py", package / "host")
    (package / "scratch" / "__init__.py").touch()
    (package / "scratch" / "kernels.py").write_text(KERNELS)
    (package / "scratch" / "numbers.py").write_text("FACTOR = 3\n")
    return package


def run(copy: Path, cache: Path, program: str, *arguments: str) -> list[int]:
    environment = {**os.environ, "PYTHONPATH": str(copy.parent), "AEGIS_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(word) for word in done.stdout.split()]


def kept(cache: Path) -> int:
    return len(list(cache.rglob("*.nbc")))


def test_a_change_in_an_imported_file_compiles_again(copy: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert run(copy, cache, ASK) == [6, 0]
    assert run(copy, cache, ASK) == [6, 1]
    (copy / "scratch" / "numbers.py").write_text("FACTOR = 5\n")
    assert run(copy, cache, ASK) == [10, 0]
    assert kept(cache) == 2
    assert run(copy, cache, PRUNE, str(cache)) == [2]
    assert kept(cache) == 1
    assert run(copy, cache, ASK) == [10, 1]


def test_a_change_elsewhere_compiles_nothing(copy: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert run(copy, cache, ASK) == [6, 0]
    (copy / "scratch" / "others.py").write_text("FACTOR = 7\n")
    assert run(copy, cache, ASK) == [6, 1]


def test_it_does_not_matter_who_imports_numba_first(copy: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert run(copy, cache, "import numba; " + ASK) == [6, 0]
    assert kept(cache) == 1
    assert run(copy, cache, ASK) == [6, 1]

"""Where compiled kernels are kept between runs, and when they are too old to be used.

Numba's own cache compares a kernel's source file only: it does not see a change in an imported one
and would go on running the old machine code. Here a kernel is as old as the newest text it can
depend on: its file and every file of the package that this imports, directly or not. ``jit``
registers the locator, `aegis warm` prunes. An edit makes Numba compile again exactly the kernels
that can be affected by it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from pathlib import Path
from typing import Any

from numba.core import config
from numba.core.caching import CacheImpl, UserProvidedCacheLocator

__all__ = ["prune", "register", "source_stamp"]

_PACKAGE = Path(__file__).parents[1]
_IMPORT = re.compile(
    r"^\s*(?:from (aegis[\w.]*) import (\([^)]*\)|.+)|import (aegis[\w.]*))", re.MULTILINE
)
_NAME = re.compile(r"\w+")
_STAMP = re.compile(r"-([0-9a-f]{32})\.py")


@functools.cache
def _text(path: Path) -> str:
    return path.read_text(errors="replace")


def _file_of(module: str) -> Path | None:
    """The file of a module of this package, None if there is no such module."""
    base = _PACKAGE.parent.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@functools.cache
def _imports(path: Path) -> frozenset[Path]:
    """The files of this package that a file imports by name."""
    found: set[Path] = set()
    for package, items, plain in _IMPORT.findall(_text(path)):
        modules = [package or plain]
        modules += [f"{package}.{name}" for name in _NAME.findall(items)]
        for module in modules:
            file = _file_of(module)
            # The package's own opening holds no kernel and no constant of one.
            if file is not None and file != _PACKAGE / "__init__.py":
                found.add(file)
    return frozenset(found)


@functools.cache
def source_stamp(path: Path) -> str:
    """A hash of the texts that decide what the kernels of `path` do: 32 hex digits."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting.extend(_imports(current))
    digest = hashlib.blake2b(digest_size=16)
    for current in sorted(seen):
        digest.update(str(current).encode())
        digest.update(_text(current).encode())
    return digest.hexdigest()


class _ContentLocator(UserProvidedCacheLocator):
    """Keeps what was compiled in NUMBA_CACHE_DIR, under the content it was made from."""

    def get_source_stamp(self) -> Any:
        return source_stamp(Path(self._py_file))

    def get_disambiguator(self) -> str:
        # In the file names too: two processes that run different texts of one module at the same
        # time (an upgrade, an edit) must never write into one another's machine code.
        return f"{self._lineno}-{source_stamp(Path(self._py_file))}"


def register() -> None:
    """Make Numba ask the content of the sources first. A second call changes nothing."""
    # Whoever imports Numba before the package has made it read its settings too early.
    settings: Any = config  # Numba has no types
    settings.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]
    locators = CacheImpl._locator_classes
    if _ContentLocator not in locators:
        locators.insert(0, _ContentLocator)


def prune(folder: Path) -> int:
    """Delete the machine code of texts that this package no longer has; returns how many files.

    `folder` is NUMBA_CACHE_DIR. What other installations keep there is left alone.
    """
    removed = 0
    for source_folder in {path.parent for path in _PACKAGE.rglob("*.py")}:
        current = {source_stamp(path) for path in source_folder.glob("*.py")}
        locate: Any = _ContentLocator.get_suitable_cache_subpath  # Numba has no types
        subpath: str = locate(str(source_folder / "any.py"))
        for path in (folder / subpath).glob("*.nb[ci]"):
            stamp = _STAMP.search(path.name)
            if stamp is None or stamp[1] not in current:
                path.unlink(missing_ok=True)
                removed += 1
    return removed

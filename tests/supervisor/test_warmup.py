"""Loading before the fork: what is marked as compiled, and workers that fill the cache."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aegis.config import Settings, load_config
from aegis.supervisor import warmup
from aegis.supervisor.warmup import compile_in_parallel, load_entry_points, uncompiled

MODULE = """
import os
from pathlib import Path
def warm_up(settings):
    Path({trace!r}).open("a").write(f"{{os.getpid()}} {{settings.name}}\\n")
    if {fails}:
        raise RuntimeError("no compiler")
def run(settings, memory, wiring):
    return 0
"""


@pytest.fixture
def settings(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(cache))
    file = repository / "aegis.toml"
    return Settings.of(load_config(file), "btc", file)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes a module that notes who warms it up; returns its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, *, fails: bool = False) -> str:
        trace = str(tmp_path / f"{name}.trace")
        (tmp_path / f"{name}.py").write_text(MODULE.format(trace=trace, fails=fails))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


def test_what_is_loaded_is_marked_as_compiled(
    settings: Settings,
    module: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    modules = {"venue": module("warm_one"), "feed": module("warm_two")}
    monkeypatch.setattr(warmup, "ENTRY_MODULES", modules)
    assert uncompiled(settings) == modules
    loaded = dict(load_entry_points(settings))
    assert set(loaded) == {"venue", "feed"}
    assert uncompiled(settings) == {}
    assert (tmp_path / "warm_one.trace").read_text() == f"{os.getpid()} btc\n"


def test_workers_warm_up_in_processes_of_their_own(
    settings: Settings, module: Callable[..., str], tmp_path: Path
) -> None:
    modules = {"venue": module("warm_three"), "feed": module("warm_four", fails=True)}
    told: list[str] = []
    compile_in_parallel(settings, modules, told.append, lambda: None)
    assert sorted(told) == ["feed", "venue"]
    pids = {(tmp_path / f"{name}.trace").read_text().split()[0] for name in modules.values()}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_an_interrupted_compilation_leaves_no_worker(
    settings: Settings, module: Callable[..., str]
) -> None:
    name = module("warm_five")
    path = Path(sys.path[0]) / f"{name}.py"
    path.write_text("import threading\nthreading.Event().wait(60)\n")

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compile_in_parallel(settings, {"venue": name}, lambda process: None, interrupted)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)

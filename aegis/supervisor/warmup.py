"""Loading everything the processes will run, once, in the parent, before the first fork.

Kernels loaded here are machine code in pages that all children share, and a restarted process is at
work in milliseconds. Each process's package may offer `warm_up(settings)` beside its `run`, which
calls its kernels once with the right types and touches nothing else. Must not start a thread: a
fork copies only the one that called it.

The first start of a release has to compile. That is done by workers, one per process's package, so
that it takes as long as the longest and not as the sum; they leave the machine code in the cache
(Numba writes it whole or not at all), from which the parent then loads it. Marks in the cache
directory, named after the content of what was compiled, tell later starts what is there already.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib
import importlib.util
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from aegis.config import Settings
from aegis.config.settings import is_path
from aegis.host.kernel_cache import source_stamp
from aegis.host.prctl import die_with_parent
from aegis.shm.instance import InstanceMemory
from aegis.shm.wiring import Wiring
from aegis.supervisor.watch import processes_of

__all__ = [
    "ENTRY_MODULES",
    "EntryPoint",
    "compile_in_parallel",
    "freeze",
    "load_entry_points",
    "thread_count",
    "uncompiled",
]

EntryPoint = Callable[[Settings, InstanceMemory, Wiring], int]

_STRATEGIES = Path(__file__).parents[1] / "strategies"
BRAIN_MODULE = "aegis.brain.process"
ENTRY_MODULES: Mapping[str, str] = {
    "venue": "aegis.venue.process",
    "feed": "aegis.feed.process",
    "brain": BRAIN_MODULE,
    "execution": "aegis.execution.process",
}


def load_entry_points(
    settings: Settings, modules: Mapping[str, str] | None = None
) -> Iterator[tuple[str, EntryPoint]]:
    """Import and warm up one process after the other; yields (process, run) when each is done."""
    for process, name in (_entry_modules(settings) if modules is None else modules).items():
        yield process, _load(settings, name)


def _entry_modules(settings: Settings) -> dict[str, str]:
    needed = processes_of(settings)
    return {process: name for process, name in ENTRY_MODULES.items() if process in needed}


def uncompiled(settings: Settings) -> dict[str, str]:
    """The entries of ENTRY_MODULES that no start of this release has compiled yet."""
    return {
        process: name
        for process, name in _entry_modules(settings).items()
        if not _mark(settings, name).exists()
    }


def compile_in_parallel(
    settings: Settings,
    modules: Mapping[str, str],
    tell: Callable[[str], None],
    pause: Callable[[], None],
) -> None:
    """Fill the cache with one worker per package; `tell(process)` as each one ends.

    `pause` is called again and again while they work, and must sleep a little. A worker that fails
    is no matter: the parent meets the same error when it loads, and reports it.
    """
    parent_pid = os.getpid()
    workers = {
        _fork_worker(settings, name, parent_pid): process for process, name in modules.items()
    }
    try:
        while workers:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid in workers:
                tell(workers.pop(pid))
            else:
                pause()
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _fork_worker(settings: Settings, name: str, parent_pid: int) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if die_with_parent(parent_pid, signal.SIGKILL).honoured:
                _load(settings, name)
                code = 0
        finally:
            os._exit(code)
    return pid


def _load(settings: Settings, name: str) -> EntryPoint:
    module: Any = importlib.import_module(name)
    if name == BRAIN_MODULE:
        # The strategy's step is compiled into the brain's loop, so the brain's is by strategy.
        compile_brain = importlib.import_module("aegis.brain.load").compile_brain
        compile_brain(settings.strategy)
    warm_up = getattr(module, "warm_up", None)
    if warm_up is not None:
        warm_up(settings)
    # Where no cache can be written there is nothing to mark, either.
    with contextlib.suppress(OSError):
        mark = _mark(settings, name)
        for older in mark.parent.glob(f"{mark.stem}.*"):
            older.unlink(missing_ok=True)
        mark.touch()
    run: EntryPoint = module.run
    return run


def _mark(settings: Settings, name: str) -> Path:
    """The file that says: this module's kernels, with this strategy, are in the cache.

    Numba keeps machine code by the path of its source, so the same release installed in two places
    is compiled twice; and by the content of all that the module imports, which is the suffix.
    """
    place = hashlib.blake2b(str(Path(__file__).parent).encode(), digest_size=4).hexdigest()
    cache = Path(os.environ["NUMBA_CACHE_DIR"])
    stamps = [_stamp(name)]
    strategy = settings.strategy
    if name == BRAIN_MODULE:
        stamps += [source_stamp(path) for path in sorted(_STRATEGIES.rglob("*.py"))]
        if is_path(strategy):
            own = importlib.import_module("aegis.strategies.own")
            stamps.append(own.content_stamp(Path(strategy)))
    if is_path(strategy):
        path_hash = hashlib.blake2b(strategy.encode(), digest_size=4).hexdigest()
        strategy = f"{Path(strategy).stem}-{path_hash}"
    content = hashlib.blake2b("".join(stamps).encode(), digest_size=8).hexdigest()
    return cache / f"compiled-{name.replace('.', '-')}-{strategy}-{place}.{content}"


def _stamp(module: str) -> str:
    found = importlib.util.find_spec(module)
    assert found is not None and found.origin is not None, f"{module} is no file"
    return source_stamp(Path(found.origin))


def freeze() -> None:
    """Put everything alive out of the collector's reach, so that children share its pages."""
    gc.collect()
    gc.freeze()


def thread_count() -> int:
    """Threads of this process; more than one makes every fork a gamble."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1

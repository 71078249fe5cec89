"""`aegis warm`: compile every kernel ahead, so that the first start takes seconds.

`make` runs it as the last step of the set-up and the playbook after an installation. One process
for each part, at most as many at once as there are cores; what is in the cache already costs
nothing. Never needed: a start compiles what is missing, and says so.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import typer

from aegis.cli.config_path import ConfigOption, config_path
from aegis.cli.exit_codes import EXIT_FAILED, EXIT_GOOD, EXIT_USAGE, complain

__all__ = ["warm"]


def warm(config: ConfigOption = None) -> None:
    """Compile all kernels ahead of the first start."""
    path = config_path(config)
    from aegis.config import read_config

    result = read_config(path)
    for problem in result.problems:
        complain(str(problem))
    if result.config is None:
        raise typer.Exit(EXIT_USAGE)
    # One instance of each strategy: the step is compiled into the brain's loop.
    by_strategy = {table.strategy: name for name, table in result.config.instances.items()}
    first = next(iter(by_strategy.values()))
    jobs = [("venue", first), ("execution", first), ("feed", first)]
    jobs += [("brain", name) for name in by_strategy.values()]
    started = time.monotonic()
    print(f"compiling kernels: {', '.join(part for part, _ in jobs)} ...", flush=True)
    failed = _run_all(jobs, path)
    _prune()
    for part in failed:
        complain(f"the kernels of {part} could not be compiled")
    print(f"kernels are compiled ({time.monotonic() - started:.1f} s)")
    raise typer.Exit(EXIT_FAILED if failed else EXIT_GOOD)


def _prune() -> None:
    """Drop what older texts of this installation left in the cache."""
    from aegis.host.kernel_cache import prune

    prune(Path(os.environ["NUMBA_CACHE_DIR"]))


def _run_all(jobs: list[tuple[str, str]], path: Path) -> list[str]:
    """Run the jobs in child processes; returns the parts that failed."""
    waiting, running, failed = list(jobs), dict[int, str](), list[str]()
    width = max(1, len(os.sched_getaffinity(0)))
    while waiting or running:
        while waiting and len(running) < width:
            part, instance = waiting.pop(0)
            running[_fork(part, instance, path)] = part
        pid, status = os.wait()
        part = running.pop(pid, "")
        if part and status != 0:
            failed.append(part)
    return failed


def _fork(part: str, instance: str, path: Path) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid != 0:
        return pid
    code = EXIT_FAILED
    try:
        _compile(part, instance, path)
        code = EXIT_GOOD
    except Exception as error:
        complain(f"{part}: {type(error).__name__}: {error}")
    finally:
        os._exit(code)


def _compile(part: str, instance: str, path: Path) -> None:
    from aegis.config import Settings, load_config
    from aegis.supervisor.warmup import ENTRY_MODULES, load_entry_points

    settings = Settings.of(load_config(path), instance, path)
    for _ in load_entry_points(settings, {part: ENTRY_MODULES[part]}):
        pass

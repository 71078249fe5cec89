"""Many trials: seeds in, a summary out, and for whatever failed the command that replays it.

`aegis simulate` and the tests call it. Seeds are dealt out to as many processes as there are cores
to use; each makes its premises once. The collector runs between trials only.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aegis.simulator.premises import Premises
from aegis.simulator.result import Result
from aegis.simulator.trial import Trial

__all__ = ["Summary", "replay", "replay_command", "run_seeds"]

_COLLECT_EVERY = 40
_MOST_KEPT = 20


def replay_command(seed: int) -> str:
    """The one command that runs a seed again and tells everything that happens."""
    return f"aegis simulate --seeds {seed}..{seed} --trace"


@dataclass(slots=True)
class Summary:
    """What came of many seeds; `violations` keeps the first twenty."""

    seeds: int = 0
    steps: int = 0
    virtual_s: float = 0.0
    failed: int = 0
    violations: list[dict[str, Any]] = field(default_factory=list)
    halted: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        """Count one trial."""
        self.seeds += 1
        self.steps += result.steps
        self.virtual_s += result.virtual_s
        self.faults.update(result.counts)
        if result.halted:
            self.halted[result.halted] += 1
        if result.oracle:
            self.failed += 1
            if len(self.violations) < _MOST_KEPT:
                self.violations.append(
                    {
                        "seed": result.seed,
                        "oracle": result.oracle,
                        "text": result.text,
                        "replay": replay_command(result.seed),
                    }
                )

    def as_json(self) -> dict[str, Any]:
        """The summary as one object."""
        return {
            "seeds": self.seeds,
            "steps": self.steps,
            "virtual_s": round(self.virtual_s, 1),
            "violations": self.failed,
            "failures": self.violations,
            "replay": self.violations[0]["replay"] if self.violations else None,
            "halted": dict(sorted(self.halted.items())),
            "faults": dict(sorted(self.faults.items())),
        }


def replay(seed: int, trace: Callable[[str], None] | None = None) -> Result:
    """Run one seed; `trace` gets a line for everything that crosses execution's edge."""
    with Premises() as premises:
        return Trial(seed, premises, trace).run()


def _run_share(seeds: list[int]) -> list[Result]:
    with Premises() as premises:
        return list(_trials(premises, seeds))


def _trials(premises: Premises, seeds: list[int]) -> Iterator[Result]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        for number, seed in enumerate(seeds):
            yield Trial(seed, premises).run()
            if number % _COLLECT_EVERY == _COLLECT_EVERY - 1:
                gc.collect()
    finally:
        if was_on:
            gc.enable()


def _chunks(seeds: list[int], size: int) -> list[list[int]]:
    return [seeds[at : at + size] for at in range(0, len(seeds), size)]


def run_seeds(
    first: int,
    last: int,
    *,
    processes: int | None = None,
    progress: Callable[[Summary], None] = lambda _: None,
) -> Summary:
    """Run the seeds first..last, both among them; `progress` is called now and then."""
    summary = Summary()
    seeds = list(range(first, last + 1))
    count = min(processes or len(os.sched_getaffinity(0)), max(1, len(seeds) // 20))
    if count == 1:
        with Premises() as premises:
            for result in _trials(premises, seeds):
                summary.add(result)
                if summary.seeds % 100 == 0:
                    progress(summary)
        return summary
    size = max(20, min(500, len(seeds) // (4 * count)))
    # Forked before any thread is made: the kernels are compiled, and shared, already.
    with multiprocessing.get_context("fork").Pool(count) as pool:
        for results in pool.imap_unordered(_run_share, _chunks(seeds, size)):
            for result in results:
                summary.add(result)
            progress(summary)
    summary.violations.sort(key=lambda found: int(found["seed"]))
    return summary

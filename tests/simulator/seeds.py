"""The seeds of every run, in two halves of a few chunks each: two workers share them by file.

`test_seeds_first` and `test_seeds_second` run one half each; a chunk that fails prints, for every
seed that broke something, the one command that replays it.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

from aegis.simulator.campaign import Summary, run_seeds

__all__ = ["FIRST_HALF", "SECOND_HALF", "complaint", "run_chunk"]

_CHUNK = 250
_EVERY_TIME = 2_000
_CHUNKS = [(first, first + _CHUNK - 1) for first in range(1, _EVERY_TIME, _CHUNK)]
FIRST_HALF, SECOND_HALF = _CHUNKS[: len(_CHUNKS) // 2], _CHUNKS[len(_CHUNKS) // 2 :]


def complaint(summary: Summary) -> str:
    """What was violated, each with the command that replays it."""
    return "\n".join(
        f"{found['oracle']}: {found['text']}\n  replay: {found['replay']}"
        for found in summary.violations
    )


@cache
def run_chunk(first: int, last: int) -> Counter[str]:
    """Run some seeds in this process; the faults that came. Fails with the commands to replay."""
    summary = run_seeds(first, last, processes=1)
    assert not summary.failed, complaint(summary)
    assert summary.seeds == last - first + 1
    return summary.faults

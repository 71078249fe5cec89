"""The seeds of every run, in two halves of a few chunks each: two workers share them by file.

`test_seeds_first` and `test_seeds_second` run one half each; a chunk that fails prints, for every
seed that broke something, the one command that replays it.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

from aegis.simulator.campaign import Summary, run_seeds

__all__ = ["FIRST_HALF", "NAMED", "SECOND_HALF", "complaint", "run_chunk"]

_CHUNK = 250
_EVERY_TIME = 2_000
# Seeds that have found something, and what it was.
NAMED = {
    1993: "a funding payment that the stream told twice was booked twice",
    11661: "a list of funding that could not be read was not read again for ten minutes",
    14448: "orders over REST were judged by the time of the last message on the order line",
    38106: "a 429 that came twice stopped everything, for twice as long",
    45194: "a way out at twice the price passed while the feed was stopped",
    45602: "a checkpoint whose own write had tripped the latch was not what a replay finds",
    47919: "a start that failed for lack of room just before the healing was the last one",
    120994: "a part of a fill, settled before a restart, was booked again with the rest of it",
    340947: "an amend to what a reduce-only order had been made into from the start",
    354682: "a fill taken over with the position was never counted to its order: no start any more",
    393711: "a way out that was none any more once the books were corrected rested on in HALTED",
    413582: "an answer to an earlier run passed for that of a placement that was lost",
    506097: "an amend over REST was refused and carried out by this exchange all the same",
    601268: "nothing rested, said a drain after a power loss, and a lost order came later",
    1070858: "a countdown that was wound up between two stops was taken for one that had not run",
    2007435: "an order over REST was refused for good, and carried out by this exchange",
    3072160: "funding paid just after books that began by a clock that was ahead was never booked",
}
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

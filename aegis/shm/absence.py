"""Why a book is out of force: the codes that STATUS and RESYNC records carry, and books themselves.

Written by the feed; told by status in these words. A code is never given another meaning.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = ["Reason", "why_absent"]


class Reason(IntEnum):
    """Why a book is not valid: the `b` of a STATUS record."""

    NONE = 0
    STARTING = 1
    GAP = 2
    DISCONNECTED = 3
    CROSSED = 4
    EMPTY = 5
    ABSURD = 6
    TOP_MISMATCH = 7
    STALE = 8
    STOPPING = 9
    NOT_TRADING = 10
    SHALLOW = 11
    LATE = 12


_WORDS: Final = {
    Reason.STARTING: "no snapshot has joined its stream yet",
    Reason.GAP: "depth events were missing or could not be read",
    Reason.DISCONNECTED: "its connection was lost",
    Reason.CROSSED: "its best bid was not below its best ask",
    Reason.EMPTY: "a side had no levels",
    Reason.ABSURD: "its prices were far from what other streams say",
    Reason.TOP_MISMATCH: "its top differed from bookTicker at the same update id",
    Reason.STALE: "its depth stream went silent",
    Reason.STOPPING: "the feed has stopped",
    Reason.NOT_TRADING: "the exchange does not trade it",
    Reason.SHALLOW: "a side that was deep had almost no levels left",
    Reason.LATE: "its events came late",
}
assert set(_WORDS) == set(Reason) - {Reason.NONE}, "every reason has its words"


def why_absent(code: int) -> str:
    """The reason in words; a code of a newer feed as its number."""
    return _WORDS[Reason(code)] if code in set(_WORDS) else f"reason {code}"

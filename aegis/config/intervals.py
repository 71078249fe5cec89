"""The intervals of candles: their names, their lengths in seconds, and a code for each.

Called by the configuration's models, by whoever writes CANDLE records (``shm.tick`` puts the code
into their flags) and by whoever reads them. An interval is a whole number of seconds that divides
a day, so that every day is cut in the same places: there are 96 of them, and a code is an
interval's place among them. The exchange has 15 of its own; "90s" and "10m" are as good here.
"""

from __future__ import annotations

import re
from typing import Final

from pydantic_core import PydanticCustomError

__all__ = [
    "DAY_S",
    "INTERVALS_S",
    "MAX_INTERVALS",
    "code_of",
    "interval_name",
    "interval_seconds",
    "known_interval",
]

DAY_S: Final = 86_400
INTERVALS_S: Final = tuple(seconds for seconds in range(1, DAY_S + 1) if DAY_S % seconds == 0)
assert len(INTERVALS_S) == 96, "the code of an interval fits in the upper byte of a record's flags"
# Of one feed: each costs every trade a few nanoseconds.
MAX_INTERVALS: Final = 8

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": DAY_S}
_NAME: Final = re.compile(r"([1-9][0-9]{0,4})([smhd])")
_CODES: Final = {seconds: code for code, seconds in enumerate(INTERVALS_S)}


def interval_seconds(name: str) -> int:
    """Seconds of an interval such as "1s", "5m", "4h" or "1d"; ValueError says what is wrong."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError("must be a whole number with s, m, h or d, such as 1s, 5m, 4h, 1d")
    seconds = int(found.group(1)) * _UNITS_S[found.group(2)]
    if seconds not in _CODES:
        raise ValueError(f"is {seconds} s, which do not divide a day of {DAY_S} s")
    return seconds


def known_interval(name: str) -> str:
    """The name as it stands in the file; PydanticCustomError unless it is an interval."""
    try:
        interval_seconds(name)
    except ValueError as error:
        raise PydanticCustomError("interval", "{reason}", {"reason": str(error)}) from None
    return name


def interval_name(seconds: int) -> str:
    """The shortest name of an interval: "1m" and not "60s"."""
    for unit, length_s in reversed(_UNITS_S.items()):
        if seconds % length_s == 0:
            return f"{seconds // length_s}{unit}"
    raise AssertionError("every whole number of seconds is one of s")


def code_of(seconds: int) -> int:
    """The code of an interval, its place in INTERVALS_S; KeyError when it divides no day."""
    return _CODES[seconds]

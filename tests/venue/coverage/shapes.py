"""Two JSON values compared by what a client's decoder sees: keys, JSON types, numbers in texts.

Pure. `differences` lists what a reader of the first value would miss, meet unexpectedly or find of
another type in the second one. Values are not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
SYMBOL = re.compile(r"[0-9A-Z]{2,}(USDT|USDC|BUSD)")


class Difference(NamedTuple):
    """`what` is MISSING, EXTRA, TYPE or EMPTY; `path` as "$.symbols[].filters"."""

    what: str
    path: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.path} {self.detail}".rstrip()


def differences(wanted: Any, ours: Any, path: str = "$") -> list[Difference]:
    """What is different in `ours`; each difference once, however many rows have it."""
    return list(dict.fromkeys(_compare(wanted, ours, path)))


def kind_of(value: Any) -> str:
    """The JSON type; texts of numbers are a type of their own, as are whole numbers."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str):
        return "number text" if _NUMBER.fullmatch(value.strip()) else "text"
    return "object" if isinstance(value, dict) else "array"


def _compare(wanted: Any, ours: Any, path: str) -> Iterator[Difference]:
    kinds = kind_of(wanted), kind_of(ours)
    if kinds == ("object", "object"):
        yield from _objects(wanted, ours, path)
    elif kinds == ("array", "array"):
        yield from _arrays(wanted, ours, path)
    elif not _fits(*kinds):
        yield Difference("TYPE", path, f"{kinds[0]} is {kinds[1]} here")


def _fits(wanted: str, ours: str) -> bool:
    """May a value of the kind `ours` stand where a decoder was shown one of the kind `wanted`?"""
    if wanted == "null" or wanted == ours:
        return True
    if wanted == "text":
        return ours == "number text"
    return wanted == "float" and ours == "int"


def _objects(wanted: Mapping[str, Any], ours: Mapping[str, Any], path: str) -> Iterator[Difference]:
    if wanted and all(SYMBOL.fullmatch(key) for key in wanted):
        # Keyed by symbol: which ones does not matter.
        yield from _arrays(list(wanted.values()), list(ours.values()), path)
        return
    for key in wanted:
        if key not in ours:
            yield Difference("MISSING", f"{path}.{key}")
        else:
            yield from _compare(wanted[key], ours[key], f"{path}.{key}")
    for key in ours:
        if key not in wanted:
            yield Difference("EXTRA", f"{path}.{key}")


def _arrays(wanted: Sequence[Any], ours: Sequence[Any], path: str) -> Iterator[Difference]:
    if not wanted:
        return
    if not ours:
        yield Difference("EMPTY", path)
        return
    if not isinstance(wanted[0], dict | list):
        # A row of scalars, such as a candle or a level: by position.
        if len(wanted) != len(ours) and len({kind_of(one) for one in wanted}) > 1:
            yield Difference("TYPE", path, f"{len(wanted)} columns are {len(ours)} here")
        for place, (one, other) in enumerate(zip(wanted, ours, strict=False)):
            yield from _compare(one, other, f"{path}[{place}]")
        return
    # Rows of several shapes (an order, an error) may stand in one array: the likest counts. What a
    # row of ours lacks is no difference as long as another row of ours has it.
    for one in wanted:
        yield from min((differences(one, other, f"{path}[]") for other in ours), key=len)
    for other in ours:
        found = min((differences(one, other, f"{path}[]") for one in wanted), key=len)
        yield from (one for one in found if one.what in ("EXTRA", "TYPE"))

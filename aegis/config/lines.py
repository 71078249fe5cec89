"""Where a key stands in a TOML text: a light scan for the line numbers that tomli does not keep.

``load.py`` calls it only when there is a problem to report. The text has been parsed by then, so
the scan may assume that it is valid TOML; it must never decide what the configuration means. It
passes over the text once, so a hostile file costs no more than its length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_KEY_PART: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED: Final = rf"{_KEY_PART}(?:\s*\.\s*{_KEY_PART})*"
_TABLE: Final = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?")
_ASSIGNMENT: Final = re.compile(rf"\s*({_DOTTED})\s*=(.*)")
_TOKEN: Final = re.compile(r'"""|' r"'''|" r'"(?:[^"\\]|\\.)*"|' r"'[^']*'|[][{}#]")
_STRING_END: Final = {
    '"""': re.compile(r'(?:[^"\\]|\\.|"(?!""))*"""'),
    "'''": re.compile(r"(?:[^']|'(?!''))*'''"),
}


class LineMap:
    """The line of every table header and assignment of one text."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str | int, ...], int] = {}
        self._counts: dict[tuple[str, ...], int] = {}
        table: tuple[str | int, ...] = ()
        value = _OpenValue()
        for number, line in enumerate(text.split("\n"), start=1):
            if value.is_open:
                # Inside a value that spans lines, where a bracket does not open a table.
                value.read(line)
                continue
            header = _TABLE.fullmatch(line.rstrip())
            if header is not None:
                table = self._table(_parts(header[1]), line.lstrip().startswith("[["))
                self._lines.setdefault(table, number)
                continue
            assignment = _ASSIGNMENT.match(line)
            if assignment is not None:
                self._lines.setdefault((*table, *_parts(assignment[1])), number)
                value.read(assignment[2])

    def line_of(self, location: Sequence[str | int]) -> int | None:
        """The line of a key, or of the nearest thing around it; None if nothing of it is there."""
        names = tuple(part for part in location if isinstance(part, str))
        for path in (tuple(location), names):
            for length in range(len(path), 0, -1):
                line = self._lines.get(path[:length])
                if line is not None:
                    return line
        return None

    def _table(self, parts: tuple[str, ...], repeated: bool) -> tuple[str | int, ...]:
        """A header's place: the tables of an array are numbered from 0."""
        if not repeated:
            return parts
        number = self._counts.get(parts, 0)
        self._counts[parts] = number + 1
        return (*parts, number)


class _OpenValue:
    """How far a value is open at the end of a line: in which long string, in how many brackets."""

    def __init__(self) -> None:
        self._string = ""
        self._depth = 0

    @property
    def is_open(self) -> bool:
        return bool(self._string) or self._depth > 0

    def read(self, line: str) -> None:
        place = 0
        while True:
            if self._string:
                end = _STRING_END[self._string].match(line, place)
                if end is None:
                    return
                self._string, place = "", end.end()
            token = _TOKEN.search(line, place)
            if token is None or token[0] == "#":
                return
            place = token.end()
            if token[0] in _STRING_END:
                self._string = token[0]
            elif token[0] in "[{":
                self._depth += 1
            elif token[0] in "]}":
                self._depth -= 1


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_KEY_PART, dotted))

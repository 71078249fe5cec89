"""What a process has said to people, kept beside its counters: its last lines, for `aegis status`.

A log is elsewhere (journald, a terminal) and may be gone; whoever looks at 3 a.m. looks here. Each
process replaces one small JSON file of its own as a whole, `said-<process>.json` in the instance's
directory, when it says something; a reader takes an absent, torn or foreign file for silence. The
lines outlive the process, not the instance: a successor goes on where its predecessor ended.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from aegis.shm.counter_tables import PROCESSES

__all__ = ["Line", "Said", "all_said", "read_said"]

MOST_LINES = 12
MOST_CHARACTERS = 600
# A character is at most twelve bytes in JSON.
_MOST_BYTES = 256 * 1024


class Line(NamedTuple):
    """One thing that was said, and when."""

    unix_ms: int
    text: str


class Said:
    """The mouth of one process: standard error, and the file that `status` reads."""

    def __init__(self, directory: Path, instance: str, process: str) -> None:
        self._path = directory / _file_name(process)
        self._prefix = f"aegis {instance} {process}: "
        self._lines: list[Line] | None = None

    def say(self, text: str) -> None:
        """One line for a person. Never raises: a full disk must not end who has words to say."""
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{self._prefix}{text}\n")
        if self._lines is None:
            self._lines = _read(self._path)
        self._lines.append(Line(time.time_ns() // 1_000_000, text[:MOST_CHARACTERS]))
        del self._lines[:-MOST_LINES]
        temporary = self._path.with_name(f".{self._path.name}.new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(OSError):
            with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="ascii") as file:
                json.dump(self._lines, file)
            os.replace(temporary, self._path)


def read_said(directory: Path, process: str) -> list[Line]:
    """The last lines of a process, oldest first; none when there is nothing that can be read."""
    return _read(directory / _file_name(process))


def all_said(directory: Path) -> list[tuple[str, Line]]:
    """The last lines of all processes in order of time, each with the process that said it."""
    said = [(process, line) for process in PROCESSES for line in read_said(directory, process)]
    return sorted(said, key=lambda one: one[1].unix_ms)


def _file_name(process: str) -> str:
    return f"said-{process}.json"


def _read(path: Path) -> list[Line]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found: Any = json.loads(file.read(_MOST_BYTES))
        lines = [Line(int(unix_ms), str(text)) for unix_ms, text in found]
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return []
    return lines[-MOST_LINES:]

"""The supervisor's note file: the words that do not fit into counters.

One small JSON object, `notes.json` in the instance's directory, replaced as a whole by the
supervisor when something happens (a start, a restart, a reload), read by `aegis status` and by the
next start after a `kill -9`. A reader takes an absent, torn or foreign file for "no notes".
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "NOTES_FILE",
    "ChildNote",
    "Event",
    "Notes",
    "ReloadNote",
    "read_notes",
    "remove_notes",
    "write_notes",
]

NOTES_FILE = "notes.json"
NOTES_VERSION = 1
MOST_EVENTS = 24
MOST_CHARACTERS = 600
_MOST_BYTES = 256 * 1024


@dataclass(slots=True)
class ChildNote:
    """One forked process: who it is and how its predecessors ended."""

    pid: int = 0
    start_time_ticks: int = 0
    generation: int = 0
    restarts: int = 0
    last_end: str = ""


@dataclass(slots=True)
class ReloadNote:
    """The outcome of the last SIGHUP.

    `attempts` counts good and bad ones; `settled` turns true when the processes have answered.
    """

    attempts: int = 0
    ok: bool = True
    settled: bool = True
    config_version: int = 0
    unix_ms: int = 0
    text: str = ""


@dataclass(slots=True)
class Event:
    """Something a person would want to read at 3 a.m."""

    unix_ms: int
    text: str


@dataclass(slots=True)
class Notes:
    """Everything the supervisor writes down; `phase` is starting, running, stopping or failed."""

    instance: str
    pid: int
    start_time_ticks: int
    boot_id: str
    build_id: str
    config: str = ""
    config_hash: str = ""  # of the values in force: those of the start, or of the last reload
    strategy: str = ""
    phase: str = "starting"
    reason: str = ""
    simulated: bool = True
    mode: str = "embedded"
    market_host: str = ""  # where prices come from, empty for the embedded exchange
    started_unix_ms: int = 0
    children: dict[str, ChildNote] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)
    last_reload: ReloadNote = field(default_factory=ReloadNote)
    events: list[Event] = field(default_factory=list)

    def remember(self, unix_ms: int, text: str) -> None:
        """Add an event; the oldest goes when there are too many."""
        self.events.append(Event(unix_ms, text[:MOST_CHARACTERS]))
        del self.events[:-MOST_EVENTS]


def write_notes(directory: Path, notes: Notes) -> bool:
    """Replace the note file in one step. False when it cannot be written (a full file system)."""
    temporary = directory / f".{NOTES_FILE}.new"
    text = json.dumps({"version": NOTES_VERSION, **asdict(notes)}, ensure_ascii=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(temporary, flags, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        os.replace(temporary, directory / NOTES_FILE)
    except OSError:
        return False
    return True


def remove_notes(directory: Path) -> None:
    """Remove the note file and a half-written successor."""
    for name in (NOTES_FILE, f".{NOTES_FILE}.new"):
        (directory / name).unlink(missing_ok=True)


def read_notes(directory: Path) -> Notes | None:
    """Read the note file; None when there is none that this build understands."""
    try:
        descriptor = os.open(directory / NOTES_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found: Any = json.loads(file.read(_MOST_BYTES))
        if not isinstance(found, dict) or found.pop("version", None) != NOTES_VERSION:
            return None
        found["children"] = {name: ChildNote(**child) for name, child in found["children"].items()}
        found["last_reload"] = ReloadNote(**found["last_reload"])
        found["events"] = [Event(**event) for event in found["events"]]
        notes = Notes(**found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return notes if isinstance(notes.pid, int) and isinstance(notes.start_time_ticks, int) else None

"""How the last run of an instance ended: what `aegis status` tells when nothing runs any more.

One small JSON object, `last_run.json` in the instance's state directory. The supervisor writes it
at the start, without an end, and again at the end: a run that was killed whole, or that a power
loss ended, is known by the end that is missing. It decides nothing; a reader takes an absent or a
foreign file for "nothing is known", and a disk that cannot take it stops nobody.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from aegis.host.process_identity import read_boot_id
from aegis.host.whole_file import replace_file
from aegis.risk.latch_record import INSTALLED, state_directory

__all__ = ["LastRun", "read_last_run", "when"]

FILE_NAME = "last_run.json"
MOST_WORDS = 3
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class LastRun:
    """One run; `ended_unix_ms` is 0 and `exit_code` -1 while, or because, it has not ended."""

    started_unix_ms: int
    boot_id: str
    mode: str
    ended_unix_ms: int = 0
    exit_code: int = -1
    reason: str = ""
    # Orders that rested at the end, asked; -1: that is not known.
    open_orders: int = -1
    # The last lines of the processes, `<process>: <line>`, oldest first.
    words: list[str] = field(default_factory=list)

    @classmethod
    def begun(cls, mode: str) -> LastRun:
        """A run that starts now."""
        return cls(_now_ms(), read_boot_id(), mode)

    def ended(self, exit_code: int, reason: str, open_orders: int, words: list[str]) -> LastRun:
        """The same at its end."""
        return replace(
            self,
            ended_unix_ms=_now_ms(),
            exit_code=exit_code,
            reason=reason,
            open_orders=open_orders,
            words=words[-MOST_WORDS:],
        )

    @property
    def is_of_this_boot(self) -> bool:
        """Whether the machine has not been booted since."""
        return self.boot_id == read_boot_id()

    def write(self, instance: str) -> None:
        """Replace what was known of the run before."""
        with suppress(OSError):
            text = json.dumps(asdict(self), ensure_ascii=True)
            replace_file(state_directory(instance) / FILE_NAME, text.encode("ascii"))


def read_last_run(instance: str) -> LastRun | None:
    """The newest run that is known of: one by hand, or one of systemd's that may be read."""
    places = (state_directory(instance), INSTALLED / instance)
    found = [run for run in map(_read, places) if run is not None]
    return max(found, key=lambda run: run.started_unix_ms, default=None)


def when(unix_ms: int) -> str:
    """A moment for a person, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix_ms / 1e3))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _read(folder: Path) -> LastRun | None:
    try:
        descriptor = os.open(folder / FILE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = LastRun(**json.loads(file.read(_MOST_BYTES)))
        when(found.started_unix_ms), when(found.ended_unix_ms)
        is_sound = isinstance(found.words, list) and all(isinstance(t, str) for t in found.words)
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return None
    return found if is_sound else None

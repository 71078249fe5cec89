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
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from aegis.host.process_identity import read_boot_id
from aegis.host.whole_file import replace_file
from aegis.risk.latch_record import INSTALLED, state_directory

__all__ = ["LastRun", "hidden_place", "read_last_run", "when"]

FILE_NAME = "last_run.json"
MOST_WORDS = 3
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class LastRun:
    """One run; `ended_unix_ms` is 0 and `exit_code` -1 while, or because, it has not ended."""

    started_unix_ms: int
    boot_id: str
    mode: str
    # The directory of its memory, "" where nobody noted it: one name may run below two of them.
    directory: str = ""
    ended_unix_ms: int = 0
    exit_code: int = -1
    reason: str = ""
    # Orders that rested at the end, asked; -1: that is not known.
    open_orders: int = -1
    # The last lines of the processes, `<process>: <line>`, oldest first.
    words: list[str] = field(default_factory=list)
    # Of a start that failed: what was known of the run before it, unless that ended in order.
    before: str = ""

    @classmethod
    def begun(cls, mode: str, directory: str | Path = "") -> LastRun:
        """A run that starts now; `directory` is where its memory stands."""
        return cls(_now_ms(), read_boot_id(), mode, _resolved(directory))

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

    def not_started(self, exit_code: int, reason: str, before: LastRun | None) -> LastRun:
        """The same for a start that failed: what it replaces must not be forgotten over it."""
        ended = self.ended(exit_code, f"it could not start: {reason}", -1, [])
        if before is None or before.is_in_order:
            return ended
        return replace(ended, before=before.before or str(before))

    def __str__(self) -> str:
        """How it ended, for a person."""
        before = f"; before it: {self.before}" if self.before else ""
        if not self.ended_unix_ms:
            how = "it was killed whole" if self.is_of_this_boot else "the machine went down with it"
            return f"the run of {when(self.started_unix_ms)} did not end in order: {how}{before}"
        words = f"; last words: {'; '.join(self.words)}" if self.exit_code and self.words else ""
        orders = {-1: "open orders at the end not known", 0: "no order rested"}
        rested = orders.get(self.open_orders, f"{self.open_orders} ORDERS RESTED AT THE END")
        return (
            f"the last run ended {when(self.ended_unix_ms)} with exit code {self.exit_code}: "
            f"{self.reason}; {rested}{words}{before}"
        )

    @property
    def is_in_order(self) -> bool:
        """Whether it ended, with 0, and no order rested."""
        return self.ended_unix_ms > 0 and self.exit_code == 0 and self.open_orders == 0

    @property
    def is_of_this_boot(self) -> bool:
        """Whether the machine has not been booted since."""
        return self.boot_id == read_boot_id()

    def write(self, instance: str) -> None:
        """Replace what was known of the run before."""
        # RuntimeError: this user has no home.
        with suppress(OSError, RuntimeError):
            text = json.dumps(asdict(self), ensure_ascii=True)
            replace_file(state_directory(instance) / FILE_NAME, text.encode("ascii"))


def read_last_run(instance: str, directory: str | Path = "") -> LastRun | None:
    """The newest run that is known of: one by hand, or one of systemd's that may be read.

    With `directory` only runs that had their memory there: another one may still be running.
    """
    wanted = ("", _resolved(directory))
    found = [run for run in map(_read, _places(instance)) if run is not None]
    found = [run for run in found if not directory or run.directory in wanted]
    return max(found, key=lambda run: run.started_unix_ms, default=None)


def hidden_place(instance: str) -> str:
    """Where a run may be told of that this user must not read; "" where there is none such."""
    for folder in _places(instance):
        try:
            os.close(os.open(folder / FILE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
        except PermissionError:
            return str(folder)
        except OSError:
            pass
    return ""


def when(unix_ms: int) -> str:
    """A moment for a person, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix_ms / 1e3))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _resolved(directory: str | Path) -> str:
    return os.path.realpath(directory) if directory else ""


def _places(instance: str) -> list[Path]:
    installed = INSTALLED / instance
    try:
        return [state_directory(instance), installed]
    except RuntimeError:
        return [installed]


def _read(folder: Path) -> LastRun | None:
    try:
        descriptor = os.open(folder / FILE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = LastRun(**json.loads(file.read(_MOST_BYTES)))
        when(found.started_unix_ms), when(found.ended_unix_ms)
        blank = LastRun(0, "", "")
        is_sound = all(
            type(getattr(found, each.name)) is type(getattr(blank, each.name))
            for each in fields(LastRun)
        ) and all(isinstance(text, str) for text in found.words)
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return None
    return found if is_sound else None

"""The latch on the disk: what tripped it outlives execution and the whole appliance.

One small file in the instance's state directory, written by execution whenever the latch moves and
read at every start. Only `aegis arm` brings it back to ACTIVE. A file that is there and cannot be
understood is taken for HALTED (control LATCH_RECORD): somebody must look. It also holds when the
instance first began to trade its strategy, from which the pilot's hours count.

::

    {"state": "HALTED", "control": "FOREIGN_ORDER", "since_ms": 1763700000000,
     "strategy": "avellaneda_stoikov", "first_ms": 1763600000000}

Raises: OSError when the file cannot be written; the caller says so and stays latched.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from aegis.host.whole_file import replace_file
from aegis.risk.control_numbers import Control
from aegis.risk.latch import LatchState

__all__ = [
    "INSTALLED",
    "LatchRecord",
    "read_record",
    "record_file",
    "record_file_by_hand",
    "state_directory",
    "write_record",
]

FILE_NAME = "latch.json"
_MOST_BYTES = 4_096
INSTALLED = Path("/var/lib/aegis")


@dataclass(frozen=True, slots=True)
class LatchRecord:
    """Where the latch stood; times are wall clock, ms since 1970, 0 when unknown.

    `by_hand`: a person has changed it since the last run, which overrules what that run left
    elsewhere (in its journal).
    """

    state: LatchState = LatchState.ACTIVE
    control: int = 0
    since_ms: int = 0
    strategy: str = ""
    first_ms: int = 0
    by_hand: bool = False

    def begun(self, strategy: str, now_ms: int) -> LatchRecord:
        """The same, for an instance that trades `strategy` now: another one is new."""
        if self.strategy == strategy and 0 < self.first_ms <= now_ms:
            return self
        return replace(self, strategy=strategy, first_ms=now_ms)

    def moved(self, state: LatchState, control: int, since_ms: int) -> LatchRecord:
        """The same, with the latch somewhere else."""
        return replace(self, state=state, control=control, since_ms=since_ms, by_hand=False)

    def changed_by_hand(self, state: LatchState, control: int, since_ms: int) -> LatchRecord:
        """The same, by a person's command while nothing ran."""
        return replace(self.moved(state, control, since_ms), by_hand=True)


def state_directory(instance: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Where an instance keeps what must outlive it.

    Under systemd the last of $STATE_DIRECTORY, which is the instance's own; else
    `$XDG_STATE_HOME/aegis/<instance>`, by default below `~/.local/state`.
    """
    given = environment.get("STATE_DIRECTORY", "").split(":")[-1]
    if given:
        return Path(given)
    base = environment.get("XDG_STATE_HOME", "")
    home = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return home / "aegis" / instance


def record_file(instance: str) -> Path:
    """The latch's file of an instance."""
    return state_directory(instance) / FILE_NAME


def record_file_by_hand(instance: str) -> Path:
    """The same for a command run by hand, which may mean an instance of systemd's."""
    own = record_file(instance)
    installed = INSTALLED / instance
    return installed / FILE_NAME if not own.exists() and installed.is_dir() else own


def read_record(file: Path) -> LatchRecord:
    """What the file says; ACTIVE when there is none, HALTED when it makes no sense."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return LatchRecord()
    except OSError:
        return LatchRecord(LatchState.HALTED, Control.LATCH_RECORD)
    try:
        found = json.loads(raw)
        control = Control[found["control"]] if found["control"] else Control.PASS
        record = LatchRecord(
            LatchState[found["state"]],
            int(control),
            int(found["since_ms"]),
            str(found["strategy"]),
            int(found["first_ms"]),
            bool(found.get("by_hand", False)),
        )
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return LatchRecord(LatchState.HALTED, Control.LATCH_RECORD)
    if len(raw) > _MOST_BYTES or (record.state is LatchState.ACTIVE) != (record.control == 0):
        return LatchRecord(LatchState.HALTED, Control.LATCH_RECORD)
    return record


def write_record(file: Path, record: LatchRecord) -> None:
    """Replace the file as a whole, see `host.whole_file`. Raises OSError."""
    fields = asdict(record)
    fields["state"] = record.state.name
    fields["control"] = Control(record.control).name if record.control else ""
    replace_file(file, json.dumps(fields).encode())

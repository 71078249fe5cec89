"""Who a process is, for as long as the box lives: pid, start time, boot.

A pid alone is reused within hours and means nothing after a reboot. Region headers, the instance
lock and status carry this identity; a reader asks ``is_alive`` before it believes what it finds. It
must never signal anything.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aegis.host.proc import stat_fields

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_STATE: Final = 3 - 3  # Field numbers of proc(5), less the three that stat_fields leaves out.
_START_TIME: Final = 22 - 3
_DEAD_STATES: Final = frozenset("ZXx")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """``start_time_ticks`` counts clock ticks since boot; ``boot_id`` is empty where hidden."""

    pid: int
    start_time_ticks: int
    boot_id: str


def read_boot_id() -> str:
    """The kernel's random id of this boot; empty where a sandbox hides /proc/sys."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def start_time_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if there is none or a zombie."""
    fields = stat_fields(pid)
    if fields is None or len(fields) <= _START_TIME or fields[_STATE] in _DEAD_STATES:
        return None
    return int(fields[_START_TIME])


def identity_of(pid: int) -> ProcessIdentity | None:
    """The identity of a live process; None if there is none, or only a zombie."""
    started = start_time_ticks(pid)
    return None if started is None else ProcessIdentity(pid, started, read_boot_id())


def own_identity() -> ProcessIdentity:
    """The identity of this process. Raises RuntimeError where /proc is not mounted."""
    identity = identity_of(os.getpid())
    if identity is None:
        raise RuntimeError(f"/proc does not show process {os.getpid()}: is /proc mounted?")
    return identity


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether that very process still exists. A stopped one does: only progress exposes it."""
    if identity.pid <= 0 or start_time_ticks(identity.pid) != identity.start_time_ticks:
        return False
    # A sandbox may hide the boot id from one side; then pid and start time have to do.
    boot = read_boot_id()
    return not boot or not identity.boot_id or boot == identity.boot_id

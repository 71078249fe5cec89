"""Reading /proc of one process: its status lines and its stat fields.

The rest of ``aegis.host`` reads /proc through these. They return zero or None for a process that is
gone, since it may go at any moment between two reads; they must never raise for that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


def status_fields(pid: int | str = "self") -> dict[str, str]:
    """``/proc/PID/status`` as a dict; empty if there is no such process."""
    try:
        lines = (PROC / str(pid) / "status").read_text(errors="replace").splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def status_kib(name: str, pid: int | str = "self") -> int:
    """A size of ``/proc/PID/status`` in KiB; 0 if it is not there."""
    words = status_fields(pid).get(name, "").split()
    return int(words[0]) if words and words[0].isdigit() else 0


def stat_fields(pid: int | str = "self") -> list[str] | None:
    """``/proc/PID/stat`` from the third field (state) on; None if there is no such process.

    Numbering of proc(5): field ``n`` is element ``n - 3``. The name (field 2) may hold blanks and
    brackets, so it is cut at the last closing one.
    """
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    _, bracket, rest = text.rpartition(")")
    return rest.split() if bracket else None


def has_capability(number: int) -> bool:
    """Whether this process holds a capability in its effective set (capabilities(7))."""
    try:
        return bool(int(status_fields().get("CapEff", "0"), 16) >> number & 1)
    except ValueError:
        return False

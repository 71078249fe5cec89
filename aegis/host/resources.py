"""What a process uses: memory, locked and swapped parts, threads, descriptors, switches, CPU time.

Read by status, by the soak runs that prove a flat RSS, and by the watchdog's report. One call reads
three small files; it must never be made from a duty cycle.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Final

from aegis.host.proc import PROC, stat_fields, status_fields

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Resources:
    """A moment of one process; sizes in bytes. ``descriptors`` is -1 where we may not look.

    ``own_bytes`` is the resident part that neither files nor shared memory stand behind: what a
    leak would show in, while the pages of a ring become resident as they are first touched.
    """

    state: str
    rss_bytes: int
    own_bytes: int
    peak_rss_bytes: int
    locked_bytes: int
    swapped_bytes: int
    threads: int
    descriptors: int
    cpu_s: float
    minor_faults: int
    major_faults: int
    voluntary_switches: int
    involuntary_switches: int

    def as_dict(self) -> dict[str, str | int | float]:
        """The JSON form, keys as the fields."""
        return asdict(self)


def read_resources(pid: int) -> Resources | None:
    """Read one process; None if it is gone."""
    status = status_fields(pid)
    stat = stat_fields(pid)
    if not status or stat is None:
        return None
    # Field n of proc(5) is element n - 3 of stat.
    cpu_ticks = int(stat[14 - 3]) + int(stat[15 - 3])
    return Resources(
        state=stat[0],
        rss_bytes=_number(status, "VmRSS") * 1024,
        own_bytes=_number(status, "RssAnon") * 1024,
        peak_rss_bytes=_number(status, "VmHWM") * 1024,
        locked_bytes=_number(status, "VmLck") * 1024,
        swapped_bytes=_number(status, "VmSwap") * 1024,
        threads=_number(status, "Threads"),
        descriptors=_descriptors(pid),
        cpu_s=cpu_ticks / _TICKS_PER_S,
        minor_faults=int(stat[10 - 3]),
        major_faults=int(stat[12 - 3]),
        voluntary_switches=_number(status, "voluntary_ctxt_switches"),
        involuntary_switches=_number(status, "nonvoluntary_ctxt_switches"),
    )


def _number(fields: dict[str, str], name: str) -> int:
    words = fields.get(name, "").split()
    return int(words[0]) if words and words[0].isdigit() else 0


def _descriptors(pid: int) -> int:
    try:
        return len(os.listdir(PROC / str(pid) / "fd"))
    except OSError:
        return -1

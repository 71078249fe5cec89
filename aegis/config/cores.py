"""Which cores this box has and lets us use; the kernel's list notation (``0-3,7``).

The rules of the configuration ask it, ``aegis.host.affinity`` builds on it. It must never leave the
caller's affinity changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SYSTEM_CPU: Final = Path("/sys/devices/system/cpu")
_CORE_SPAN: Final = re.compile(r"(\d+)(?:-(\d+))?")
_MASK_BITS: Final = 1_024  # CPU_SETSIZE; the kernel ignores bits of cores it does not have.
_MAX_CORE: Final = 8_191  # The kernel's own bound, CONFIG_NR_CPUS of the largest builds.


@dataclass(frozen=True, slots=True)
class BoxCores:
    """Cores that run now (``online``) and those that a process of ours may be pinned to."""

    online: frozenset[int]
    usable: frozenset[int]


def parse_core_list(text: str) -> frozenset[int]:
    """Read the kernel's list notation; an empty text is no core. Raises ValueError."""
    cores: set[int] = set()
    for span in text.strip().split(",") if text.strip() else ():
        match = _CORE_SPAN.fullmatch(span.strip())
        first, last = (0, -1) if match is None else (int(match[1]), int(match[2] or match[1]))
        if not 0 <= first <= last <= _MAX_CORE:
            raise ValueError(f"{text!r} is not a list of cores such as 0-3,7")
        cores.update(range(first, last + 1))
    return frozenset(cores)


def format_core_list(cores: Iterable[int]) -> str:
    """Write cores in the kernel's list notation, ``none`` for no core."""
    spans: list[list[int]] = []
    for core in sorted(set(cores)):
        if spans and core == spans[-1][1] + 1:
            spans[-1][1] = core
        else:
            spans.append([core, core])
    texts = (str(first) if first == last else f"{first}-{last}" for first, last in spans)
    return ",".join(texts) or "none"


def read_core_list(path: Path) -> frozenset[int] | None:
    """The cores that a kernel file lists; None where the file is absent or says something else."""
    try:
        return parse_core_list(path.read_text())
    except (OSError, ValueError):
        return None


def permitted_cores() -> frozenset[int]:
    """The cores that the kernel would let this thread be pinned to.

    The present mask does not tell: a process that is pinned already, and every process of a box
    booted with isolcpus, has a smaller one than it may ask for. So ask for everything, read what
    came (the kernel cuts it to the cpuset), and put the old mask back.
    """
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, range(_MASK_BITS))
        return frozenset(os.sched_getaffinity(0))
    except OSError:
        return frozenset(before)
    finally:
        os.sched_setaffinity(0, before)


def box_cores() -> BoxCores:
    """Read this box. Without /sys the permitted cores stand for the online ones."""
    permitted = permitted_cores()
    online = read_core_list(SYSTEM_CPU / "online") or permitted
    return BoxCores(online=online, usable=online & permitted)

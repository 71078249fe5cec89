"""Cores: which are online, which are isolated, and pinning a process to one of them.

The supervisor's child bootstrap pins each process, ``aegis check`` and status read the rest. A pin
is believed only after it has been read back: a cpuset may cut the mask without an error.
"""

from __future__ import annotations

import os

from aegis.config.cores import (
    SYSTEM_CPU,
    BoxCores,
    box_cores,
    format_core_list,
    parse_core_list,
    permitted_cores,
    read_core_list,
)
from aegis.host.grant import Grant, refusal

__all__ = [
    "BoxCores",
    "box_cores",
    "format_core_list",
    "isolated_cores",
    "nohz_full_cores",
    "online_cores",
    "parse_core_list",
    "permitted_cores",
    "pin_self",
    "pinned_core",
]

NOT_PINNED = -1


def online_cores() -> frozenset[int]:
    """The cores that run now."""
    return box_cores().online


def isolated_cores() -> frozenset[int]:
    """The cores that the kernel command line's ``isolcpus`` keeps free of other tasks."""
    return read_core_list(SYSTEM_CPU / "isolated") or frozenset()


def nohz_full_cores() -> frozenset[int]:
    """The cores without a periodic tick; empty as well where the kernel was built without it."""
    return read_core_list(SYSTEM_CPU / "nohz_full") or frozenset()


def pinned_core(pid: int = 0) -> int:
    """The one core that a process may run on, ``NOT_PINNED`` if it has several or is gone."""
    try:
        cores = os.sched_getaffinity(pid)
    except OSError:
        return NOT_PINNED
    return next(iter(cores)) if len(cores) == 1 else NOT_PINNED


def pin_self(core: int) -> Grant:
    """Pin the calling thread (threads that it starts later inherit it) and read back what came."""
    asked = f"core {core}"
    try:
        os.sched_setaffinity(0, {core})
    except (OSError, ValueError, OverflowError) as error:
        box = box_cores()
        remedy = f"usable cores: {format_core_list(box.usable)}"
        if core in box.usable:
            remedy = "allow sched_setaffinity in the unit's SystemCallFilter"
        reason = refusal(error) if isinstance(error, OSError) else str(error)
        return Grant("affinity", asked, _shown_affinity(), False, reason, remedy)
    if os.sched_getaffinity(0) != {core}:
        reason = "the kernel cut the mask to the cpuset of this process"
        remedy = f"usable cores: {format_core_list(box_cores().usable)}"
        return Grant("affinity", asked, _shown_affinity(), False, reason, remedy)
    return Grant("affinity", asked, asked, True)


def _shown_affinity() -> str:
    cores = os.sched_getaffinity(0)
    return f"core{'s' if len(cores) > 1 else ''} {format_core_list(cores)}"

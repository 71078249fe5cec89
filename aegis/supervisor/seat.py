"""A process's seat on the machine: its core, its scheduling policy, its locked memory.

Called by each forked child before its own work begins. What was asked and what was got goes into
the standard counters, what was refused onto standard error: a smaller box means a degraded mode
that is said aloud, never a refusal to start.
"""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path

import numpy as np

from aegis.config.settings import Settings
from aegis.host.affinity import NOT_PINNED, pin_self, pinned_core
from aegis.host.memory_lock import lock_memory
from aegis.host.process_identity import start_time_ticks
from aegis.host.scheduler import scheduler_of, set_scheduler
from aegis.shm.counters import Counters
from aegis.shm.instance import InstanceMemory

__all__ = [
    "NOT_LOCKED",
    "NOT_PINNED_FLAG",
    "NO_HUGE_PAGES",
    "SCHEDULER_REFUSED",
    "map_memory",
    "reset_gauges",
    "take_seat",
]

# Bits of the counter `degraded_flags`, as the counter's label lists them.
NOT_PINNED_FLAG, SCHEDULER_REFUSED, NOT_LOCKED, NO_HUGE_PAGES = 1, 2, 4, 8

_STARTING = 1
# The embedded exchange and the feed can be had again; execution is the last that may go.
_OOM_SCORES = {"venue": 300, "feed": 200, "brain": 200, "execution": 100}
# What a predecessor may have left standing in shared memory and is not true of a process that has
# only just begun. Counts (messages, fills) go on; the venue's port stays, it is asked for again.
_GAUGES = {
    "feed": ("connected", "subscribed", "books_valid", "trades_silent", "marks_silent"),
    "brain": ("synced", "in_step"),
    "execution": ("ready", "private_connected", "order_connected"),
    "venue": ("connections", "books_in_force"),
}


def map_memory(memory: InstanceMemory) -> None:
    """Touch every page of the shared regions once.

    A fork does not copy the page tables of shared mappings: without this, every first use of a page
    would be a fault in the midst of a duty cycle, and memory in use would seem to grow until each
    ring has gone round once. Reading is enough, tmpfs maps such a page writable at once.
    """
    for region in memory.regions.values():
        int(np.frombuffer(region.memory, np.uint8)[:: mmap.PAGESIZE].max())


def reset_gauges(process: str, counters: Counters) -> None:
    """Clear the gauges that only a live process can vouch for."""
    for name in _GAUGES.get(process, ()):
        counters[name] = 0


def take_seat(process: str, settings: Settings, counters: Counters, generation: int) -> list[str]:
    """Pin, schedule and lock this process; returns one sentence per thing it did not get."""
    hardware = settings.hardware
    core = settings.cores.by_process()[process]
    counters["state"] = _STARTING
    counters["pid"] = os.getpid()
    counters["start_time_ticks"] = start_time_ticks(os.getpid()) or 0
    counters["generation"] = generation
    counters["core_asked"] = core
    _prefer_as_victim(_OOM_SCORES.get(process, 0))
    grants = (
        (NOT_PINNED_FLAG, pin_self(core)),
        (SCHEDULER_REFUSED, set_scheduler(hardware.scheduler, hardware.priority)),
        (NOT_LOCKED, lock_memory(hardware.mlock)),
    )
    flags = sum(bit for bit, grant in grants if not grant.honoured)
    locked = hardware.mlock and not flags & NOT_LOCKED
    counters["core_got"] = core if not flags & NOT_PINNED_FLAG else pinned_core()
    counters["scheduler_got"] = scheduler_of()[0]
    counters["mlocked"] = int(locked)
    counters["degraded_flags"] = flags
    assert counters["core_got"] >= NOT_PINNED
    refused = [grant.degradation for _, grant in grants if not grant.honoured]
    for text in refused:
        sys.stderr.write(f"aegis {settings.name} {process}: degraded: {text}\n")
    return refused


def _prefer_as_victim(above_parent: int) -> None:
    """Tell the kernel's out-of-memory killer whom to take first (a higher score goes earlier)."""
    place = Path("/proc/self/oom_score_adj")
    try:
        place.write_text(str(min(int(place.read_text()) + above_parent, 1000)))
    except (OSError, ValueError):
        # A sandbox may hide it; the order of victims is a preference, nothing depends on it.
        return

"""Keeping every page of a process in memory, so that no page-in ever stalls the path.

Called by the child bootstrap of each process: a lock is not inherited over fork. Pages are locked
as they are touched (MCL_ONFAULT): locking whole mappings would make every thread's 8 MiB stack and
LLVM's reserve resident. Future mappings are locked only where the lock has no ceiling, because
under a finite RLIMIT_MEMLOCK a later mmap would then fail, and the process with it.
"""

from __future__ import annotations

import resource
from typing import Final

from aegis.host import libc
from aegis.host.grant import Grant, refusal
from aegis.host.proc import has_capability, status_kib

MCL_CURRENT: Final = 1
MCL_FUTURE: Final = 2
MCL_ONFAULT: Final = 4
CAP_IPC_LOCK: Final = 14
_REMEDY: Final = "LimitMEMLOCK=infinity in the unit, or CAP_IPC_LOCK"


def lock_ceiling_bytes() -> int | None:
    """How many bytes may be locked; None where there is no ceiling."""
    if has_capability(CAP_IPC_LOCK):
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return None if soft == resource.RLIM_INFINITY else soft


def locked_bytes() -> int:
    """What the kernel counts as locked of this process (VmLck)."""
    return status_kib("VmLck") * 1024


def lock_memory(wanted: bool = True) -> Grant:
    """Lock all present and future pages of this process, as far as it is allowed."""
    if not wanted:
        return Grant("mlock", "no", "no", True)
    ceiling = lock_ceiling_bytes()
    flags = MCL_CURRENT | MCL_ONFAULT | (MCL_FUTURE if ceiling is None else 0)
    try:
        libc.mlockall(flags)
    except OSError as error:
        return Grant("mlock", "all pages", "none", False, refusal(error), _REMEDY)
    if ceiling is not None:
        reason = f"RLIMIT_MEMLOCK is {ceiling >> 20} MiB"
        return Grant("mlock", "all pages", "present pages", False, reason, _REMEDY)
    if locked_bytes() == 0:
        return Grant("mlock", "all pages", "none", False, "the kernel counts none", _REMEDY)
    return Grant("mlock", "all pages", "all pages", True)


def memory_lock_grant(wanted: bool) -> Grant:
    """What ``lock_memory`` would come to, without locking anything."""
    if not wanted:
        return Grant("mlock", "no", "no", True)
    ceiling = lock_ceiling_bytes()
    if ceiling is None:
        return Grant("mlock", "all pages", "all pages", True)
    held = status_kib("VmSize") * 1024
    got = "present pages" if held <= ceiling else "none"
    reason = (
        f"RLIMIT_MEMLOCK is {ceiling >> 20} MiB, a process of ours maps {held >> 20} MiB or more"
    )
    return Grant("mlock", "all pages", got, False, reason, _REMEDY)

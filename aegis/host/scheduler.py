"""The kernel's scheduling policy of a process: SCHED_OTHER, SCHED_FIFO, SCHED_RR.

Called by the child bootstrap, which asks for what ``[hardware] scheduler`` and ``priority`` say. A
refusal leaves the process at SCHED_OTHER and says so. It must never be combined with
``sched_rt_runtime_us = -1`` and a spinning wait: that starves the kernel threads of the core.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from aegis.host.grant import Grant, refusal

POLICIES: Final = {"other": os.SCHED_OTHER, "fifo": os.SCHED_FIFO, "rr": os.SCHED_RR}
_NAMES: Final = {number: name for name, number in POLICIES.items()}
_RT_RUNTIME: Final = Path("/proc/sys/kernel/sched_rt_runtime_us")
_REMEDY: Final = "LimitRTPRIO=99 and AmbientCapabilities=CAP_SYS_NICE in the unit"


def scheduler_of(pid: int = 0) -> tuple[int, int]:
    """Policy number (POLICIES) and priority of a process. Raises OSError if it is gone."""
    policy = os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK
    return policy, os.sched_getparam(pid).sched_priority


def shown_scheduler(policy: int, priority: int) -> str:
    """``other``, or a real-time policy with its priority: ``fifo 50``."""
    name = _NAMES.get(policy, f"policy {policy}")
    return f"{name} {priority}" if priority else name


def set_scheduler(name: str, priority: int) -> Grant:
    """Take a policy and read it back. KeyError for a name that is not in POLICIES."""
    wanted = (POLICIES[name], priority)
    asked = shown_scheduler(*wanted)
    try:
        if scheduler_of() != wanted:
            os.sched_setscheduler(0, wanted[0], os.sched_param(priority))
    except OSError as error:
        got = shown_scheduler(*scheduler_of())
        return Grant("scheduler", asked, got, False, refusal(error), _REMEDY)
    got = shown_scheduler(*scheduler_of())
    if got != asked:
        return Grant("scheduler", asked, got, False, "the kernel kept another policy", _REMEDY)
    return Grant("scheduler", asked, got, True)


def scheduler_grant(name: str, priority: int) -> Grant:
    """What ``set_scheduler`` would come to: take the policy and at once give it back."""
    policy, present = scheduler_of()
    grant = set_scheduler(name, priority)
    if scheduler_of() != (policy, present):
        os.sched_setscheduler(0, policy, os.sched_param(present))
    return grant


def real_time_runtime_us() -> int | None:
    """Microseconds of each second that real-time tasks may take, -1 for all; None if hidden."""
    try:
        return int(_RT_RUNTIME.read_text())
    except (OSError, ValueError):
        return None

"""A process's own settings with the kernel: die with the parent, carry a name, leave no core dump.

Called by the child bootstrap right after the fork. The death signal is bound to the parent's
*thread* that forked, so the supervisor must fork from its main thread only.
"""

from __future__ import annotations

import os
import signal
from typing import Final

from aegis.host import libc
from aegis.host.grant import Grant, refusal

PR_SET_PDEATHSIG: Final = 1
PR_GET_DUMPABLE: Final = 3
PR_SET_DUMPABLE: Final = 4
PR_SET_NAME: Final = 15
MAX_NAME_BYTES: Final = 15


def die_with_parent(parent_pid: int, signal_number: int = signal.SIGKILL) -> Grant:
    """Ask for a signal at the parent's death. ``parent_pid`` is who forked us, read before.

    A parent that died before this call sends nothing any more, so the parent is checked after it;
    the caller must leave when the grant is not honoured.
    """
    asked = f"{signal.Signals(signal_number).name} when process {parent_pid} dies"
    try:
        libc.prctl(PR_SET_PDEATHSIG, int(signal_number))
    except OSError as error:
        return Grant("die with parent", asked, "nothing", False, refusal(error))
    if os.getppid() != parent_pid:
        return Grant("die with parent", asked, "nothing", False, "the parent is dead already")
    return Grant("die with parent", asked, asked, True)


def set_process_name(name: str) -> Grant:
    """Set the name that ``ps`` and ``top`` show, cut to the kernel's 15 bytes."""
    cut = name.encode()[:MAX_NAME_BYTES]
    try:
        libc.prctl_text(PR_SET_NAME, cut)
    except OSError as error:
        return Grant("process name", name, "the old name", False, refusal(error))
    return Grant("process name", name, cut.decode(errors="ignore"), True)


def forbid_core_dumps() -> Grant:
    """No core dump and no ptrace by the same user: for the process that holds the keys.

    It also makes root the owner of /proc/PID, so others of the same user no longer read its files.
    """
    try:
        libc.prctl(PR_SET_DUMPABLE, 0)
        dumpable = libc.prctl(PR_GET_DUMPABLE)
    except OSError as error:
        return Grant("no core dumps", "yes", "no", False, refusal(error), "LimitCORE=0 in the unit")
    return Grant("no core dumps", "yes", "yes" if dumpable == 0 else "no", dumpable == 0)

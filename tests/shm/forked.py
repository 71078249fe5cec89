"""A second process for a test: a fork that runs one function, is bounded in time and always reaped.

Kernels that the function calls must have been compiled before the fork, or the child compiles them
anew. The child dies with the test process and never returns into pytest.
"""

from __future__ import annotations

import os
import select
import signal
import traceback
from collections.abc import Callable

from aegis.host.prctl import die_with_parent

TIMEOUT_S = 30.0


class Forked:
    """A child that runs `function`; its exit status is 0 unless the function raised."""

    def __init__(self, function: Callable[[], object]) -> None:
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                if die_with_parent(parent).honoured:
                    function()
                    status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        self.status: int | None = None

    def join(self, timeout_s: float = TIMEOUT_S) -> int:
        """Wait for the end: the exit status, or minus the signal that killed it.

        Kills the child and raises AssertionError when it is not over after `timeout_s`.
        """
        if self.status is None:
            descriptor = os.pidfd_open(self.pid)
            try:
                over, _, _ = select.select([descriptor], [], [], timeout_s)
            finally:
                os.close(descriptor)
            if not over:
                self.kill()
                raise AssertionError(f"the second process did not end in {timeout_s} s")
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def kill(self) -> None:
        """SIGKILL and reap; nothing when it is over already."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def pin(core: int) -> None:
    """Pin this process to the `core`-th of the cores it may use, or to the last one there is."""
    usable = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {usable[min(core, len(usable) - 1)]})

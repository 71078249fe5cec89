"""Two pinned processes for a benchmark: a forked child and this one, and a start line.

The child is pinned to the second core of the set this process may use, the parent to the first;
with one core only they share it and the result says so. Nothing is left behind: the child is
always reaped, the memory is anonymous.
"""

import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Cores", "cores", "run_pair"]


@dataclass(frozen=True)
class Cores:
    """The cores a benchmark runs on; `shared` when there is only one."""

    parent: int
    child: int

    @property
    def shared(self) -> bool:
        """Both processes on one core: the figures then measure the scheduler."""
        return self.parent == self.child


def cores() -> Cores:
    """The first two cores this process may run on."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[0], usable[1] if len(usable) > 1 else usable[0])


def run_pair(child: Callable[[], None], parent: Callable[[], None], where: Cores) -> None:
    """Run `child` in a fork on its core while `parent` runs here on the other.

    Raises RuntimeError when the child fails; affinity is restored in any case.
    """
    before = os.sched_getaffinity(0)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.sched_setaffinity(0, {where.child})
            child()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    try:
        os.sched_setaffinity(0, {where.parent})
        parent()
    finally:
        os.sched_setaffinity(0, before)
        _, status = os.waitpid(pid, 0)
    if status != 0:
        raise RuntimeError(f"the benchmark's second process ended with status {status}")

"""Two pinned processes for a benchmark: a forked child and this one.

The child is pinned to the second core of the set this process may use, the parent to the first;
with one core only they share it and the result says so. Nothing is left behind: the child is
always reaped, killed first when the parent fails, and dies with it; the memory is anonymous.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from aegis.host.prctl import die_with_parent

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
    own_pid = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _be_child(child, own_pid, where)
    try:
        os.sched_setaffinity(0, {where.parent})
        parent()
    except BaseException:
        # The child may be waiting for what will never come.
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.sched_setaffinity(0, before)
        _, status = os.waitpid(pid, 0)
    if status != 0:
        raise RuntimeError(f"the benchmark's second process ended with status {status}")


def _be_child(child: Callable[[], None], parent_pid: int, where: Cores) -> NoReturn:
    """Run `child` and leave; Ctrl-C is the parent's affair."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if die_with_parent(parent_pid).honoured:
            os.sched_setaffinity(0, {where.child})
            child()
            status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)

"""Yield: like spin, but offers the core to whoever else is runnable between looks.

For processes that share a core and must answer within a scheduler slice; the core still runs hot.
"""

from typing import Any

from aegis.host.clock import kernel_monotonic_ns
from aegis.host.jit import kernel
from aegis.shm.atomics import load_acquire
from aegis.shm.ring_header import TAIL
from aegis.shm.syscalls import sched_yield


@kernel("i8(u8[::1],u8,u8[::1],u8,i8,i8)")
def wait(
    first: Any, first_seen: Any, second: Any, second_seen: Any, slot: Any, deadline_ns: Any
) -> Any:
    """1 when either ring moved, 0 at the deadline; `slot` is not used."""
    while True:
        if load_acquire(first, TAIL) != first_seen:
            return 1
        if load_acquire(second, TAIL) != second_seen:
            return 1
        sched_yield()
        if kernel_monotonic_ns() >= deadline_ns:
            return 0

"""Park: sleep in the kernel until the writer of either ring says there is more.

Costs nothing while idle and a system call on each side to wake; the protocol is told in
`aegis.shm.wake`. A bounded spin comes first: when records are microseconds apart, sleeping costs
more than looking. Where futex_waitv is refused (Linux before 5.16, a system call filter) it looks
every 50 microseconds instead of spinning.
"""

from typing import Any

import numpy as np

from aegis.host.clock import kernel_monotonic_ns
from aegis.host.jit import kernel
from aegis.shm.atomics import fence_full, load_acquire, pause, store_relaxed
from aegis.shm.ring_header import SLEEPING, TAIL
from aegis.shm.syscalls import futex_wait_two, sleep_until
from aegis.shm.wake import AWAKE, PARKED

# About a microsecond: less than one futex round trip, so the spin never dominates the cost.
_LOOKS_BEFORE_SLEEP = 32
_REFUSED_SLEEP_NS = 50_000


@kernel("i8(u8[::1],u8,u8[::1],u8,i8,i8)")
def wait(
    first: Any, first_seen: Any, second: Any, second_seen: Any, slot: Any, deadline_ns: Any
) -> Any:
    """1 when either ring moved, 0 at the deadline; sleeps as reader `slot` of both rings."""
    for _ in range(np.int64(_LOOKS_BEFORE_SLEEP)):
        if load_acquire(first, TAIL) != first_seen:
            return 1
        if load_acquire(second, TAIL) != second_seen:
            return 1
        pause()
    place = SLEEPING + np.uint64(slot)
    store_relaxed(first, place, PARKED)
    store_relaxed(second, place, PARKED)
    fence_full()
    moved = 0
    slept = np.int64(0)
    while moved == 0:
        if load_acquire(first, TAIL) != first_seen or load_acquire(second, TAIL) != second_seen:
            moved = 1
            break
        now = kernel_monotonic_ns()
        if now >= deadline_ns:
            break
        if slept < 0:
            # Nothing has changed, yet the call came back: it was refused (or a signal came).
            sleep_until(min(now + _REFUSED_SLEEP_NS, deadline_ns))
        slept = futex_wait_two(first, TAIL, first_seen, second, TAIL, second_seen, deadline_ns)
    store_relaxed(first, place, AWAKE)
    store_relaxed(second, place, AWAKE)
    return moved

"""Back off: spin a little, yield a little, then sleep in steps that double up to 100 µs.

For a box without futex_waitv (Linux before 5.16) or a process that nobody wakes: the sleep is on
the clock alone. The kernel adds its timer slack (50 µs unless PR_SET_TIMERSLACK says less).
"""

from typing import Any

import numpy as np

from aegis.host.clock import kernel_monotonic_ns
from aegis.host.jit import kernel
from aegis.shm.atomics import load_acquire, pause
from aegis.shm.ring_header import TAIL
from aegis.shm.syscalls import sched_yield, sleep_until

_SPINS = 256
_YIELDS = 32
_FIRST_SLEEP_NS = 1_000
_LONGEST_SLEEP_NS = 100_000


@kernel("i8(u8[::1],u8,u8[::1],u8,i8,i8)")
def wait(
    first: Any, first_seen: Any, second: Any, second_seen: Any, slot: Any, deadline_ns: Any
) -> Any:
    """1 when either ring moved, 0 at the deadline; `slot` is not used."""
    looks = 0
    sleep_ns = np.int64(_FIRST_SLEEP_NS)
    while True:
        if load_acquire(first, TAIL) != first_seen:
            return 1
        if load_acquire(second, TAIL) != second_seen:
            return 1
        looks += 1
        if looks <= _SPINS:
            pause()
            continue
        now = kernel_monotonic_ns()
        if now >= deadline_ns:
            return 0
        if looks <= _SPINS + _YIELDS:
            sched_yield()
            continue
        # Not flagged as sleeping: no writer will wake us, the clock does.
        sleep_until(min(now + sleep_ns, deadline_ns))
        sleep_ns = min(sleep_ns * 2, np.int64(_LONGEST_SLEEP_NS))

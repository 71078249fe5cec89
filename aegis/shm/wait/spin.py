"""Spin: look, pause, look again. The fastest wake-up there is, at 100 % of a core.

Only for a process with a core of its own; two spinners on one core stall each other for a whole
scheduler slice. The clock is read once in 64 turns: a pause is 10 to 140 cycles by CPU model, so
turns say nothing about time.
"""

from typing import Any

import numpy as np

from aegis.host.clock import kernel_monotonic_ns
from aegis.host.jit import kernel
from aegis.shm.atomics import load_acquire, pause
from aegis.shm.ring_header import TAIL

_TURNS = 64


@kernel("i8(u8[::1],u8,u8[::1],u8,i8,i8)")
def wait(
    first: Any, first_seen: Any, second: Any, second_seen: Any, slot: Any, deadline_ns: Any
) -> Any:
    """1 when either ring moved, 0 at the deadline; `slot` is not used."""
    while True:
        for _ in range(np.int64(_TURNS)):
            if load_acquire(first, TAIL) != first_seen:
                return 1
            if load_acquire(second, TAIL) != second_seen:
                return 1
            pause()
        if kernel_monotonic_ns() >= deadline_ns:
            return 0

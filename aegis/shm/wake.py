"""Parking and waking: nobody makes a system call while everybody is awake.

Theory of operation. A reader that runs out of records may park. It (1) writes SLEEPING in its
slot of the ring header, (2) passes a full fence, (3) looks at TAIL once more and (4) sleeps only
if nothing came. The writer (1) stores TAIL, (2) passes a full fence, (3) looks at the SLEEPING
words. One of the two must see the other: either the reader sees the new TAIL or the writer sees
the flag. The writer pays the fence once a batch (`wake`), never once a record.

A kernel parks on a futex: the low half of TAIL is the futex word, so a record published between
the reader's last look and the system call makes the call return at once. A process that lives in
an event loop parks in epoll: it stores its eventfd's number in EVENTFD and 2 in SLEEPING
(`arm_eventfd`), and disarms when it wakes. Descriptors are made by the supervisor before the
fork, so a number means the same file in every process of the instance.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.shm.atomics import (
    fence_full,
    load_acquire,
    load_relaxed,
    store_relaxed,
    store_release,
)
from aegis.shm.ring_header import EVENTFD, READER_SLOTS, SLEEPING, TAIL, ZERO
from aegis.shm.syscalls import eventfd_signal, futex_wake_all

__all__ = ["ARMED", "AWAKE", "PARKED", "arm_eventfd", "disarm", "wake"]

AWAKE = np.uint64(0)
PARKED = np.uint64(1)
ARMED = np.uint64(2)
_SLOTS = np.uint64(READER_SLOTS)
_ONE = np.uint64(1)


@kernel("i8(u8[::1])")
def wake(header: Any) -> Any:
    """Wake the sleeping readers of a ring; returns how many were told. Call once per batch."""
    fence_full()
    woken = 0
    futex_due = False
    slot = ZERO
    while slot < _SLOTS:
        # Acquire: the descriptor that belongs to an ARMED flag was stored before it.
        state = load_acquire(header, SLEEPING + slot)
        if state == PARKED:
            futex_due = True
            woken += 1
        elif state == ARMED:
            eventfd_signal(np.int64(load_relaxed(header, EVENTFD + slot)))
            woken += 1
        slot += _ONE
    if futex_due:
        futex_wake_all(header, TAIL)
    return woken


@kernel("i8(u8[::1],i8,i8,u8)")
def arm_eventfd(header: Any, slot: Any, descriptor: Any, seen: Any) -> Any:
    """Ask to be woken through an eventfd when TAIL passes `seen`.

    Returns 1 when armed, 0 when records are there already (not armed: go and read them).
    """
    place = np.uint64(slot)
    store_relaxed(header, EVENTFD + place, np.uint64(descriptor))
    store_release(header, SLEEPING + place, ARMED)
    fence_full()
    if load_acquire(header, TAIL) != seen:
        store_relaxed(header, SLEEPING + place, AWAKE)
        return 0
    return 1


@kernel("void(u8[::1],i8)")
def disarm(header: Any, slot: Any) -> None:
    """Say that this reader is awake: writers need not signal it."""
    store_relaxed(header, SLEEPING + np.uint64(slot), AWAKE)

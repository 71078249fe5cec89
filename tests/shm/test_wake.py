"""Waking processes that live in an event loop: eventfds under the sleeping-flag protocol."""

from __future__ import annotations

import mmap
import os
import select
from collections.abc import Iterator

import numpy as np
import pytest

from aegis.host.clock import monotonic_ns
from aegis.shm.broadcast import BroadcastRing
from aegis.shm.gated import GatedRing
from aegis.shm.ring_header import READER_SLOTS, SLEEPING
from aegis.shm.tick import TICK
from aegis.shm.wake import ARMED, AWAKE, PARKED, arm_eventfd, disarm, wake
from tests.shm.conftest import Fork, MakeBroadcast, MakeGated
from tests.shm.forked import pin
from tests.shm.kernels import race_sleeper, race_writer

RECORD = np.zeros(1, TICK)[0]


@pytest.fixture
def descriptors() -> Iterator[list[int]]:
    """Two eventfds."""
    found = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
    yield found
    for descriptor in found:
        os.close(descriptor)


def signals(descriptor: int) -> int:
    """How often an eventfd was signalled since the last look."""
    try:
        return os.eventfd_read(descriptor)
    except BlockingIOError:
        return 0


def test_an_armed_reader_is_signalled_until_it_disarms(
    broadcast_ring: MakeBroadcast, descriptors: list[int]
) -> None:
    ring = broadcast_ring()
    ring.write(RECORD)
    assert signals(descriptors[0]) == 0
    assert arm_eventfd(ring.header, 0, descriptors[0], ring.published) == 1
    assert int(ring.header[SLEEPING]) == ARMED
    ring.write(RECORD)
    ring.write(RECORD)
    assert signals(descriptors[0]) == 2
    disarm(ring.header, 0)
    ring.write(RECORD)
    assert signals(descriptors[0]) == 0
    assert int(ring.header[SLEEPING]) == AWAKE


def test_arming_behind_the_writer_says_that_there_is_something(
    gated_ring: MakeGated, descriptors: list[int]
) -> None:
    ring = gated_ring()
    seen = ring.published
    ring.write(RECORD)
    assert arm_eventfd(ring.header, 0, descriptors[0], seen) == 0
    assert int(ring.header[SLEEPING]) == AWAKE
    ring.write(RECORD)
    assert signals(descriptors[0]) == 0


def test_a_refused_offer_wakes_nobody(gated_ring: MakeGated, descriptors: list[int]) -> None:
    ring = gated_ring(8)
    ring.offer(np.zeros(8, TICK))
    arm_eventfd(ring.header, 0, descriptors[0], ring.published)
    assert not ring.write(RECORD)
    assert signals(descriptors[0]) == 0
    ring.take(1)
    assert ring.write(RECORD)
    assert signals(descriptors[0]) == 1


def test_every_slot_is_told_on_its_own(
    broadcast_ring: MakeBroadcast, descriptors: list[int]
) -> None:
    ring = broadcast_ring()
    assert wake(ring.header) == 0
    arm_eventfd(ring.header, 0, descriptors[0], 0)
    arm_eventfd(ring.header, READER_SLOTS - 1, descriptors[1], 0)
    ring.header[int(SLEEPING) + 4] = PARKED
    assert wake(ring.header) == 3
    assert [signals(descriptor) for descriptor in descriptors] == [1, 1]
    disarm(ring.header, 0)
    disarm(ring.header, 4)
    assert wake(ring.header) == 1
    assert [signals(descriptor) for descriptor in descriptors] == [0, 1]


def sleep_until_new(
    ring: BroadcastRing | GatedRing, epoll: select.epoll, descriptor: int, seen: int
) -> bool:
    """What an event loop does with nothing to read: arm, sleep in epoll, disarm. False: timeout."""
    if arm_eventfd(ring.header, 1, descriptor, seen) == 1:
        if not epoll.poll(5.0):
            return False
        signals(descriptor)
        disarm(ring.header, 1)
    return True


def test_no_wake_up_is_lost_in_an_event_loop(
    gated_ring: MakeGated, fork: Fork, descriptors: list[int]
) -> None:
    """20,000 sleeps in epoll, half on each side; one lost wake-up would be a five-second hole."""
    there, back = gated_ring(64, "there"), gated_ring(64, "back")
    count = 10_000
    there.offer(np.zeros(0, TICK))
    arm_eventfd(there.header, 1, descriptors[0], 0)
    disarm(there.header, 1)
    assert there.take().size == 0

    def await_record(ring: GatedRing, epoll: select.epoll, descriptor: int, number: int) -> None:
        while ring.published == number:
            assert sleep_until_new(ring, epoll, descriptor, number), f"slept through {number}"
        assert ring.take().size == 1

    def echo() -> None:
        epoll = select.epoll()
        epoll.register(descriptors[0], select.EPOLLIN)
        for number in range(count):
            await_record(there, epoll, descriptors[0], number)
            back.write(RECORD)

    child = fork(echo)
    with select.epoll() as epoll:
        epoll.register(descriptors[1], select.EPOLLIN)
        for number in range(count):
            there.write(RECORD)
            await_record(back, epoll, descriptors[1], number)
    assert child.join() == 0
    assert (there.consumed, back.consumed) == (count, count)


@pytest.mark.usefixtures("keep_affinity")
def test_either_the_sleeper_sees_the_record_or_the_writer_the_sleeper(
    broadcast_ring: MakeBroadcast, fork: Fork
) -> None:
    """Both at once, again and again: a processor that lets the loads pass the stores loses one.

    This is the store buffer litmus test over the real kernels; it fails without the full fences.
    """
    ring = broadcast_ring(64)
    rounds = 200_000
    one = np.zeros(1, TICK)
    words = np.frombuffer(mmap.mmap(-1, 4096), np.uint64)
    told, armed = (np.frombuffer(mmap.mmap(-1, rounds * 8), np.int64) for _ in range(2))
    race_writer(ring.header, ring.records, one, words, told, 0, 0)
    race_sleeper(ring.header, words, armed, 0, 0)
    # Stop early on a box where the two hardly ever run at the same time.
    deadline_ns = monotonic_ns() + 2_000_000_000

    def sleep() -> None:
        pin(1)
        race_sleeper(ring.header, words, armed, rounds, deadline_ns)

    child = fork(sleep)
    pin(0)
    played = race_writer(ring.header, ring.records, one, words, told, rounds, deadline_ns)
    assert child.join() == 0
    assert played > 0
    lost = np.flatnonzero((armed[:played] == 1) & (told[:played] == 0))
    assert lost.size == 0, f"{lost.size} wake-ups of {played} were lost, the first in {lost[0]}"

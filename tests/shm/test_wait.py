"""Wait strategies: each wakes for a record of another process, none waits past its deadline."""

from __future__ import annotations

import errno
import mmap
import platform
import resource
import signal
import time

import numpy as np
import pytest

from aegis.host.clock import monotonic_ns
from aegis.shm.broadcast import BroadcastRing
from aegis.shm.ring_header import SLEEPING
from aegis.shm.tick import TICK
from aegis.shm.wait import BY_NAME, PARK, wait_any
from aegis.shm.wake import AWAKE, PARKED
from tests.shm import seccomp
from tests.shm.conftest import Fork, MakeBroadcast
from tests.shm.forked import pin
from tests.shm.kernels import park_echo, park_ping
from tests.waiting import eventually

SLOT = 3
MS = 1_000_000

only_x86 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the filter knows the system call numbers of x86-64"
)


@pytest.fixture
def rings(broadcast_ring: MakeBroadcast) -> tuple[BroadcastRing, BroadcastRing]:
    first, second = broadcast_ring(64, "first"), broadcast_ring(64, "second")
    # Compile before the fork.
    first.write(np.zeros(1, TICK)[0])
    return first, second


def wait(strategy: int, rings: tuple[BroadcastRing, BroadcastRing], timeout_ms: int) -> int:
    """Wait on both rings from where they stand."""
    first, second = rings
    deadline_ns = monotonic_ns() + timeout_ms * MS
    return int(
        wait_any(
            strategy,
            first.header,
            np.uint64(first.published),
            second.header,
            np.uint64(second.published),
            SLOT,
            deadline_ns,
        )
    )


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("name", BY_NAME)
def test_a_record_from_another_process_wakes(
    rings: tuple[BroadcastRing, BroadcastRing], fork: Fork, name: str, which: int
) -> None:
    record = np.zeros(1, TICK)[0]

    due_ns = monotonic_ns() + 20 * MS

    def publish_later() -> None:
        eventually(lambda: monotonic_ns() > due_ns, "the moment to publish")
        rings[which].write(record)

    child = fork(publish_later)
    began = time.monotonic()
    assert wait(BY_NAME[name], rings, 20_000) == 1
    assert time.monotonic() - began < 10.0
    assert child.join() == 0
    assert [int(ring.header[int(SLEEPING) + SLOT]) for ring in rings] == [AWAKE, AWAKE]


@pytest.mark.parametrize("name", BY_NAME)
def test_the_deadline_ends_every_wait(
    rings: tuple[BroadcastRing, BroadcastRing], name: str
) -> None:
    began = monotonic_ns()
    assert wait(BY_NAME[name], rings, 20) == 0
    elapsed_ns = monotonic_ns() - began
    assert 20 * MS <= elapsed_ns < 2_000 * MS
    assert wait(BY_NAME[name], rings, -5) == 0
    assert [int(ring.header[int(SLEEPING) + SLOT]) for ring in rings] == [AWAKE, AWAKE]


@pytest.mark.parametrize("name", BY_NAME)
def test_what_is_there_already_is_not_waited_for(
    rings: tuple[BroadcastRing, BroadcastRing], name: str
) -> None:
    first, second = rings
    seen = np.uint64(first.published - 1)
    idle = np.uint64(second.published)
    assert wait_any(BY_NAME[name], first.header, seen, second.header, idle, SLOT, 0) == 1
    assert wait_any(BY_NAME[name], second.header, idle, first.header, seen, SLOT, 0) == 1


def test_a_sleeper_costs_no_processor_time(
    rings: tuple[BroadcastRing, BroadcastRing], fork: Fork
) -> None:
    def sleep() -> None:
        began = time.process_time()
        assert wait(PARK, rings, 200) == 0
        assert time.process_time() - began < 0.05

    wait(PARK, rings, 0)
    assert fork(sleep).join() == 0


def test_one_ring_may_stand_in_both_places(broadcast_ring: MakeBroadcast, fork: Fork) -> None:
    ring = broadcast_ring()
    assert wait(PARK, (ring, ring), 0) == 0
    record = np.zeros(1, TICK)[0]
    ring.write(record)

    def publish_to_a_sleeper() -> None:
        place = int(SLEEPING) + SLOT
        eventually(lambda: int(ring.header[place]) == PARKED, "a sleeper")
        ring.write(record)

    child = fork(publish_to_a_sleeper)
    assert wait(PARK, (ring, ring), 20_000) == 1
    assert child.join() == 0
    assert int(ring.header[int(SLEEPING) + SLOT]) == AWAKE


def play(
    broadcast_ring: MakeBroadcast, fork: Fork, count: int, cores: tuple[int, int], jitter: int
) -> int:
    """Ping-pong of `count` records between two processes that park; every wait is bounded.

    Returns how often this process really slept.
    """
    there, back = broadcast_ring(64, "there"), broadcast_ring(64, "back")
    idles = broadcast_ring(64, "idle_there"), broadcast_ring(64, "idle_back")
    one = np.zeros(1, TICK)
    patience_ns = 3_000 * MS
    ends = (there.header, back.header)
    park_ping(*ends, there.records, one, idles[0].header, 0, patience_ns, jitter)
    park_echo(*ends, back.records, one, idles[1].header, 0, patience_ns, jitter)

    def echo() -> None:
        pin(cores[1])
        idle = idles[1].header
        answered = park_echo(*ends, back.records, one, idle, count, patience_ns, jitter)
        assert answered == count, f"the echo waited in vain at record {answered}"

    child = fork(echo)
    pin(cores[0])
    idle = idles[0].header
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    answered = park_ping(*ends, there.records, one, idle, count, patience_ns, jitter)
    slept = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before
    assert answered == count, f"the answer to record {answered} was slept through"
    assert child.join() == 0
    return slept


@pytest.mark.usefixtures("keep_affinity")
def test_no_wake_up_is_lost_on_one_core(broadcast_ring: MakeBroadcast, fork: Fork) -> None:
    """On one core every wait ends in the futex: 20,000 sleeps and as many wake-ups."""
    count = 10_000
    slept = play(broadcast_ring, fork, count, (0, 0), 0)
    assert slept > count // 2, "hardly any wait ended in a sleep"


@pytest.mark.usefixtures("keep_affinity")
def test_no_wake_up_is_lost_on_two_cores(broadcast_ring: MakeBroadcast, fork: Fork) -> None:
    """Jitter sweeps the publishing over the moments before and after the flag is set."""
    slept = play(broadcast_ring, fork, 10_000, (0, 1), 200)
    assert slept > 100, "hardly any wait ended in a sleep"


@only_x86
def test_nobody_asleep_means_no_system_call(
    rings: tuple[BroadcastRing, BroadcastRing], fork: Fork
) -> None:
    record = np.zeros(1, TICK)[0]
    ring = rings[0]

    def publish_without_futex() -> None:
        seccomp.kill_on(seccomp.FUTEX)
        for _ in range(100):
            ring.write(record)

    assert fork(publish_without_futex).join() == 0
    # The control: with a sleeper flagged, the same loop makes the call and is killed for it.
    ring.header[int(SLEEPING) + SLOT] = PARKED
    assert fork(publish_without_futex).join() == -signal.SIGSYS


@only_x86
def test_without_futex_waitv_parking_looks_now_and_then(
    rings: tuple[BroadcastRing, BroadcastRing], fork: Fork
) -> None:
    """Linux before 5.16, or a system call filter: no spinning, and records are still noticed."""
    record = np.zeros(1, TICK)[0]
    progress = np.frombuffer(mmap.mmap(-1, 4096), np.uint64)
    wait(PARK, rings, 0)

    def wait_without_the_call() -> None:
        seccomp.deny(seccomp.FUTEX_WAITV, errno.ENOSYS)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
        assert wait(PARK, rings, 200) == 0
        slept = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before
        assert slept > 20, f"gave the core away {slept} times in 200 ms"
        progress[0] = 1
        assert wait(PARK, rings, 20_000) == 1

    child = fork(wait_without_the_call)
    eventually(lambda: int(progress[0]) == 1, "the first wait to end")
    place = int(SLEEPING) + SLOT
    eventually(lambda: int(rings[1].header[place]) == PARKED, "the second wait to begin")
    rings[1].write(record)
    assert child.join() == 0

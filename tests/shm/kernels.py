"""Loops that the tests run inside a kernel, where Python would be too slow to meet the race."""

from typing import Any

import numpy as np

from aegis.host.clock import kernel_monotonic_ns
from aegis.host.jit import kernel
from aegis.shm.atomics import load_acquire, pause, store_release
from aegis.shm.books import book_read, book_write
from aegis.shm.broadcast import poll, publish, publish_and_wake
from aegis.shm.wait import PARK, wait_any
from aegis.shm.wake import arm_eventfd, disarm, wake

# A linear congruential generator (Knuth's MMIX constants): jitter that is the same in every run.
_MULTIPLIER = np.uint64(6364136223846793005)
_INCREMENT = np.uint64(1442695040888963407)
_SHIFT = np.uint64(33)


@kernel
def hammer_book(words: Any, levels: Any, instrument: Any, sides: Any, count: Any) -> None:
    """Write `count` books in which every number is the update id; sides: f64[2, DEPTH, 2]."""
    for number in range(1, count + 1):
        sides[:, :, :] = np.float64(number)
        # The number of levels changes too: 1 to DEPTH.
        n = 1 + number % sides.shape[1]
        book_write(words, levels, instrument, number, number, number, number & 1,
                   sides[0], sides[1], n, n)  # fmt: skip


@kernel
def watch_book(
    words: Any, levels: Any, instrument: Any, head: Any, sides: Any, wanted: Any, deadline_ns: Any
) -> Any:
    """Read a hammered book until `wanted` different ones were seen: (seen, mixed, backwards)."""
    seen, mixed, backwards = 0, 0, 0
    before = np.uint64(0)
    while seen < wanted and kernel_monotonic_ns() < deadline_ns:
        if book_read(words, levels, instrument, head, sides) == 0:
            continue
        number = head[1]
        if number != before:
            seen += 1
        if number < before:
            backwards += 1
        before = number
        whole = head[2] == number and head[3] == number and head[4] == (number & np.uint64(1))
        depth = np.int64(sides.shape[0] // 2)
        n = np.int64(head[5])
        whole = whole and (number == 0 or n == 1 + np.int64(number) % depth) and head[6] == head[5]
        for level in range(n):
            for part in range(2):
                whole = whole and sides[level, part] == number
                whole = whole and sides[depth + level, part] == number
        if not whole:
            mixed += 1
    return seen, mixed, backwards


@kernel
def park_ping(
    there: Any,
    back: Any,
    records: Any,
    one: Any,
    idle: Any,
    count: Any,
    patience_ns: Any,
    jitter: Any,
) -> Any:
    """Publish one record and park until the answer; returns how many answers came in time.

    The other end runs the same loop with the rings exchanged, after it has waited for the first
    record. `jitter` spreads the publishing over the moment at which the other end falls asleep.
    """
    state = np.uint64(jitter)
    for number in range(count):
        state = state * _MULTIPLIER + _INCREMENT
        for _ in range(np.int64(state >> _SHIFT) % (jitter + 1)):
            pause()
        seen = np.uint64(number)
        publish_and_wake(there, records, one, 1)
        deadline = kernel_monotonic_ns() + patience_ns
        if wait_any(PARK, back, seen, idle, np.uint64(0), 0, deadline) == 0:
            return number
    return count


@kernel
def park_echo(
    there: Any,
    back: Any,
    records: Any,
    one: Any,
    idle: Any,
    count: Any,
    patience_ns: Any,
    jitter: Any,
) -> Any:
    """The other end of `park_ping`: park until a record comes, then answer it."""
    state = np.uint64(jitter) + np.uint64(1)
    for number in range(count):
        deadline = kernel_monotonic_ns() + patience_ns
        if wait_any(PARK, there, np.uint64(number), idle, np.uint64(0), 0, deadline) == 0:
            return number
        state = state * _MULTIPLIER + _INCREMENT
        for _ in range(np.int64(state >> _SHIFT) % (jitter + 1)):
            pause()
        publish_and_wake(back, records, one, 1)
    return count


@kernel
def spin_until(words: Any, place: Any, value: Any) -> None:
    """Look for `value` with nothing else in the loop.

    Of a plain array load LLVM would make one load in front of an endless loop.
    """
    while load_acquire(words, np.uint64(place)) != np.uint64(value):
        pass


@kernel
def follow_unevenly(
    header: Any, records: Any, cursor: Any, out: Any, wanted: Any, jitter: Any, deadline_ns: Any
) -> Any:
    """Read a flooded ring, dawdling, for `wanted` records and 100 laps: (read, lost, laps, torn).

    The jitter makes it look at slots at every moment of their being overwritten.
    """
    read, lost, laps, torn = 0, 0, 0, 0
    state = np.uint64(jitter)
    while (read < wanted or laps < 100) and kernel_monotonic_ns() < deadline_ns:
        state = state * _MULTIPLIER + _INCREMENT
        for _ in range(np.int64(state >> _SHIFT) % (jitter + 1)):
            pause()
        first = np.int64(cursor[0])
        n = poll(header, records, cursor, out, out.size)
        if n < 0:
            lost -= n
            laps += 1
            continue
        for item in range(n):
            record = out[np.uint64(item)]
            number = first + item
            same = record.ts_event_ns == number and record.ts_recv_ns == number
            same = same and record.instrument == np.uint32(number) and record.a == number
            if not (same and record.b == number and record.d == number and record.e == number):
                torn += 1
        read += n
    return read, lost, laps, torn


@kernel
def meet(words: Any, mine: Any, theirs: Any, turn: Any, deadline_ns: Any) -> Any:
    """Both processes come to the same turn at the same moment; 0 when the other one does not."""
    store_release(words, np.uint64(mine), np.uint64(turn))
    looks = 0
    while load_acquire(words, np.uint64(theirs)) < np.uint64(turn):
        looks += 1
        if looks % 64 == 0 and kernel_monotonic_ns() > deadline_ns:
            return 0
    return 1


@kernel
def race_writer(
    header: Any, records: Any, one: Any, words: Any, told: Any, rounds: Any, deadline_ns: Any
) -> Any:
    """Publish once a turn, at the moment at which `race_sleeper` arms; told[turn] = how many."""
    for turn in range(1, rounds + 1):
        if meet(words, 0, 16, 2 * turn, deadline_ns) == 0:
            return turn - 1
        told[turn - 1] = publish_then_wake(header, records, one)
        if meet(words, 0, 16, 2 * turn + 1, deadline_ns) == 0:
            return turn - 1
    return rounds


@kernel
def publish_then_wake(header: Any, records: Any, one: Any) -> Any:
    """Publish one record; returns how many sleepers were told of it."""
    publish(header, records, one, 1)
    return wake(header)


@kernel
def race_sleeper(header: Any, words: Any, armed: Any, rounds: Any, deadline_ns: Any) -> Any:
    """Arm once a turn, at the moment at which `race_writer` publishes; armed[turn] = 1 or 0."""
    for turn in range(1, rounds + 1):
        if meet(words, 16, 0, 2 * turn, deadline_ns) == 0:
            return turn - 1
        # No such descriptor: the writer's attempt to signal it fails at once.
        armed[turn - 1] = arm_eventfd(header, 0, -1, np.uint64(turn - 1))
        if meet(words, 16, 0, 2 * turn + 1, deadline_ns) == 0:
            return turn - 1
        disarm(header, 0)
    return rounds

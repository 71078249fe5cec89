"""The loops that `aegis bench ring` times: producers, consumers and the echo, all verified.

Each record carries its own sequence in every field, so the consumer's checksum over all fields of
all records has a closed form: a lost, repeated, torn or reordered record changes it. The loops of
the parent give up when nothing has come for a long while, since no signal ends a kernel.
"""

from typing import Any

import numpy as np

from aegis.host.clock import kernel_monotonic_ns
from aegis.host.jit import kernel
from aegis.shm.atomics import load_acquire, pause
from aegis.shm.broadcast import poll, publish
from aegis.shm.gated import claim, commit, offer, take
from aegis.shm.histogram import record as record_latency

_ONE = np.uint64(1)
_LITTLE = 64
_PAUSES = 64
# Looks in vain before the other process is given up for dead: at least several seconds.
_PATIENCE = 1 << 30


@kernel
def fill(batch: Any, item: Any, number: Any) -> None:
    """Write record `number` into the scratch batch: every field says which one it is."""
    place = np.uint64(item)
    batch[place].instrument = np.uint32(number)
    batch[place].kind = np.uint16(1)
    batch[place].flags = np.uint16(0)
    batch[place].ts_event_ns = number
    batch[place].ts_recv_ns = number
    value = np.float64(number)
    batch[place].a = value
    batch[place].b = value
    batch[place].c = value
    batch[place].d = value
    batch[place].e = value


@kernel
def produce_singly(header: Any, records: Any, count: Any) -> Any:
    """Publish `count` records one at a time: one release store, one visible TAIL, per record."""
    full = 0
    for number in range(count):
        slot = claim(header, records)
        while slot < 0:
            full += 1
            pause()
            slot = claim(header, records)
        fill(records, slot, number)
        commit(header)
    return full


@kernel
def produce_batched(header: Any, records: Any, scratch: Any, count: Any) -> Any:
    """Publish `count` records in batches of the scratch's size."""
    number = 0
    full = 0
    size = scratch.size
    while number < count:
        n = min(size, count - number)
        for item in range(n):
            fill(scratch, item, number + item)
        done = 0
        while done < n:
            accepted = offer(header, records, scratch[done:], n - done)
            if accepted == 0:
                full += 1
                pause()
            done += accepted
        number += n
    return full


@kernel
def consume(header: Any, records: Any, out: Any, count: Any, sums: Any) -> Any:
    """Take `count` records; sums[0] adds up every field, sums[1] counts those out of order.

    Returns how many came.

    A consumer that looks after every single record makes the two cores pass one line back and
    forth; when little has come it lets the writer get ahead, as a duty cycle with work to do does.
    """
    number = 0
    total = np.uint64(0)
    wrong = 0
    idle = 0
    while number < count and idle < _PATIENCE:
        n = take(header, records, out, out.size)
        idle = idle + _PAUSES if n == 0 else 0
        if n < _LITTLE:
            for _ in range(_PAUSES):
                pause()
        for item in range(n):
            place = np.uint64(item)
            total += np.uint64(out[place].ts_event_ns) + np.uint64(out[place].ts_recv_ns)
            total += np.uint64(out[place].a + out[place].b + out[place].c)
            total += np.uint64(out[place].d + out[place].e)
            if out[place].ts_event_ns != number + item:
                wrong += 1
        number += n
    sums[0] = total
    sums[1] = np.uint64(wrong)
    return number


@kernel
def flood(header: Any, records: Any, scratch: Any, count: Any) -> None:
    """Broadcast `count` records without looking at any reader."""
    number = 0
    size = scratch.size
    while number < count:
        n = min(size, count - number)
        for item in range(n):
            fill(scratch, item, number + item)
        publish(header, records, scratch, n)
        number += n


@kernel
def follow(header: Any, records: Any, cursor: Any, out: Any, count: Any, sums: Any) -> Any:
    """Read a flooded ring to its end: sums = read, lost, laps, torn or out of order.

    Returns the sequence it came to.
    """
    number = 0
    idle = 0
    while number < count and idle < _PATIENCE:
        n = poll(header, records, cursor, out, out.size)
        idle = idle + 1 if n == 0 else 0
        if n < 0:
            sums[1] += np.uint64(-n)
            sums[2] += _ONE
            number -= n
            continue
        for item in range(n):
            place = np.uint64(item)
            value = np.int64(number + item)
            same = out[place].ts_event_ns == value and out[place].ts_recv_ns == value
            if not (same and out[place].a == value and out[place].e == value):
                sums[3] += _ONE
        sums[0] += np.uint64(n)
        number += n
    return number


@kernel
def ping(
    there: Any,
    there_records: Any,
    back: Any,
    back_records: Any,
    out: Any,
    latencies: Any,
    count: Any,
) -> Any:
    """Send one record, spin for its echo, time it; `latencies` is an HDR histogram's counts.

    Returns how many came back.
    """
    for number in range(count):
        started = kernel_monotonic_ns()
        slot = claim(there, there_records)
        fill(there_records, slot, number)
        commit(there)
        idle = 0
        while take(back, back_records, out, 1) == 0:
            idle += 1
            if idle == _PATIENCE:
                return number
        record_latency(latencies, kernel_monotonic_ns() - started)
    return count


@kernel
def echo(
    there: Any, there_records: Any, back: Any, back_records: Any, out: Any, count: Any
) -> None:
    """The other end of `ping`: send back the very record that came."""
    done = 0
    while done < count:
        n = take(there, there_records, out, 1)
        if n:
            while offer(back, back_records, out, 1) == 0:
                pass
            done += 1


@kernel
def await_turn(words: Any, place: Any, value: Any) -> Any:
    """Spin until a start line's word reaches `value`: 1, or 0 when it did not for a long while."""
    for _ in range(_PATIENCE):
        if load_acquire(words, np.uint64(place)) >= np.uint64(value):
            return 1
        pause()
    return 0

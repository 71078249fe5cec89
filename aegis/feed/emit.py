"""Putting records into the ticks ring: staging, publishing a batch, then the counters.

Called by the intake's kernels for market data and by the intake itself for its own records
(STATUS, GAP, CANARY), all through one batch, so that the order of records is the order of events.
Never blocks: the ring is a broadcast.
"""

from typing import Any

from aegis.feed import layout
from aegis.feed.layout import cursors, ticks, words
from aegis.host.clock import kernel_monotonic_ns
from aegis.host.jit import kernel
from aegis.shm.atomics import store_relaxed, store_release
from aegis.shm.broadcast import publish
from aegis.shm.histogram import record
from aegis.shm.wake import wake

__all__ = ["finish", "flush", "publish_ticks", "push_tick"]


@kernel
def _publish(context: Any) -> Any:
    """Put the staged records into the ring, waking nobody yet; returns how many they were."""
    control = words(context, layout.CONTROL)
    count = control[layout.STAGED_TICKS]
    if count > 0:
        header = cursors(context, layout.RING_HEADER)
        records = ticks(context, layout.RING_RECORDS)
        publish(header, records, ticks(context, layout.BATCH), count)
        words(context, layout.TOTALS)[layout.TICKS_PUBLISHED] += count
        control[layout.STAGED_TICKS] = 0
    return count


@kernel
def publish_ticks(context: Any) -> Any:
    """Publish the staged records and wake parked readers."""
    if _publish(context) > 0:
        wake(cursors(context, layout.RING_HEADER))


@kernel
def push_tick(
    context: Any,
    instrument: Any,
    kind: Any,
    flags: Any,
    event_ns: Any,
    recv_ns: Any,
    a: Any,
    b: Any,
    c: Any,
    d: Any,
    e: Any,
) -> Any:
    """Stage one record; a full batch is published at once."""
    control = words(context, layout.CONTROL)
    batch = ticks(context, layout.BATCH)
    place = control[layout.STAGED_TICKS]
    batch[place].instrument = instrument
    batch[place].kind = kind
    batch[place].flags = flags
    batch[place].ts_event_ns = event_ns
    batch[place].ts_recv_ns = recv_ns
    batch[place].a = a
    batch[place].b = b
    batch[place].c = c
    batch[place].d = d
    batch[place].e = e
    control[layout.STAGED_TICKS] = place + 1
    if place + 1 == batch.size:
        publish_ticks(context)


@kernel
def flush(context: Any) -> Any:
    """Publish what is staged, then the counters, in that order."""
    publish_ticks(context)
    totals = words(context, layout.TOTALS)
    counters = words(context, layout.COUNTER_WORDS)
    places = words(context, layout.COUNTER_PLACES)
    # MESSAGES is the first total and is stored last: it promises that all else is in place.
    for total in range(totals.size - 1, 0, -1):
        store_relaxed(counters, places[total], totals[total])
    store_release(counters, places[0], totals[0])


@kernel
def finish(context: Any, frames: Any) -> Any:
    """Publish, stamp the latency of each frame of the batch, and empty the batch.

    The stamp is taken between the ring and the wake-up: what a system call to a sleeping reader
    costs belongs to the hop, not to us.
    """
    control = words(context, layout.CONTROL)
    count = _publish(context)
    taken_ns = kernel_monotonic_ns() - control[layout.RECV_NS]
    if count > 0:
        wake(cursors(context, layout.RING_HEADER))
    histogram = words(context, layout.HISTOGRAM)
    for _ in range(frames):
        record(histogram, taken_ns)
    flush(context)
    control[layout.FRAMES] = 0
    control[layout.FRAME] = 0
    control[layout.START] = 0
    control[layout.END] = 0

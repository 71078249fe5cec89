"""Publish and subscribe over the rings: what a Python subscriber may hear, off the hot path.

The publishers know nothing of it. Ticks and signals are broadcast rings, whose readers cost the
writer nothing; intents and outcomes are gated rings between two processes, and the bus only looks
at their memory. So any number of subscribers in any process hear everything without slowing
anybody, and a subscriber that is too slow is told how much it missed (`lost`).

============================  ===============================  =================================
topic                         record                           carried by
============================  ===============================  =================================
TICK_UPDATE                   `tick.TICK`, all kinds           the ticks ring
SIGNAL_GENERATED              `signal.SIGNAL`                  the signals ring
ORDER_REQUEST                 `intent.INTENT`, no canaries     the intents ring
ORDER_FILLED                  `outcome.OUTCOME`, kind FILL     the outcomes ring
============================  ===============================  =================================

A record is valid during the call only. To keep one, `keep(topic)` copies it into a pool of 10,000
and gives a handle; `kept(topic, handle)` is the record, `release(topic, handle)` gives it back.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.shm.atomics import fence_acquire, load_acquire
from aegis.shm.gated import GatedRing
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import CANARY
from aegis.shm.outcome import FILL
from aegis.shm.pool import POOL_RECORDS, RecordPool
from aegis.shm.ring_header import TAIL

__all__ = [
    "ORDER_FILLED",
    "ORDER_REQUEST",
    "SIGNAL_GENERATED",
    "TICK_UPDATE",
    "TOPICS",
    "Bus",
    "GatedObserver",
]

TICK_UPDATE: Final = "TICK_UPDATE"
SIGNAL_GENERATED: Final = "SIGNAL_GENERATED"
ORDER_REQUEST: Final = "ORDER_REQUEST"
ORDER_FILLED: Final = "ORDER_FILLED"
TOPICS: Final = (TICK_UPDATE, SIGNAL_GENERATED, ORDER_REQUEST, ORDER_FILLED)

# A writer of a gated ring may be writing so many records that it has not published yet.
_MOST_IN_FLIGHT: Final = 1_024
_BATCH: Final = 256

Subscriber = Callable[[np.void], object]


@kernel
def observe(header: Any, records: Any, cursor: Any, out: Any, limit: Any) -> Any:
    """Copy up to `limit` records after `cursor[0]` of a gated ring, without being its reader.

    Returns the count, 0 when there is nothing new, or minus the number lost; `cursor` is u64[1].
    """
    capacity = np.uint64(records.size)
    mask = capacity - np.uint64(1)
    start = cursor[0]
    tail = load_acquire(header, TAIL)
    if tail == start:
        return 0
    count = min(tail - start, np.uint64(limit))
    if tail - start + np.uint64(_MOST_IN_FLIGHT) <= capacity:
        item = np.uint64(0)
        while item < count:
            out[item] = records[(start + item) & mask]
            item += np.uint64(1)
        fence_acquire()
        if load_acquire(header, TAIL) - start + np.uint64(_MOST_IN_FLIGHT) <= capacity:
            cursor[0] = start + count
            return np.int64(count)
    tail = load_acquire(header, TAIL)
    cursor[0] = tail
    return -max(np.int64(tail - start), np.int64(1))


class GatedObserver:
    """Looks at a gated ring beside its reader; `poll` gives a view, overwritten by the next."""

    def __init__(self, ring: GatedRing, batch: int = _BATCH) -> None:
        if ring.capacity <= _MOST_IN_FLIGHT:
            raise ValueError(f"a ring of {ring.capacity}; wanted more than {_MOST_IN_FLIGHT}")
        self.ring = ring
        self.cursor = np.full(1, ring.published, np.uint64)
        self.out = np.zeros(batch, ring.records.dtype)
        self.lost = 0

    def poll(self) -> npt.NDArray[Any]:
        """Up to `batch` new records."""
        ring = self.ring
        count = observe(ring.header, ring.records, self.cursor, self.out, self.out.size)
        if count < 0:
            self.lost -= count
            count = 0
        return self.out[:count]


@dataclass(slots=True)
class _Channel:
    """One topic: where its records come from, and who hears them."""

    source: Any
    wanted: int  # the kind that is heard, 0 for all
    unwanted: int
    subscribers: list[Subscriber] = field(default_factory=list)
    pool: RecordPool | None = None
    current: Any = None
    delivered: int = 0


class Bus:
    """The topics of one instance. `subscribe`, then `poll` again and again (or `run`).

    `memory` is the instance's own or an attached one (`InstanceMemory.attach`, read-only will do).
    Subscribers are called in the order in which they came. What one raises ends the `poll`: the
    records of its batch are gone for all, so catch what you expect.
    """

    def __init__(self, memory: InstanceMemory) -> None:
        self._memory = memory
        self._channels = {
            TICK_UPDATE: _Channel(memory.ticks.reader(), 0, 0),
            SIGNAL_GENERATED: _Channel(memory.signals.reader(), 0, 0),
            ORDER_REQUEST: _Channel(GatedObserver(memory.intents), 0, CANARY),
            ORDER_FILLED: _Channel(GatedObserver(memory.outcomes), FILL, 0),
        }
        self._has_kind = {
            topic: "kind" in channel.source.out.dtype.names
            for topic, channel in self._channels.items()
        }

    def subscribe(self, topic: str, subscriber: Subscriber) -> None:
        """Have a topic's records from now on handed to `subscriber(record)`.

        Raises ValueError with the topics there are.
        """
        channel = self._channel(topic)
        if not channel.subscribers:
            # What came while nobody listened is nobody's, and was not lost.
            channel.source.cursor[0] = channel.source.ring.published
        channel.subscribers.append(subscriber)

    def unsubscribe(self, topic: str, subscriber: Subscriber) -> None:
        """End it. Raises ValueError for one that was not subscribed."""
        self._channel(topic).subscribers.remove(subscriber)

    def poll(self) -> int:
        """Deliver what has come, at most one batch of each topic; returns the number delivered."""
        total = 0
        for topic, channel in self._channels.items():
            if channel.subscribers:
                total += self._deliver(topic, channel)
        return total

    def run(self, until: Callable[[], bool], pause_s: float = 0.001) -> None:
        """Poll until `until()` is true, asleep for `pause_s` whenever there is nothing."""
        while not until():
            if self.poll() == 0:
                time.sleep(pause_s)

    def lost(self, topic: str) -> int:
        """Records of a topic that were overwritten before this bus could read them."""
        return int(self._channel(topic).source.lost)

    def delivered(self, topic: str) -> int:
        """Records of a topic handed to subscribers."""
        return self._channel(topic).delivered

    def keep(self, topic: str) -> int:
        """Inside a subscriber: copy the present record into the topic's pool; its handle.

        Raises PoolExhaustedError when 10,000 are kept, ValueError outside of a subscriber.
        """
        channel = self._channel(topic)
        if channel.current is None:
            raise ValueError(f"{topic}: no record is being delivered now")
        pool = self.pool(topic)
        handle = pool.acquire()
        pool.records[handle] = channel.current
        return handle

    def kept(self, topic: str, handle: int) -> Any:
        """The record behind a handle."""
        return self.pool(topic).records[handle]

    def release(self, topic: str, handle: int) -> None:
        """Give a kept record back. Raises DoubleReleaseError."""
        self.pool(topic).release(handle)

    def pool(self, topic: str) -> RecordPool:
        """The topic's pool, made (once) at the first use."""
        channel = self._channel(topic)
        if channel.pool is None:
            channel.pool = RecordPool(channel.source.out.dtype, POOL_RECORDS)
        return channel.pool

    def _deliver(self, topic: str, channel: _Channel) -> int:
        batch = channel.source.poll()
        count = 0
        for record in batch:
            if self._has_kind[topic]:
                kind = record["kind"]
                if kind == channel.unwanted or channel.wanted not in (0, kind):
                    continue
            channel.current = record
            _tell(channel.subscribers, record)
            count += 1
        channel.current = None
        channel.delivered += count
        return count

    def _channel(self, topic: str) -> _Channel:
        try:
            return self._channels[topic]
        except KeyError:
            raise ValueError(f"no topic {topic!r}; there are {', '.join(TOPICS)}") from None


def _tell(subscribers: Iterable[Subscriber], record: np.void) -> None:
    for subscriber in subscribers:
        subscriber(record)

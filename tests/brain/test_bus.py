"""The topics over the rings of a working brain: heard, counted, never in its way."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegis.shm.bus import (
    ORDER_FILLED,
    ORDER_REQUEST,
    SIGNAL_GENERATED,
    TICK_UPDATE,
    TOPICS,
    Bus,
    GatedObserver,
)
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import CANARY, INTENT, PLACE
from aegis.shm.outcome import ACCEPTED, FILL
from aegis.shm.pool import DoubleReleaseError, PoolExhaustedError
from aegis.shm.tick import CANARY as CANARY_TICK
from tests.brain.harness import EPOCH, Harness, answer, of_kind, quote, tick

BID = 600_000


def heard_by(bus: Bus) -> dict[str, list[Any]]:
    heard: dict[str, list[Any]] = {topic: [] for topic in TOPICS}
    for topic in TOPICS:
        bus.subscribe(topic, lambda record, topic=topic: heard[topic].append(record.copy()))
    return heard


def test_every_topic_is_heard_from_another_mapping(harness: Harness, tmp_path: Path) -> None:
    attached = InstanceMemory.attach("harness", shm_dir=harness.memory.directory.parent)
    bus = Bus(attached)
    heard = heard_by(bus)
    harness.feed(quote(BID, 0))
    placed = harness.feed(quote(BID, 1_000), tick(CANARY_TICK, a=7.0))
    harness.accept(placed)
    harness.fill(placed[0], position=2)
    while bus.poll():
        pass
    assert [int(t["kind"]) for t in heard[TICK_UPDATE]] == [2, 2, CANARY_TICK]
    assert len(placed) == 3, "two orders and the canary's answer"
    requests = heard[ORDER_REQUEST]
    assert [int(i["intent_id"]) for i in requests] == [int(i["intent_id"]) for i in placed[:2]]
    assert [int(o["kind"]) for o in heard[ORDER_FILLED]] == [FILL]
    signals = heard[SIGNAL_GENERATED]
    assert [(int(s["side"]), int(s["level"])) for s in signals[-2:]] == [(1, 0), (-1, 0)]
    last = {int(s["side"]): s for s in signals}
    for order in of_kind(placed, PLACE):
        signal = last[int(order["side"])]
        assert signal["price_ticks"] == order["price_ticks"]
        assert signal["confidence"] == order["confidence"] == 1.0
        assert signal["epoch"] == EPOCH
        assert signal["cause_seq"] == order["cause_seq"]
    assert all(bus.lost(topic) == 0 for topic in TOPICS)
    assert bus.delivered(ORDER_REQUEST) == 2
    del bus
    gc.collect()
    attached.close()


def test_a_wish_that_stays_is_no_new_signal(harness: Harness) -> None:
    bus = Bus(harness.memory)
    heard = heard_by(bus)
    # Quiet: no volatility, so the same top gives the same wishes.
    harness.feed(quote(BID, 0), quote(BID, 10), quote(BID, 20))
    bus.poll()
    first = len(heard[SIGNAL_GENERATED])
    harness.feed(*(quote(BID, 30 + item) for item in range(50)))
    bus.poll()
    assert first >= 2
    repeated = [int(s["price_ticks"]) for s in heard[SIGNAL_GENERATED]][first:]
    assert len(repeated) < 50
    harness.feed(quote(BID + 100, 2_000))
    bus.poll()
    assert len(heard[SIGNAL_GENERATED]) > first + len(repeated)


def test_a_listener_changes_no_decision(make_harness: Any) -> None:
    hashes = []
    for listening in (False, True):
        harness = make_harness()
        bus = Bus(harness.memory)
        if listening:
            heard_by(bus)
        for item in range(200):
            harness.accept(harness.feed(quote(BID + item % 40, 150 * item)))
            bus.poll()
        hashes.append(int(harness.core["intents_hash"]))
    assert hashes[0] == hashes[1]


def test_a_slow_listener_is_told_what_it_missed(harness: Harness) -> None:
    bus = Bus(harness.memory)
    heard = heard_by(bus)
    intents = np.zeros(1_000, INTENT)
    intents["kind"] = PLACE
    for _ in range(4):
        assert harness.memory.intents.offer(intents) == 1_000
        while harness.memory.intents.take().size:
            pass
    assert bus.poll() == 0
    assert bus.lost(ORDER_REQUEST) == 4_000
    intents["kind"][1::2] = CANARY
    harness.memory.intents.offer(intents[:10])
    bus.poll()
    assert len(heard[ORDER_REQUEST]) == 5
    with pytest.raises(ValueError, match="no topic 'ORDERS'; there are TICK_UPDATE"):
        bus.subscribe("ORDERS", print)


def test_a_subscriber_hears_what_comes_after_it(harness: Harness) -> None:
    """Not what the bus, made long before, might have heard; nor is any of that lost."""
    bus = Bus(harness.memory)
    capacity = harness.memory.ticks.capacity
    for _ in range(0, 2 * capacity, 1_000):
        harness.memory.ticks.publish(np.zeros(1_000, harness.memory.ticks.records.dtype))
    intents = np.zeros(1, INTENT)
    intents["kind"] = PLACE
    harness.memory.intents.offer(intents)
    heard = heard_by(bus)
    assert bus.poll() == 0
    assert (bus.lost(TICK_UPDATE), bus.lost(ORDER_REQUEST)) == (0, 0)
    harness.memory.intents.offer(intents)
    bus.poll()
    assert len(heard[ORDER_REQUEST]) == 1


def test_kept_records_come_from_the_pool(harness: Harness) -> None:
    bus = Bus(harness.memory)
    handles: list[int] = []
    bus.subscribe(TICK_UPDATE, lambda record: handles.append(bus.keep(TICK_UPDATE)))
    harness.feed(*(quote(BID + item, item) for item in range(3)))
    bus.poll()
    kept = [float(bus.kept(TICK_UPDATE, handle)["a"]) for handle in handles]
    assert kept == [pytest.approx((BID + item) * 0.1) for item in range(3)]
    bus.release(TICK_UPDATE, handles[0])
    with pytest.raises(DoubleReleaseError):
        bus.release(TICK_UPDATE, handles[0])
    with pytest.raises(ValueError, match="no record is being delivered"):
        bus.keep(TICK_UPDATE)
    pool = bus.pool(TICK_UPDATE)
    while pool.free:
        pool.acquire()
    harness.feed(quote(BID, 9_000))
    with pytest.raises(PoolExhaustedError, match="10000"):
        bus.poll()


def test_the_duty_cycle_with_signals_and_a_bus_allocate_nothing(harness: Harness) -> None:
    """Counters of the collector and of the allocator over thousands of events."""
    bus = Bus(harness.memory)
    count = 0

    def listen(record: np.void) -> None:
        nonlocal count
        count += 1

    for topic in TOPICS:
        bus.subscribe(topic, listen)
    ticks = np.concatenate([quote(BID + item % 50, 20 * item) for item in range(20_000)])
    harness.accept([])

    def work(begin: int, end: int) -> None:
        for at in range(begin, end, 50):
            harness.memory.ticks.publish(ticks[at : at + 50])
            harness.cycle(harness.desk, harness.wires, harness.params, harness.states, 0, 0)
            harness.memory.intents.take()
            while bus.poll():
                pass

    gc.disable()
    tracemalloc.start()
    try:
        # What is made once (a cache, a grown list) is made within the first rounds; what is made
        # for every event is made in each of them.
        for begin in range(0, 20_000, 2_000):
            gc.collect()
            blocks, traced = sys.getallocatedblocks(), tracemalloc.get_traced_memory()[0]
            containers = gc.get_count()[0]
            work(begin, begin + 2_000)
            grown = tracemalloc.get_traced_memory()[0] - traced
            if grown < 1_024 and sys.getallocatedblocks() - blocks < 50:
                break
        assert grown < 1_024, "every round allocates"
        assert abs(gc.get_count()[0] - containers) < 20
    finally:
        tracemalloc.stop()
        gc.enable()
    assert count > 2_000


def test_an_observer_needs_a_ring_longer_than_one_write(harness: Harness) -> None:
    observer = GatedObserver(harness.memory.outcomes)
    harness.tell(answer(ACCEPTED, np.zeros(1, INTENT)[0]))
    assert observer.poll().size == 1

"""The broadcast ring: order, batches, and a lapped reader that knows exactly what it lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.bench.ring_kernels import flood
from aegis.host.clock import monotonic_ns
from aegis.shm.broadcast import BroadcastRing, poll, publish
from aegis.shm.errors import LayoutMismatch
from aegis.shm.region import HEADER_BYTES
from aegis.shm.ring_header import CURSOR, TAIL, TAIL_INTENT
from aegis.shm.tick import TICK, TRADE
from tests.shm.conftest import Fork, MakeBroadcast
from tests.shm.forked import pin
from tests.shm.kernels import follow_unevenly

CAPACITY = 8


def numbered(first: int, count: int) -> np.ndarray:
    """Records that say their number in every field."""
    batch = np.zeros(count, TICK)
    numbers = np.arange(first, first + count)
    for name in TICK.names:
        batch[name] = TRADE if name == "kind" else 0 if name == "flags" else numbers
    return batch


def tuple_of(number: int) -> tuple:
    return tuple(numbered(number, 1).tolist()[0])


def blank() -> tuple[np.ndarray, np.ndarray]:
    """A small ring in private memory: header words and records."""
    return np.zeros(HEADER_BYTES // 8, np.uint64), np.zeros(CAPACITY, TICK)


def test_records_come_in_order_and_whole(broadcast_ring: MakeBroadcast) -> None:
    ring = broadcast_ring()
    reader = ring.reader()
    assert [ring.write(tuple_of(number)) for number in range(3)] == [0, 1, 2]
    assert ring.publish(numbered(3, 500)) == 503
    assert reader.pending_count() == ring.published == 503
    assert reader.read_new() == [tuple_of(number) for number in range(503)]
    assert reader.read_new() == []
    assert (reader.lost, reader.laps, reader.pending_count()) == (0, 0, 0)


def test_a_new_reader_sees_what_comes_or_what_is_kept(broadcast_ring: MakeBroadcast) -> None:
    ring = broadcast_ring(CAPACITY)
    ring.publish(numbered(0, 5))
    late, early = ring.reader(), ring.reader(from_start=True)
    ring.write(tuple_of(5))
    assert late.read_new() == [tuple_of(5)]
    assert [record[3] for record in early.read_new()] == [0, 1, 2, 3, 4, 5]
    ring.publish(numbered(6, 7))
    oldest = ring.reader(from_start=True)
    assert oldest.lost == 13 - CAPACITY
    assert [record[3] for record in oldest.read_new()] == list(range(5, 13))
    assert (oldest.lost, oldest.laps) == (5, 0)


def test_slots_wrap_around(broadcast_ring: MakeBroadcast) -> None:
    ring = broadcast_ring(CAPACITY)
    reader = ring.reader(batch=3)
    seen = []
    for first in range(0, 100, 5):
        ring.publish(numbered(first, 5))
        seen += [record[3] for record in reader.read_new()]
    assert seen == list(range(100))
    assert reader.lost == 0


def test_a_reader_exactly_the_capacity_behind_loses_nothing() -> None:
    header, records = blank()
    cursor, out = np.zeros(1, np.uint64), np.zeros(CAPACITY, TICK)
    publish(header, records, numbered(0, CAPACITY), CAPACITY)
    assert poll(header, records, cursor, out, CAPACITY) == CAPACITY
    assert out["a"].tolist() == list(range(CAPACITY))


def test_one_record_more_and_it_has_lost_them_all() -> None:
    header, records = blank()
    cursor, out = np.zeros(1, np.uint64), np.zeros(CAPACITY, TICK)
    publish(header, records, numbered(0, CAPACITY), CAPACITY)
    publish(header, records, numbered(CAPACITY, 1), 1)
    assert poll(header, records, cursor, out, CAPACITY) == -(CAPACITY + 1)
    assert int(cursor[0]) == CAPACITY + 1
    assert poll(header, records, cursor, out, CAPACITY) == 0


@pytest.mark.parametrize("behind", [1, 3, CAPACITY])
@pytest.mark.parametrize("limit", [1, CAPACITY])
def test_a_writer_inside_the_slots_that_were_copied_is_noticed(behind: int, limit: int) -> None:
    """TAIL_INTENT alone tells: TAIL does not move before the writer is done."""
    header, records = blank()
    publish(header, records, numbered(0, CAPACITY), CAPACITY)
    start = CAPACITY - behind
    room = CAPACITY - behind
    out = np.zeros(CAPACITY, TICK)
    for writing in range(CAPACITY + 1):
        cursor = np.full(1, start, np.uint64)
        header[TAIL_INTENT] = CAPACITY + writing
        got = poll(header, records, cursor, out, limit)
        if writing <= room:
            assert got == min(behind, limit)
            assert int(cursor[0]) == start + got
        else:
            assert got == -behind
            assert int(cursor[0]) == CAPACITY


def test_a_cursor_of_another_ring_is_never_a_count() -> None:
    header, records = blank()
    publish(header, records, numbered(0, 3), 3)
    cursor, out = np.full(1, 7, np.uint64), np.zeros(CAPACITY, TICK)
    assert poll(header, records, cursor, out, CAPACITY) < 0
    assert int(cursor[0]) == 3


steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, CAPACITY)),
        st.tuples(st.just("poll"), st.integers(0, CAPACITY + 2)),
        st.tuples(st.just("peek"), st.integers(1, CAPACITY)),
    ),
    max_size=60,
)


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(steps, st.sampled_from([0, 2**32 - 5, 2**62]))
def test_any_interleaving_reads_like_a_list(plan: list[tuple[str, int]], origin: int) -> None:
    """Two readers against a model: `published` is everything, a cursor is a place in it."""
    header, records = blank()
    header[TAIL] = header[TAIL_INTENT] = origin
    cursors = [np.full(1, origin, np.uint64) for _ in range(2)]
    out = np.zeros(CAPACITY + 2, TICK)
    published = 0
    places, lost = [0, 0], [0, 0]
    for action, n in plan:
        if action == "publish":
            publish(header, records, numbered(published, n), n)
            published += n
            continue
        who = 0 if action == "poll" else 1
        got = poll(header, records, cursors[who], out, n)
        behind = published - places[who]
        if behind > CAPACITY:
            assert got == -behind
            lost[who] += behind
            places[who] = published
        else:
            assert got == min(behind, n)
            expected = np.arange(places[who], places[who] + got)
            assert out["ts_event_ns"][:got].tolist() == expected.tolist()
            assert out["e"][:got].tolist() == expected.tolist()
            places[who] += got
        assert int(cursors[who][0]) - origin == places[who]
    assert int(header[TAIL]) - origin == published


def test_a_reader_counts_each_lap_once(broadcast_ring: MakeBroadcast) -> None:
    ring = broadcast_ring(CAPACITY)
    reader = ring.reader()
    for first in range(0, 60, 6):
        ring.publish(numbered(first, 6))
    assert reader.pending_count() == 60
    assert reader.read_new() == []
    assert (reader.lost, reader.laps) == (60, 1)
    ring.write(tuple_of(60))
    assert [record[3] for record in reader.read_new()] == [60]


def test_a_batch_larger_than_the_ring_is_refused(broadcast_ring: MakeBroadcast) -> None:
    ring = broadcast_ring(CAPACITY)
    with pytest.raises(ValueError, match="9 exceeds the ring's 8"):
        ring.publish(numbered(0, CAPACITY + 1))
    assert ring.published == 0


def test_a_capacity_that_cannot_mask_is_refused(broadcast_ring: MakeBroadcast) -> None:
    with pytest.raises(LayoutMismatch, match="12 is not a power of two"):
        broadcast_ring(12)


def test_progress_can_be_shown(broadcast_ring: MakeBroadcast) -> None:
    from aegis.shm.broadcast import show_cursor

    ring = broadcast_ring()
    show_cursor(ring.header, 2, 77)
    assert int(ring.header[int(CURSOR) + 2 * 16]) == 77


@pytest.mark.usefixtures("keep_affinity")
@pytest.mark.parametrize(("capacity", "jitter"), [(64, 10), (256, 40)])
def test_a_flooded_kernel_reader_accounts_for_every_record(
    broadcast_ring: MakeBroadcast, fork: Fork, capacity: int, jitter: int
) -> None:
    """With batches as large as the ring, every copy is made while its slots are overwritten."""
    ring = broadcast_ring(capacity)
    scratch, out = np.zeros(64, TICK), np.zeros(32, TICK)
    cursor = np.zeros(1, np.uint64)
    flood(ring.header, ring.records, scratch, 0)
    follow_unevenly(ring.header, ring.records, cursor, out, 0, jitter, 0)

    def flood_on_the_other_core() -> None:
        pin(1)
        flood(ring.header, ring.records, scratch, 2**40)

    child = fork(flood_on_the_other_core)
    pin(0)
    wanted = 200_000
    deadline_ns = monotonic_ns() + 20_000_000_000
    read, lost, laps, torn = follow_unevenly(
        ring.header, ring.records, cursor, out, wanted, jitter, deadline_ns
    )
    child.kill()
    assert torn == 0
    assert read >= wanted, "the reader got too little in time"
    assert laps >= 100, "the reader was hardly ever overtaken"
    assert read + lost == int(cursor[0]) <= ring.published


def test_a_flooded_python_reader_sees_only_whole_records(
    broadcast_ring: MakeBroadcast, fork: Fork
) -> None:
    ring: BroadcastRing = broadcast_ring(64)
    count = 400_000
    scratch = np.zeros(16, TICK)
    flood(ring.header, ring.records, scratch, 0)
    reader = ring.reader(batch=8)
    reader.poll()
    child = fork(lambda: flood(ring.header, ring.records, scratch, count))
    read = 0
    expected = 0
    while expected < count:
        laps = reader.laps
        records = reader.poll()
        if reader.laps > laps:
            expected = int(reader.cursor[0])
        if records.size:
            numbers = np.arange(expected, expected + records.size)
            for name in ("ts_event_ns", "ts_recv_ns", "a", "e"):
                assert (records[name] == numbers).all()
            expected += records.size
            read += records.size
    assert child.join() == 0
    assert read + reader.lost == count
    assert reader.laps > 0, "a reader this slow must have been overtaken"

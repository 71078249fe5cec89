"""The gated ring: nothing is lost, nothing comes twice, and a full lane says no."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.bench.ring_kernels import consume, produce_batched, produce_singly
from aegis.shm.gated import claim, commit, offer, skip_to_tail, take
from aegis.shm.region import HEADER_BYTES
from aegis.shm.ring_header import HEAD, HEAD_CACHE, TAIL, TAIL_CACHE
from aegis.shm.tick import TICK
from tests.shm.conftest import Fork, MakeGated
from tests.shm.forked import pin
from tests.shm.test_broadcast import numbered, tuple_of

CAPACITY = 8


def blank(origin: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A small lane in private memory whose sequences begin at `origin`."""
    header = np.zeros(HEADER_BYTES // 8, np.uint64)
    for word in (HEAD, HEAD_CACHE, TAIL, TAIL_CACHE):
        header[word] = origin
    return header, np.zeros(CAPACITY, TICK)


def test_what_was_offered_is_taken_in_order(gated_ring: MakeGated) -> None:
    ring = gated_ring()
    assert ring.write(tuple_of(0))
    assert ring.offer(numbered(1, 600)) == 600
    assert ring.pending_count() == 601
    assert ring.take(limit=2)["ts_event_ns"].tolist() == [0, 1]
    assert ring.read_new() == [tuple_of(number) for number in range(2, 601)]
    assert ring.read_new() == []
    assert (ring.published, ring.consumed, ring.pending_count()) == (601, 601, 0)


def test_a_full_lane_takes_what_fits_and_refuses_the_rest(gated_ring: MakeGated) -> None:
    ring = gated_ring(CAPACITY)
    assert ring.offer(numbered(0, 5)) == 5
    assert ring.offer(numbered(5, 5)) == 3
    assert ring.offer(numbered(8, 5)) == 0
    assert not ring.write(tuple_of(8))
    assert ring.pending_count() == ring.capacity
    assert ring.take(2)["a"].tolist() == [0, 1]
    assert ring.write(tuple_of(8))
    assert [record[3] for record in ring.read_new()] == [2, 3, 4, 5, 6, 7, 8]


def test_a_record_can_be_written_in_place(gated_ring: MakeGated) -> None:
    ring = gated_ring(CAPACITY)
    for number in range(CAPACITY):
        slot = claim(ring.header, ring.records)
        assert claim(ring.header, ring.records) == slot, "claimed, not yet committed"
        ring.records[slot] = tuple_of(number)
        assert ring.published == number
        commit(ring.header)
    assert claim(ring.header, ring.records) == -1
    assert ring.take(1)["a"].tolist() == [0]
    assert claim(ring.header, ring.records) == 0
    assert [record[3] for record in ring.read_new()] == list(range(1, CAPACITY))


@pytest.mark.parametrize("peeked", [False, True])
def test_a_skipped_lane_is_empty_and_goes_on(gated_ring: MakeGated, peeked: bool) -> None:
    ring = gated_ring(CAPACITY)
    ring.offer(numbered(0, 6))
    if peeked:
        # The reader has a cached TAIL in front of HEAD.
        assert ring.take(2).size == 2
    skip_to_tail(ring.header)
    assert ring.pending_count() == 0
    assert ring.take().size == 0
    assert ring.offer(numbered(6, CAPACITY)) == CAPACITY
    assert [record[3] for record in ring.read_new()] == list(range(6, 6 + CAPACITY))
    assert ring.consumed == ring.published == 14


steps = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.integers(0, CAPACITY + 3)),
        st.tuples(st.just("take"), st.integers(0, CAPACITY + 3)),
        st.tuples(st.just("claim"), st.just(1)),
        st.tuples(st.just("skip"), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(steps, st.sampled_from([0, 2**32 - 5, 2**62]))
def test_any_interleaving_is_a_bounded_queue(plan: list[tuple[str, int]], origin: int) -> None:
    header, records = blank(origin)
    out = np.zeros(CAPACITY + 3, TICK)
    queue: list[int] = []
    number = 0
    for action, n in plan:
        if action == "offer":
            accepted = offer(header, records, numbered(number, n), n)
            assert accepted == min(n, CAPACITY - len(queue))
            queue += range(number, number + accepted)
            number += accepted
        elif action == "claim":
            slot = claim(header, records)
            assert (slot < 0) == (len(queue) == CAPACITY)
            if slot >= 0:
                records[slot] = tuple_of(number)
                commit(header)
                queue.append(number)
                number += 1
        elif action == "take":
            got = take(header, records, out, n)
            # A take may stop at what it knew of TAIL; it may not be empty while records wait.
            assert got <= min(n, len(queue))
            assert got > 0 or n == 0 or not queue
            assert out["ts_event_ns"][:got].tolist() == queue[:got]
            assert out["e"][:got].tolist() == queue[:got]
            del queue[:got]
        else:
            skip_to_tail(header)
            queue.clear()
        assert int(header[TAIL]) - int(header[HEAD]) == len(queue) <= CAPACITY


@pytest.mark.usefixtures("keep_affinity")
@pytest.mark.parametrize("batch", [1, 16])
def test_two_processes_pass_every_record_through_a_small_lane(
    gated_ring: MakeGated, fork: Fork, batch: int
) -> None:
    ring = gated_ring(64)
    count = 100_000
    scratch, out, sums = np.zeros(batch, TICK), np.zeros(48, TICK), np.zeros(2, np.uint64)
    produce_singly(ring.header, ring.records, 0)
    produce_batched(ring.header, ring.records, scratch, 0)
    consume(ring.header, ring.records, out, 0, sums)

    def produce() -> None:
        pin(1)
        if batch == 1:
            produce_singly(ring.header, ring.records, count)
        else:
            produce_batched(ring.header, ring.records, scratch, count)

    child = fork(produce)
    pin(0)
    assert consume(ring.header, ring.records, out, count, sums) == count
    assert child.join() == 0
    assert int(sums[0]) == 7 * (count * (count - 1) // 2) % 2**64
    assert int(sums[1]) == 0, "records came out of order"
    assert ring.pending_count() == 0


def test_python_on_both_sides_loses_nothing(gated_ring: MakeGated, fork: Fork) -> None:
    ring = gated_ring(16)
    count = 5_000

    def produce() -> None:
        number = 0
        while number < count:
            number += ring.offer(numbered(number, min(7, count - number)))

    ring.offer(numbered(0, 0))
    ring.take()
    child = fork(produce)
    seen: list[int] = []
    while len(seen) < count:
        seen += [record[3] for record in ring.read_new()]
        assert ring.pending_count() <= ring.capacity
    assert child.join() == 0
    assert seen == list(range(count))

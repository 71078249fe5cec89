"""When snapshots are asked for: at once, then ever more patiently, and never when told to stop."""

from __future__ import annotations

import random

import numpy as np
import pytest

from aegis.feed.backoff import Backoff
from aegis.feed.snapshots import (
    BELIEVED_AFTER_S,
    FIRST_DELAY_S,
    HELD_BEFORE_S,
    HELD_PER_REQUEST,
    LIMIT_DELAY_S,
    MAX_ATTEMPTS,
    MAX_UNDER_WAY,
    SnapshotQueue,
    SnapshotRequest,
)

S = 1_000_000_000


@pytest.fixture
def queue() -> SnapshotQueue:
    return SnapshotQueue(10, random.Random(1))


def test_backoff_doubles_with_jitter_up_to_its_limit() -> None:
    backoff = Backoff(0.1, 5.0, random.Random(3))
    delays = [backoff.next_s() for _ in range(40)]
    for number, delay in enumerate(delays):
        full = min(5.0, 0.1 * 2**number)
        assert full / 2 <= delay <= full
    backoff.reset()
    assert backoff.next_s() <= 0.1


def test_the_first_request_is_due_at_once_and_only_once(queue: SnapshotQueue) -> None:
    queue.want(3, 5)
    queue.want(3, 6)
    assert queue.due(6) == [SnapshotRequest(3, 0)]
    queue.want(3, 7)
    assert queue.due(10**15) == []
    assert queue.next_due_ns() is None


def test_failures_back_off_and_are_counted(queue: SnapshotQueue) -> None:
    now, waits = 10 * S, []
    queue.want(0, now)
    for _ in range(MAX_ATTEMPTS + 4):
        (request,) = queue.due(now)
        queue.failed(request.instrument, now)
        due = queue.next_due_ns()
        assert due is not None
        assert queue.due(due - 1) == []
        waits.append((due - now) / S)
        now = due
    assert waits[0] <= 2 * FIRST_DELAY_S
    assert waits[6] > waits[1]
    assert max(waits) <= LIMIT_DELAY_S
    assert queue.is_hopeless(0)
    assert not queue.is_hopeless(1)


def test_a_book_that_breaks_again_soon_waits_and_one_that_lived_does_not(
    queue: SnapshotQueue,
) -> None:
    queue.want(0, S)
    queue.due(S)
    queue.placed(0, S)
    queue.want(0, 2 * S)
    assert queue.due(2 * S) == []
    queue.due(3 * S)
    queue.placed(0, 3 * S)
    later = 3 * S + int((BELIEVED_AFTER_S + 1) * S)
    queue.want(0, later)
    assert len(queue.due(later)) == 1


def test_only_a_few_are_under_way_at_once_and_the_longest_waiting_go_first(
    queue: SnapshotQueue,
) -> None:
    for instrument in range(10):
        queue.want(instrument, 100 - instrument)
    first = queue.due(200)
    assert [request.instrument for request in first] == [9, 8, 7, 6][:MAX_UNDER_WAY]
    assert queue.due(200) == []
    queue.placed(9, 201)
    assert [request.instrument for request in queue.due(201)] == [5]


def test_nobody_asks_while_the_exchange_wants_silence(queue: SnapshotQueue) -> None:
    queue.want(0, S)
    queue.pause(S, 30.0)
    queue.pause(S, 10.0)
    assert queue.due(30 * S) == []
    assert queue.next_due_ns() == 31 * S
    assert len(queue.due(31 * S)) == 1


def test_a_cancelled_want_voids_what_is_under_way(queue: SnapshotQueue) -> None:
    queue.want(0, S)
    (request,) = queue.due(S)
    assert queue.is_current(request)
    queue.cancel(0)
    assert not queue.is_current(request)
    assert queue.next_due_ns() is None
    queue.want(0, 2 * S)
    (again,) = queue.due(2 * S)
    assert queue.is_current(again)


def test_books_far_back_in_the_queue_do_not_buffer_before_their_turn() -> None:
    queue = SnapshotQueue(300, random.Random(1))
    for instrument in range(300):
        queue.want(instrument, 0)
    buffering = HELD_PER_REQUEST * MAX_UNDER_WAY
    assert queue.deferred.tolist() == [0] * buffering + [1] * (300 - buffering)

    # Each answer lets others begin, and nobody is forgotten.
    now, asked = 0, list[int]()
    while len(asked) < 300:
        requests = queue.due(now)
        for request in requests:
            assert not queue.deferred[request.instrument]
            asked.append(request.instrument)
            queue.placed(request.instrument, now)
        assert (queue.deferred == 0).sum() - len(asked) <= buffering
        now += int(HELD_BEFORE_S * S)
        assert now < 60 * S, "the queue stands still"
    assert asked == sorted(asked)
    assert not queue.deferred.any()


def test_a_book_that_begins_to_buffer_late_asks_a_moment_later() -> None:
    queue = SnapshotQueue(40, random.Random(1))
    for instrument in range(40):
        queue.want(instrument, 0)
    late = int(np.flatnonzero(queue.deferred)[0])
    while requests := queue.due(0):
        for request in requests:
            assert request.instrument < late, "it has not buffered for long enough"
            queue.placed(request.instrument, 0)
    assert not queue.deferred[late]
    assert queue.due(int(HELD_BEFORE_S * S) - 1) == []
    assert queue.due(int(HELD_BEFORE_S * S))[0].instrument == late


def test_a_lost_connection_ends_the_deferral() -> None:
    queue = SnapshotQueue(40, random.Random(1))
    for instrument in range(40):
        queue.want(instrument, 0)
    for instrument in range(40):
        queue.cancel(instrument)
    assert not queue.deferred.any()
    queue.want(39, 5)
    assert queue.due(5) == [SnapshotRequest(39, 1)]

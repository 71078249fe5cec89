"""The sequence rules, one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from aegis.feed.held_events import DepthEvent, HeldEvents
from aegis.feed.layout import LAST_ID, LAST_MS, PHASE, ROW_WORDS
from aegis.feed.sync import BookSync, Phase, Verdict

LEVELS = 64


def event(first: int, last: int, previous: int, event_ms: int = 1, levels: int = 0) -> DepthEvent:
    return DepthEvent(first, last, previous, event_ms, 5, levels, 0)


def new_sync(blocks: int = 0, **limits: int) -> BookSync:
    keys, quantities = np.arange(1, 2 * LEVELS + 1, dtype=np.int64), np.ones(2 * LEVELS)
    held = HeldEvents(2, keys, quantities, LEVELS, blocks)
    return BookSync(np.zeros(ROW_WORDS, np.int64), held, 1, **limits)


def buffered(sync: BookSync) -> list[DepthEvent]:
    """Take all that waits."""
    return list(iter(sync.take, None))


def live_sync(last_id: int = 100, last_ms: int = 50) -> BookSync:
    sync = new_sync()
    sync.row[PHASE], sync.row[LAST_ID], sync.row[LAST_MS] = Phase.LIVE, last_id, last_ms
    return sync


def chain(*ids: int) -> list[DepthEvent]:
    """Events that end in these ids, each following the one before."""
    return [event(a + 1, b, a) for a, b in itertools.pairwise(ids)]


@pytest.mark.parametrize(
    ("first", "last", "previous", "event_ms", "verdict"),
    [
        (105, 110, 100, 50, Verdict.APPLY),
        (101, 101, 100, 60, Verdict.APPLY),
        (105, 110, 104, 60, Verdict.GAP),
        (90, 100, 80, 50, Verdict.DUPLICATE),
        (80, 90, 70, 40, Verdict.DUPLICATE),
        # Old numbers that are newer in time: the numbering has begun again.
        (5, 9, 4, 51, Verdict.GAP),
        # Overlaps what is applied, but does not follow it.
        (95, 110, 94, 60, Verdict.GAP),
    ],
)
def test_live_events_must_follow_the_last_one(
    first: int, last: int, previous: int, event_ms: int, verdict: Verdict
) -> None:
    sync = live_sync()
    assert sync.on_event(event(first, last, previous, event_ms)) is verdict
    gap = verdict is Verdict.GAP
    assert sync.phase is (Phase.WAITING if gap else Phase.LIVE)
    assert sync.waiting == int(gap)


@pytest.mark.parametrize(
    ("first", "last", "previous", "verdict"),
    [
        (90, 99, 80, Verdict.OLD),
        (90, 100, 80, Verdict.APPLY),
        (100, 110, 80, Verdict.APPLY),
        (100, 100, 99, Verdict.APPLY),
        # Nothing happened between the snapshot and this event: it says so itself.
        (101, 110, 100, Verdict.APPLY),
        (101, 110, 99, Verdict.GAP),
        (150, 160, 149, Verdict.GAP),
    ],
)
def test_the_first_event_must_reach_the_snapshot(
    first: int, last: int, previous: int, verdict: Verdict
) -> None:
    sync = new_sync()
    assert sync.on_snapshot(100)
    assert not sync.waiting
    assert sync.phase is Phase.BRIDGING
    assert sync.on_event(event(first, last, previous)) is verdict
    assert sync.phase is (Phase.WAITING if verdict is Verdict.GAP else Phase.BRIDGING)


def test_buffered_events_are_dropped_up_to_the_snapshot_and_replayed_from_it() -> None:
    sync = new_sync()
    events = chain(10, 20, 30, 40, 50)
    for one in events:
        assert sync.on_event(one) is Verdict.HOLD
    assert sync.on_snapshot(35)
    assert sync.phase is Phase.BRIDGING
    assert buffered(sync) == events[2:]
    assert not sync.waiting


def test_a_snapshot_older_than_the_buffer_is_refused_and_the_buffer_kept() -> None:
    sync = new_sync()
    events = chain(10, 20, 30)
    for one in events:
        sync.on_event(one)
    assert not sync.on_snapshot(5)
    assert sync.phase is Phase.WAITING
    assert sync.waiting == len(events)
    assert sync.on_snapshot(25)
    assert buffered(sync) == events[1:]


def test_a_snapshot_newer_than_the_buffer_waits_for_the_next_event() -> None:
    sync = new_sync()
    for one in chain(10, 20, 30):
        sync.on_event(one)
    assert sync.on_snapshot(35)
    assert not sync.waiting
    assert sync.on_event(event(31, 34, 30)) is Verdict.OLD
    assert sync.on_event(event(35, 40, 34)) is Verdict.APPLY


def test_a_break_in_the_buffer_keeps_only_what_follows_it() -> None:
    sync = new_sync()
    for one in chain(10, 20, 30):
        sync.on_event(one)
    after = chain(40, 50, 60)
    for one in after:
        assert sync.on_event(one) is Verdict.HOLD
    assert sync.waiting == len(after)
    assert not sync.on_snapshot(25), "what came before the break must not be joined"
    assert buffered(sync) == after


def test_duplicates_in_the_buffer_are_dropped() -> None:
    sync = new_sync()
    events = chain(10, 20, 30)
    for one in (*events, *events):
        last = sync.on_event(one)
    assert last is Verdict.DUPLICATE
    assert buffered(sync) == events


def test_the_buffer_is_bounded_by_events_and_by_levels() -> None:
    sync = new_sync(max_events=10, max_levels=1000)
    for one in chain(*range(0, 1000, 10)):
        sync.on_event(one)
    assert [one.last_id for one in buffered(sync)] == list(range(900, 1000, 10))
    sync = new_sync(max_events=1000, max_levels=100)
    for number in range(1, 50):
        sync.on_event(event(number, number, number - 1, levels=30))
    assert (sync.waiting, sync.held.levels(1), sync.dropped_events) == (3, 90, 46)
    assert sync.on_snapshot(49)
    assert [one.last_id for one in buffered(sync)] == [49]


def test_a_buffer_without_memory_keeps_the_newest_end_of_the_chain() -> None:
    sync = new_sync(blocks=2)
    events = [event(number, number, number - 1, levels=60) for number in range(1, 50)]
    for one in events:
        assert sync.on_event(one) is Verdict.HOLD
    assert 0 < sync.waiting < len(events)
    assert sync.dropped_events == len(events) - sync.waiting
    assert buffered(sync) == events[sync.dropped_events :]


def test_where_others_hold_all_memory_the_chain_begins_later() -> None:
    sync = new_sync(blocks=1)
    assert sync.held.put(0, event(1, 1, 0, levels=60))
    assert sync.held.free_blocks == 0
    assert sync.on_event(event(2, 2, 1, levels=60)) is Verdict.HOLD
    assert (sync.waiting, sync.dropped_events) == (0, 1)
    sync.held.clear(0)
    assert sync.on_event(event(3, 3, 2)) is Verdict.HOLD
    assert sync.on_snapshot(3)
    assert buffered(sync) == [event(3, 3, 2)]


def test_restart_forgets_everything() -> None:
    sync = new_sync()
    for one in chain(10, 20, 30):
        sync.on_event(one)
    sync.restart()
    assert (sync.phase, sync.waiting, sync.held.levels(1)) == (Phase.WAITING, 0, 0)

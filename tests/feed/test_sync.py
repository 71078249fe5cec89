"""The sequence rules, one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from aegis.feed.layout import LAST_ID, LAST_MS, PHASE, ROW_WORDS
from aegis.feed.sync import BookSync, DepthEvent, Phase, Verdict

NO_KEYS, NO_QUANTITIES = np.zeros(0, np.int64), np.zeros(0)


def event(first: int, last: int, previous: int, event_ms: int = 1, levels: int = 0) -> DepthEvent:
    keys, quantities = np.arange(1, levels + 1, dtype=np.int64), np.ones(levels)
    return DepthEvent(first, last, previous, event_ms, 5, keys, quantities, NO_KEYS, NO_QUANTITIES)


def new_sync(**limits: int) -> BookSync:
    return BookSync(np.zeros(ROW_WORDS, np.int64), **limits)


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
    assert len(sync.buffer) == int(gap)


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
    assert sync.on_snapshot(100) == []
    assert sync.phase is Phase.BRIDGING
    assert sync.on_event(event(first, last, previous)) is verdict
    assert sync.phase is (Phase.WAITING if verdict is Verdict.GAP else Phase.BRIDGING)


def test_buffered_events_are_dropped_up_to_the_snapshot_and_replayed_from_it() -> None:
    sync = new_sync()
    events = chain(10, 20, 30, 40, 50)
    for one in events:
        assert sync.on_event(one) is Verdict.HOLD
    assert sync.on_snapshot(35) == events[2:]
    assert not sync.buffer
    assert sync.phase is Phase.BRIDGING


def test_a_snapshot_older_than_the_buffer_is_refused_and_the_buffer_kept() -> None:
    sync = new_sync()
    events = chain(10, 20, 30)
    for one in events:
        sync.on_event(one)
    assert sync.on_snapshot(5) is None
    assert sync.phase is Phase.WAITING
    assert list(sync.buffer) == events
    assert sync.on_snapshot(25) == events[1:]


def test_a_snapshot_newer_than_the_buffer_waits_for_the_next_event() -> None:
    sync = new_sync()
    for one in chain(10, 20, 30):
        sync.on_event(one)
    assert sync.on_snapshot(35) == []
    assert sync.on_event(event(31, 34, 30)) is Verdict.OLD
    assert sync.on_event(event(35, 40, 34)) is Verdict.APPLY


def test_a_break_in_the_buffer_keeps_only_what_follows_it() -> None:
    sync = new_sync()
    for one in chain(10, 20, 30):
        sync.on_event(one)
    after = chain(40, 50, 60)
    for one in after:
        assert sync.on_event(one) is Verdict.HOLD
    assert list(sync.buffer) == after
    assert sync.on_snapshot(25) is None, "what came before the break must not be joined"


def test_duplicates_in_the_buffer_are_dropped() -> None:
    sync = new_sync()
    events = chain(10, 20, 30)
    for one in (*events, *events):
        last = sync.on_event(one)
    assert last is Verdict.DUPLICATE
    assert list(sync.buffer) == events


def test_the_buffer_is_bounded_by_events_and_by_levels() -> None:
    sync = new_sync(max_events=10, max_levels=1000)
    for one in chain(*range(0, 1000, 10)):
        sync.on_event(one)
    assert len(sync.buffer) == 10
    assert sync.buffer[-1].last_id == 990
    sync = new_sync(max_events=1000, max_levels=100)
    for number in range(1, 50):
        sync.on_event(event(number, number, number - 1, levels=30))
    assert sync.buffered_levels == sum(one.levels for one in sync.buffer) <= 100
    newest = sync.buffer[-1]
    assert sync.on_snapshot(49) == [newest]


def test_restart_forgets_everything() -> None:
    sync = new_sync()
    for one in chain(10, 20, 30):
        sync.on_event(one)
    sync.restart()
    assert (sync.phase, len(sync.buffer), sync.buffered_levels) == (Phase.WAITING, 0, 0)

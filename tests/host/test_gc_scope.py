"""The collector's regime: what counts as inside a duty cycle, when a safe point collects."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from aegis.host.gc_scope import COUNTERS, NOTHING_COLLECTED, GcScope
from tests.host.child import in_child

MS = 1_000_000


class Knot:
    """A cycle: only the collector can free it."""

    def __init__(self) -> None:
        self.me = self


def make_garbage(count: int = 2_000) -> None:
    for _ in range(count):
        Knot()


@pytest.fixture
def scope() -> Iterator[GcScope]:
    with GcScope(interval_ms=10, force_ms=1_000, minimum_objects=100) as opened:
        yield opened


def test_opening_turns_automatic_collection_off_and_closing_on_again() -> None:
    assert gc.isenabled()
    frozen, hooks = gc.get_freeze_count(), len(gc.callbacks)
    with GcScope():
        assert not gc.isenabled()
        assert gc.get_freeze_count() > frozen
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen
    assert len(gc.callbacks) == hooks


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with GcScope():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_nothing_collects_by_itself(scope: GcScope) -> None:
    with scope.cycle:
        make_garbage(20_000)
    make_garbage(20_000)
    assert scope.snapshot() == dict.fromkeys(COUNTERS, 0)


def test_a_collection_inside_a_duty_cycle_is_counted_as_such(scope: GcScope) -> None:
    scope.cycle_begin()
    gc.collect()
    scope.cycle_end()
    assert (scope.collections, scope.collections_in_cycle) == (1, 1)
    with scope.cycle:
        gc.collect(0)
    assert (scope.collections, scope.collections_in_cycle) == (2, 2)


def test_an_automatic_collection_inside_a_duty_cycle_is_seen(scope: GcScope) -> None:
    gc.enable()
    with scope.cycle:
        make_garbage(20_000)
    assert scope.collections_in_cycle > 0


def test_a_collection_between_duty_cycles_is_not_counted_against_them(scope: GcScope) -> None:
    with scope.cycle:
        pass
    gc.collect()
    assert (scope.collections, scope.collections_in_cycle) == (1, 0)


def test_a_duty_cycle_ends_even_when_it_raises(scope: GcScope) -> None:
    with pytest.raises(KeyError), scope.cycle:
        raise KeyError("inside")
    gc.collect()
    assert scope.collections_in_cycle == 0


def test_pauses_are_measured(scope: GcScope) -> None:
    make_garbage()
    gc.collect()
    first = scope.pause_total_ns
    assert 0 < first == scope.pause_max_ns
    gc.collect()
    assert scope.pause_total_ns > first
    assert scope.pause_max_ns <= scope.pause_total_ns


def test_a_safe_point_collects_only_when_idle_and_after_the_interval(scope: GcScope) -> None:
    assert scope.safe_point(1, idle=True) == NOTHING_COLLECTED
    make_garbage()
    assert scope.safe_point(2, idle=True) == NOTHING_COLLECTED
    assert scope.safe_point(11 * MS, idle=False) == NOTHING_COLLECTED
    assert scope.safe_point(11 * MS, idle=True) == 0
    assert scope.collections == 1 and scope.collections_in_cycle == 0
    make_garbage()
    assert scope.safe_point(12 * MS, idle=True) == NOTHING_COLLECTED
    assert scope.safe_point(22 * MS, idle=True) == 0


def test_a_safe_point_without_garbage_to_look_for_costs_no_collection(scope: GcScope) -> None:
    scope.safe_point(1, idle=True)
    gc.collect(0)
    assert scope.safe_point(5_000 * MS, idle=True) == NOTHING_COLLECTED


def test_a_loop_that_is_never_idle_is_forced_after_a_while(scope: GcScope) -> None:
    scope.safe_point(1, idle=False)
    make_garbage()
    assert scope.safe_point(999 * MS, idle=False) == NOTHING_COLLECTED
    assert scope.safe_point(1_001 * MS, idle=False) == 0


def test_too_many_objects_force_a_collection_at_once() -> None:
    with GcScope(interval_ms=10, force_ms=1_000, ceiling_objects=1_000) as scope:
        scope.safe_point(1, idle=False)
        make_garbage(3_000)
        assert scope.safe_point(2, idle=False) == 0


def test_generations_are_climbed_so_that_nothing_stays_for_ever(scope: GcScope) -> None:
    seen = []
    now = 1
    scope.safe_point(now, idle=True)
    for _ in range(120):
        make_garbage(300)
        now += 11 * MS
        seen.append(scope.safe_point(now, idle=True))
    assert seen[:10] == [0] * 9 + [1]
    assert seen.count(2) == 1 and seen.count(1) == 11
    assert NOTHING_COLLECTED not in seen


def test_what_died_old_goes_within_a_minute_however_quiet_it_is(scope: GcScope) -> None:
    scope.safe_point(1, idle=True)
    connection = Knot()
    now = 1
    for _ in range(11):
        make_garbage(300)
        now += 11 * MS
        scope.safe_point(now, idle=True)
    assert any(item is connection for item in gc.get_objects(generation=2)), "it has grown old"
    del connection
    make_garbage(300)
    assert scope.safe_point(now + 11 * MS, idle=True) == 0
    assert sum(isinstance(item, Knot) for item in gc.get_objects()) == 1
    make_garbage(300)
    assert scope.safe_point(60_001 * MS, idle=True) == 2
    assert not any(isinstance(item, Knot) for item in gc.get_objects())
    make_garbage(300)
    assert scope.safe_point(60_012 * MS, idle=True) == 0, "the minute begins anew"


def test_a_safe_point_inside_a_duty_cycle_never_collects(scope: GcScope) -> None:
    scope.safe_point(1, idle=True)
    make_garbage()
    with scope.cycle:
        assert scope.safe_point(5_000 * MS, idle=True) == NOTHING_COLLECTED
    assert scope.collections == 0


def test_garbage_is_really_freed_at_a_safe_point(scope: GcScope) -> None:
    scope.safe_point(1, idle=True)
    make_garbage()
    assert sum(isinstance(item, Knot) for item in gc.get_objects()) >= 2_000
    scope.safe_point(11 * MS, idle=True)
    assert not any(isinstance(item, Knot) for item in gc.get_objects())


def test_counters_reach_a_mapping_and_a_callable() -> None:
    table: dict[str, int] = {}
    with GcScope(table) as scope:
        assert table == dict.fromkeys(COUNTERS, 0)
        with scope.cycle:
            gc.collect()
        assert table == scope.snapshot()
    told: dict[str, int] = {}
    with GcScope(lambda name, value: told.update({name: value})):
        gc.collect()
    assert told["gc_collections"] == 1 and told["gc_collections_in_cycle"] == 0
    assert told["gc_pause_total_ns"] > 0


def test_two_open_scopes_are_refused(scope: GcScope) -> None:
    with pytest.raises(RuntimeError, match="open in this process already"):
        GcScope().open()
    scope.close()
    scope.close()
    with GcScope():
        pass


def test_a_forked_child_opens_its_own(scope: GcScope) -> None:
    def child() -> tuple[int, int]:
        with GcScope() as own:
            gc.collect()
            return own.collections, scope.collections

    parent = os.getpid()
    assert in_child(child) == (1, 0)
    assert os.getpid() == parent
    assert scope.collections == 0

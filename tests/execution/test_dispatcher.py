"""The dispatcher: shares of the limits, who goes first, which pauses the exchange asks for."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from aegis.execution.dispatcher import MOST_HELD, Dispatcher, Held, Level, Share
from aegis.execution.replies import LimitCount
from aegis.shm.rate_ledger import ORDERS_10S, WEIGHT, RateLedger

NOW_MS = 1_763_700_000_000
LIMITS = (
    LimitCount("REQUEST_WEIGHT", "MINUTE", 1, 1_000),
    LimitCount("ORDERS", "SECOND", 10, 100),
    LimitCount("ORDERS", "MINUTE", 1, 400),
    LimitCount("RAW_REQUESTS", "MINUTE", 5, 61_000),
)


def made() -> Dispatcher:
    dispatcher = Dispatcher(RateLedger.private())
    assert dispatcher.set_limits(LIMITS)
    dispatcher.refresh(NOW_MS)
    return dispatcher


def held(slot: int, until_ms: int = NOW_MS + 1_000) -> Held:
    return Held(slot, slot, 1, slot, 1, b"", until_ms)


def admitted(dispatcher: Dispatcher, level: Level, now_ms: int = NOW_MS) -> int:
    count = 0
    while dispatcher.admit(level, now_ms):
        count += 1
        assert count < 100_000
    return count


def test_limits_are_read_and_a_missing_one_is_told() -> None:
    dispatcher = Dispatcher(RateLedger.private())
    assert not dispatcher.set_limits(LIMITS[:2])
    assert dispatcher.set_limits(LIMITS)
    assert (dispatcher.limit(WEIGHT), dispatcher.limit(ORDERS_10S)) == (1_000, 100)


def test_reducing_orders_and_cancels_keep_their_room() -> None:
    dispatcher = made()
    assert admitted(dispatcher, Level.NEW) == 90
    assert admitted(dispatcher, Level.AMEND) == 0
    assert admitted(dispatcher, Level.REDUCE) == 10
    assert admitted(dispatcher, Level.CANCEL) == 1_000, "cancels cost weight, no order count"
    assert admitted(dispatcher, Level.NEW, NOW_MS + 10_000) == 90, "the next window"


def test_weight_has_three_shares() -> None:
    dispatcher = made()

    def spend(share: Share) -> int:
        count = 0
        while dispatcher.admit_query(share, 5, NOW_MS):
            count += 5
        return count

    assert (spend(Share.STEADY), spend(Share.RECONCILE), spend(Share.KILL)) == (500, 250, 250)
    assert not dispatcher.admit(Level.CANCEL, NOW_MS), "never beyond the limit: no 429, no 418"


def test_what_others_spent_and_the_exchange_told_is_believed() -> None:
    dispatcher = made()
    dispatcher.on_headers({"x-mbx-order-count-10s": "85", "x-mbx-used-weight-1m": "490"}, NOW_MS)
    dispatcher.refresh(NOW_MS)
    assert admitted(dispatcher, Level.NEW) == 5
    assert dispatcher.admit_query(Share.STEADY, 10, NOW_MS)
    assert not dispatcher.admit_query(Share.STEADY, 1, NOW_MS)
    dispatcher.on_counts([LimitCount("ORDERS", "SECOND", 10, 100, 99)], NOW_MS)
    dispatcher.refresh(NOW_MS)
    assert admitted(dispatcher, Level.REDUCE) == 1


def test_the_most_urgent_goes_first() -> None:
    dispatcher = made()
    admitted(dispatcher, Level.NEW)
    admitted(dispatcher, Level.REDUCE)
    for slot, level in enumerate((Level.NEW, Level.REDUCE, Level.CANCEL, Level.NEW)):
        assert dispatcher.hold(level, held(slot, NOW_MS + 20_000))
    assert dispatcher.is_waiting(Level.NEW) and dispatcher.is_waiting(Level.CANCEL)
    first = dispatcher.release(NOW_MS)
    assert first is not None and first.slot == 2
    assert dispatcher.release(NOW_MS) is None, "no order count left in this window"
    later = [dispatcher.release(NOW_MS + 10_000) for _ in range(4)]
    assert [one and one.slot for one in later] == [1, 0, 3, None]


def test_what_must_wait_for_something_else_lets_others_go() -> None:
    dispatcher = made()
    for slot, level in enumerate((Level.NEW, Level.REDUCE, Level.CANCEL)):
        dispatcher.hold(level, held(slot))
    waits = lambda one: one.slot != 0  # noqa: E731
    sent = [dispatcher.release(NOW_MS, waits) for _ in range(3)]
    assert [one and one.slot for one in sent] == [2, 1, None]
    assert dispatcher.used(ORDERS_10S, NOW_MS) == 1, "what stays is not counted"
    later = dispatcher.release(NOW_MS)
    assert later is not None and later.slot == 0


def test_what_waits_too_long_is_given_back_once() -> None:
    dispatcher = made()
    dispatcher.hold(Level.NEW, held(1, NOW_MS + 10))
    dispatcher.hold(Level.NEW, held(2, NOW_MS + 500))
    assert [one.slot for one in dispatcher.overdue(NOW_MS + 100)] == [1]
    assert [one.slot for one in dispatcher.overdue(NOW_MS + 100)] == []
    assert dispatcher.waiting == 1 and dispatcher.given_back == 1
    for slot in range(MOST_HELD - 1):
        assert dispatcher.hold(Level.NEW, held(slot))
    assert not dispatcher.hold(Level.NEW, held(9)), "bounded"


def test_a_429_lets_cancels_go_on_and_a_second_one_stops_them() -> None:
    dispatcher = made()
    dispatcher.on_rate_limited(-1003, 7_000, NOW_MS)
    assert not dispatcher.admit(Level.NEW, NOW_MS) and not dispatcher.admit(Level.REDUCE, NOW_MS)
    assert not dispatcher.admit_query(Share.RECONCILE, 1, NOW_MS)
    assert dispatcher.admit(Level.CANCEL, NOW_MS) and not dispatcher.is_roomy
    dispatcher.on_rate_limited(-1003, None, NOW_MS + 100)
    assert not dispatcher.admit(Level.CANCEL, NOW_MS + 9_000)
    assert dispatcher.admit(Level.CANCEL, NOW_MS + 10_101)
    assert dispatcher.admit(Level.NEW, NOW_MS + 10_101)


def test_too_many_orders_pause_orders_alone() -> None:
    dispatcher = made()
    dispatcher.on_rate_limited(-1015, None, NOW_MS)
    assert not dispatcher.admit(Level.NEW, NOW_MS + 9_999)
    assert dispatcher.admit(Level.CANCEL, NOW_MS)
    assert dispatcher.admit_query(Share.STEADY, 1, NOW_MS)
    assert dispatcher.admit(Level.NEW, NOW_MS + 10_000)


@given(st.integers(0, 3 * 86_400_000), st.integers(0, 200_000))
def test_nothing_leaves_before_a_ban_has_ended(ban_ms: int, later_ms: int) -> None:
    dispatcher = made()
    dispatcher.on_banned(NOW_MS + ban_ms, NOW_MS)
    may_go = later_ms >= ban_ms
    for level in Level:
        if level is not Level.QUERY:
            assert dispatcher.admit(level, NOW_MS + later_ms) == may_go
    for share in Share:
        assert dispatcher.admit_query(share, 1, NOW_MS + later_ms) == may_go


def test_an_overloaded_exchange_is_spared_new_risk_ever_longer() -> None:
    dispatcher = made()
    for pause_ms in (200, 400, 800, 1_600, 3_200, 3_200):
        dispatcher.on_overloaded(NOW_MS)
        assert not dispatcher.admit(Level.NEW, NOW_MS + pause_ms - 1)
        assert dispatcher.admit(Level.REDUCE, NOW_MS), "reducing is exempt"
        assert dispatcher.admit(Level.CANCEL, NOW_MS)
        assert dispatcher.admit(Level.NEW, NOW_MS + pause_ms)
    dispatcher.on_accepted()
    dispatcher.on_overloaded(NOW_MS)
    assert dispatcher.admit(Level.NEW, NOW_MS + 200)


def test_a_pause_moves_with_the_clock_that_it_was_counted_by() -> None:
    """Met before the first answer, on a box whose clock is a day ahead, it must not last a day."""
    dispatcher = Dispatcher(RateLedger.private())
    day_ms = 86_400_000
    dispatcher.on_banned(NOW_MS + day_ms + 5_000, NOW_MS + day_ms)
    dispatcher.on_clock(-day_ms)
    assert not dispatcher.admit_query(Share.STEADY, 1, NOW_MS + 4_000)
    assert dispatcher.admit_query(Share.STEADY, 1, NOW_MS + 6_000)


def test_a_pause_that_a_predecessor_counted_by_a_wrong_clock_ends_in_time(tmp_path: Path) -> None:
    """It died before it knew the exchange's clock; what it met is in the ledger all the same."""
    day_ms, path = 86_400_000, tmp_path / "rates"
    dead, heir = Dispatcher(RateLedger.open(path, 1)), Dispatcher(RateLedger.open(path, 1))
    for dispatcher in (dead, heir):
        dispatcher.on_clock(day_ms)
    dead.on_banned(NOW_MS + day_ms + 5_000, NOW_MS + day_ms)
    dead.on_rate_limited(-1003, 5_000, NOW_MS + day_ms)
    heir.on_clock(0)
    assert not heir.admit_query(Share.STEADY, 1, NOW_MS + 4_000)
    assert heir.admit_query(Share.STEADY, 1, NOW_MS + 11_000)

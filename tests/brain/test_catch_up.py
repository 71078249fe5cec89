"""A brain that falls behind goes on from the books, and says how much it passed over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aegis.shm.intent import PLACE
from tests.brain.harness import MS, START_NS, Harness, of_kind, quote

BID = 600_000
LIMIT = 64


def fall_behind(harness: Harness, records: int) -> None:
    """Publish quotes while the brain does not run; the shared book shows the last of them."""
    for step in range(records):
        harness.memory.ticks.publish(quote(BID + step, 1_000 + 0.1 * step))
    last = BID + records - 1
    levels = np.array([[last * 0.1, 1.0]]), np.array([[(last + 1) * 0.1, 1.0]])
    event_ns = START_NS + round((1_000 + 0.1 * records) * MS)
    harness.memory.books.write(0, 10**9, event_ns, event_ns, *levels, valid=True)


def test_far_behind_it_goes_on_from_the_book(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness()
    harness.core["catch_up_records"] = LIMIT
    harness.feed(quote(BID, 0))
    fall_behind(harness, LIMIT + 1)
    seen = int(harness.core["quotes_seen"])
    harness.turn()
    core = harness.core
    assert (int(core["ticks_skipped"]), int(core["catch_ups"])) == (LIMIT + 1, 1)
    assert int(core["ticks_lost"]) == 0
    assert int(core["quotes_seen"]) == seen
    assert int(harness.desk.markets[0]["bid_ticks"]) == BID + LIMIT
    assert harness.memory.counters["brain"]["ticks_skipped"] == LIMIT + 1
    # And it trades on with the next event.
    assert of_kind(harness.feed(quote(BID + LIMIT, 2_000, update_id=2 * 10**9)), PLACE)


def test_a_little_behind_it_reads_everything(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness()
    harness.core["catch_up_records"] = LIMIT
    harness.feed(quote(BID, 0))
    seen = int(harness.core["quotes_seen"])
    fall_behind(harness, LIMIT)
    harness.turn()
    assert int(harness.core["quotes_seen"]) == seen + LIMIT
    assert int(harness.core["catch_ups"]) == 0


def test_the_history_of_a_start_is_read_however_long(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness()
    harness.core["catch_up_records"] = LIMIT
    fall_behind(harness, 4 * LIMIT)
    harness.core["live_from_seq"] = harness.memory.ticks.published
    harness.turn()
    assert int(harness.core["catch_ups"]) == 0
    assert int(harness.core["quotes_seen"]) == 4 * LIMIT


def test_it_can_be_switched_off(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness()
    fall_behind(harness, 4 * LIMIT)
    harness.turn()
    assert int(harness.core["catch_ups"]) == 0

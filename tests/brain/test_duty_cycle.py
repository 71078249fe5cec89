"""The duty cycle: batches, canaries, laps, a full lane, counters; the loop around the decisions."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from aegis.brain.duty_cycle import load_duty_cycle, source_hash, withdraw_all
from aegis.brain.layout import BATCH, EMPTY, PENDING, STAGE_SIZE
from aegis.host.clock import monotonic_ns
from aegis.shm.instance import INTENTS_CAPACITY, TICKS_CAPACITY
from aegis.shm.intent import CANARY as CANARY_INTENT
from aegis.shm.intent import CANCEL_ALL, INTENT, PLACE
from aegis.shm.tick import CANARY, STATUS, TRADE
from aegis.shm.wait import BACKOFF, PARK, SPIN, YIELD
from aegis.shm.wake import arm_eventfd
from aegis.strategies.registry import load_strategy
from tests.brain.harness import MS, START_NS, Harness, of_kind, quote, tick

BID = 600_000


def test_a_canary_is_answered_with_its_number(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness(synced=False)
    before = int(harness.core["intents_hash"])
    sent = harness.feed(tick(CANARY, a=41.0, ts_recv_ns=77))
    assert [int(i["kind"]) for i in sent] == [CANARY_INTENT]
    assert (sent[0]["order_ref"], sent[0]["qty_lots"], sent[0]["cause_ts_recv_ns"]) == (41, 41, 77)
    assert int(harness.core["intents_hash"]) == before
    assert harness.memory.counters["brain"]["intents"] == 0


def test_old_ticks_warm_up_but_cause_nothing(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness()
    harness.core["live_from_seq"] = 10
    old = [quote(BID, 20 * step) for step in range(9)]
    assert harness.feed(*old, tick(CANARY, at_ms=180, a=1.0)) == []
    assert harness.states["observed_ns"][0] > 100 * MS
    assert len(harness.feed(quote(BID, 200))) == 2
    assert harness.memory.histograms["brain"]["hop_ns"].percentiles()["count"] == 1


def test_counters_and_histograms_follow(harness: Harness) -> None:
    harness.feed(*[quote(BID, 20 * step) for step in range(200)])
    counters = harness.memory.counters["brain"]
    assert counters["ticks_consumed"] == harness.memory.ticks.published == 200
    assert counters["outcomes_consumed"] == harness.memory.outcomes.published == 1
    assert counters["quotes_seen"] == 200
    assert counters["intents"] == counters["places"] == 2
    assert counters["ticks_lost"] == 0
    assert counters["intents_hash"] == np.int64(harness.core["intents_hash"].astype(np.int64))
    assert counters["intents_hash"] != 0
    batches = harness.memory.histograms["brain"]["step_ns"].percentiles()["count"]
    assert batches == -(-200 // BATCH)


def test_ticks_consumed_moves_after_the_intents(harness: Harness) -> None:
    """The order that whoever waits for `ticks_consumed` relies on, seen one batch at a time."""
    harness.memory.ticks.publish(np.concatenate([quote(BID, 20 * n) for n in range(2 * BATCH)]))
    harness.cycle(harness.desk, harness.wires, harness.params, harness.states, SPIN, 0)
    assert harness.memory.counters["brain"]["ticks_consumed"] == BATCH
    assert harness.memory.intents.pending_count() == 2


def test_a_lapped_brain_counts_and_goes_on_from_the_book(harness: Harness) -> None:
    harness.feed(quote(BID, 0))
    book = np.array([[(BID + 300) * 0.1, 2.0]]), np.array([[(BID + 301) * 0.1, 3.0]])
    harness.memory.books.write(0, 900_001, START_NS + 900 * MS, monotonic_ns(), *book)
    missed = np.concatenate([quote(BID, 1 + n / 1_000) for n in range(1_024)])
    for _ in range(TICKS_CAPACITY // missed.size + 1):
        harness.memory.ticks.publish(missed)
    lost = harness.memory.ticks.published - 1
    harness.turn()
    counters = harness.memory.counters["brain"]
    assert (counters["laps"], counters["ticks_lost"]) == (1, lost)
    assert counters["ticks_consumed"] == harness.memory.ticks.published
    market = harness.desk.markets[0]
    assert (market["bid_ticks"], market["valid"], market["ask_qty"]) == (BID + 300, 1, 3.0)
    assert len(of_kind(harness.feed(quote(BID + 300, 1_000)), PLACE)) == 2


def test_a_lap_without_a_valid_book_leaves_no_market(harness: Harness) -> None:
    harness.feed(quote(BID, 0))
    missed = np.concatenate([tick(TRADE, a=60_000.0, b=1.0, c=1.0) for _ in range(1_024)])
    for _ in range(TICKS_CAPACITY // missed.size + 1):
        harness.memory.ticks.publish(missed)
    harness.turn()
    assert harness.desk.markets["valid"][0] == 0
    # The record that said so may be lost: no quotes until the feed says that the book is valid.
    assert harness.feed(quote(BID, 30), quote(BID, 40)) == []
    assert len(harness.feed(tick(STATUS, at_ms=50, a=2.0), quote(BID, 60))) == 2


def test_a_full_lane_refuses_and_loses_nothing(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness()
    filler = np.zeros(INTENTS_CAPACITY, INTENT)
    assert harness.memory.intents.offer(filler) == INTENTS_CAPACITY

    def work() -> None:
        harness.cycle(harness.desk, harness.wires, harness.params, harness.states, SPIN, 0)

    harness.memory.ticks.publish(np.concatenate([quote(BID, 0), quote(BID, 20)]))
    work()
    assert harness.memory.counters["brain"]["intents_refused_full"] == 2
    assert harness.desk.slots["state"][:2].tolist() == [PENDING, PENDING]
    # The full lane blocks nothing else: ticks are consumed, and nothing new is placed meanwhile.
    harness.memory.ticks.publish(np.concatenate([quote(BID + 500, 1_000 + n) for n in range(9)]))
    work()
    work()
    assert harness.memory.counters["brain"]["ticks_consumed"] == 11
    assert harness.memory.counters["brain"]["intents_refused_full"] == 2
    taken = 0
    while taken < INTENTS_CAPACITY:
        taken += harness.memory.intents.take().size
    sent = harness.turn()
    assert [int(i["order_ref"]) & 0xFF for i in sent] == [1, 2]
    assert harness.core["staged"] == 0
    harness.accept(sent)
    assert len(harness.feed(quote(BID + 500, 2_000))) == 2


def test_a_stage_that_overflows_refuses_and_keeps_the_slot(harness: Harness) -> None:
    harness.memory.intents.offer(np.zeros(INTENTS_CAPACITY, INTENT))
    canaries = np.concatenate([tick(CANARY, a=float(n)) for n in range(STAGE_SIZE + 5)])
    harness.memory.ticks.publish(canaries)
    for _ in range(STAGE_SIZE // BATCH + 1):
        harness.cycle(harness.desk, harness.wires, harness.params, harness.states, SPIN, 0)
    assert harness.core["staged"] == STAGE_SIZE
    assert harness.memory.counters["brain"]["intents_refused_full"] == STAGE_SIZE + 5
    harness.memory.ticks.publish(np.concatenate([quote(BID, 0), quote(BID, 20)]))
    harness.cycle(harness.desk, harness.wires, harness.params, harness.states, SPIN, 0)
    assert harness.desk.slots["state"][:2].tolist() == [EMPTY, EMPTY]
    assert harness.core["next_order"] == 0


def test_a_sleeping_execution_is_woken_by_an_intent_only(harness: Harness) -> None:
    descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    ring = harness.memory.intents
    assert arm_eventfd(ring.header, 0, descriptor, np.uint64(ring.published)) == 1
    harness.feed(quote(BID, 0))
    with pytest.raises(BlockingIOError):
        os.eventfd_read(descriptor)
    assert len(harness.feed(quote(BID, 20))) == 2
    assert os.eventfd_read(descriptor) >= 1
    os.close(descriptor)


@pytest.mark.parametrize("wait", [SPIN, YIELD, BACKOFF, PARK])
def test_the_cycle_returns_at_its_deadline(harness: Harness, wait: int) -> None:
    started = monotonic_ns()
    arguments = (harness.desk, harness.wires, harness.params, harness.states, wait)
    assert harness.cycle(*arguments, started + 5 * MS) == 0
    assert monotonic_ns() >= started + 5 * MS


def test_instruments_are_quoted_apart(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness(instruments=3)
    harness.feed(*[quote(BID + 1_000 * n, n, instrument=n) for n in range(3)])
    placed = harness.feed(*[quote(BID + 1_000 * n, 20 + n, instrument=n) for n in range(3)])
    assert [int(i["instrument"]) for i in placed] == [0, 0, 1, 1, 2, 2]
    harness.accept(placed)
    gone = harness.feed(tick(STATUS, at_ms=30, instrument=0xFFFFFFFF, a=3.0))
    assert [int(i["instrument"]) for i in gone] == [0, 0, 1, 1, 2, 2]
    assert harness.feed(quote(BID, 31, instrument=7)) == []
    assert harness.core["step_errors"] == 1


def test_a_changed_instrument_stops_the_lane_until_it_is_packed_again(harness: Harness) -> None:
    harness.feed(quote(BID, 0))
    placed = harness.feed(quote(BID, 20))
    harness.accept(placed)
    harness.memory.instruments.set(0, tick_size=0.2)
    cancels = harness.feed(quote(BID, 500))
    assert len(cancels) == 2
    assert harness.core["stale_instruments"] == 1
    harness.accept(cancels)
    assert harness.feed(quote(BID, 1_000)) == []
    harness.set_parameters()
    placed = of_kind(harness.feed(quote(BID, 1_500), quote(BID, 1_600)), PLACE)
    # The same price in ticks of twice the size, and no memory of a jump.
    assert [round(int(i["price_ticks"]) / 1_000) for i in placed] == [300, 300]


def test_the_end_of_a_run_cancels_everything(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness(instruments=2)
    harness.feed(quote(BID, 0))
    assert len(harness.feed(quote(BID, 20))) == 2
    assert withdraw_all(harness.desk, harness.wires) == 1
    assert [int(i["kind"]) for i in harness.turn()] == [CANCEL_ALL, CANCEL_ALL]
    assert harness.feed(quote(BID, 10_000), quote(BID, 10_020)) == []


def test_the_compiled_name_follows_the_strategy_and_its_sources(tmp_path: Any) -> None:
    strategy = load_strategy("avellaneda_stoikov")
    name = load_duty_cycle(strategy).__qualname__
    assert name == f"duty_cycle_avellaneda_stoikov_{source_hash(strategy.source)}"
    (tmp_path / "strategy.py").write_text("a = 1\n")
    before = source_hash(tmp_path)
    (tmp_path / "strategy.py").write_text("a = 2\n")
    assert source_hash(tmp_path) != before

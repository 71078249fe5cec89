"""The benchmark of the feed: a round counts every message at both ends, and leaves nothing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from aegis.bench.exchange import stream_paths
from aegis.bench.feed_stand import SYMBOLS, FeedRound, RingReader, run_feed
from aegis.bench.pair import cores
from aegis.shm.instance import InstanceMemory
from aegis.shm.tick import BOOK, GAP, QUOTE, TICK, TRADE


def test_a_round_finds_every_message_of_the_exchange_in_the_ring(tmp_path: Path) -> None:
    found = run_feed(1.0, 3_000, 1.0, cores(), tmp_path)
    assert found.is_whole, found
    assert found.sent == found.received > 1_000
    assert found.records > 0.5 * found.received
    assert 0.0 < found.message_to_ring_us["p50"] <= found.message_to_ring_us["p999"]
    assert not Path(f"/dev/shm/aegis-bench{os.getpid()}").exists()


def test_a_hole_a_repetition_and_a_gap_are_seen(tmp_path: Path) -> None:
    memory = InstanceMemory.create("watched", instruments=2, shm_dir=tmp_path)
    reader = RingReader(memory)

    def publish(kind: int, number: int, instrument: int = 0) -> None:
        field = "d" if kind == TRADE else "e"
        record = np.zeros(1, TICK)
        record["kind"], record["instrument"], record[field] = kind, instrument, number
        memory.ticks.publish(record)

    for number in (5, 6, 8, 8):
        publish(TRADE, number)
    publish(TRADE, 9, instrument=1)
    for number in (100, 102, 101):
        publish(QUOTE, number)
    publish(BOOK, 7)
    publish(GAP, 0)
    reader.read()
    assert reader.records == 9
    assert reader.faults() == {
        "lapped": 0, "gap_records": 1, "trade_id_holes": 1, "repeated": 2
    }  # fmt: skip
    memory.close()
    memory.unlink()


def test_a_round_that_lost_a_message_is_not_whole() -> None:
    def made(received: int, holes: int) -> FeedRound:
        return FeedRound(1, 1, 0.1, 10, received, 10, {"trade_id_holes": holes}, {})

    assert made(10, 0).is_whole
    assert not made(9, 0).is_whole
    assert not made(10, 1).is_whole


def test_the_streams_of_all_symbols_are_spread_over_the_connections() -> None:
    paths = stream_paths(SYMBOLS, ("trade", "depth@0ms"), 4)
    names = [name for path in paths for name in path.partition("=")[2].split("/")]
    assert len(names) == len(set(names)) == 2 * SYMBOLS

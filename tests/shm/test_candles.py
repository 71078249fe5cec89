"""The candles region: where a candle lies, what a reader sees, and what it never sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aegis.shm.candles import (
    CANDLE,
    HEAD_WORDS,
    OPEN,
    CandlePlan,
    Candles,
    candle_write,
    candles_read,
    tick_from_candle,
)
from aegis.shm.instance import InstanceMemory
from aegis.shm.tick import CANDLE as CANDLE_KIND
from aegis.shm.tick import CLOSED, TICK, candle_code, candle_interval_s
from tests.shm.forked import Forked

PLAN = CandlePlan((1, 60), 5)
MINUTE_MS = 60_000


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[InstanceMemory]:
    made = InstanceMemory.create("candles", instruments=3, kept=PLAN, shm_dir=tmp_path)
    yield made
    made.close()
    made.unlink()


def put(candles: Candles, instrument: int, open_ms: int, value: float = 1.0) -> None:
    ring = candles.ring(instrument, 60)
    candle_write(
        candles.words, candles.values, ring, candles.history, MINUTE_MS, open_ms,
        value, value, value, value, value, 1, CLOSED | candle_code(60), open_ms,
    )  # fmt: skip


def opens(candles: Candles, instrument: int) -> list[int]:
    """What both readers give, which must be the same."""
    kept = candles.read(instrument, 60)
    out = np.zeros(candles.history, CANDLE)
    ring = candles.ring(instrument, 60)
    count = candles_read(candles.words, candles.values, ring, candles.history, 99, out)
    assert out[:count].tolist() == kept.tolist()
    return [int(open_ms) // MINUTE_MS for open_ms in kept["open_ms"]]


def test_a_reader_sees_the_newest_candles_from_the_last_hole_on(memory: InstanceMemory) -> None:
    candles = memory.candles
    assert opens(candles, 1) == []
    for minute in (100, 101, 103, 104):
        put(candles, 1, minute * MINUTE_MS)
    assert opens(candles, 1) == [103, 104]
    for minute in range(105, 112):
        put(candles, 1, minute * MINUTE_MS)
    assert opens(candles, 1) == [107, 108, 109, 110, 111]
    assert opens(candles, 0) == opens(candles, 2) == [], "neighbours are untouched"
    assert candles.read(1, 60, 2)["open_ms"].tolist() == [110 * MINUTE_MS, 111 * MINUTE_MS]


def test_a_writer_that_died_inside_is_not_believed(memory: InstanceMemory) -> None:
    candles = memory.candles
    put(candles, 0, 100 * MINUTE_MS)
    base = candles._base(candles.ring(0, 60))
    candles.words[base] += 1
    assert opens(candles, 0) == []
    # The next writer opens the book anew instead of inviting the readers in.
    put(candles, 0, 101 * MINUTE_MS)
    assert opens(candles, 0) == [100, 101]


def test_an_attacher_finds_out_what_is_kept(memory: InstanceMemory, tmp_path: Path) -> None:
    put(memory.candles, 2, 100 * MINUTE_MS)
    seen = InstanceMemory.attach("candles", shm_dir=tmp_path)
    assert (seen.candles.intervals_s, seen.candles.history) == ((1, 60), 5)
    assert seen.candles.instruments == 3
    assert len(seen.candles.read(2, 60)) == 1
    with pytest.raises(KeyError, match="no candles of 5 s"):
        seen.candles.read(2, 5)
    with pytest.raises(IndexError, match=r"0\.\.2"):
        seen.candles.read(3, 60)
    seen.close()


def test_without_a_plan_nothing_is_kept(tmp_path: Path) -> None:
    memory = InstanceMemory.create("plain", instruments=2, shm_dir=tmp_path)
    assert (memory.candles.intervals_s, memory.candles.instruments) == ((), 0)
    memory.close()
    memory.unlink()
    more = InstanceMemory.bytes_needed(300, kept=CandlePlan((60, 300), 480))
    assert more - InstanceMemory.bytes_needed(300) < 300 * 2 * 482 * 64


def test_a_candle_becomes_the_record_that_told_of_it(memory: InstanceMemory) -> None:
    put(memory.candles, 0, 100 * MINUTE_MS, 7.0)
    event = np.zeros(1, TICK)
    tick_from_candle(event[0], 4, memory.candles.read(0, 60)[0])
    found = event[0]
    assert (found["kind"], found["instrument"]) == (CANDLE_KIND, 4)
    assert found["ts_event_ns"] == 100 * MINUTE_MS * 1_000_000
    assert candle_interval_s(int(found["flags"])) == 60
    assert [float(found[name]) for name in "abcde"] == [7.0] * 5


def test_a_reader_never_sees_half_a_candle(memory: InstanceMemory) -> None:
    """Another process writes without a pause; every number of a candle must be the same."""
    candles = memory.candles
    ring = candles.ring(0, 60)
    for minute in (1, 2):
        put(candles, 0, minute * MINUTE_MS)

    def write() -> None:
        for number in range(100_000):
            put(candles, 0, MINUTE_MS * (1 + number % 5), float(number))

    out = np.zeros(candles.history, CANDLE)
    candles_read(candles.words, candles.values, ring, candles.history, 5, out)
    writer = Forked(write)
    lengths = set()
    while candles.values[candles._base(ring) + HEAD_WORDS + OPEN] < 99_990.0:
        count = candles_read(candles.words, candles.values, ring, candles.history, 5, out)
        lengths.add(count)
        assert (out["open"][:count] == out["volume"][:count]).all()
        assert (out["open"][:count] == out["close"][:count]).all()
        assert (np.diff(out["open_ms"][:count]) == MINUTE_MS).all()
    assert writer.join() == 0
    assert len(lengths) > 1

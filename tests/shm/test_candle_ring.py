"""The pleasant interface: six floats in, tuples of six out."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.shm.candle_ring import CandleRing, _nanoseconds
from aegis.shm.errors import ShmError
from aegis.shm.tick import TRADE
from tests.shm.conftest import Fork
from tests.waiting import eventually

START = 1_723_075_200.0


def candle(number: int) -> tuple[float, float, float, float, float, float]:
    return (START + 60 * number, 100.5 + number, 110.25, 90.125, 105.0, 12.5)


def test_written_candles_are_read_as_they_were(shm_dir: Path) -> None:
    ring = CandleRing.create(shm_dir / "candles", capacity=64)
    reader = CandleRing.attach(shm_dir / "candles")
    assert [ring.write(candle(number)) for number in range(3)] == [0, 1, 2]
    assert reader.pending_count() == 3
    seen = []
    for timestamp, opened, high, low, close, volume in reader.read_new():
        seen.append((timestamp, opened, high, low, close, volume))
    assert seen == [candle(number) for number in range(3)]
    assert list(reader.read_new()) == []
    assert (reader.pending_count(), reader.lost) == (0, 0)
    reader.close()
    ring.close()


def test_a_reader_that_comes_late_gets_what_is_kept(shm_dir: Path) -> None:
    ring = CandleRing.create(shm_dir / "candles", capacity=8)
    for number in range(11):
        ring.write(candle(number))
    reader = CandleRing.attach(shm_dir / "candles")
    assert reader.lost == 3
    assert reader.read_new() == [candle(number) for number in range(3, 11)]


def test_a_reader_that_was_overtaken_knows_it(shm_dir: Path) -> None:
    ring = CandleRing.create(shm_dir / "candles", capacity=8)
    reader = CandleRing.attach(shm_dir / "candles")
    for number in range(9):
        ring.write(candle(number))
    assert reader.read_new() == []
    assert reader.lost == 9


def test_candles_cross_a_process_border(shm_dir: Path, fork: Fork) -> None:
    path = shm_dir / "candles"
    ring = CandleRing.create(path, capacity=1024)
    ring.write(candle(0))

    def write_the_rest() -> None:
        for number in range(1, 500):
            ring.write(candle(number))

    reader = CandleRing.attach(path)
    child = fork(write_the_rest)
    seen: list[tuple[float, ...]] = []
    eventually(lambda: seen.extend(reader.read_new()) or len(seen) == 500, "all candles")
    assert child.join() == 0
    assert seen == [candle(number) for number in range(500)]


def test_records_of_other_kinds_are_passed_by(shm_dir: Path) -> None:
    ring = CandleRing.create(shm_dir / "candles", capacity=8)
    ring.ring.write((0, TRADE, 0, 1, 1, 1.0, 1.0, 1.0, 1.0, 0.0))
    ring.write(candle(1))
    assert ring.read_new() == [candle(1)]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", range(6))
def test_what_is_no_number_is_refused(shm_dir: Path, bad: float, place: int) -> None:
    ring = CandleRing.create(shm_dir / "candles", capacity=8)
    values = list(candle(0))
    values[place] = bad
    with pytest.raises(ValueError, match="not six finite numbers"):
        ring.write(tuple(values))
    assert ring.pending_count() == 0


@pytest.mark.parametrize("count", [5, 7])
def test_a_candle_has_six_numbers(shm_dir: Path, count: int) -> None:
    ring = CandleRing.create(shm_dir / "candles", capacity=8)
    with pytest.raises(ValueError, match="not six finite numbers"):
        ring.write((1.0,) * count)


@pytest.mark.parametrize("capacity", [0, 3, -8])
def test_the_capacity_is_a_power_of_two(shm_dir: Path, capacity: int) -> None:
    with pytest.raises(ValueError, match="not a power of two"):
        CandleRing.create(shm_dir / "candles", capacity=capacity)
    assert not (shm_dir / "candles").exists()


def test_an_attacher_only_reads(shm_dir: Path) -> None:
    CandleRing.create(shm_dir / "candles", capacity=8)
    reader = CandleRing.attach(shm_dir / "candles")
    with pytest.raises(ShmError, match="read-only"):
        reader.write(candle(0))


def test_a_ring_is_not_made_twice(shm_dir: Path) -> None:
    CandleRing.create(shm_dir / "candles", capacity=8)
    with pytest.raises(ShmError, match="already exists"):
        CandleRing.create(shm_dir / "candles", capacity=8)


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(st.integers(0, 4_000_000_000_000))
def test_a_timestamp_of_whole_milliseconds_comes_back_exactly(milliseconds: int) -> None:
    timestamp = milliseconds / 1000
    assert _nanoseconds(timestamp) / 1_000_000_000 == timestamp


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(st.floats(1e9, 4e9))
def test_any_modern_timestamp_comes_back_exactly(timestamp: float) -> None:
    assert _nanoseconds(timestamp) / 1_000_000_000 == timestamp

"""Counters: found by name, one line pair each, described in the region itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aegis.shm import counters
from aegis.shm.counter_tables import COUNTERS, HISTOGRAMS, PROCESSES
from aegis.shm.counters import BODY_BYTES, CAPACITY, METADATA, STRIDE_WORDS, VALUES_AT, Counters
from aegis.shm.region import Region

MakeCounters = Callable[[str], Counters]


@pytest.fixture
def path(shm_dir: Path) -> Path:
    return shm_dir / "counters"


@pytest.fixture
def make(path: Path) -> MakeCounters:
    def of(process: str) -> Counters:
        region = Region.create(
            path,
            kind=counters.KIND,
            capacity=CAPACITY,
            record_bytes=METADATA.itemsize,
            body_bytes=BODY_BYTES,
            owner=(os.getpid(), 0),
        )
        return Counters(region, process, owner=True)

    return of


def attached(path: Path, process: str) -> Counters:
    region = Region.attach(
        path, kind=counters.KIND, record_bytes=METADATA.itemsize, body_bytes=BODY_BYTES
    )
    return Counters(region, process)


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_has_its_table(make: MakeCounters, path: Path, process: str) -> None:
    owned = make(process)
    names = [name for name, _ in COUNTERS[process]]
    for place, name in enumerate(names):
        owned[name] = 1000 + place
    seen = attached(path, process)
    assert seen.snapshot() == {name: 1000 + place for place, name in enumerate(names)}
    assert list(seen.histograms) == list(HISTOGRAMS.get(process, ()))


def test_values_by_index_name_and_word(make: MakeCounters) -> None:
    feed = make("feed")
    index = feed.index("messages")
    feed.set(index, 40)
    feed.add(index, 2)
    feed["last_message_ns"] = -(2**63)
    assert feed.get(index) == feed["messages"] == int(feed.words[feed.word("messages")]) == 42
    assert feed["last_message_ns"] == -(2**63)
    assert feed.values.strides == (STRIDE_WORDS * 8,)
    with pytest.raises(KeyError, match="feed has no counter 'fills'"):
        feed.index("fills")


def test_the_bytes_are_as_documented(make: MakeCounters, path: Path) -> None:
    feed = make("feed")
    place = feed.index("gaps")
    feed["gaps"] = 7
    raw = path.read_bytes()
    record = np.frombuffer(raw, METADATA, CAPACITY, 4096)[place]
    assert (int(record["state"]), bytes(record["key"])) == (1, b"gaps")
    label = dict(COUNTERS["feed"])["gaps"].encode()
    assert bytes(record["label"])[: int(record["label_length"])] == label
    assert int.from_bytes(raw[VALUES_AT + place * 128 : VALUES_AT + place * 128 + 8], "little") == 7
    assert int(np.frombuffer(raw, METADATA, CAPACITY, 4096)["state"].sum()) == len(feed.names)


def test_an_attacher_goes_by_the_names_in_the_region(
    make: MakeCounters, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instance may be of another build, with counters in another order, some not there."""
    owned = make("brain")
    owned["ticks_consumed"] = 11
    owned["laps"] = 22
    owned.histograms["step_ns"].record(100)
    known = COUNTERS["brain"]
    newer = (("brand_new", "a counter"), *reversed(known))
    monkeypatch.setitem(COUNTERS, "brain", newer)
    monkeypatch.setitem(HISTOGRAMS, "brain", ("new_ns", "step_ns", "hop_ns"))
    seen = attached(path, "brain")
    snapshot = seen.snapshot()
    assert (seen["ticks_consumed"], snapshot["laps"], snapshot["brand_new"]) == (11, 22, 0)
    assert seen.histograms["step_ns"].percentiles()["count"] == 1
    assert seen.histograms["hop_ns"].percentiles()["count"] == 0
    assert seen.histograms["new_ns"].percentiles()["count"] == 0
    with pytest.raises(KeyError, match="brand_new"):
        seen["brand_new"]


def test_two_histograms_do_not_touch(make: MakeCounters) -> None:
    execution = make("execution")
    for factor, histogram in enumerate(execution.histograms.values(), 1):
        for _ in range(factor):
            histogram.record(2**50)
    counts = [each.percentiles()["count"] for each in execution.histograms.values()]
    assert counts == [1, 2, 3, 4]
    assert set(execution.snapshot().values()) == {0}


@pytest.mark.parametrize("process", PROCESSES)
def test_names_and_sentences_fit_their_fields(process: str) -> None:
    names = [name for name, _ in COUNTERS[process]]
    assert len(names) == len(set(names)) <= CAPACITY
    assert len(HISTOGRAMS.get(process, ())) <= counters.HISTOGRAM_SLOTS
    for name, label in COUNTERS[process]:
        assert 0 < len(name.encode()) <= METADATA["key"].itemsize
        assert 0 < len(label.encode()) <= METADATA["label"].itemsize

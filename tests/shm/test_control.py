"""The control region: what the supervisor says, and a text that is read whole or not at all."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from aegis.shm import control
from aegis.shm.control import DRAIN, RUN, STOP, TEXT_BYTES, TEXT_SEQUENCE, Control
from aegis.shm.counter_tables import PROCESSES
from aegis.shm.region import Region
from tests.shm.conftest import Fork


@pytest.fixture
def path(shm_dir: Path) -> Path:
    return shm_dir / "control"


@pytest.fixture
def desk(path: Path) -> Control:
    region = Region.create(
        path,
        kind=control.KIND,
        capacity=1,
        record_bytes=control.BODY_BYTES,
        body_bytes=control.BODY_BYTES,
        owner=(os.getpid(), 0),
    )
    return Control(region)


def attached(path: Path) -> Control:
    return Control(Region.attach(path, kind=control.KIND, record_bytes=control.BODY_BYTES))


def test_words_cross_over(desk: Control, path: Path) -> None:
    reader = attached(path)
    assert (reader.command, reader.heartbeat_ns, reader.mirror) == (0, 0, False)
    desk.command, desk.heartbeat_ns, desk.mirror = RUN, 123_456_789, True
    assert (reader.command, reader.heartbeat_ns, reader.mirror) == (RUN, 123_456_789, True)


@pytest.mark.parametrize(
    ("command", "stops"), [(0, False), (RUN, False), (DRAIN, True), (STOP, True)]
)
def test_a_command_is_for_everybody(desk: Control, command: int, stops: bool) -> None:
    desk.command = command
    assert [desk.must_stop(process) for process in PROCESSES] == [stops] * len(PROCESSES)


def test_one_process_can_be_drained(desk: Control) -> None:
    desk.command = RUN
    desk.drain("brain")
    desk.drain("venue")
    desk.drain("brain")
    stopping = [process for process in PROCESSES if desk.must_stop(process)]
    assert stopping == ["brain", "venue"]
    desk.undrain("brain")
    assert [process for process in PROCESSES if desk.must_stop(process)] == ["venue"]


def test_generations_are_counted_apart(desk: Control, path: Path) -> None:
    assert [desk.next_generation("brain") for _ in range(3)] == [1, 2, 3]
    assert desk.next_generation("feed") == 1
    reader = attached(path)
    counted = [reader.generation(process) for process in PROCESSES]
    assert counted == [0, 1, 3, 0, 0]


def test_a_reload_raises_the_version_after_the_text(desk: Control, path: Path) -> None:
    reader = attached(path)
    assert reader.read_text() == ""
    assert desk.write_text('{"gamma": 0.1}') == 1
    assert desk.write_text('{"größe": 0.2}') == 2
    assert reader.config_version == 2
    text = reader.read_text()
    assert text is not None
    assert json.loads(text) == {"größe": 0.2}


def test_a_text_that_does_not_fit_changes_nothing(desk: Control) -> None:
    desk.write_text("x" * TEXT_BYTES)
    with pytest.raises(ValueError, match=f"{TEXT_BYTES} fit"):
        desk.write_text("ü" * (TEXT_BYTES // 2 + 1))
    assert desk.read_text() == "x" * TEXT_BYTES
    assert desk.config_version == 1


def test_a_text_being_written_is_not_read(desk: Control) -> None:
    desk.write_text("old")
    desk.words[TEXT_SEQUENCE] += np.uint64(1)
    assert desk.read_text() is None
    desk.write_text("new")
    assert desk.read_text() == "new"
    assert int(desk.words[TEXT_SEQUENCE]) % 2 == 0


def test_no_reader_sees_two_texts_mixed(desk: Control, path: Path, fork: Fork) -> None:
    def hammer() -> None:
        number = 0
        while True:
            number += 1
            desk.write_text(json.dumps([number % 10] * (1 + number % 4_000)))

    desk.write_text("[0]")
    child = fork(hammer)
    reader = attached(path)
    whole = 0
    deadline = time.monotonic() + 10.0
    while whole < 500 and time.monotonic() < deadline:
        text = reader.read_text()
        if text is not None:
            assert len(set(json.loads(text))) == 1
            whole += 1
    child.kill()
    assert whole == 500

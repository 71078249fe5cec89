"""Looking at shared memory from outside: whatever lies there, a view comes back, never an error."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aegis.host.process_identity import own_identity
from aegis.monitor.notes import ChildNote, Notes, write_notes
from aegis.monitor.problems import judge
from aegis.monitor.reading import instances_in, read_instance
from aegis.shm.absence import Reason
from aegis.shm.instance import InstanceMemory, directory_of
from aegis.shm.tick import TICK


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[InstanceMemory]:
    """An instance whose five processes are all this test process, freshly alive."""
    me = own_identity()
    made = InstanceMemory.create("one", shm_dir=tmp_path, owner=(me.pid, me.start_time_ticks))
    now_ns = time.monotonic_ns()
    for process, counters in made.counters.items():
        counters["pid"] = me.pid
        counters["start_time_ticks"] = me.start_time_ticks
        counters["generation"] = 1
        counters["state"] = 2
        counters["loop_seq"] = 5
        counters["loop_ts_ns"] = now_ns
        counters["core_asked"] = counters["core_got"] = 0 if process != "supervisor" else -1
    execution = made.counters["execution"]
    for name in ("ready", "private_connected", "order_connected", "gate_state"):
        execution[name] = 1
    execution["canary_ns"] = now_ns
    execution["position_lots"] = 3
    execution["realized_pnl_e8"] = 250_000_000
    execution["fees_e8"] = 50_000_000
    made.counters["supervisor"]["ready"] = 1
    made.instruments.set(0, symbol=b"BTCUSDT", status=1, tick_size=0.1, step_size=0.001)
    bids, asks = np.array([[100.0, 1.0]]), np.array([[100.1, 2.0]])
    made.books.write(0, 7, 1, now_ns, bids, asks)
    made.ticks.publish(np.zeros(3, TICK))
    made.counters["brain"]["ticks_consumed"] = 2
    notes = Notes(
        "one", me.pid, me.start_time_ticks, me.boot_id, "build", phase="running",
        children={name: ChildNote(pid=me.pid) for name in ("venue", "feed", "brain", "execution")},
    )  # fmt: skip
    assert write_notes(made.directory, notes)
    yield made
    made.close()


def test_a_ban_is_told_with_its_end_while_it_lasts(memory: InstanceMemory, tmp_path: Path) -> None:
    feed, now_ns = memory.counters["feed"], time.monotonic_ns()
    feed["quiet_until_ns"] = feed["banned_until_ns"] = now_ns + 90_000_000_000
    view = judge(read_instance("one", tmp_path))
    assert (view.banned, view.healthy) == (True, False)
    assert 80.0 < view.silence_s <= 90.0
    assert view.silence_until.endswith(" UTC")
    assert "has banned this address until 20" in view.problems[0].what
    feed["banned_until_ns"] = 0
    view = judge(read_instance("one", tmp_path))
    assert (view.banned, view.healthy) == (False, True), "a pause after a 429 is a warning"
    feed["quiet_until_ns"] = now_ns - 1
    assert judge(read_instance("one", tmp_path)).problems == []


def test_a_book_out_of_force_is_read_with_its_reason(
    memory: InstanceMemory, tmp_path: Path
) -> None:
    memory.books.set_valid(0, False, Reason.GAP, time.monotonic_ns() - 5_000_000_000)
    book = judge(read_instance("one", tmp_path)).books[0]
    assert book.why == "depth events were missing or could not be read"
    assert book.absent_s is not None
    assert 5.0 <= book.absent_s < 6.0


def test_a_healthy_instance_is_healthy(memory: InstanceMemory, tmp_path: Path) -> None:
    view = judge(read_instance("one", tmp_path))
    assert view.problems == []
    assert view.healthy
    assert view.position == {"BTCUSDT": 0.003}
    assert view.realized_pnl - view.fees == 2.0
    assert view.rings["ticks"].lag == 1
    book = view.books[0]
    assert (book.symbol, book.valid, book.bid, book.ask, book.update_id) == (
        "BTCUSDT", True, 100.0, 100.1, 7,
    )  # fmt: skip
    assert view.processes["feed"].alive
    assert view.processes["feed"].rss_bytes > 0
    assert instances_in(tmp_path) == ["one"]


def test_nobody_waits_for_a_venue_that_is_no_process_of_ours(
    memory: InstanceMemory, tmp_path: Path
) -> None:
    venue = memory.counters["venue"]
    venue["pid"] = venue["state"] = 0
    me = own_identity()
    for mode, waits in (("embedded", True), ("paper", True), ("testnet", False), ("live", False)):
        notes = Notes(
            "one", me.pid, me.start_time_ticks, me.boot_id, "build", phase="starting", mode=mode
        )
        assert write_notes(memory.directory, notes)
        view = judge(read_instance("one", tmp_path))
        told = [problem.why for problem in view.problems if "is starting" in problem.what]
        assert ("venue (" in told[0]) == waits
        assert ("venue" in view.processes) == waits


def test_a_reader_changes_nothing(memory: InstanceMemory, tmp_path: Path) -> None:
    def content() -> dict[str, bytes]:
        return {entry.name: entry.read_bytes() for entry in memory.directory.iterdir()}

    before = content()
    read_instance("one", tmp_path)
    assert content() == before


def test_absent_and_dead(memory: InstanceMemory, tmp_path: Path) -> None:
    assert read_instance("other", tmp_path).state == "absent"
    notes = Notes("two", 4_000_000, 1, "another boot", "build", phase="running")
    directory = directory_of("two", tmp_path)
    InstanceMemory.create("two", shm_dir=tmp_path, owner=(4_000_000, 1)).close()
    write_notes(directory, notes)
    view = judge(read_instance("two", tmp_path))
    assert view.state == "dead"
    assert "notes.json" in view.leftovers
    assert "aegis clean two" in view.problems[0].do


@pytest.mark.parametrize("size", [0, 10, 4096, 4500])
@pytest.mark.parametrize("name", ["ticks.ring", "counters-brain", "books", "control"])
def test_a_file_that_was_cut_short_is_survived(
    memory: InstanceMemory, tmp_path: Path, name: str, size: int
) -> None:
    memory.close()
    with open(memory.directory / name, "r+b") as file:
        file.truncate(size)
    view = judge(read_instance("one", tmp_path))
    assert not view.healthy
    assert any("cannot be read" in problem.what for problem in view.problems)


@pytest.mark.parametrize("name", ["ticks.ring", "counters-brain", "books", "instruments"])
def test_a_file_of_garbage_is_survived(memory: InstanceMemory, tmp_path: Path, name: str) -> None:
    memory.close()
    path = memory.directory / name
    path.write_bytes(np.random.default_rng(7).bytes(path.stat().st_size))
    view = judge(read_instance("one", tmp_path))
    assert any("cannot be read" in problem.what for problem in view.problems)


@pytest.mark.parametrize("name", ["counters-execution", "books", "instruments", "intents.ring"])
def test_a_good_header_over_garbage_is_survived(
    memory: InstanceMemory, tmp_path: Path, name: str
) -> None:
    memory.close()
    path = memory.directory / name
    header = path.read_bytes()[:4096]
    body = np.random.default_rng(8).bytes(path.stat().st_size - 4096)
    path.write_bytes(header + body)
    judge(read_instance("one", tmp_path))


def test_a_writer_that_died_inside_a_book_does_not_hang_us(
    memory: InstanceMemory, tmp_path: Path
) -> None:
    memory.books.words[0] += np.uint64(1)
    view = judge(read_instance("one", tmp_path))
    assert not view.books[0].valid
    assert view.books[0].bid is None
    assert any("BTCUSDT is not valid" in problem.what for problem in view.problems)


def test_a_directory_that_is_only_locked_is_starting(tmp_path: Path) -> None:
    directory = directory_of("one", tmp_path)
    directory.mkdir()
    assert read_instance("one", tmp_path).state == "dead"
    descriptor = os.open(directory, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert read_instance("one", tmp_path).state == "starting"
    os.close(descriptor)


def test_counters_without_their_names_yet_are_survived(
    memory: InstanceMemory, tmp_path: Path
) -> None:
    """What a reader sees that attaches while the regions are being made."""
    path = memory.directory / "counters-brain"
    memory.close()
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(bytes(64 * 512))
    view = judge(read_instance("one", tmp_path))
    assert not view.healthy
    assert "cannot be read" in view.problems[0].what


def test_notes_alone_give_a_view(tmp_path: Path) -> None:
    me = own_identity()
    directory = directory_of("one", tmp_path)
    directory.mkdir()
    write_notes(directory, Notes("one", me.pid, me.start_time_ticks, me.boot_id, "build"))
    view = judge(read_instance("one", tmp_path))
    assert view.state == "starting"
    assert not view.healthy

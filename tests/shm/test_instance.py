"""All memory of an instance: made private, attached by name, removed without a trace."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import numpy as np
import pytest

from aegis.shm import instance as instance_module
from aegis.shm.errors import LayoutMismatch, NotEnoughMemory, RegionGone, ShmError
from aegis.shm.instance import InstanceMemory, directory_of, memory_error_text, remove_directory
from aegis.shm.intent import INTENT, PLACE
from aegis.shm.outcome import FILL, OUTCOME
from aegis.shm.region import Region
from aegis.shm.tick import TRADE

OWNER = (os.getpid(), 1)


def make(shm_dir: Path, instruments: int = 2) -> InstanceMemory:
    return InstanceMemory.create("t", instruments=instruments, shm_dir=shm_dir, owner=OWNER)


def test_what_one_process_writes_another_reads(shm_dir: Path) -> None:
    memory = make(shm_dir)
    intent, outcome = np.zeros(1, INTENT), np.zeros(1, OUTCOME)
    intent["kind"], outcome["kind"] = PLACE, FILL
    memory.ticks.write((1, TRADE, 0, 5, 6, 1.0, 2.0, 1.0, 3.0, 0.0))
    assert memory.intents.offer(intent) == 1
    assert memory.outcomes.offer(outcome) == 1
    memory.books.write(1, 9, 1, 2, np.ones((1, 2)), np.full((1, 2), 2.0))
    memory.instruments.set(1, symbol="ETHUSDT")
    memory.control.heartbeat_ns = 77
    memory.counters["brain"]["ticks_consumed"] = 1
    memory.histograms["execution"]["canary_ns"].record(5)

    seen = InstanceMemory.attach("t", shm_dir=shm_dir)
    assert int(seen.ticks.records[0]["kind"]) == TRADE
    assert int(seen.intents.records[0]["kind"]) == PLACE
    assert int(seen.outcomes.records[0]["kind"]) == FILL
    view = seen.books.read(1)
    assert view is not None
    assert view.update_id == 9
    assert seen.instruments.index("ETHUSDT") == 1
    assert seen.control.heartbeat_ns == 77
    assert seen.histograms["execution"]["canary_ns"].percentiles()["count"] == 1
    assert seen.sequences() == {
        "ticks": {"published": 1, "consumed": 1},
        "intents": {"published": 1, "consumed": 0},
        "outcomes": {"published": 1, "consumed": 0},
    }
    assert not any(region.writable for region in seen.regions.values())
    assert seen.regions["ticks.ring"].owner == OWNER
    seen.close()


def test_a_writer_can_attach_too(shm_dir: Path) -> None:
    memory = make(shm_dir)
    writer = InstanceMemory.attach("t", shm_dir=shm_dir, readonly=False)
    writer.ticks.write((1, TRADE, 0, 5, 6, 1.0, 2.0, 1.0, 3.0, 0.0))
    assert memory.ticks.published == 1


def test_directory_and_files_are_private_and_go_away(shm_dir: Path) -> None:
    memory = make(shm_dir)
    directory = directory_of("t", shm_dir)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    files = list(directory.iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert sum(file.stat().st_size for file in files) >= InstanceMemory.bytes_needed(2)
    reader = InstanceMemory.attach("t", shm_dir=shm_dir)
    assert reader.is_linked()
    memory.close()
    memory.unlink()
    memory.unlink()
    assert not directory.exists()
    assert not reader.is_linked()
    make(shm_dir)
    assert not reader.is_linked()


def test_closing_gives_every_descriptor_back(shm_dir: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    memory = make(shm_dir)
    reader = InstanceMemory.attach("t", shm_dir=shm_dir)
    reader.close()
    memory.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_nobody_to_attach_to(shm_dir: Path) -> None:
    with pytest.raises(RegionGone, match="no such instance"):
        InstanceMemory.attach("t", shm_dir=shm_dir)
    directory_of("t", shm_dir).mkdir(mode=0o700)
    with pytest.raises(RegionGone, match=r"ticks\.ring"):
        InstanceMemory.attach("t", shm_dir=shm_dir)


@pytest.mark.parametrize("name", ["books", "counters-brain", "control", "instruments"])
def test_a_damaged_region_refuses_the_whole(shm_dir: Path, name: str) -> None:
    make(shm_dir)
    before = len(os.listdir("/proc/self/fd"))
    path = directory_of("t", shm_dir) / name
    os.truncate(path, 4096 + 128)
    with pytest.raises(LayoutMismatch, match=name):
        InstanceMemory.attach("t", shm_dir=shm_dir)
    with path.open("r+b") as file:
        file.seek(8)
        file.write(struct.pack("<I", 99))
    with pytest.raises(LayoutMismatch, match="99"):
        InstanceMemory.attach("t", shm_dir=shm_dir)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("locked_before", [False, True])
def test_a_create_that_fails_midway_leaves_nothing(
    shm_dir: Path, monkeypatch: pytest.MonkeyPatch, locked_before: bool
) -> None:
    """The directory stays when the supervisor had made it (and holds its lock)."""
    directory = directory_of("t", shm_dir)
    if locked_before:
        directory.mkdir(mode=0o700)
    create = Region.create
    made = []

    def create_five(path: Path, **fields: object) -> Region:
        if len(made) == 5:
            raise NotEnoughMemory(f"{path}: full")
        made.append(path)
        return create(path, **fields)

    monkeypatch.setattr(instance_module.Region, "create", create_five)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NotEnoughMemory, match="full"):
        make(shm_dir)
    assert len(made) == 5
    assert directory.exists() == locked_before
    assert not locked_before or list(directory.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_second_create_touches_nothing_of_the_first(shm_dir: Path) -> None:
    memory = make(shm_dir)
    with pytest.raises(ShmError, match=r"ticks\.ring: already exists"):
        make(shm_dir)
    assert memory.is_linked()


def test_a_directory_that_others_may_enter_is_refused(shm_dir: Path) -> None:
    directory = directory_of("t", shm_dir)
    directory.mkdir(mode=0o755)
    with pytest.raises(ShmError, match="drwxr-xr-x"):
        make(shm_dir)
    directory.rmdir()
    (shm_dir / "elsewhere").mkdir(mode=0o700)
    directory.symlink_to(shm_dir / "elsewhere")
    with pytest.raises(ShmError, match="lrwx"):
        make(shm_dir)
    assert list((shm_dir / "elsewhere").iterdir()) == []


def test_rings_and_books_on_another_filesystem_are_linked(
    shm_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with hugetlbfs, but with small pages: a plain directory stands in for the mount."""
    create = Region.create
    monkeypatch.setattr(
        instance_module.Region,
        "create",
        lambda path, *, huge, **fields: create(path, **fields),
    )
    twin = directory_of("t", tmp_path)
    twin.mkdir(mode=0o700)
    (twin / "ticks.ring").write_bytes(b"left by a dead start")
    memory = InstanceMemory.create("t", shm_dir=shm_dir, owner=OWNER, huge_dir=tmp_path)
    memory.ticks.write((1, TRADE, 0, 5, 6, 1.0, 2.0, 1.0, 3.0, 0.0))
    assert {file.name for file in twin.iterdir()} == {
        "ticks.ring", "intents.ring", "outcomes.ring", "signals.ring", "books",
    }  # fmt: skip
    seen = InstanceMemory.attach("t", shm_dir=shm_dir)
    assert seen.ticks.published == 1
    with pytest.raises(ShmError, match="already exists"):
        InstanceMemory.create("t", shm_dir=shm_dir, owner=OWNER, huge_dir=tmp_path)
    assert seen.is_linked()
    memory.unlink()
    assert not twin.exists()
    assert not directory_of("t", shm_dir).exists()


def test_removing_a_directory_follows_no_foreign_link(shm_dir: Path) -> None:
    directory = directory_of("t", shm_dir)
    directory.mkdir(mode=0o700)
    (shm_dir / "precious").write_text("kept")
    (directory / "ticks.ring").symlink_to(shm_dir / "precious")
    remove_directory(directory)
    assert not directory.exists()
    assert (shm_dir / "precious").read_text() == "kept"
    remove_directory(directory)


def test_a_link_in_the_directory_is_not_followed_by_an_attacher(shm_dir: Path) -> None:
    make(shm_dir)
    path = directory_of("t", shm_dir) / "books"
    path.rename(shm_dir / "moved")
    path.symlink_to(shm_dir / "moved")
    with pytest.raises(RegionGone, match="books"):
        InstanceMemory.attach("t", shm_dir=shm_dir)


def test_a_person_reads_how_much_is_needed() -> None:
    text = memory_error_text(NotEnoughMemory("/dev/shm/x: full"), 3)
    assert str(InstanceMemory.bytes_needed(3)) in text
    assert text.startswith("/dev/shm/x: full")

"""Regions: what is checked before anything is mapped, and what a failure leaves (nothing)."""

from __future__ import annotations

import errno
import os
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from aegis import BUILD_ID
from aegis.shm.errors import LayoutMismatch, NotEnoughMemory, RegionGone, ShmError
from aegis.shm.region import HEADER_BYTES, Region, boot_id

KIND, CAPACITY, RECORD_BYTES = 4, 16, 128


def create(path: Path) -> Region:
    return Region.create(
        path,
        kind=KIND,
        capacity=CAPACITY,
        record_bytes=RECORD_BYTES,
        body_bytes=CAPACITY * RECORD_BYTES,
        owner=(1234, 5678),
        generation=3,
        created_ns=99,
    )


def attach(path: Path, **changes: int) -> Region:
    return Region.attach(path, **{"kind": KIND, "record_bytes": RECORD_BYTES, **changes})


@pytest.fixture
def no_open_descriptors() -> Iterator[None]:
    """The test leaves as many descriptors as it found."""
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def path(shm_dir: Path) -> Path:
    return shm_dir / "region"


def test_an_attacher_sees_what_the_creator_wrote(path: Path) -> None:
    region = create(path)
    region.words(HEADER_BYTES, 1)[0] = 42
    other = attach(path)
    assert int(other.words(HEADER_BYTES, 1)[0]) == 42
    assert (other.capacity, other.owner, other.size) == (CAPACITY, (1234, 5678), 8192)
    header = other.header[0]
    assert int(header["build"]) == int(BUILD_ID, 16)
    assert (int(header["generation"]), int(header["created_ns"])) == (3, 99)
    assert int(header["boot"]) == boot_id() != 0


def test_only_the_owner_may_open_the_file(path: Path) -> None:
    before = os.umask(0)
    try:
        create(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_page_is_there_before_the_first_touch(path: Path) -> None:
    region = create(path)
    assert path.stat().st_blocks * 512 >= region.size


def test_a_reader_cannot_write(path: Path) -> None:
    create(path)
    words = attach(path).words()
    with pytest.raises(ValueError, match="read-only"):
        words[0] = 1


@pytest.mark.usefixtures("no_open_descriptors")
@pytest.mark.parametrize(
    ("offset", "patch", "named"),
    [
        (0, b"AEGISSHX", "magic"),
        (0, bytes(8), "magic"),
        (8, struct.pack("<I", 2), "layout version is 2"),
        (12, struct.pack("<I", 1), "kind is 1"),
        (24, struct.pack("<Q", 0), "capacity is 0"),
        (24, struct.pack("<Q", 17_000), "truncated"),
        (24, struct.pack("<Q", 2**63), "truncated"),
        (32, struct.pack("<Q", 64), "record size is 64"),
    ],
)
def test_a_foreign_header_is_refused(path: Path, offset: int, patch: bytes, named: str) -> None:
    create(path).close()
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(patch)
    with pytest.raises(LayoutMismatch, match=named) as refusal:
        attach(path)
    assert str(path) in str(refusal.value)


@pytest.mark.usefixtures("no_open_descriptors")
@pytest.mark.parametrize("size", [0, 79, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 2047])
def test_a_truncated_region_is_refused(path: Path, size: int) -> None:
    create(path).close()
    os.truncate(path, size)
    with pytest.raises(LayoutMismatch, match=str(size)):
        attach(path)


def test_a_layout_can_need_more_than_its_records(path: Path) -> None:
    create(path)
    with pytest.raises(LayoutMismatch, match="truncated"):
        attach(path, body_bytes=5000)


@pytest.mark.usefixtures("no_open_descriptors")
def test_what_is_no_file_is_no_region(path: Path) -> None:
    path.mkdir()
    with pytest.raises(LayoutMismatch):
        attach(path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(LayoutMismatch):
        attach(path)


@pytest.mark.usefixtures("no_open_descriptors")
def test_a_missing_region_is_gone(path: Path) -> None:
    with pytest.raises(RegionGone, match="No such file"):
        attach(path)


@pytest.mark.usefixtures("no_open_descriptors")
def test_a_symbolic_link_is_followed_by_nobody(path: Path, shm_dir: Path) -> None:
    create(shm_dir / "real").close()
    path.symlink_to(shm_dir / "real")
    with pytest.raises(RegionGone):
        attach(path)
    with pytest.raises(ShmError, match="already exists"):
        create(path)
    path.unlink()
    path.symlink_to(shm_dir / "elsewhere")
    with pytest.raises(ShmError, match="already exists"):
        create(path)
    assert not (shm_dir / "elsewhere").exists()


@pytest.mark.usefixtures("no_open_descriptors")
def test_a_leftover_is_never_written_over(path: Path) -> None:
    path.write_bytes(b"somebody's")
    with pytest.raises(ShmError, match="already exists") as refusal:
        create(path)
    assert not isinstance(refusal.value, NotEnoughMemory)
    assert path.read_bytes() == b"somebody's"


def fail(number: int) -> Callable[..., None]:
    def call(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.usefixtures("no_open_descriptors")
def test_no_memory_leaves_no_file_and_no_descriptor(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", fail(errno.ENOSPC))
    with pytest.raises(NotEnoughMemory, match="needs 8192 bytes") as refusal:
        create(path)
    assert str(path) in str(refusal.value)
    assert not path.exists()


@pytest.mark.usefixtures("no_open_descriptors")
def test_a_missing_directory_is_not_a_shortage(path: Path) -> None:
    with pytest.raises(ShmError, match="No such file") as refusal:
        create(path / "deeper")
    assert not isinstance(refusal.value, NotEnoughMemory)


def test_a_reader_knows_when_its_region_was_replaced(path: Path) -> None:
    region = create(path)
    reader = attach(path)
    assert reader.is_linked()
    region.unlink()
    assert not reader.is_linked()
    create(path)
    assert not reader.is_linked()
    assert attach(path).is_linked()


def test_a_view_outlives_close(path: Path) -> None:
    region = create(path)
    view = region.array(np.int64, 4)
    view[0] = 7
    region.close()
    region.close()
    assert int(view[0]) == 7


IN_FULL_TMPFS = """
import os, pathlib, subprocess, sys
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", sys.argv[1]], check=True)
from aegis.shm.errors import NotEnoughMemory
from aegis.shm.instance import InstanceMemory
shm_dir = pathlib.Path(sys.argv[1])
descriptors = len(os.listdir("/proc/self/fd"))
try:
    InstanceMemory.create("full", shm_dir=shm_dir, owner=(1, 1))
except NotEnoughMemory as error:
    left = os.listdir(shm_dir), len(os.listdir("/proc/self/fd")) - descriptors
    print("refused", left, error)
"""


def test_a_full_tmpfs_refuses_and_nobody_dies_of_sigbus(tmp_path: Path, repository: Path) -> None:
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0 or subprocess.run([*unshare, "true"], check=False).returncode != 0:
        pytest.skip("a mount namespace needs root")
    command = [*unshare, sys.executable, "-c", IN_FULL_TMPFS, str(tmp_path)]
    done = subprocess.run(
        command, cwd=repository, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused ([], 0)"), done.stdout
    assert "needs " in done.stdout
    assert "No space left" in done.stdout

"""The layout is an ABI: programs in C and in Rust read a live ring of this Python process.

They get a path and nothing else. What they print (every lap, the records read, a checksum over all
fields) is compared with what the writer knows it wrote.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from aegis.shm import counters
from aegis.shm.broadcast import BroadcastRing
from aegis.shm.counters import BODY_BYTES, CAPACITY, METADATA, Counters
from aegis.shm.region import Region
from aegis.shm.tick import TICK
from tests.shm.conftest import MakeBroadcast

SOURCES = Path(__file__).parent / "readers"
COMPILERS = {
    "c": ["cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"],
    "rs": ["rustc", "--edition", "2021", "-C", "opt-level=2", "-D", "warnings"],
}
COUNT = 60_000
# The numbers in a record are small multiples of its sequence, so that any mix-up shows.
WEIGHTS = {"ts_event_ns": 1, "ts_recv_ns": 3, "a": 5, "b": 7, "c": 11, "d": 13, "e": 17}
KIND, FLAGS = 2, 9


def build(language: str, directory: Path) -> Path:
    """Compile a reader; skips the test where there is no compiler for it."""
    command = COMPILERS[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    # rustup's stand-in for rustc is there but fails where the home has no toolchain.
    version = subprocess.run([command[0], "--version"], capture_output=True, text=True, timeout=60)
    if version.returncode != 0:
        pytest.skip(f"{command[0]} does not run: {version.stderr.strip()[:200]}")
    program = directory / f"reader_{language}"
    source = SOURCES / f"reader.{language}"
    subprocess.run([*command, "-o", str(program), str(source)], check=True, timeout=120)
    return program


@pytest.fixture(scope="module", params=COMPILERS)
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled reader in each language."""
    return build(request.param, tmp_path_factory.mktemp("reader"))


def batch(first: int, count: int) -> np.ndarray:
    """Records from sequence `first` on."""
    numbers = np.arange(first, first + count)
    records = np.zeros(count, TICK)
    records["instrument"], records["kind"], records["flags"] = numbers % 7, KIND, FLAGS
    for name, weight in WEIGHTS.items():
        records[name] = numbers * weight
    return records


def checksum(first: int, end: int) -> int:
    """What a reader adds up over the records [first, end)."""
    numbers = np.arange(first, end)
    fixed = (KIND + FLAGS) * (end - first)
    return int((numbers % 7).sum() + sum(WEIGHTS.values()) * numbers.sum()) + fixed


def publish_all(ring: BroadcastRing, upto: int) -> None:
    for first in range(ring.published, upto, 20):
        ring.publish(batch(first, min(20, upto - first)))


def start(reader: Path, ring: BroadcastRing, count: int, *more: str) -> subprocess.Popen[str]:
    command = [str(reader), str(ring.region.path), str(count), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def verify(output: str, count: int) -> list[tuple[int, int]]:
    """Check what the reader says against the writer's knowledge; returns the laps."""
    lines = [line.split() for line in output.splitlines()]
    laps = [(int(first), int(end)) for word, first, end in lines[:-1] if word == "lost"]
    assert lines[-1][0] == "read", output
    end, read, found = (int(number) for number in lines[-1][1:])
    assert end == count
    assert read == count - sum(lap_end - first for first, lap_end in laps)
    assert found == checksum(0, count) - sum(checksum(*lap) for lap in laps)
    return laps


def test_a_reader_follows_a_live_ring(reader: Path, broadcast_ring: MakeBroadcast) -> None:
    ring = broadcast_ring(16_384)
    publish_all(ring, 100)
    process = start(reader, ring, COUNT)
    try:
        publish_all(ring, COUNT)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    verify(output, COUNT)


def test_a_reader_that_was_lapped_knows_what_it_lost(
    reader: Path, broadcast_ring: MakeBroadcast
) -> None:
    ring = broadcast_ring(1_024)
    publish_all(ring, 1_025)
    process = start(reader, ring, COUNT)
    try:
        assert process.stdout is not None
        # The first line is the lap: only then does the writer go on.
        first = process.stdout.readline()
        publish_all(ring, COUNT)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert first == "lost 0 1025\n"
    assert verify(first + output, COUNT)[0] == (0, 1_025)


@pytest.mark.parametrize(
    ("offset", "patch"), [(0, b"X"), (8, b"\x02"), (12, b"\x02"), (32, b"\x30")]
)
def test_a_reader_refuses_what_is_foreign(
    reader: Path, broadcast_ring: MakeBroadcast, offset: int, patch: bytes
) -> None:
    ring = broadcast_ring(64)
    publish_all(ring, 10)
    ring.region.memory[offset : offset + 1] = patch
    done = subprocess.run(
        [str(reader), str(ring.region.path), "10"], capture_output=True, timeout=30, check=False
    )
    assert done.returncode != 0
    assert done.stdout == b""


def test_a_counter_is_found_by_its_name(
    broadcast_ring: MakeBroadcast, shm_dir: Path, tmp_path: Path
) -> None:
    reader = build("c", tmp_path)
    region = Region.create(
        shm_dir / "counters-feed",
        kind=counters.KIND,
        capacity=CAPACITY,
        record_bytes=METADATA.itemsize,
        body_bytes=BODY_BYTES,
        owner=(os.getpid(), 0),
    )
    feed = Counters(region, "feed", owner=True)
    feed["gaps"], feed["resyncs"] = -12_345, 1
    ring = broadcast_ring(64)
    publish_all(ring, 10)
    with start(reader, ring, 10, str(region.path), "gaps") as process:
        output, _ = process.communicate(timeout=30)
    assert output.splitlines()[-1] == "counter -12345"
    verify("\n".join(output.splitlines()[:-1]), 10)

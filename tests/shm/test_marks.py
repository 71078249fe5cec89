"""The marks region: whole or not at all, and a writer that died inside invites nobody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aegis.shm.instance import InstanceMemory
from aegis.shm.marks import MARK_WORDS, MarkView, mark_read


def kernel_read(memory: InstanceMemory, instrument: int) -> tuple[int, list[float]]:
    out = np.zeros(2)
    recv_ns = mark_read(memory.marks.words, memory.marks.prices, instrument, out)
    return int(recv_ns), out.tolist()


def test_what_the_feed_writes_the_gate_reads(shm_dir: Path) -> None:
    memory = InstanceMemory.create("t", instruments=2, shm_dir=shm_dir, owner=(1, 1))
    assert memory.marks.read(1) is None
    assert kernel_read(memory, 1)[0] == 0
    memory.marks.write(1, 5, 7, 60_000.5, 60_001.5, 0.0001)
    assert kernel_read(memory, 1) == (7, [60_000.5, 60_001.5])
    seen = InstanceMemory.attach("t", shm_dir=shm_dir)
    assert seen.marks.read(1) == MarkView(5, 7, 60_000.5, 60_001.5, 0.0001)
    assert seen.marks.read(0) is None, "the neighbour is untouched"
    with pytest.raises(IndexError, match="instrument 2"):
        memory.marks.write(2, 5, 7, 1.0, 1.0)


def test_a_writer_that_died_inside_is_not_read(shm_dir: Path) -> None:
    memory = InstanceMemory.create("t", instruments=2, shm_dir=shm_dir, owner=(1, 1))
    memory.marks.write(1, 5, 7, 60_000.5, 60_001.5)
    memory.marks.words[MARK_WORDS] += np.uint64(1)
    assert memory.marks.read(1) is None
    assert kernel_read(memory, 1)[0] == 0
    memory.marks.write(1, 6, 8, 60_002.5, 60_003.5)
    assert kernel_read(memory, 1) == (8, [60_002.5, 60_003.5])

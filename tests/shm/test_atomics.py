"""Atomics: a spinning kernel sees another process's store; read-only memory is not stored to."""

from __future__ import annotations

import mmap
from typing import Any

import numba
import numpy as np
import pytest

from aegis.shm.atomics import (
    fence_acquire,
    fence_full,
    fence_release,
    load_acquire,
    load_relaxed,
    store_relaxed,
    store_release,
)
from aegis.shm.gated import commit
from tests.shm.conftest import Fork, MakeGated
from tests.shm.kernels import spin_until
from tests.waiting import eventually


@numba.njit
def exchange(words: Any, index: Any, value: Any) -> Any:
    """Store and load one word in every way there is."""
    before = load_acquire(words, index)
    store_release(words, index, value)
    fence_release()
    fence_full()
    fence_acquire()
    middle = load_relaxed(words, index)
    store_relaxed(words, index, value + value)
    return before, middle, load_relaxed(words, index)


@pytest.mark.parametrize(
    ("dtype", "index"), [(np.uint64, np.uint64(3)), (np.int64, np.int32(3)), (np.uint64, 3)]
)
def test_words_are_stored_and_loaded(dtype: type, index: int) -> None:
    words = np.arange(8).astype(dtype)
    assert exchange(words, index, dtype(50)) == (3, 50, 100)
    assert words.tolist() == [0, 1, 2, 100, 4, 5, 6, 7]


@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_only_words_of_64_bits_are_taken(dtype: type) -> None:
    with pytest.raises(numba.TypingError):
        exchange(np.zeros(8, dtype), 0, dtype(1))


def test_a_store_to_read_only_memory_does_not_compile(gated_ring: MakeGated) -> None:
    """At run time it would be SIGSEGV."""
    header = gated_ring().header.view()
    header.flags.writeable = False
    with pytest.raises(numba.TypingError):
        commit(header)


def cpu_ns(pid: int) -> int:
    """Processor time that a process has had."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


def test_a_spinning_kernel_sees_the_other_process(fork: Fork) -> None:
    """With a plain array load this loop would never see it: LLVM reads it once, before the loop."""
    words = np.frombuffer(mmap.mmap(-1, 4096), np.uint64)
    spin_until(words, 0, 0)
    ready, done = 32, 48

    def spin() -> None:
        words[ready] = 1
        spin_until(words, 0, 3)
        words[done] = 1

    child = fork(spin)
    eventually(lambda: int(words[ready]) == 1, "the child to spin")
    for value in (1, 2):
        words[0] = value
        # The loop has every chance to go wrong: it looks at these values millions of times.
        enough_ns = cpu_ns(child.pid) + 5_000_000
        eventually(lambda due_ns=enough_ns: cpu_ns(child.pid) > due_ns, "the child to spin on")
        assert int(words[done]) == 0
    words[0] = 3
    assert child.join(timeout_s=10.0) == 0
    assert int(words[done]) == 1

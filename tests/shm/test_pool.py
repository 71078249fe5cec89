"""The pool: every record once, exhaustion and double release told, nothing allocated."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest

from aegis.shm.pool import (
    BAD_RELEASES,
    EXHAUSTED,
    DoubleReleaseError,
    PoolExhaustedError,
    RecordPool,
)
from aegis.shm.pool import acquire as acquire_kernel
from aegis.shm.pool import release as release_kernel
from aegis.shm.signal import SIGNAL
from aegis.shm.tick import TICK


@pytest.mark.parametrize("dtype", [TICK, SIGNAL])
def test_ten_thousand_go_out_once_each_and_come_back(dtype: np.dtype[np.void]) -> None:
    pool = RecordPool(dtype)
    handles = [pool.acquire() for _ in range(10_000)]
    assert sorted(handles) == list(range(10_000))
    assert pool.free == 0
    with pytest.raises(PoolExhaustedError, match="all 10000 records"):
        pool.acquire()
    assert pool.state[EXHAUSTED] == 1
    for handle in handles:
        pool.release(handle)
    assert pool.free == pool.capacity == 10_000


@pytest.mark.parametrize("handle", [0, 5, 8, -1, 1 << 40])
def test_what_is_not_out_cannot_be_released(handle: int) -> None:
    pool = RecordPool(TICK, 8)
    pool.release(pool.acquire())
    with pytest.raises(DoubleReleaseError, match=f"handle {handle} is not out"):
        pool.release(handle)
    assert pool.state[BAD_RELEASES] == 1
    assert pool.free == 8


def test_any_order_of_use_keeps_the_books() -> None:
    chance, pool, out = random.Random(3), RecordPool(TICK, 32), set[int]()
    for turn in range(20_000):
        if out and chance.random() < 0.5:
            handle = out.pop()
            assert pool.records[handle]["a"] == handle, "somebody else wrote into it"
            pool.release(handle)
        elif pool.free:
            handle = pool.acquire()
            assert handle not in out
            pool.records[handle]["a"] = handle
            out.add(handle)
        assert pool.free + len(out) == 32, turn


def test_the_kernels_allocate_nothing() -> None:
    pool = RecordPool(SIGNAL)

    def cycle() -> None:
        for _ in range(2_000):
            handle = acquire_kernel(pool.stack, pool.out, pool.state)
            release_kernel(pool.stack, pool.out, pool.state, handle)

    cycle()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        cycle()
        assert tracemalloc.get_traced_memory()[0] - before < 512
    finally:
        tracemalloc.stop()

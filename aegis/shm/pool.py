"""A pool of preallocated records: acquire and release in O(1), and no allocation after its making.

Kernels and Python share it: `records` is the memory, a handle is an index into it. The free handles
are a stack, and one word for each record says whether it is out. Exhaustion is an answer (-1 from
the kernel, PoolExhaustedError from Python), never a growth; a handle that is released twice, or was
never acquired, is refused and counted, because the second release would hand the record to two.
Not shared between processes, and not between threads: each has its own.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.shm.errors import ShmError

__all__ = [
    "BAD_RELEASES",
    "EXHAUSTED",
    "FREE",
    "POOL_RECORDS",
    "DoubleReleaseError",
    "PoolExhaustedError",
    "RecordPool",
    "acquire",
    "release",
]

POOL_RECORDS: Final = 10_000
# Words of `state`.
FREE, EXHAUSTED, BAD_RELEASES = 0, 1, 2


class PoolExhaustedError(ShmError):
    """Every record is out; somebody keeps them."""


class DoubleReleaseError(ShmError):
    """The handle was not out: it was released before, or is none of this pool."""


@kernel
def acquire(stack: Any, out: Any, state: Any) -> Any:
    """A free record's handle, -1 when there is none. stack, out: i64[n]; state: i64[3]."""
    free = state[FREE]
    if free == 0:
        state[EXHAUSTED] += 1
        return -1
    state[FREE] = free - 1
    handle = stack[free - 1]
    out[handle] = 1
    return handle


@kernel
def release(stack: Any, out: Any, state: Any, handle: Any) -> Any:
    """Give a record back: 0, or -1 when that handle was not out."""
    if handle < 0 or handle >= out.size or out[handle] == 0:
        state[BAD_RELEASES] += 1
        return -1
    out[handle] = 0
    stack[state[FREE]] = handle
    state[FREE] += 1
    return 0


class RecordPool:
    """`capacity` records of one type. `pool.records[handle]` is the record itself, not a copy."""

    def __init__(self, dtype: np.dtype[Any], capacity: int = POOL_RECORDS) -> None:
        if capacity < 1:
            raise ValueError(f"a pool of {capacity} records; wanted at least 1")
        self.records: npt.NDArray[Any] = np.zeros(capacity, dtype)
        # The lowest handles go out first: a pool that is hardly used stays in few pages.
        self.stack = np.arange(capacity - 1, -1, -1, dtype=np.int64)
        self.out = np.zeros(capacity, np.int64)
        self.state = np.zeros(3, np.int64)
        self.state[FREE] = capacity

    @property
    def capacity(self) -> int:
        """Records in all."""
        return int(self.records.size)

    @property
    def free(self) -> int:
        """Records that can be acquired now."""
        return int(self.state[FREE])

    def acquire(self) -> int:
        """A handle; what its record held before stands in it still. Raises PoolExhaustedError."""
        handle = int(acquire(self.stack, self.out, self.state))
        if handle < 0:
            raise PoolExhaustedError(f"all {self.capacity} records of the pool are out")
        return handle

    def release(self, handle: int) -> None:
        """Give a record back. Raises DoubleReleaseError."""
        if release(self.stack, self.out, self.state, handle) < 0:
            raise DoubleReleaseError(
                f"handle {handle} is not out; it was released before, or never"
            )

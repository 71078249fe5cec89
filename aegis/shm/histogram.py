"""Latency histograms in shared memory: HdrHistogram's log-linear buckets, no allocation.

Values are nanoseconds. Below 256 every value has its own bucket; above, each power of two is cut
into 128 buckets, so a reported percentile is at most 0.8 % above the true value. Values past
2^40 ns (18 minutes) are counted in the last bucket. One process writes, anybody reads; a reader
may see a value counted a moment late, never a torn count.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel

__all__ = ["BUCKETS", "Histogram", "percentiles", "record"]

_SUB_BITS = 7
_SUB = 1 << _SUB_BITS
_TOP_BITS = 40
BUCKETS = (_TOP_BITS - _SUB_BITS) * _SUB + _SUB
# One word more than the buckets: the exact maximum.
SLOT_WORDS = BUCKETS + 128
MAXIMUM = BUCKETS

Counts = npt.NDArray[np.int64]


@kernel("i8(i8)")
def bucket_of(value_ns: Any) -> Any:
    """The bucket that counts a value (negative values count as 0)."""
    value = max(value_ns, np.int64(0))
    shift = np.int64(0)
    while (value >> shift) >= 2 * _SUB:
        shift += 1
    return min(shift * _SUB + (value >> shift), np.int64(BUCKETS - 1))


@kernel("void(i8[::1],i8)")
def record(counts: Any, value_ns: Any) -> None:
    """Count one value."""
    counts[bucket_of(value_ns)] += 1
    if value_ns > counts[MAXIMUM]:
        counts[MAXIMUM] = value_ns


def _upper_edge(bucket: int) -> int:
    """The largest value that falls into a bucket."""
    if bucket < 2 * _SUB:
        return bucket
    shift = bucket // _SUB - 1
    return ((bucket - shift * _SUB + 1) << shift) - 1


def percentiles(counts: Counts) -> dict[str, int]:
    """p50, p99, p999, max (ns, upper bucket edges) and count; zeros when nothing was counted."""
    copy = counts[:BUCKETS].copy()
    total = int(copy.sum())
    maximum = int(counts[MAXIMUM])
    result = {"p50": 0, "p99": 0, "p999": 0, "max": maximum, "count": total}
    if total == 0:
        return result
    running = np.cumsum(copy)
    for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999)):
        rank = max(1, int(np.ceil(share * total)))
        bucket = int(np.searchsorted(running, rank))
        result[name] = min(_upper_edge(bucket), maximum)
    return result


class Histogram:
    """One named histogram over `counts`, an i64 view of SLOT_WORDS words."""

    def __init__(self, name: str, counts: Counts) -> None:
        assert counts.size >= BUCKETS + 1
        self.name = name
        self.counts = counts

    def record(self, value_ns: int) -> None:
        """Count one value from Python (kernels call `record(counts, value)` themselves)."""
        record(self.counts, value_ns)

    def percentiles(self) -> dict[str, int]:
        """p50, p99, p999, max and count, in nanoseconds."""
        return percentiles(self.counts)

    def reset(self) -> None:
        """Forget everything (the writing process only)."""
        self.counts[:] = 0

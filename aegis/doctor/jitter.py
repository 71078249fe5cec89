"""How long a core is taken away from a program that never lets go of it.

A thread pins itself, reads the clock without a pause and keeps the gaps. The Python between two
reads costs some tens of nanoseconds: what interrupts a core costs microseconds and stands out.
"""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from time import monotonic_ns
from typing import Final

__all__ = ["Spin", "spin"]

SPIN_S: Final = 5.0
# Gaps are counted by so many nanoseconds, up to a millisecond; what is longer counts as that.
_BUCKET_NS: Final = 16
_BUCKETS: Final = 65_536
_TURN: Final = 1_024


@dataclass(frozen=True, slots=True)
class Spin:
    """Gaps between two readings of the clock."""

    p999_us: float
    worst_us: float
    readings: int


def spin(core: int, seconds: float = SPIN_S) -> Spin | None:
    """Spin on a core; None where it may not be taken. Mask and collector are as before after it."""
    mask = os.sched_getaffinity(0)
    collects = gc.isenabled()
    try:
        os.sched_setaffinity(0, {core})
        if os.sched_getaffinity(0) != {core}:
            return None
        gc.disable()
        return _gaps(int(seconds * 1e9))
    except OSError:
        return None
    finally:
        os.sched_setaffinity(0, mask)
        if collects:
            gc.enable()


def _gaps(length_ns: int) -> Spin:
    buckets = [0] * _BUCKETS
    last = began = monotonic_ns()
    worst, readings = 0, 0
    while last - began < length_ns:
        for _ in range(_TURN):
            now = monotonic_ns()
            gap = now - last
            last = now
            buckets[min(gap // _BUCKET_NS, _BUCKETS - 1)] += 1
            if gap > worst:
                worst = gap
        readings += _TURN
    beyond = readings // 1_000
    place = _BUCKETS
    passed = 0
    while passed <= beyond and place > 0:
        place -= 1
        passed += buckets[place]
    return Spin((place + 1) * _BUCKET_NS / 1e3, worst / 1e3, readings)

"""What the heap of a soaked process holds, told from inside it, once a second.

The resident memory alone would not show a leak that fills what an earlier owner has given back to
the allocator: a child inherits the holes that its parent's compiler has left. So the holes go back
to the kernel first, and beside the resident memory stands what is in use: bytes of the C library's
allocator, and blocks of Python's.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["growth", "read_heap", "trend", "watch_heap"]

_EVERY_S = 1.0
_PARTS = 12


class _MallInfo(ctypes.Structure):
    """mallinfo2(3)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


def watch_heap(file: Path) -> None:
    """In the process itself: give the holes back, and write a line a second until it ends."""
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = _MallInfo
    libc.malloc_trim(ctypes.c_size_t(0))

    ended = threading.Event()

    def watch() -> None:
        with file.open("a") as lines:
            while not ended.wait(_EVERY_S):
                info = libc.mallinfo2()
                in_use = info.uordblks + info.hblkhd
                lines.write(f"{time.monotonic()} {in_use} {sys.getallocatedblocks()}\n")
                lines.flush()

    threading.Thread(target=watch, name="heap", daemon=True).start()


def trend(minutes: NDArray[np.float64], sizes: NDArray[np.float64]) -> tuple[float, float]:
    """(slope per minute, its standard error) of the medians of twelve parts.

    Samples that follow one another are nearly the same: only whole parts are taken for independent.
    """
    parts = [
        (float(np.mean(at)), float(np.median(size)))
        for at, size in zip(
            np.array_split(minutes, _PARTS), np.array_split(sizes, _PARTS), strict=True
        )
    ]
    at, size = np.array(parts).T
    slope, level = np.polyfit(at, size, 1)
    left = size - (slope * at + level)
    spread = np.sum((at - at.mean()) ** 2)
    return float(slope), float(np.sqrt(np.sum(left**2) / (_PARTS - 2) / spread))


def growth(sizes: NDArray[np.float64]) -> float:
    """The last tenth against the first."""
    tenth = max(len(sizes) // 10, 1)
    return float(np.median(sizes[-tenth:]) - np.median(sizes[:tenth]))


def read_heap(file: Path) -> list[tuple[float, int, int]]:
    """(CLOCK_MONOTONIC in s, bytes in use, Python's blocks in use), oldest first."""
    rows = (line.split() for line in file.read_text().splitlines())
    return [(float(at), int(in_use), int(blocks)) for at, in_use, blocks in rows]

"""Where the cursors of a ring live: the header page that broadcast and gated rings share.

Each cursor has a 128-byte line of its own, written by one process only::

    byte 1024  TAIL          records published so far            writer
    byte 1152  TAIL_INTENT   records claimed (broadcast only)    writer
    byte 1280  HEAD_CACHE    writer's copy of HEAD               writer, private
    byte 1408  HEAD          records consumed (gated only)       reader
    byte 1536  TAIL_CACHE    reader's copy of TAIL               reader, private
    byte 1664  SLEEPING[8]   one word a reader slot: 0 awake, 1 parked on a futex, 2 on an eventfd
    byte 1792  EVENTFD[8]    one word a reader slot: the descriptor its event loop watches
    byte 1920  CURSOR[8]     one line a reader slot: what a broadcast reader has consumed
    byte 4096  records, capacity x record bytes, capacity a power of two

A sequence counts records since the ring was made and never wraps (2^64 records at 10^9 a second
last 584 years); record `sequence` lives in slot `sequence & (capacity - 1)`.
"""

import numpy as np

from aegis.shm.errors import LayoutMismatch
from aegis.shm.region import HEADER_BYTES, LINE_WORDS, Region

__all__ = [
    "CURSOR",
    "EVENTFD",
    "HEAD",
    "HEAD_CACHE",
    "READER_SLOTS",
    "SLEEPING",
    "TAIL",
    "TAIL_CACHE",
    "TAIL_INTENT",
    "ZERO",
    "ring_capacity",
]

READER_SLOTS = 8
# Unsigned constants: indexing with them costs no wrap-around check in a kernel.
ZERO = np.uint64(0)
TAIL = np.uint64(128)
TAIL_INTENT = np.uint64(144)
HEAD_CACHE = np.uint64(160)
HEAD = np.uint64(176)
TAIL_CACHE = np.uint64(192)
SLEEPING = np.uint64(208)
EVENTFD = np.uint64(224)
CURSOR = np.uint64(240)

assert (int(CURSOR) + READER_SLOTS * LINE_WORDS) * 8 <= HEADER_BYTES, "cursors overrun the page"
assert int(TAIL) * 8 == 1024, "the documented ABI; C and Rust readers rely on it"


def ring_capacity(region: Region) -> int:
    """The region's capacity; LayoutMismatch when sequences cannot be masked by it."""
    capacity = region.capacity
    if capacity & (capacity - 1):
        raise LayoutMismatch(f"{region.path}: capacity {capacity} is not a power of two")
    return capacity

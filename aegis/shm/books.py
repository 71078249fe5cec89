"""The books region: the top of every instrument's order book, read without locks or copies.

One seqlock book per instrument; the feed is the only writer. A reader looks at the sequence word,
copies, and looks again: an odd or changed sequence means that the writer was inside, so it tries
again, a bounded number of times. Layout of one book (a multiple of 128 bytes)::

    byte 0        8            16            24           32       40       48
         +--------+------------+-------------+------------+--------+--------+--------+
         | seq u64| update id  | ts_event_ns | ts_recv_ns | flags  | n bids | n asks | depth
         +--------+------------+-------------+------------+--------+--------+--------+-------
    byte 64: why it is not valid (u64, see absence.py), byte 72: since when (CLOCK_MONOTONIC ns)
    byte 128               `depth` bids, best first: price f64, quantity f64
    byte 128 + 16 depth    `depth` asks, best first

Books start at byte 4096 of the region, one after another in instrument order. All have the same
depth (20 levels a side unless the configuration says otherwise), written into each when the region
is made; readers take it from the first one. `flags` bit 0 is VALID: a book whose stream has a gap,
is stale or crossed is not valid and must not be traded on. Why and since when mean nothing while
the book is valid.
"""

import os
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.shm.atomics import (
    fence_acquire,
    fence_release,
    load_acquire,
    load_relaxed,
    pause,
    store_relaxed,
    store_release,
)
from aegis.shm.errors import LayoutMismatch
from aegis.shm.region import HEADER_BYTES, Region, Words

__all__ = [
    "DEPTH",
    "MAX_DEPTH",
    "VALID",
    "BookView",
    "Books",
    "book_bytes",
    "book_depth",
    "book_read",
    "book_words",
    "book_write",
]

KIND = 3
# What the brain and execution copy of a book, and what a region holds unless told otherwise.
DEPTH = 20
MAX_DEPTH = 500
VALID = 1

HEAD_WORDS = 16
SEQUENCE, UPDATE_ID, TS_EVENT, TS_RECV, FLAGS, N_BIDS, N_ASKS, LEVELS = range(8)
WHY, SINCE = 8, 9
_ONE = np.uint64(1)
_LINE_PAIR_WORDS = 16


def book_words(depth: int) -> int:
    """Words of one book; a multiple of 128 bytes, so that books share no line pair."""
    assert 1 <= depth <= MAX_DEPTH, f"{depth} levels a side"
    return HEAD_WORDS + -(-4 * depth // _LINE_PAIR_WORDS) * _LINE_PAIR_WORDS


def book_bytes(depth: int) -> int:
    """Bytes of one book: the region's record size."""
    return book_words(depth) * 8


assert book_bytes(DEPTH) == 768, "the documented ABI of the default depth"
_TRIES = 1000


@kernel
def _stride_of(words: Any) -> Any:
    """Words from one book to the next."""
    used = np.uint64(4) * words[LEVELS]
    line = np.uint64(_LINE_PAIR_WORDS)
    return np.uint64(HEAD_WORDS) + (used + line - _ONE) // line * line


@kernel
def book_depth(words: Any) -> Any:
    """Levels a side that every book of the region has room for."""
    return np.int64(words[LEVELS])


@kernel
def open_book(words: Any, base: Any) -> Any:
    """Make the sequence at `base` odd, ahead of every store to its book (or mark); returns it.

    A writer that was killed inside has left it odd: adding one would invite the readers in.
    """
    inside = (load_relaxed(words, base) + _ONE) | _ONE
    store_relaxed(words, base, inside)
    fence_release()
    return inside


@kernel
def book_write(
    words: Any,
    levels: Any,
    instrument: Any,
    update_id: Any,
    ts_event_ns: Any,
    ts_recv_ns: Any,
    flags: Any,
    bids: Any,
    asks: Any,
    n_bids: Any,
    n_asks: Any,
) -> None:
    """Publish one instrument's top levels.

    words, levels: the region's u64 and f64 views; bids, asks: f64[n, 2] of (price, quantity),
    best first, of which as many rows are taken as the region's depth allows.
    """
    depth = book_depth(words)
    base = np.uint64(instrument) * _stride_of(words)
    inside = open_book(words, base)
    words[base + np.uint64(UPDATE_ID)] = np.uint64(update_id)
    words[base + np.uint64(TS_EVENT)] = np.uint64(ts_event_ns)
    words[base + np.uint64(TS_RECV)] = np.uint64(ts_recv_ns)
    words[base + np.uint64(FLAGS)] = np.uint64(flags)
    kept_bids = min(n_bids, depth)
    kept_asks = min(n_asks, depth)
    words[base + np.uint64(N_BIDS)] = np.uint64(kept_bids)
    words[base + np.uint64(N_ASKS)] = np.uint64(kept_asks)
    place = base + np.uint64(HEAD_WORDS)
    for level in range(kept_bids):
        levels[place + np.uint64(2 * level)] = bids[level, 0]
        levels[place + np.uint64(2 * level + 1)] = bids[level, 1]
    place += np.uint64(2 * depth)
    for level in range(kept_asks):
        levels[place + np.uint64(2 * level)] = asks[level, 0]
        levels[place + np.uint64(2 * level + 1)] = asks[level, 1]
    store_release(words, base, inside + _ONE)


@kernel
def book_set_flags(words: Any, instrument: Any, flags: Any, why: Any, since_ns: Any) -> None:
    """Change only the flags (a gap makes a book invalid at once, its levels stay for the eye)."""
    base = np.uint64(instrument) * _stride_of(words)
    inside = open_book(words, base)
    words[base + np.uint64(FLAGS)] = np.uint64(flags)
    words[base + np.uint64(WHY)] = np.uint64(why)
    words[base + np.uint64(SINCE)] = np.uint64(since_ns)
    store_release(words, base, inside + _ONE)


@kernel
def book_read(words: Any, levels: Any, instrument: Any, out_words: Any, out_levels: Any) -> Any:
    """Copy one book: out_words u64[8] (the head's words), out_levels f64[2 n, 2], bids then asks.

    At most n levels a side are copied, asks from row n on; n may be less than the region's depth.
    Returns 1 when the copy is whole, 0 when the writer was always inside (do not use the copy).
    """
    depth = book_depth(words)
    wanted = np.int64(out_levels.shape[0]) // 2
    kept = min(depth, wanted)
    base = np.uint64(instrument) * _stride_of(words)
    for _ in range(_TRIES):
        before = load_acquire(words, base)
        if before & _ONE:
            pause()
            continue
        for word in range(7):
            out_words[word] = words[base + np.uint64(word)]
        bids = base + np.uint64(HEAD_WORDS)
        asks = bids + np.uint64(2 * depth)
        for level in range(kept):
            out_levels[level, 0] = levels[bids + np.uint64(2 * level)]
            out_levels[level, 1] = levels[bids + np.uint64(2 * level + 1)]
            out_levels[wanted + level, 0] = levels[asks + np.uint64(2 * level)]
            out_levels[wanted + level, 1] = levels[asks + np.uint64(2 * level + 1)]
        fence_acquire()
        if load_relaxed(words, base) == before:
            return 1
    return 0


class BookView(NamedTuple):
    """A consistent copy of one book. bids, asks: f64[n, 2] of (price, quantity), best first."""

    update_id: int
    ts_event_ns: int
    ts_recv_ns: int
    valid: bool
    bids: npt.NDArray[np.float64]
    asks: npt.NDArray[np.float64]
    # A code of absence.py and CLOCK_MONOTONIC, of a book that is not valid.
    why: int = 0
    since_ns: int = 0


class Books:
    """All books of an instance, over a region; kernels use `words` and `levels` directly."""

    def __init__(self, region: Region, *, depth: int | None = None) -> None:
        """`depth` is written by the region's creator; everybody else reads it."""
        self.region = region
        self.capacity = region.capacity
        self.depth = depth or int(region.words(HEADER_BYTES, HEAD_WORDS)[LEVELS])
        if not 1 <= self.depth <= MAX_DEPTH or region.record_bytes != book_bytes(self.depth):
            raise LayoutMismatch(
                f"{region.path}: books of {region.record_bytes} bytes with {self.depth} levels"
            )
        self.stride = book_words(self.depth)
        count = self.capacity * self.stride
        self.words: Words = region.words(HEADER_BYTES, count)
        self.levels: npt.NDArray[np.float64] = region.array(np.float64, count)
        if depth is not None:
            self.words.reshape(-1, self.stride)[:, LEVELS] = depth

    @property
    def heads(self) -> npt.NDArray[np.uint64]:
        """The words of every book, one a row: a view, for who looks for changes."""
        return self.words.reshape(-1, self.stride)[:, :HEAD_WORDS]

    def write(
        self,
        instrument: int,
        update_id: int,
        ts_event_ns: int,
        ts_recv_ns: int,
        bids: npt.NDArray[Any],
        asks: npt.NDArray[Any],
        *,
        valid: bool = True,
    ) -> None:
        """Publish one book from arrays of (price, quantity), best first."""
        self._check(instrument)
        flags = VALID if valid else 0
        book_write(
            self.words, self.levels, instrument, update_id, ts_event_ns, ts_recv_ns, flags,
            bids, asks, len(bids), len(asks),
        )  # fmt: skip

    def set_valid(self, instrument: int, valid: bool, why: int = 0, since_ns: int = 0) -> None:
        """Mark a book tradable or not (why and since when not), leaving its levels."""
        self._check(instrument)
        book_set_flags(self.words, instrument, VALID if valid else 0, why, since_ns)

    def is_valid(self, instrument: int) -> bool:
        """The VALID flag alone, without copying the levels."""
        self._check(instrument)
        return bool(int(self.words[instrument * self.stride + FLAGS]) & VALID)

    def read(self, instrument: int) -> BookView | None:
        """A consistent copy, or None when the writer never let go (it died inside).

        In plain numpy, for people's eyes: memory that is mapped read-only would make the kernel
        compile anew, which takes a second. The processor must not reorder loads (x86 does not).
        """
        self._check(instrument)
        base = instrument * self.stride
        first = base + HEAD_WORDS
        for _ in range(_TRIES):
            before = int(self.words[base])
            head = self.words[base : base + HEAD_WORDS].tolist()
            sides = self.levels[first : first + 4 * self.depth].reshape(2, self.depth, 2).copy()
            if before & 1 or int(self.words[base]) != before:
                os.sched_yield()
                continue
            return BookView(
                update_id=head[UPDATE_ID],
                ts_event_ns=head[TS_EVENT],
                ts_recv_ns=head[TS_RECV],
                valid=bool(head[FLAGS] & VALID),
                bids=sides[0, : head[N_BIDS]],
                asks=sides[1, : head[N_ASKS]],
                why=head[WHY],
                since_ns=head[SINCE],
            )
        return None

    def _check(self, instrument: int) -> None:
        if not 0 <= instrument < self.capacity:
            raise IndexError(f"instrument {instrument}; the region holds 0..{self.capacity - 1}")

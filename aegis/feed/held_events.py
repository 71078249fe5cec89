"""Depth events that wait for their book's snapshot: queues of words over one pool of blocks.

Called by `sync.BookSync`, which decides what is kept. The pool is made once and shared by all
instruments: hundreds of books that wait at a time (a lost connection in a busy market) take turns
in the same memory, and an hour of reconnects leaves the process as large as it was.

An instrument's queue is a chain of blocks. An event is a header of HEADER_WORDS and then a pair
(price key, quantity) for each changed level, bids first. A header never lies across two blocks, its
levels may. The first word of a block is the number of the next one. Freed blocks are taken again
before others, so memory that was never needed is never touched.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel

__all__ = ["DepthEvent", "HeldEvents"]

BLOCK_WORDS = 512
HEADER_WORDS = 8
# Where a block's content begins: behind the link, at an even word, so that no pair is divided.
_FIRST = 2
_ROOM = BLOCK_WORDS - _FIRST
BLOCKS_EACH, MOST_BLOCKS = 512, 4096

# ---- one queue
LANE_WORDS = 8
_HEAD, _HEAD_AT, _TAIL, _TAIL_AT, _EVENTS, _LEVELS = range(6)
# ---- the pool
_FREE, _FREE_BLOCKS = range(2)
# ---- a header, in the order of DepthEvent
_BIDS, _ASKS = 5, 6
_NONE = -1

_PACK_HEADER = Struct("<7q").pack_into


class DepthEvent(NamedTuple):
    """The head of one depth event; its changed levels are at hand, or held with it.

    Ids are the exchange's U, u and pu; `bids` and `asks` are the changed levels of each side.
    """

    first_id: int
    last_id: int
    previous_id: int
    event_ms: int
    recv_ns: int
    bids: int
    asks: int

    @property
    def levels(self) -> int:
        """Changed levels of both sides: what the event costs to keep."""
        return self.bids + self.asks


@kernel
def _grow(words: Any, lanes: Any, pool: Any, base: Any) -> None:
    """Put the next free block, which the caller knows there is, behind a queue's last one."""
    block = pool[_FREE]
    pool[_FREE] = words[block * BLOCK_WORDS]
    pool[_FREE_BLOCKS] -= 1
    words[block * BLOCK_WORDS] = _NONE
    if lanes[base + _HEAD] == _NONE:
        lanes[base + _HEAD] = block
        lanes[base + _HEAD_AT] = _FIRST
    else:
        words[lanes[base + _TAIL] * BLOCK_WORDS] = block
    lanes[base + _TAIL] = block
    lanes[base + _TAIL_AT] = _FIRST


@kernel
def _shrink(words: Any, lanes: Any, pool: Any, base: Any) -> None:
    """Give a queue's first block back."""
    block = lanes[base + _HEAD]
    lanes[base + _HEAD] = words[block * BLOCK_WORDS]
    lanes[base + _HEAD_AT] = _FIRST
    words[block * BLOCK_WORDS] = pool[_FREE]
    pool[_FREE] = block
    pool[_FREE_BLOCKS] += 1


@kernel
def _put(
    words: Any, pairs: Any, lanes: Any, pool: Any, lane: Any,
    header: Any, keys: Any, quantities: Any, asks_at: Any,
) -> Any:  # fmt: skip
    """Append the event at hand to a queue; False when the pool has no room for it."""
    base = lane * LANE_WORDS
    levels = header[_BIDS] + header[_ASKS]
    left = BLOCK_WORDS - lanes[base + _TAIL_AT] if lanes[base + _HEAD] != _NONE else 0
    left = left if left >= HEADER_WORDS else 0
    missing = HEADER_WORDS + 2 * levels - left
    if missing > pool[_FREE_BLOCKS] * _ROOM:
        return False
    if left == 0:
        _grow(words, lanes, pool, base)
    at = lanes[base + _TAIL] * BLOCK_WORDS + lanes[base + _TAIL_AT]
    for word in range(HEADER_WORDS):
        words[at + word] = header[word]
    lanes[base + _TAIL_AT] += HEADER_WORDS
    for level in range(levels):
        if lanes[base + _TAIL_AT] == BLOCK_WORDS:
            _grow(words, lanes, pool, base)
        at = lanes[base + _TAIL] * BLOCK_WORDS + lanes[base + _TAIL_AT]
        place = level if level < header[_BIDS] else asks_at + level - header[_BIDS]
        words[at] = keys[place]
        pairs[at + 1] = quantities[place]
        lanes[base + _TAIL_AT] += 2
    lanes[base + _EVENTS] += 1
    lanes[base + _LEVELS] += levels
    return True


@kernel
def _read_header(words: Any, lanes: Any, pool: Any, base: Any, header: Any) -> None:
    """Copy the header of the oldest event of a queue that has one."""
    if BLOCK_WORDS - lanes[base + _HEAD_AT] < HEADER_WORDS:
        _shrink(words, lanes, pool, base)
    at = lanes[base + _HEAD] * BLOCK_WORDS + lanes[base + _HEAD_AT]
    for word in range(HEADER_WORDS):
        header[word] = words[at + word]


@kernel
def _oldest(words: Any, lanes: Any, pool: Any, lane: Any, header: Any) -> None:
    """Copy the header of the oldest event of a queue that has one."""
    _read_header(words, lanes, pool, lane * LANE_WORDS, header)


@kernel
def _take(
    words: Any, pairs: Any, lanes: Any, pool: Any, lane: Any,
    header: Any, keys: Any, quantities: Any, asks_at: Any,
) -> None:  # fmt: skip
    """Take the oldest event out of a queue that has one, and put its levels at hand."""
    base = lane * LANE_WORDS
    _read_header(words, lanes, pool, base, header)
    lanes[base + _HEAD_AT] += HEADER_WORDS
    levels = header[_BIDS] + header[_ASKS]
    for level in range(levels):
        if lanes[base + _HEAD_AT] == BLOCK_WORDS:
            _shrink(words, lanes, pool, base)
        at = lanes[base + _HEAD] * BLOCK_WORDS + lanes[base + _HEAD_AT]
        place = level if level < header[_BIDS] else asks_at + level - header[_BIDS]
        keys[place] = words[at]
        quantities[place] = pairs[at + 1]
        lanes[base + _HEAD_AT] += 2
    _let_go(words, lanes, pool, base, levels)


@kernel
def _drop(words: Any, lanes: Any, pool: Any, lane: Any, header: Any) -> None:
    """Take the oldest event out of a queue that has one, and forget it."""
    base = lane * LANE_WORDS
    _read_header(words, lanes, pool, base, header)
    lanes[base + _HEAD_AT] += HEADER_WORDS
    levels = header[_BIDS] + header[_ASKS]
    rest = 2 * levels
    while rest > BLOCK_WORDS - lanes[base + _HEAD_AT]:
        rest -= BLOCK_WORDS - lanes[base + _HEAD_AT]
        _shrink(words, lanes, pool, base)
    lanes[base + _HEAD_AT] += rest
    _let_go(words, lanes, pool, base, levels)


@kernel
def _let_go(words: Any, lanes: Any, pool: Any, base: Any, levels: Any) -> None:
    """Count an event that has left; a queue without events has no blocks."""
    lanes[base + _EVENTS] -= 1
    lanes[base + _LEVELS] -= levels
    if lanes[base + _EVENTS] == 0:
        _clear_queue(words, lanes, pool, base)


@kernel
def _clear_queue(words: Any, lanes: Any, pool: Any, base: Any) -> None:
    while lanes[base + _HEAD] != _NONE:
        _shrink(words, lanes, pool, base)
    lanes[base + _EVENTS] = 0
    lanes[base + _LEVELS] = 0


@kernel
def _clear(words: Any, lanes: Any, pool: Any, lane: Any) -> None:
    """Forget all events of a queue."""
    _clear_queue(words, lanes, pool, lane * LANE_WORDS)


class HeldEvents:
    """The queues of so many instruments.

    `keys` (i64, prices in 1e-8 quote units) and `quantities` (f64, absolute) are where the levels
    of the event at hand are, bids from 0 and asks from `asks_at` on. `blocks` of BLOCK_WORDS words
    are shared by all; 0 for as many as so many instruments may want.
    """

    def __init__(
        self,
        instruments: int,
        keys: npt.NDArray[np.int64],
        quantities: npt.NDArray[np.float64],
        asks_at: int,
        blocks: int = 0,
    ) -> None:
        blocks = blocks or min(BLOCKS_EACH * instruments, MOST_BLOCKS)
        self.words = np.zeros(blocks * BLOCK_WORDS, np.int64)
        self.words[::BLOCK_WORDS] = np.arange(1, blocks + 1)
        self._pool = np.array([0, blocks], np.int64)
        self._lanes = np.zeros((instruments, LANE_WORDS), np.int64)
        self._lanes[:, _HEAD] = _NONE
        self._header = np.zeros(HEADER_WORDS, np.int64)
        self._queues = (self.words, self._lanes.reshape(-1), self._pool)
        self._paired = (self.words, self.words.view(np.float64), *self._queues[1:])
        self._hand = (self._header, keys, quantities, asks_at)

    @property
    def free_blocks(self) -> int:
        """Blocks that no queue has."""
        return int(self._pool[_FREE_BLOCKS])

    def events(self, lane: int) -> int:
        """How many events a queue holds."""
        return int(self._lanes[lane, _EVENTS])

    def levels(self, lane: int) -> int:
        """How many changed levels all its events have."""
        return int(self._lanes[lane, _LEVELS])

    def put(self, lane: int, event: DepthEvent) -> bool:
        """Keep the event at hand, whose head this is; False when the pool has no room for it."""
        _PACK_HEADER(self._header.data.cast("B"), 0, *event)
        return bool(_put(*self._paired, lane, *self._hand))

    def oldest(self, lane: int) -> DepthEvent:
        """The head of the oldest event; there must be one."""
        assert self.events(lane), "an empty queue has no oldest event"
        _oldest(*self._queues, lane, self._header)
        return DepthEvent(*self._header[:7].tolist())

    def take(self, lane: int) -> DepthEvent:
        """The oldest event, which leaves the queue; its levels are at hand. There must be one."""
        assert self.events(lane), "an empty queue has no oldest event"
        _take(*self._paired, lane, *self._hand)
        return DepthEvent(*self._header[:7].tolist())

    def drop(self, lane: int) -> None:
        """Forget the oldest event; there must be one."""
        assert self.events(lane), "an empty queue has no oldest event"
        _drop(*self._queues, lane, self._header)

    def clear(self, lane: int) -> None:
        """Forget all events of a queue."""
        if self.events(lane):
            _clear(*self._queues, lane)

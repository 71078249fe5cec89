"""Queues of depth events over one pool: nothing lost, mixed up or kept for good."""

from __future__ import annotations

from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aegis.feed.held_events import BLOCK_WORDS, DepthEvent, HeldEvents
from aegis.feed.tokens import MAX_LEVELS

LANES = 3
SMALL_BLOCKS = 12

# (lane, what to do with it, bids, asks)
Move = tuple[int, str, int, int]
MOVES = st.lists(
    st.tuples(
        st.integers(0, LANES - 1),
        st.sampled_from(("put", "put", "put", "take", "drop", "clear")),
        st.one_of(st.integers(0, 5), st.integers(0, 700)),
        st.one_of(st.integers(0, 5), st.integers(0, 700)),
    ),
    max_size=60,
)
Held = tuple[DepthEvent, list[int], list[float]]


class Stand:
    """The queues, and beside them deques of whole events that say what must come out."""

    def __init__(self, blocks: int) -> None:
        self.keys = np.zeros(2 * MAX_LEVELS, np.int64)
        self.quantities = np.zeros(2 * MAX_LEVELS)
        self.held = HeldEvents(LANES, self.keys, self.quantities, MAX_LEVELS, blocks)
        self.wanted: list[deque[Held]] = [deque() for _ in range(LANES)]
        self.number = 0

    def put(self, lane: int, bids: int, asks: int) -> bool:
        self.number += 1
        event = DepthEvent(self.number, self.number, self.number - 1, -1, 2**62, bids, asks)
        levels = np.arange(bids + asks) + 10_000 * self.number
        for at, part in ((0, levels[:bids]), (MAX_LEVELS, levels[bids:])):
            self.keys[at : at + part.size] = part
            self.quantities[at : at + part.size] = part / 8.0
        is_kept = self.held.put(lane, event)
        if is_kept:
            self.wanted[lane].append((event, levels.tolist(), (levels / 8.0).tolist()))
        return is_kept

    def take(self, lane: int) -> None:
        wanted = self.wanted[lane].popleft()
        self.keys[:], self.quantities[:] = -1, np.nan
        event = self.held.take(lane)
        bids, asks = slice(0, event.bids), slice(MAX_LEVELS, MAX_LEVELS + event.asks)
        keys = [*self.keys[bids].tolist(), *self.keys[asks].tolist()]
        quantities = [*self.quantities[bids].tolist(), *self.quantities[asks].tolist()]
        assert (event, keys, quantities) == wanted

    def check(self) -> None:
        for lane, wanted in enumerate(self.wanted):
            assert self.held.events(lane) == len(wanted)
            assert self.held.levels(lane) == sum(event.levels for event, _, _ in wanted)
            if wanted:
                assert self.held.oldest(lane) == wanted[0][0]


@given(MOVES)
def test_what_was_put_comes_out_whole_and_in_order(moves: list[Move]) -> None:
    stand = Stand(SMALL_BLOCKS)
    for lane, what, bids, asks in moves:
        if what == "put":
            words = BLOCK_WORDS * stand.held.free_blocks
            is_kept = stand.put(lane, bids, asks)
            # A block's link and the rest of the block before it are what a queue costs.
            assert is_kept or 2 * (bids + asks) + 8 > words * 0.99 - BLOCK_WORDS
        elif what == "clear":
            stand.held.clear(lane)
            stand.wanted[lane].clear()
        elif stand.wanted[lane] and what == "take":
            stand.take(lane)
        elif stand.wanted[lane]:
            stand.held.drop(lane)
            stand.wanted[lane].popleft()
        stand.check()
    for lane in range(LANES):
        while stand.wanted[lane]:
            stand.take(lane)
    assert stand.held.free_blocks == SMALL_BLOCKS, "an empty queue has no blocks"


def test_the_largest_event_fits_into_the_smallest_pool() -> None:
    stand = Stand(HeldEvents(1, np.zeros(0, np.int64), np.zeros(0), 0).free_blocks)
    for _ in range(5):
        assert stand.put(0, MAX_LEVELS, MAX_LEVELS)
        stand.take(0)


def test_memory_that_was_used_is_used_again() -> None:
    stand = Stand(0)
    blocks = stand.held.free_blocks
    for _ in range(1000):
        assert stand.put(0, 100, 100)
        stand.take(0)
    used = np.flatnonzero(stand.held.words.reshape(-1, BLOCK_WORDS)[:, 2])
    assert stand.held.free_blocks == blocks
    assert used.size == 1, "the block that was freed last is the next to be taken"

"""The full book's kernels against a dict."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.feed.book import FullBook, apply_side, best_price
from aegis.feed.tokens import PRICE_SCALE

CAPACITY = 64
levels = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 3)), max_size=30, unique_by=lambda level: level[0]
)


class Side:
    """One side over its own arrays, with `spare` unused cells on both ends that must not change."""

    def __init__(self, sign: int, capacity: int = CAPACITY, spare: int = 4) -> None:
        self.sign, self.capacity, self.base, self.count = sign, capacity, spare, 0
        self.keys = np.full(capacity + 2 * spare, -7, np.int64)
        self.quantities = np.full(capacity + 2 * spare, -7.0)

    def apply(self, changes: list[tuple[int, float]]) -> None:
        keys = np.array([price for price, _ in changes] + [99], np.int64)
        quantities = np.array([float(quantity) for _, quantity in changes] + [99.0])
        self.count = apply_side(
            self.keys, self.quantities, self.base, self.count, self.capacity, self.sign,
            keys, quantities, 0, len(changes),
        )  # fmt: skip

    @property
    def live(self) -> dict[int, float]:
        run = slice(self.base, self.base + self.count)
        keys, quantities = self.keys[run], self.quantities[run]
        assert (np.diff(keys) > 0).all(), "keys must ascend"
        assert self.count == 0 or quantities[-1] > 0.0, "the top must be a live level"
        pairs = zip((keys * self.sign).tolist(), quantities.tolist(), strict=True)
        return {key: quantity for key, quantity in pairs if quantity > 0.0}

    def assert_neighbours_untouched(self) -> None:
        for cells in (self.keys, self.quantities):
            assert (cells[: self.base] == -7).all()
            assert (cells[self.base + self.capacity :] == -7).all()


@settings(max_examples=300, deadline=None)
@given(sign=st.sampled_from([1, -1]), events=st.lists(levels, max_size=12), ordered=st.booleans())
def test_a_side_equals_a_dict(
    sign: int, events: list[list[tuple[int, int]]], ordered: bool
) -> None:
    side, expected = Side(sign), dict[int, float]()
    for event in events:
        side.apply(sorted(event) if ordered else event)
        for price, quantity in event:
            expected[price] = float(quantity)
        expected = {price: quantity for price, quantity in expected.items() if quantity > 0}
        assert side.live == expected
        if expected:
            best = max(expected) if sign > 0 else min(expected)
            assert best_price(side.keys, side.base, side.count, sign) == best / PRICE_SCALE
    side.assert_neighbours_untouched()


@settings(max_examples=200, deadline=None)
@given(sign=st.sampled_from([1, -1]), event=levels)
def test_applying_an_event_twice_is_harmless(sign: int, event: list[tuple[int, int]]) -> None:
    once, twice = Side(sign), Side(sign)
    start = [(price, 5.0) for price in range(10, 30)]
    for side in (once, twice):
        side.apply(start)
        side.apply(sorted(event))
    twice.apply(sorted(event))
    assert once.live == twice.live


@settings(max_examples=200, deadline=None)
@given(
    sign=st.sampled_from([1, -1]),
    prices=st.lists(st.integers(1, 10_000), min_size=1, max_size=120, unique=True),
)
def test_a_full_side_gives_up_levels_far_from_the_top(sign: int, prices: list[int]) -> None:
    capacity = 16
    side = Side(sign, capacity)
    for price in prices:
        side.apply([(price, 1.0)])
        assert 0 < side.count <= capacity
    ranked = sorted(prices, reverse=sign > 0)
    kept = sorted(side.live, reverse=sign > 0)
    # What is left is the newest, and an unbroken run of the best except for the last ones to come.
    assert set(kept) <= set(ranked)
    assert kept[0] == ranked[0]
    assert len(kept) >= min(len(ranked), capacity * 7 // 8)
    side.assert_neighbours_untouched()


def test_removed_levels_make_room_before_live_ones_are_given_up() -> None:
    side = Side(1, 16)
    side.apply([(price, 1.0) for price in range(1, 17)])
    side.apply([(price, 0.0) for price in range(1, 13)])
    assert side.count == 16
    side.apply([(price, 2.0) for price in range(20, 30)])
    assert side.live == {
        **dict.fromkeys(range(13, 17), 1.0),
        **dict.fromkeys(range(20, 30), 2.0),
    }


def test_removing_the_top_uncovers_the_next_live_level() -> None:
    side = Side(-1)
    side.apply([(price, 1.0) for price in range(100, 110)])
    side.apply([(101, 0.0), (102, 0.0)])
    side.apply([(100, 0.0)])
    assert min(side.live) == 103
    assert best_price(side.keys, side.base, side.count, -1) == 103 / PRICE_SCALE
    side.apply([(price, 0.0) for price in range(100, 110)])
    assert side.count == 0


def test_a_book_is_loaded_best_first_and_shown_best_first() -> None:
    book = FullBook(np.zeros((2, 4), np.int64), np.zeros((2, 4)), np.zeros(2, np.int64))
    bids = np.array([5, 4, 3, 2, 1], np.int64) * PRICE_SCALE
    asks = np.array([6, 7], np.int64) * PRICE_SCALE
    assert book.load(0, bids, np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == 4
    assert book.load(1, asks, np.array([1.5, 2.5])) == 2
    assert book.bids.tolist() == [[5.0, 1.0], [4.0, 2.0], [3.0, 3.0], [2.0, 4.0]]
    assert book.asks.tolist() == [[6.0, 1.5], [7.0, 2.5]]


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 2**53 - 1))
def test_a_price_key_gives_the_double_nearest_to_its_decimal(key: int) -> None:
    text = f"{key // PRICE_SCALE}.{key % PRICE_SCALE:08d}"
    assert best_price(np.array([key], np.int64), 0, 1, 1) == float(text)

"""The order book against a slow, obvious matcher, and what it tells the depth streams."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.venue.matching.book import OrderBook
from aegis.venue.matching.interface import BUY, SELL, STP_EXPIRE_MAKER, IdSource
from tests.venue.slow_matcher import SlowMatcher


@dataclass(frozen=True)
class Step:
    owner: int
    side: int
    price: int
    lots: int
    rest: bool
    stp: int
    cancel: int  # which of the earlier orders to cancel instead, 0 for none


STEPS = st.lists(
    st.builds(
        Step,
        owner=st.integers(1, 3),
        side=st.sampled_from((BUY, SELL)),
        price=st.integers(95, 105),
        lots=st.integers(1, 9),
        rest=st.booleans(),
        stp=st.integers(0, 3),
        cancel=st.one_of(st.just(0), st.just(0), st.integers(1, 40)),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_agrees_with_the_slow_matcher(steps: list[Step]) -> None:
    book, slow = OrderBook(IdSource()), SlowMatcher()
    followed: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
    last_id = 0
    for order_id, step in enumerate(steps, 1):
        if step.cancel:
            assert book.cancel(step.cancel) == slow.cancel(step.cancel)
        else:
            stp = step.stp
            found = book.available(step.owner, step.side, step.price, stp, 10**9)
            got = book.submit(
                order_id, step.owner, step.side, step.price, step.lots, rest=step.rest, stp=stp
            )
            want = slow.submit(
                order_id, step.owner, step.side, step.price, step.lots, step.rest, stp
            )
            fills = [(f.maker_id, f.price_ticks, f.qty_lots, f.maker_left_lots) for f in got.fills]
            assert fills == want.fills
            assert [(e.order_id, e.left_lots) for e in got.expired] == want.expired
            assert (got.left_lots, got.stopped, got.rested) == (
                want.left,
                want.stopped,
                want.rested,
            )
            assert step.lots - got.left_lots == min(found, step.lots)
        for side in (BUY, SELL):
            assert book.depth(side, 99) == slow.depth(side)
            assert book.best(side) == (slow.depth(side) or [(0, 0)])[0]
        last_id = _follow(book, followed, last_id)
    assert len(book) == len(slow.resting)


def _follow(book: OrderBook, followed: dict[int, dict[int, int]], last_id: int) -> int:
    """Apply the book's changes as a client of the depth stream would, and compare."""
    changes = book.take_changes()
    if changes is None:
        return last_id
    assert last_id < changes.first_id <= changes.last_id == book.last_update_id()
    for side, levels in ((BUY, changes.bids), (SELL, changes.asks)):
        assert levels == sorted(levels)
        for price, lots in levels:
            followed[side][price] = lots
        followed[side] = {price: lots for price, lots in followed[side].items() if lots}
        assert followed[side] == dict(book.depth(side, 99))
    return changes.last_id


def test_time_priority_within_a_price() -> None:
    book = OrderBook(IdSource())
    for order_id in (1, 2, 3):
        book.submit(order_id, order_id, SELL, 100, 5, rest=True)
    book.cancel(1)
    matched = book.submit(9, 9, BUY, 100, 7, rest=False)
    assert [(fill.maker_id, fill.qty_lots) for fill in matched.fills] == [(2, 5), (3, 2)]


def test_available_counts_what_self_trade_prevention_leaves() -> None:
    book = OrderBook(IdSource())
    book.submit(1, 7, SELL, 100, 5, rest=True)
    book.submit(2, 8, SELL, 101, 5, rest=True)
    assert book.available(7, BUY, 101, 0, 99) == 10
    assert book.available(7, BUY, 101, STP_EXPIRE_MAKER, 99) == 5
    assert book.available(7, BUY, 101, 0, 3) == 3

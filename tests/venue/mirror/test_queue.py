"""Our place in a recorded queue: worked examples, and bounds that hold for any recording."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.mirror.queue import OwnQueue, Queued


def join(
    queue: OwnQueue, order_id: int, price: int, lots: int, shown: int, side: int = BUY
) -> Queued:
    order = Queued(order_id, 16, side, price, lots, 0)
    queue.join(order, shown)
    return order


def fills(result: list) -> list[tuple[int, int, int, int]]:
    return [(f.maker_id, f.price_ticks, f.qty_lots, f.maker_left_lots) for f in result]


def test_trades_eat_the_front_first() -> None:
    queue = OwnQueue(itertools.count(1).__next__)
    order = join(queue, 1, 100, 5, shown=10)
    assert fills(queue.trade(BUY, 100, 4)) == []
    assert order.front_lots == 6
    assert fills(queue.trade(BUY, 100, 8)) == [(1, 100, 2, 3)]
    assert fills(queue.trade(BUY, 100, 9)) == [(1, 100, 3, 0)]
    assert len(queue) == 0


def test_a_decrease_that_a_trade_explains_moves_nobody_twice() -> None:
    queue = OwnQueue(itertools.count(1).__next__)
    order = join(queue, 1, 100, 5, shown=10)
    queue.trade(BUY, 100, 4)
    queue.observe(BUY, 100, 6)
    assert order.front_lots == 6


def test_a_cancellation_moves_us_in_proportion_and_never_behind_what_is_shown() -> None:
    queue = OwnQueue(itertools.count(1).__next__)
    order = join(queue, 1, 100, 5, shown=10)
    queue.observe(BUY, 100, 20)  # others queued up behind
    assert order.front_lots == 10
    queue.observe(BUY, 100, 16)  # 4 of 20 cancelled: 2 of them before us
    assert order.front_lots == 8
    queue.observe(BUY, 100, 3)
    assert order.front_lots == 3 - 0 or order.front_lots < 3
    queue.observe(BUY, 100, 0)
    assert order.front_lots == 0


def test_a_print_through_our_price_fills_at_our_price() -> None:
    queue = OwnQueue(itertools.count(1).__next__)
    join(queue, 1, 100, 5, shown=50)
    join(queue, 2, 99, 5, shown=0)
    assert fills(queue.trade(BUY, 98, 7)) == [(1, 100, 5, 0), (2, 99, 2, 3)]


def test_a_print_on_the_other_side_or_behind_us_does_nothing() -> None:
    queue = OwnQueue(itertools.count(1).__next__)
    join(queue, 1, 100, 5, shown=0)
    assert queue.trade(SELL, 90, 5) == []
    assert queue.trade(BUY, 101, 5) == []


def test_two_of_ours_at_one_price_fill_by_age() -> None:
    queue = OwnQueue(itertools.count(1).__next__)
    join(queue, 1, 100, 2, shown=1)
    join(queue, 2, 100, 2, shown=1)
    assert fills(queue.trade(BUY, 100, 4)) == [(1, 100, 2, 0), (2, 100, 1, 1)]


def test_a_recorded_order_through_ours_fills_us() -> None:
    queue = OwnQueue(itertools.count(1).__next__)
    join(queue, 1, 100, 5, shown=50)
    join(queue, 2, 110, 5, shown=50, side=SELL)
    assert fills(queue.cross(BUY, 101, 9)) == []
    assert fills(queue.cross(BUY, 100, 3)) == [(1, 100, 3, 2)]
    assert fills(queue.cross(SELL, 111, 9)) == [(2, 110, 5, 0)]
    assert queue.cross(BUY, 0, 0) == []


EVENTS = st.lists(
    st.tuples(st.sampled_from(("trade", "show", "join")), st.integers(98, 102), st.integers(0, 30)),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(EVENTS)
def test_fronts_stay_within_bounds_and_fills_within_the_prints(events: list) -> None:
    queue = OwnQueue(itertools.count(1).__next__)
    shown: dict[int, int] = {}
    placed: dict[int, int] = {}
    filled: dict[int, int] = {}
    for number, (what, price, lots) in enumerate(events, 1):
        if what == "join" and lots:
            join(queue, number, price, lots, shown.get(price, 0))
            placed[number] = lots
        elif what == "show":
            shown[price] = lots
            queue.observe(BUY, price, lots)
        elif what == "trade" and lots:
            result = queue.trade(BUY, price, lots)
            assert sum(fill.qty_lots for fill in result) <= lots
            for fill in result:
                assert fill.price_ticks >= price
                filled[fill.maker_id] = filled.get(fill.maker_id, 0) + fill.qty_lots
        for order in queue.by_priority(BUY):
            assert 0 <= order.front_lots <= max(shown.get(order.price_ticks, 0), 0)
            assert order.left_lots == placed[order.order_id] - filled.get(order.order_id, 0) > 0

"""Reducing orders never open a position, whatever stands beside them: tried by filling them all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aegis.venue.ledger import BOTH, LONG, SHORT, Account
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.orders import Order
from aegis.venue.reducing import by_priority, knocked_out, reducible_lots, room_lots

resting = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 10), st.booleans()), max_size=8
)  # price, lots, reduce-only


def make(number: int, side: int, ticks: int, lots: int, reduces: bool, of: str = BOTH) -> Order:
    return Order(
        order_id=number, client_id=f"c{number}", account_id=16, symbol="BTCUSDT", side=side,
        kind="LIMIT", tif="GTC", price_ticks=ticks, qty_lots=lots, reduce_only=reduces, stp=0,
        created_ms=0, updated_ms=0, position_side=of, arrival=number,
    )  # fmt: skip


def account_with(lots: int, side: str = BOTH) -> Account:
    account = Account(16, "client-0", hedged=side != BOTH)
    account.position("BTCUSDT", side).lots = lots
    return account


@given(held=st.integers(-20, 20), rows=resting, side=st.sampled_from((BUY, SELL)))
def test_whatever_is_left_could_fill_in_its_order(
    held: int, rows: list[tuple[int, int, bool]], side: int
) -> None:
    orders = [make(number, side, *row) for number, row in enumerate(rows, 1)]
    queue = by_priority(orders, BOTH, side)
    reducible = reducible_lots(account_with(held), "BTCUSDT", BOTH, side)
    doomed = knocked_out(reducible, queue)
    position = held
    for order in queue:
        if order in doomed:
            continue
        after = position + side * order.left_lots
        if order.reduces:
            assert abs(after) < abs(position) and after * position >= 0
        position = after
    # And none went that could have stayed: with it back, it would open.
    for order in doomed:
        before = held + side * sum(
            other.left_lots for other in queue[: queue.index(order)] if other not in doomed
        )
        after = before + side * order.left_lots
        assert abs(after) >= abs(before) or after * before < 0


@given(held=st.integers(-20, 20), rows=resting, ticks=st.integers(1, 5), lots=st.integers(1, 10))
def test_room_is_what_the_newcomer_may_have(
    held: int, rows: list[tuple[int, int, bool]], ticks: int, lots: int
) -> None:
    orders = [make(number, SELL, *row) for number, row in enumerate(rows, 1)]
    reducible = reducible_lots(account_with(held), "BTCUSDT", BOTH, SELL)
    queue = by_priority(orders, BOTH, SELL)
    for order in knocked_out(reducible, queue):
        queue.remove(order)
    room = room_lots(reducible, queue, SELL, ticks)
    newcomer = make(99, SELL, ticks, lots, True)
    doomed = knocked_out(reducible, by_priority([*queue, newcomer], BOTH, SELL))
    assert (newcomer in doomed) == (lots > room)


def test_in_hedge_mode_the_side_says_what_reduces() -> None:
    assert reducible_lots(account_with(7, LONG), "BTCUSDT", LONG, SELL) == 7
    assert reducible_lots(account_with(7, LONG), "BTCUSDT", LONG, BUY) == 0
    assert reducible_lots(account_with(-7, SHORT), "BTCUSDT", SHORT, BUY) == 7
    closing = make(1, SELL, 5, 3, False, LONG)
    opening = make(2, SELL, 5, 3, False, SHORT)
    assert (closing.reduces, opening.reduces) == (True, False)
    assert by_priority([closing, opening], LONG, SELL) == [closing]


def test_a_market_order_goes_before_all_others() -> None:
    queue = by_priority([make(1, SELL, 1, 9, True)], BOTH, SELL)
    assert room_lots(10, queue, SELL, 0) == 10
    assert room_lots(10, queue, SELL, 1) == 1

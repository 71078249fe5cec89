"""The compiled books against a slow, obvious matcher, command by command, for several symbols."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.venue.matching import kernels
from aegis.venue.matching.book import CompiledBook, take_sums
from aegis.venue.matching.interface import (
    BUY,
    FIRST_CLIENT,
    OWNER_MAKERS,
    OWNER_TAKERS,
    SELL,
    STP_EXPIRE_MAKER,
    IdSource,
)
from aegis.venue.matching.layout import (
    FILL_COUNT,
    FREE_COUNT,
    LAST_TRADE,
    MAX_TURNOVER,
    REST,
    make_books,
)
from aegis.venue.tape import HEADROOM, Tape
from tests.venue.matching.floor import START_MS, Command, Floor, queue_of

OWNERS = (OWNER_MAKERS, OWNER_TAKERS, FIRST_CLIENT, FIRST_CLIENT + 1)
COMMANDS = st.lists(
    st.builds(
        Command,
        symbol=st.integers(0, 2),
        owner=st.sampled_from(OWNERS),
        side=st.sampled_from((BUY, SELL)),
        price=st.integers(95, 105),
        lots=st.integers(1, 9),
        rest=st.booleans(),
        stp=st.integers(0, 3),
        cancel=st.one_of(st.just(0), st.just(0), st.integers(1, 60)),
    ),
    max_size=80,
)


@settings(max_examples=150, deadline=None)
@given(COMMANDS)
def test_agrees_with_the_slow_matcher(commands: list[Command]) -> None:
    floor = Floor(3)
    for command in commands:
        floor.run(command)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_agrees_with_the_slow_matcher_for_thousands_of_commands(seed: int) -> None:
    """Wide books, a long queue here and there, and old orders among new ones in the index."""
    dice = random.Random(seed)
    floor = Floor(4, levels=256, orders=1_024)
    for _ in range(4_000):
        symbol, side = dice.randrange(4), dice.choice((BUY, SELL))
        resting = floor.slow[symbol].resting
        cancel = 0
        if len(resting) > 60 or (resting and dice.random() < 0.3):
            cancel = dice.choice(resting).order_id
        marketable = dice.random() < 0.2
        distance = int(dice.expovariate(0.05)) * (-1 if marketable else 1)
        floor.run(
            Command(
                symbol, dice.choice(OWNERS), side, 1_000 - side * (1 + distance),
                1 + int(dice.expovariate(0.1)), not marketable or dice.random() < 0.5,
                dice.randrange(4), cancel,
            )
        )  # fmt: skip
    assert floor.ids.trade > 500


def test_time_priority_within_a_price() -> None:
    floor = Floor(1)
    book = floor.compiled[0]
    for order_id in (1, 2, 3):
        book.submit(order_id, order_id, SELL, 100, 5, now_ms=START_MS, rest=True)
    book.cancel(1, START_MS)
    matched = book.submit(9, 9, BUY, 100, 7, now_ms=START_MS, rest=False)
    assert [(fill.maker_id, fill.qty_lots) for fill in matched.fills] == [(2, 5), (3, 2)]


def test_an_amended_order_goes_to_the_end_of_the_queue() -> None:
    floor = Floor(1)
    book = floor.compiled[0]
    for order_id in (1, 2):
        book.submit(order_id, 16, SELL, 100, 5, now_ms=START_MS, rest=True)
    left = book.cancel(1, START_MS)
    book.submit(1, 16, SELL, 100, left - 1, now_ms=START_MS, rest=True)
    assert queue_of(floor.books, 0, SELL, 100) == [(2, 16, 5), (1, 16, 4)]


def test_available_counts_what_self_trade_prevention_leaves() -> None:
    book = Floor(1).compiled[0]
    book.submit(1, 7, SELL, 100, 5, now_ms=START_MS, rest=True)
    book.submit(2, 8, SELL, 101, 5, now_ms=START_MS, rest=True)
    assert book.available(7, BUY, 101, 0, 99) == 10
    assert book.available(7, BUY, 101, STP_EXPIRE_MAKER, 99) == 5
    assert book.available(7, BUY, 101, 0, 3) == 3


def test_an_order_that_finds_no_room_is_refused_whole() -> None:
    tape = Tape()
    books = make_books(1, tape, levels=3, orders=5)
    book, ids = CompiledBook(books, 0), IdSource(books.ids, books.symbols[:, LAST_TRADE])
    for price in (100, 99, 98):
        assert book.submit(ids.next_order(), 1, BUY, price, 5, now_ms=1, rest=True).rested
    book.submit(ids.next_order(), 2, SELL, 105, 5, now_ms=1, rest=True)
    before = (len(tape), ids.trade, ids.update, book.depth(BUY, 9), book.depth(SELL, 9))
    # No fourth price, though it would trade at first; a price that is there has room.
    assert not book.has_room(BUY, 106)
    refused = book.submit(ids.next_order(), 3, BUY, 106, 9, now_ms=1, rest=True)
    assert (refused.refused, refused.left_lots, refused.fills) == (True, 9, [])
    assert (len(tape), ids.trade, ids.update, book.depth(BUY, 9), book.depth(SELL, 9)) == before
    assert book.submit(ids.next_order(), 3, BUY, 98, 1, now_ms=1, rest=True).rested
    # All slots are taken now; an order that does not rest needs none, and frees one.
    assert not book.has_room(SELL, 105)
    assert book.submit(ids.next_order(), 3, SELL, 90, 1, now_ms=1, rest=True).refused
    assert not book.submit(ids.next_order(), 3, BUY, 105, 5, now_ms=1, rest=False).left_lots
    assert book.has_room(SELL, 105)
    assert books.state[FREE_COUNT] == 1


def test_a_tape_that_nobody_reads_stops_the_caller_and_changes_nothing() -> None:
    tape = Tape()
    books = make_books(1, tape)
    book = CompiledBook(books, 0)
    book.submit(1, 1, BUY, 100, 5, now_ms=1, rest=True)
    tape.cursor[0] = len(tape.records)
    with pytest.raises(AssertionError, match="nobody has read it"):
        book.submit(2, 2, SELL, 100, 5, now_ms=1, rest=False)
    with pytest.raises(AssertionError, match="nobody has read it"):
        book.cancel(1, 1)
    tape.clear()
    assert book.depth(BUY, 9) == [(100, 5)]


def test_the_largest_order_fits_into_the_headroom() -> None:
    """A side that is as full as it may be, taken in one go: every record and fill is there."""
    tape = Tape()
    books = make_books(1, tape, levels=4_096, orders=16_384)
    book = CompiledBook(books, 0)
    order_id = 0
    while book.has_room(SELL, 1_000 + order_id % 4_096):
        order_id += 1
        tape.clear()
        book.submit(order_id, FIRST_CLIENT, SELL, 1_000 + order_id % 4_096, 1, now_ms=1, rest=True)
    assert order_id == 8_192
    tape.cursor[0] = len(tape.records) - HEADROOM
    matched = book.submit(order_id + 1, FIRST_CLIENT + 1, BUY, 10**6, 10**6, now_ms=1, rest=True)
    assert len(matched.fills) == order_id
    assert kernels.end_step(books, 0, 1) == 1
    assert len(tape) <= len(tape.records)
    assert len(book) == 1 and book.best(BUY) == (10**6, 10**6 - order_id)


def test_only_fills_that_concern_clients_are_reported_unasked() -> None:
    books = make_books(1, Tape())
    flags = np.int64(REST)
    kernels.submit(books, 0, 1, OWNER_MAKERS, SELL, 100, 5, flags, 1)
    kernels.submit(books, 0, 2, FIRST_CLIENT, SELL, 100, 5, flags, 1)
    kernels.submit(books, 0, 3, OWNER_TAKERS, BUY, 100, 5, 0, 1)
    assert books.state[FILL_COUNT] == 0
    kernels.submit(books, 0, 4, OWNER_TAKERS, BUY, 100, 5, 0, 1)
    assert books.state[FILL_COUNT] == 1
    assert sorted((one.owner, one.lots, one.turnover) for one in take_sums(books)) == [
        (OWNER_MAKERS, -5, -500), (OWNER_TAKERS, 10, 1_000),
    ]  # fmt: skip


def test_sums_are_exact_where_a_word_would_overflow() -> None:
    books = make_books(1, Tape())
    price, lots, turns = 10**9, MAX_TURNOVER // 10**9, 9
    for turn in range(turns):
        kernels.submit(books, 0, 2 * turn + 1, OWNER_MAKERS, SELL, price, lots, REST, 1)
        kernels.submit(books, 0, 2 * turn + 2, OWNER_TAKERS, BUY, price, lots, 0, 1)
    sums = {one.owner: one for one in take_sums(books)}
    assert sums[OWNER_TAKERS].turnover == turns * price * lots > 2**63
    assert sums[OWNER_MAKERS].turnover == -turns * price * lots
    assert list(take_sums(books)) == []

"""The measured stream: it trades, repeats itself, and leaves nothing behind."""

from __future__ import annotations

import resource

import numpy as np

from aegis.venue.matching.layout import FREE_COUNT, ORDER, REFUSALS, SIDE_ORDERS
from aegis.venue.matching.workload import LIVE, Stream, measure


def test_the_stream_is_a_market_and_the_same_every_time() -> None:
    first, second = (measure(orders=100_000, symbols=3, seed=7) for _ in range(2))
    assert (first.trades, first.records, first.resting) == (
        second.trades,
        second.records,
        second.resting,
    )
    assert first.refused == 0
    assert 5_000 < first.trades < 30_000
    assert first.records > 100_000
    assert 0 < first.resting <= 3 * LIVE


def test_a_million_orders_take_no_memory() -> None:
    """Slots come back, the index is cleaned, and the process does not grow."""
    stream = Stream(symbols=5)
    stream.pour(300_000)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stream.pour(1_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 4_096
    books = stream.books
    resting = int(books.sides[:, SIDE_ORDERS].sum())
    assert resting == len(books.slots) - books.state[FREE_COUNT]
    assert resting == np.count_nonzero(books.table) == np.count_nonzero(books.slots[:, ORDER])
    assert books.state[REFUSALS] == 0

"""Measures of the top against books written by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aegis.venue.stats.book import (
    Tops,
    mids_at,
    mids_before,
    move_by_imbalance,
    next_moves,
    rises,
    sampled_mids,
    spread_mode,
    spread_shares,
)


def tops(*rows: tuple[int, int, int, int, int]) -> Tops:
    return Tops(*np.array(rows, np.int64).reshape(-1, 5).T)


# time, bid, lots, ask, lots: middles 10.5, 10.5, 12, 11.5
BOOK = tops((0, 10, 5, 11, 5), (40, 10, 9, 11, 1), (100, 10, 9, 14, 3), (300, 11, 1, 12, 9))


def test_spreads_count_by_the_time_they_stood() -> None:
    assert spread_shares(BOOK) == pytest.approx({1: 1 / 3, 4: 2 / 3})
    assert spread_mode(BOOK) == 4.0
    assert math.isnan(spread_mode(tops()))


def test_the_middle_is_that_of_the_newest_change() -> None:
    times = np.array([0, 39, 100, 299, 300, 900])
    assert mids_at(BOOK, times).tolist() == [10.5, 10.5, 12.0, 12.0, 11.5, 11.5]
    assert mids_before(BOOK, times).tolist() == [10.5, 10.5, 10.5, 12.0, 12.0, 11.5]
    assert sampled_mids(BOOK, 100).tolist() == [10.5, 12.0, 12.0, 11.5]
    assert len(sampled_mids(tops(), 100)) == 0


def test_the_next_move_is_the_next_that_moves_the_middle() -> None:
    assert next_moves(BOOK).tolist() == [1.0, 1.0, -1.0, 0.0]


def test_moves_by_imbalance_weigh_states_by_their_time() -> None:
    found = move_by_imbalance(BOOK, (0.4, 0.8))
    # Bids' shares: 0.5 for 40 ms, 0.9 for 60 ms (both up next), 0.75 for 200 ms (down next).
    assert math.isnan(found[0]), "the last state has not been followed by anything"
    assert found[1:] == pytest.approx([(40 - 200) / 240, 1.0])


def test_rises() -> None:
    assert rises([-1.0, 0.0, 0.5])
    assert not rises([-1.0, 0.5, 0.5])
    assert not rises([-1.0, math.nan, 0.5])


def test_one_sided_books_are_left_out() -> None:
    book = tops((0, 10, 5, 11, 5), (1, 0, 0, 11, 5), (2, 10, 5, 0, 0), (3, 9, 1, 11, 1))
    assert book.two_sided().time_ms.tolist() == [0, 3]
    assert book.two_sided().mids().tolist() == [10.5, 10.0]

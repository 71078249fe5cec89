"""Seqlock books: a reader sees one whole book or none, whatever the writer is doing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from aegis.host.clock import monotonic_ns
from aegis.shm import books
from aegis.shm.absence import Reason
from aegis.shm.books import (
    DEPTH,
    FLAGS,
    MAX_DEPTH,
    SEQUENCE,
    VALID,
    Books,
    book_bytes,
    book_read,
    book_words,
)
from aegis.shm.errors import LayoutMismatch
from aegis.shm.instance import InstanceMemory
from aegis.shm.region import Region
from tests.shm.conftest import Fork
from tests.shm.forked import pin
from tests.shm.kernels import hammer_book, watch_book

ROWS = 3


def side(first: float, step: float, count: int) -> np.ndarray:
    return np.column_stack([first + step * np.arange(count), np.arange(1.0, count + 1)])


@pytest.fixture
def path(shm_dir: Path) -> Path:
    return shm_dir / "books"


@pytest.fixture
def table(path: Path) -> Books:
    region = Region.create(
        path,
        kind=books.KIND,
        capacity=ROWS,
        record_bytes=book_bytes(DEPTH),
        body_bytes=ROWS * book_bytes(DEPTH),
        owner=(os.getpid(), 0),
    )
    return Books(region, depth=DEPTH)


def attached(path: Path) -> Books:
    return Books(Region.attach(path, kind=books.KIND, record_bytes=None))


def test_a_book_comes_back_as_it_was_written(table: Books, path: Path) -> None:
    bids, asks = side(100.0, -0.5, 5), side(100.5, 0.5, 7)
    table.write(1, 77, 1_000, 2_000, bids, asks)
    for reader in (table, attached(path)):
        view = reader.read(1)
        assert view is not None
        assert view[:4] == (77, 1_000, 2_000, True)
        assert (view.bids == bids).all()
        assert view.bids.shape == (5, 2)
        assert (view.asks == asks).all()
        assert reader.is_valid(1)


def test_books_do_not_touch_one_another(table: Books) -> None:
    for instrument in range(ROWS):
        deep = side(100.0 + instrument, 1.0, DEPTH)
        table.write(instrument, instrument + 1, 0, 0, deep, deep)
    for instrument in range(ROWS):
        view = table.read(instrument)
        assert view is not None
        assert view.update_id == instrument + 1
        assert (view.bids == side(100.0 + instrument, 1.0, DEPTH)).all()
        assert (view.asks == view.bids).all()


def test_only_the_top_levels_are_kept(table: Books) -> None:
    table.write(0, 1, 0, 0, side(100.0, -1.0, DEPTH + 30), side(101.0, 1.0, DEPTH))
    view = table.read(0)
    assert view is not None
    assert (view.bids == side(100.0, -1.0, DEPTH)).all()
    assert (view.asks == side(101.0, 1.0, DEPTH)).all()


def test_an_empty_and_an_unwritten_book_are_not_valid(table: Books) -> None:
    table.write(1, 5, 0, 0, side(0, 0, 0), side(0, 0, 0), valid=False)
    for instrument in (0, 1):
        view = table.read(instrument)
        assert view is not None
        assert not view.valid
        assert (view.bids.size, view.asks.size) == (0, 0)


def test_validity_changes_and_the_levels_stay(table: Books) -> None:
    table.write(2, 9, 0, 0, side(100.0, -1.0, 3), side(101.0, 1.0, 3))
    table.set_valid(2, False, Reason.GAP, 77)
    view = table.read(2)
    assert view is not None
    assert (view.valid, view.update_id, view.bids.shape) == (False, 9, (3, 2))
    assert (view.why, view.since_ns) == (Reason.GAP, 77)
    assert not table.is_valid(2)
    table.set_valid(2, True)
    assert table.is_valid(2)


@pytest.mark.parametrize("instrument", [-1, ROWS])
def test_a_book_that_is_not_there_is_an_index_error(table: Books, instrument: int) -> None:
    with pytest.raises(IndexError, match=r"holds 0\.\.2"):
        table.read(instrument)
    with pytest.raises(IndexError):
        table.set_valid(instrument, False)


def test_a_writer_that_never_lets_go_is_given_up(table: Books) -> None:
    table.write(0, 1, 0, 0, side(100.0, -1.0, 3), side(101.0, 1.0, 3))
    table.words[SEQUENCE] += np.uint64(1)
    began = time.monotonic()
    assert table.read(0) is None
    head, levels = np.zeros(8, np.uint64), np.zeros((2 * DEPTH, 2))
    assert book_read(table.words, table.levels, 0, head, levels) == 0
    assert time.monotonic() - began < 5.0
    assert table.read(1) is not None


def test_a_restarted_writer_mends_what_a_killed_one_left(table: Books) -> None:
    """SIGKILL inside a write leaves the sequence odd; it must be odd again during the next."""
    table.write(0, 1, 0, 0, side(100.0, -1.0, 3), side(101.0, 1.0, 3))
    table.words[SEQUENCE] += np.uint64(1)
    left = int(table.words[SEQUENCE])
    inside = int(books.open_book(table.words, np.uint64(0)))
    assert inside % 2 == 1
    assert inside > left
    assert table.read(0) is None
    table.write(0, 2, 0, 0, side(100.0, -1.0, 3), side(101.0, 1.0, 3))
    assert int(table.words[SEQUENCE]) % 2 == 0
    view = table.read(0)
    assert view is not None
    assert view.update_id == 2
    table.words[SEQUENCE] += np.uint64(1)
    table.set_valid(0, False)
    assert table.read(0) is not None
    assert int(table.words[FLAGS]) & VALID == 0


@pytest.mark.usefixtures("keep_affinity")
def test_no_reader_ever_sees_two_books_mixed(table: Books, fork: Fork) -> None:
    sides = np.zeros((2, DEPTH, 2))
    book = table.words, table.levels, 1
    head, levels = np.zeros(8, np.uint64), np.zeros((2 * DEPTH, 2))
    hammer_book(*book, sides, 0)
    watch_book(*book, head, levels, 0, 0)

    def hammer() -> None:
        pin(1)
        hammer_book(*book, sides, 2**40)

    child = fork(hammer)
    pin(0)
    wanted = 5_000
    seen, mixed, backwards = watch_book(
        *book, head, levels, wanted, monotonic_ns() + 20_000_000_000
    )
    child.kill()
    assert (mixed, backwards) == (0, 0)
    assert seen == wanted, "the reader saw too few books in time"


def test_the_plain_reader_never_sees_two_books_mixed(table: Books, path: Path, fork: Fork) -> None:
    sides = np.zeros((2, DEPTH, 2))
    hammer_book(table.words, table.levels, 1, sides, 0)
    child = fork(lambda: hammer_book(table.words, table.levels, 1, sides, 2**40))
    reader = attached(path)
    seen = set()
    deadline = time.monotonic() + 10.0
    while len(seen) < 60 and time.monotonic() < deadline:
        view = reader.read(1)
        if view is None or view.update_id == 0:
            continue
        number = view.update_id
        assert view.ts_event_ns == view.ts_recv_ns == number
        assert len(view.bids) == len(view.asks) == 1 + number % DEPTH
        assert (view.bids == number).all()
        assert (view.asks == number).all()
        assert view.valid == bool(number & 1)
        seen.add(number)
    child.kill()
    assert len(seen) == 60, "the reader saw too few books in time"


def test_books_are_whole_line_pairs_of_any_depth() -> None:
    assert book_words(DEPTH) == 96
    for depth in range(1, MAX_DEPTH + 1):
        assert book_bytes(depth) % 128 == 0
        assert book_words(depth) >= 16 + 4 * depth > book_words(depth) - 16


@pytest.mark.parametrize("depth", [1, 5, 21, 100, MAX_DEPTH])
def test_a_region_of_another_depth(shm_dir: Path, depth: int) -> None:
    memory = InstanceMemory.create("deep", instruments=3, shm_dir=shm_dir, book_depth=depth)
    bids, asks = side(600.0, -0.5, depth + 7), side(600.5, 0.5, depth + 3)
    for row in range(3):
        memory.books.write(row, row + 1, 1_000, 2_000, bids + row, asks + row)
    other = InstanceMemory.attach("deep", shm_dir=shm_dir)
    scratch, copied = np.zeros(8, np.uint64), np.zeros((2 * DEPTH, 2))
    for row in range(3):
        view = other.books.read(row)
        assert view is not None and view.update_id == row + 1
        assert (view.bids == bids[:depth] + row).all() and view.bids.shape == (depth, 2)
        assert (view.asks == asks[:depth] + row).all() and view.asks.shape == (depth, 2)
        # A reader takes as many as it has room for, asks from its own half on.
        assert book_read(memory.books.words, memory.books.levels, row, scratch, copied) == 1
        kept = min(depth, DEPTH)
        assert (copied[:kept] == bids[:kept] + row).all()
        assert (copied[DEPTH : DEPTH + kept] == asks[:kept] + row).all()
    assert other.books.depth == depth
    other.close()
    memory.close()
    memory.unlink()


def test_a_region_whose_depth_and_size_disagree_is_refused(table: Books, path: Path) -> None:
    table.words[7] = DEPTH + 16
    with pytest.raises(LayoutMismatch, match="with 36 levels"):
        attached(path)

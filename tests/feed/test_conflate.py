"""Conflation: the newest top of a window, nothing but tops, and nothing of a book out of force."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from aegis.feed.intake import Intake
from aegis.shm.absence import Reason
from aegis.shm.instance import InstanceMemory
from aegis.shm.tick import BOOK, QUOTE, STATUS, TRADE
from tests.feed.market import Market, frame
from tests.feed.test_intake import Driver

WINDOW_MS = 100
MS = 1_000_000


@pytest.fixture
def driver(intake: Intake, memory: InstanceMemory) -> Driver:
    driver = Driver(intake, memory)
    driver.synchronise()
    intake.conflate(WINDOW_MS, by_event=False)
    driver.now_ns += 10 * WINDOW_MS * MS
    return driver


def kinds(ticks: np.ndarray) -> list[int]:
    return [int(kind) for kind in ticks["kind"]]


def test_the_first_top_passes_and_the_newest_of_the_window_follows(driver: Driver) -> None:
    market = driver.market
    driver.send(market.quote())
    assert kinds(driver.ticks()) == [QUOTE]
    for _ in range(5):
        market.step()
        driver.send(market.quote())
    assert driver.ticks().size == 0
    driver.intake.release(driver.now_ns + (WINDOW_MS - 1) * MS)
    assert driver.ticks().size == 0
    driver.intake.release(driver.now_ns + WINDOW_MS * MS)
    (newest,) = driver.ticks()
    assert int(newest["e"]) == market.update_id
    assert driver.counter("conflated") == 4
    # The record that was let out begins a window of its own.
    market.step()
    driver.send(market.quote())
    assert driver.ticks().size == 0


def test_books_are_conflated_apart_and_the_shared_book_never_waits(driver: Driver) -> None:
    driver.send(driver.market.step())
    assert kinds(driver.ticks()) == [BOOK]
    for _ in range(3):
        driver.send(driver.market.step())
        driver.assert_book_is_true()
    driver.send(driver.market.quote())
    assert kinds(driver.ticks()) == [QUOTE]
    driver.intake.release(driver.now_ns + WINDOW_MS * MS)
    (book,) = driver.ticks()
    assert (int(book["kind"]), int(book["e"])) == (BOOK, driver.market.update_id)


def test_trades_never_wait(driver: Driver) -> None:
    for _ in range(20):
        driver.send(driver.market.trade())
    assert kinds(driver.ticks()) == [TRADE] * 20


def test_what_is_due_comes_with_the_next_message_of_anybody(driver: Driver) -> None:
    market = driver.market
    driver.send(market.quote())
    market.step()
    driver.send(market.quote())
    driver.ticks()
    driver.now_ns += WINDOW_MS * MS
    driver.send(market.trade())
    assert kinds(driver.ticks()) == [TRADE, QUOTE]


def test_a_book_out_of_force_takes_its_waiting_tops_along(driver: Driver) -> None:
    driver.send(driver.market.step(), driver.market.quote())
    driver.send(driver.market.step(), driver.market.quote())
    driver.ticks()
    driver.intake.on_disconnected([0], Reason.DISCONNECTED, driver.now_ns)
    assert kinds(driver.ticks()) == [STATUS]
    driver.intake.release(driver.now_ns + 10 * WINDOW_MS * MS)
    assert driver.ticks().size == 0
    # Back in force, the first top passes at once.
    driver.intake.on_subscribed(0, driver.now_ns)
    driver.send(driver.market.step())
    assert driver.snapshot()
    driver.send(driver.market.step())
    assert kinds(driver.ticks())[-1] == BOOK


def test_a_recording_is_conflated_by_its_own_time(tmp_path: Path) -> None:
    market, frames = Market(11), list[bytes]()
    for _ in range(400):
        frames += [frame(market.step()), frame(market.quote()), frame(market.trade())]

    def play(batch: int, pace_ns: int) -> list[tuple[object, ...]]:
        memory = InstanceMemory.create(f"tape{batch}", shm_dir=tmp_path)
        intake = Intake(["BTCUSDT"], memory.ticks, memory.books, memory.counters["feed"])
        intake.conflate(WINDOW_MS, by_event=True)
        reader, found, now_ns = memory.ticks.reader(from_start=True), list[tuple[object, ...]](), 1
        for first in range(0, len(frames), batch):
            now_ns += pace_ns
            intake.recv_ns = now_ns
            for text in frames[first : first + batch]:
                intake.stage(text, len(text))
            intake.flush()
            intake.release(now_ns)
            found += [(record[1], record[3], *record[5:]) for record in reader.read_new()]
        memory.close()
        return found

    slow = play(1, 50 * MS)
    assert {record[0] for record in slow} == {QUOTE, TRADE}
    assert sum(record[0] == QUOTE for record in slow) < 100
    assert play(7, 1_000) == slow
    assert play(64, 1) == slow


def test_within_any_window_a_kind_is_published_once(driver: Driver) -> None:
    source, published = random.Random(3), {QUOTE: list[int](), BOOK: list[int]()}
    newest = {QUOTE: 0, BOOK: 0}
    for _ in range(400):
        driver.now_ns += source.randint(0, 30) * MS
        if source.random() < 0.5:
            driver.send(driver.market.step())
            newest[BOOK] = driver.market.update_id
        else:
            driver.send(driver.market.quote())
            newest[QUOTE] = driver.market.update_id
        driver.intake.release(driver.now_ns)
        for tick in driver.ticks():
            published[int(tick["kind"])].append(driver.now_ns)
    for times in published.values():
        assert len(times) > 10
        assert np.diff(times).min() >= WINDOW_MS * MS
    driver.intake.release(driver.now_ns + WINDOW_MS * MS)
    # Whatever waited is out, and it was the newest there is.
    last = {int(tick["kind"]): int(tick["e"]) for tick in driver.ticks()}
    assert all(last[kind] == newest[kind] for kind in last)

"""Mark prices and funding rates against the exchange's rules, written down once more and slowly."""

from __future__ import annotations

import itertools
import random
from collections import deque
from fractions import Fraction

import numpy as np
import pytest

from aegis.config.models import VenueConfig
from aegis.venue.decimals import E8
from aegis.venue.marks import (
    HOUR_MS,
    INTEREST_E8,
    MAX_FUNDINGS,
    Marks,
    impact_e8,
    terms_of,
)
from aegis.venue.matching.book import CompiledBook
from aegis.venue.matching.interface import BUY, OWNER_MAKERS, SELL
from aegis.venue.matching.layout import LAST_TICKS, MARK_E8, Books, make_books
from aegis.venue.symbols import SymbolSpec, make_symbol
from aegis.venue.tape import Tape

START_MS = 1_800_000_000_000  # 08:00:00 UTC
NEXT_MS = START_MS + 8 * HOUR_MS


class Bench:
    """The books of two symbols, set level by level."""

    def __init__(self) -> None:
        config = VenueConfig()
        self.specs: list[SymbolSpec] = [
            make_symbol(name, config.symbols[name], number)
            for number, name in enumerate(("BTCUSDT", "ETHUSDT"))
        ]
        self.tape = Tape()
        self.books: Books = make_books(2, self.tape)
        self.book = [CompiledBook(self.books, spec.number) for spec in self.specs]
        self.marks = Marks(self.specs, self.books)
        self.fair = np.array([600_000.0, 260_000.0])
        self.marks.follow(self.fair)
        self._ids = itertools.count(1)
        self._resting: list[tuple[int, int]] = []
        self.set_book(0, 600_000, 600_001)
        self.set_book(1, 260_000, 260_001)
        self.set_last(0, 600_000)
        self.set_last(1, 260_000)

    def quote(self, number: int, side: int, price: int, lots: int) -> None:
        order_id = next(self._ids)
        self.book[number].submit(order_id, OWNER_MAKERS, side, price, lots, now_ms=1, rest=True)
        self._resting.append((number, order_id))
        self.tape.clear()

    def set_book(self, number: int, bid: int, ask: int, lots: int = 1_000_000) -> None:
        for at, order_id in self._resting:
            if at == number:
                self.book[number].cancel(order_id, 1)
        self._resting = [entry for entry in self._resting if entry[0] != number]
        if bid:
            self.quote(number, BUY, bid, lots)
        if ask:
            self.quote(number, SELL, ask, lots)

    def set_last(self, number: int, ticks: int) -> None:
        self.books.symbols[number, LAST_TICKS] = ticks


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_mark_is_the_median_of_the_three_prices(bench: Bench) -> None:
    dice = random.Random(5)
    basis: deque[int] = deque(maxlen=30)
    tick = bench.specs[0].tick_e8
    seen = set()
    for second in range(200):
        now_ms = START_MS + second * 1_000
        bench.fair[0] = 600_000 + dice.uniform(-200, 200)
        bid = 600_000 + dice.randrange(-250, 250)
        bench.set_book(0, bid, bid + 1)
        bench.set_last(0, 600_000 + dice.randrange(-250, 250))
        bench.marks.update(now_ms)
        index = round(bench.fair[0] * tick)
        basis.append((2 * bid + 1) * tick // 2 - index)
        first = index * (1 + Fraction(INTEREST_E8, E8) * (NEXT_MS - now_ms) / (8 * HOUR_MS))
        second_price = Fraction(index) + Fraction(sum(basis), len(basis))
        last = int(bench.books.symbols[0, LAST_TICKS]) * tick
        prices = {"first": first, "second": second_price, "last": Fraction(last)}
        name, expected = sorted(prices.items(), key=lambda item: item[1])[1]
        seen.add(name)
        reading = bench.marks.reading(0, 0, now_ms)
        assert abs(reading.mark_e8 - expected) <= 1, name
        assert reading.index_e8 == index
        assert reading.next_funding_ms == NEXT_MS
        assert int(bench.books.symbols[0, MARK_E8]) == reading.mark_e8
    assert seen == {"first", "second", "last"}, "the dice never reached all three"


def test_a_quiet_market_costs_the_interest_alone(bench: Bench) -> None:
    for second in range(60):
        bench.marks.update(START_MS + second * 1_000)
    for number in (0, 1):
        reading = bench.marks.reading(number, 0, START_MS)
        assert (reading.rate_e8, reading.interest_e8, reading.premium_e8) == (10_000, 10_000, 0)
        assert reading.average_e8 == reading.mark_e8
        assert reading.settle_e8 == reading.index_e8


@pytest.mark.parametrize(
    ("bid", "rate_e8"),
    [
        (600_180, 10_000),  # a premium within 0.05 % of the interest is clamped away
        (600_600, 50_000),  # beyond, the rate is the premium less 0.05 %
        (599_400, -50_000),
        (700_000, 300_000),  # and never more than 3/4 of the first maintenance ratio
        (500_000, -300_000),
    ],
)
def test_the_rate_follows_the_premium(bench: Bench, bid: int, rate_e8: int) -> None:
    bench.set_book(0, bid, bid + 1)
    for second in range(5):
        bench.marks.update(START_MS + second * 1_000)
    rate = bench.marks.reading(0, 0, START_MS).rate_e8
    assert abs(rate - rate_e8) <= 167  # of a tick between bid and ask


def test_later_premiums_weigh_more(bench: Bench) -> None:
    """The n-th sample of an interval has the weight n."""
    bench.set_book(0, 600_600, 600_601)  # a premium of 0.1 %
    for second in range(10):
        bench.marks.update(START_MS + second * 1_000)
    bench.set_book(0, 600_000, 600_001)
    for second in range(10, 20):
        bench.marks.update(START_MS + second * 1_000)
    # Samples 1 and 2 of 0.1 %, 3 and 4 of nothing: 0.1 % * 3 / 10.
    assert bench.marks.gauges.words[0, 8] // bench.marks.gauges.words[0, 9] == 30_000


def test_impact_price_walks_the_book(bench: Bench) -> None:
    spec = bench.specs[0]
    bench.set_book(0, 600_000, 0, lots=100)  # 0.1 BTC at 60,000: 6,000 USDT
    bench.quote(0, BUY, 599_000, 1_000_000)
    found = impact_e8(bench.books, 0, spec.tick_e8, spec.unit_e8, 25_000 * E8)
    quantity = Fraction(1, 10) + Fraction(19_000, 59_900)
    assert abs(found - Fraction(25_000 * E8) / quantity) <= 1
    assert impact_e8(bench.books, 1, spec.tick_e8, spec.unit_e8, 25_000 * E8) == 0
    # A side that holds less than the notional: the average of all of it.
    bench.set_book(0, 600_000, 0, lots=100)
    assert impact_e8(bench.books, 0, spec.tick_e8, spec.unit_e8, 25_000 * E8) == 60_000 * E8


def test_a_one_sided_book_stands_at_its_last_trade(bench: Bench) -> None:
    bench.set_book(0, 0, 600_001)
    bench.set_last(0, 600_100)
    bench.marks.update(START_MS)
    assert bench.marks.reading(0, 0, START_MS).mark_e8 == 60_010 * E8


def test_settlement_price_is_the_mean_of_the_minutes(bench: Bench) -> None:
    for minute in range(90):
        bench.fair[1] = 260_000 + minute
        bench.marks.update(START_MS + minute * 60_000)
    mean = Fraction(sum(range(30, 90)), 60) + 260_000
    assert bench.marks.reading(1, 0, START_MS).settle_e8 == mean * bench.specs[1].tick_e8


def test_funding_times_come_and_rates_are_kept(bench: Bench) -> None:
    marks = bench.marks
    assert marks.due(START_MS + 1) == []
    assert marks.due(NEXT_MS - 1) == []
    assert marks.due(NEXT_MS) == [0, 1]
    funding = marks.settle(0, 60_000 * E8, NEXT_MS + 3)
    assert (funding.time_ms, funding.rate_e8, funding.mark_e8) == (NEXT_MS, 10_000, 60_000 * E8)
    assert marks.due(NEXT_MS + 4) == [1]
    # A venue that was stopped for days settles once, and goes on from now.
    late_ms = NEXT_MS + 100 * HOUR_MS
    assert marks.due(late_ms) == [0, 1]
    marks.settle(0, 1, late_ms)
    assert marks.due(late_ms) == [1]
    assert marks.next_funding_ms(0, late_ms) == late_ms - late_ms % (8 * HOUR_MS) + 8 * HOUR_MS
    for _ in range(MAX_FUNDINGS + 5):
        marks.settle(1, 1, NEXT_MS)
    assert len(marks.fundings(1, 10_000)) == MAX_FUNDINGS


def test_funding_history_is_paged_by_time(bench: Bench) -> None:
    marks = bench.marks
    marks.due(START_MS)
    for number in range(1, 6):
        marks.settle(0, number, START_MS + number * 8 * HOUR_MS)
    times = [funding.time_ms for funding in marks.fundings(0, 10)]
    assert times == [START_MS + number * 8 * HOUR_MS for number in range(1, 6)]
    assert [funding.time_ms for funding in marks.fundings(0, 2)] == times[-2:]
    assert [funding.time_ms for funding in marks.fundings(0, 2, start_ms=times[1])] == times[1:3]
    assert [funding.time_ms for funding in marks.fundings(0, 9, None, times[1])] == times[:2]


def test_without_an_index_the_mark_is_the_middle_of_the_book() -> None:
    bench = Bench()
    marks = Marks(bench.specs, bench.books)
    marks.update(START_MS)
    assert not marks.is_measured
    assert int(bench.books.symbols[0, MARK_E8]) == 0
    reading = marks.reading(0, 4_711, START_MS)
    assert reading[:4] == (4_711,) * 4
    assert (reading.rate_e8, reading.next_funding_ms) == (INTEREST_E8, NEXT_MS)


def test_terms_follow_the_leverage(bench: Bench) -> None:
    assert terms_of(bench.specs[0]) == (8, 300_000)
    assert not terms_of(bench.specs[0]).is_adjusted

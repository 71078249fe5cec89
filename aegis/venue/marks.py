"""Index, mark price and funding rate of every contract, once per second of event time.

``exchange`` calls `Marks.update` on each whole second; ``funding`` takes the rates that fall due;
the market data endpoints and the mark price streams read. The index is what the synthetic market's
agents believe; without agents (a recorded market) the book is all there is: mark and index are its
middle, and the rate is the interest alone. On paper another exchange measures, and `tell` takes its
marks over. Nothing here knows an account.

The rules are the exchange's of September 2025. Mark price = median of

* price 1 = index * (1 + last funding rate * time until funding / interval),
* price 2 = index + mean over 30 seconds of (best bid + best ask) / 2 - index, one sample a second,
* the last trade.

Premium index = (max(0, impact bid - index) - max(0, index - impact ask)) / index every five
seconds, where an impact price is what a market order of 200 quote units of margin at the highest
leverage would pay; funding rate = (P + clamp(interest - P, -0.05 %, 0.05 %)) * interval / 8 h with
P the mean of the interval's premiums, the n-th weighted n, within 3/4 of the first bracket's
maintenance ratio.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.venue.brackets import schedule_of
from aegis.venue.decimals import E8
from aegis.venue.matching.layout import (
    LAST_TICKS,
    LEVEL_KEY,
    LEVEL_LOTS,
    MARK_E8,
    SIDE_LEVELS,
    Books,
)
from aegis.venue.symbols import SymbolSpec

Words = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

SECOND_MS: Final = 1_000
HOUR_MS: Final = 3_600_000
DAY_INTERVAL_MS: Final = 8 * HOUR_MS  # the interval that interest and clamp are quoted for
INTEREST_E8: Final = 10_000  # 0.01 % in eight hours
CLAMP_E8: Final = 50_000
BASIS_SECONDS: Final = 30
PREMIUM_SECONDS: Final = 5
SETTLE_MINUTES: Final = 60  # the estimated settlement price is the index's mean of an hour
IMPACT_MARGIN: Final = 200  # quote units
MAX_FUNDINGS: Final = 1_000  # per symbol; /fundingRate answers with no more

# ---- what a contract is like (Gauges.facts[symbol])
TICK_E8, UNIT_E8, INTERVAL_MS, CAP_E8, IMPACT_E8 = range(5)
FACTS: Final = 8

# ---- what was measured last (Gauges.words[symbol]); money in 1e-8 quote, rates in 1e-8
INDEX, MARK, AVERAGE, SETTLE = range(4)
RATE, LAST_RATE, NEXT_MS = 4, 5, 6
PREMIUM, PREMIUM_SUM, PREMIUM_WEIGHT, PREMIUM_COUNT = 7, 8, 9, 10
BASIS_SUM, MARK_SUM, SAMPLES = 11, 12, 13
MINUTES, MINUTE_SUM = 14, 15
WORDS: Final = 16


class Gauges(NamedTuple):
    """The arrays behind the marks of all symbols; the kernel `measure` alone writes them."""

    facts: Words  # [symbols, FACTS]
    words: Words  # [symbols, WORDS]
    basis: Words  # [symbols, BASIS_SECONDS]: rings of the newest samples
    marks: Words  # [symbols, BASIS_SECONDS]
    minutes: Words  # [symbols, SETTLE_MINUTES]


@kernel
def impact_e8(books: Any, row: Any, tick_e8: Any, unit_e8: Any, notional_e8: Any) -> Any:
    """What a market order of that notional would pay on average; 0 if the side is empty.

    A side that is too thin gives the average of all that it holds.
    """
    count = books.sides[row, SIDE_LEVELS]
    wanted, paid, lots_taken = float(notional_e8), 0.0, 0.0
    for place in range(count - 1, -1, -1):
        ticks = abs(books.levels[row, place, LEVEL_KEY])
        lots = float(books.levels[row, place, LEVEL_LOTS])
        per_lot = float(ticks * unit_e8)
        if lots * per_lot >= wanted - paid:
            lots_taken += (wanted - paid) / per_lot
            paid = wanted
            break
        lots_taken += lots
        paid += lots * per_lot
    if lots_taken <= 0.0:
        return 0
    return round(paid / lots_taken / unit_e8 * tick_e8)


@kernel
def _premium_e8(books: Any, number: Any, facts: Any, index: Any) -> Any:
    tick, unit, notional = facts[TICK_E8], facts[UNIT_E8], facts[IMPACT_E8]
    bid = impact_e8(books, 2 * number, tick, unit, notional)
    ask = impact_e8(books, 2 * number + 1, tick, unit, notional)
    above = bid - index if bid > index else 0
    below = index - ask if 0 < ask < index else 0
    return round((above - below) * float(E8) / index)


@kernel
def _rate_e8(words: Any, facts: Any) -> Any:
    """The funding rate that the premiums of this interval give so far."""
    weight = words[PREMIUM_WEIGHT]
    premium = words[PREMIUM_SUM] // weight if weight else 0
    interest = min(max(INTEREST_E8 - premium, -CLAMP_E8), CLAMP_E8)
    rate = (premium + interest) * facts[INTERVAL_MS] // DAY_INTERVAL_MS
    return min(max(rate, -facts[CAP_E8]), facts[CAP_E8])


@kernel
def _middle_e8(books: Any, number: Any, tick_e8: Any) -> Any:
    """The middle of the book, or the last trade if a side is empty."""
    bids, asks = books.sides[2 * number, SIDE_LEVELS], books.sides[2 * number + 1, SIDE_LEVELS]
    if bids == 0 or asks == 0:
        return books.symbols[number, LAST_TICKS] * tick_e8
    bid = books.levels[2 * number, bids - 1, LEVEL_KEY]
    ask = -books.levels[2 * number + 1, asks - 1, LEVEL_KEY]
    return (bid + ask) * tick_e8 // 2


@kernel
def measure(books: Any, gauges: Any, fair_ticks: Any, now_ms: Any) -> None:
    """One second of all symbols: index, basis, mark, premium and rate."""
    second = now_ms // SECOND_MS
    for number in range(gauges.words.shape[0]):
        facts, words = gauges.facts[number], gauges.words[number]
        tick = facts[TICK_E8]
        index = round(fair_ticks[number] * tick)
        words[INDEX] = index
        if words[NEXT_MS] == 0:
            words[NEXT_MS] = now_ms - now_ms % facts[INTERVAL_MS] + facts[INTERVAL_MS]
        samples = words[SAMPLES]
        place = samples % BASIS_SECONDS
        filled = min(samples + 1, BASIS_SECONDS)
        words[SAMPLES] = samples + 1
        basis = _middle_e8(books, number, tick) - index
        words[BASIS_SUM] += basis - gauges.basis[number, place]
        gauges.basis[number, place] = basis
        left_ms = max(0, words[NEXT_MS] - now_ms)
        drift = float(words[LAST_RATE]) * left_ms / facts[INTERVAL_MS]
        first = index + round(float(index) * drift / float(E8))
        second_price = index + words[BASIS_SUM] // filled
        last = books.symbols[number, LAST_TICKS] * tick
        mark = max(min(first, second_price), min(max(first, second_price), last))
        words[MARK] = mark
        books.symbols[number, MARK_E8] = mark
        words[MARK_SUM] += mark - gauges.marks[number, place]
        gauges.marks[number, place] = mark
        words[AVERAGE] = words[MARK_SUM] // filled
        # The symbols take turns, so that every second costs the same.
        if (second + number) % PREMIUM_SECONDS == 0:
            premium = _premium_e8(books, number, facts, index)
            words[PREMIUM] = premium
            words[PREMIUM_COUNT] += 1
            words[PREMIUM_WEIGHT] += words[PREMIUM_COUNT]
            words[PREMIUM_SUM] += words[PREMIUM_COUNT] * premium
            words[RATE] = _rate_e8(words, facts)
        if second % 60 == 0 or words[MINUTES] == 0:
            minute = words[MINUTES] % SETTLE_MINUTES
            words[MINUTE_SUM] += index - gauges.minutes[number, minute]
            gauges.minutes[number, minute] = index
            words[MINUTES] += 1
            words[SETTLE] = words[MINUTE_SUM] // min(words[MINUTES], SETTLE_MINUTES)


class Terms(NamedTuple):
    """What a contract's funding is bound by; the rate stays within +/- `cap_e8`."""

    interval_h: int
    cap_e8: int

    @property
    def is_adjusted(self) -> bool:
        """/fundingInfo lists it: it does not fund every eight hours."""
        return self.interval_h * HOUR_MS != DAY_INTERVAL_MS


class Reading(NamedTuple):
    """The marks of one symbol; prices in 1e-8, rates in 1e-8, time in ms."""

    mark_e8: int
    average_e8: int
    index_e8: int
    settle_e8: int
    rate_e8: int
    interest_e8: int
    premium_e8: int
    next_funding_ms: int


class Funding(NamedTuple):
    """A funding that took place."""

    symbol: str
    time_ms: int
    rate_e8: int
    mark_e8: int


def terms_of(spec: SymbolSpec) -> Terms:
    """Contracts that allow more leverage fund less often: every 8, 4 or 1 hours."""
    first = schedule_of(spec).brackets[0]
    hours = 8 if first.leverage >= 75 else 4 if first.leverage >= 50 else 1
    return Terms(hours, first.ratio_e4 * 10_000 * 3 // 4)


class Marks:
    """The marks of the whole venue. `follow` gives it the agents' belief to take as index."""

    def __init__(self, specs: Sequence[SymbolSpec], books: Books) -> None:
        self._books = books
        self._specs = list(specs)
        count = len(self._specs)
        self.gauges = Gauges(
            facts=np.zeros((count, FACTS), np.int64),
            words=np.zeros((count, WORDS), np.int64),
            basis=np.zeros((count, BASIS_SECONDS), np.int64),
            marks=np.zeros((count, BASIS_SECONDS), np.int64),
            minutes=np.zeros((count, SETTLE_MINUTES), np.int64),
        )
        self._fair_ticks: Reals | None = None
        self._is_told = False
        self._fundings: list[deque[Funding]] = [deque(maxlen=MAX_FUNDINGS) for _ in self._specs]
        self._terms = [terms_of(spec) for spec in self._specs]
        for spec, terms in zip(self._specs, self._terms, strict=True):
            leverage = schedule_of(spec).max_leverage
            self.gauges.facts[spec.number, : IMPACT_E8 + 1] = (
                spec.tick_e8,
                spec.unit_e8,
                terms.interval_h * HOUR_MS,
                terms.cap_e8,
                IMPACT_MARGIN * leverage * E8,
            )
            rate = INTEREST_E8 * terms.interval_h * HOUR_MS // DAY_INTERVAL_MS
            self.gauges.words[spec.number, [RATE, LAST_RATE]] = rate

    def follow(self, fair_ticks: Reals) -> None:
        """Take the index from here: a price in ticks per symbol, in the venue's order."""
        assert len(fair_ticks) == len(self._specs), "one fair price per symbol"
        self._fair_ticks = fair_ticks

    def listen(self) -> None:
        """Another exchange measures and sets the times of funding: nothing falls due by itself."""
        self._is_told = True

    def tell(
        self, number: int, mark_e8: int, index_e8: int, rate_e8: int, next_funding_ms: int
    ) -> None:
        """What that exchange says of a symbol."""
        assert self._is_told, "a venue that measures is told nothing"
        words = self.gauges.words[number]
        words[[MARK, AVERAGE, INDEX, SETTLE]] = mark_e8, mark_e8, index_e8, index_e8
        words[[RATE, NEXT_MS]] = rate_e8, next_funding_ms
        words[SAMPLES] += 1
        self._books.symbols[number, MARK_E8] = mark_e8

    @property
    def is_measured(self) -> bool:
        """False where the mark is the middle of the book: no agents, no index."""
        return self._fair_ticks is not None

    def update(self, now_ms: int) -> None:
        """Measure everything at a whole second of event time. Costs nothing without an index."""
        if self._fair_ticks is not None:
            measure(self._books, self.gauges, self._fair_ticks, now_ms)

    def terms(self, number: int) -> Terms:
        return self._terms[number]

    def reading(self, number: int, middle_e8: int, now_ms: int) -> Reading:
        """The marks of a symbol; `middle_e8` is its market's mark price where none is measured."""
        words = self.gauges.words[number]
        next_ms = self.next_funding_ms(number, now_ms)
        is_known = self._fair_ticks is not None or self._is_told
        if not is_known or words[SAMPLES] == 0:
            rate = int(words[RATE])
            return Reading(
                middle_e8, middle_e8, middle_e8, middle_e8, rate, INTEREST_E8, 0, next_ms
            )
        mark, average, index, settle, rate = words[[MARK, AVERAGE, INDEX, SETTLE, RATE]].tolist()
        premium = int(words[PREMIUM])
        return Reading(mark, average, index, settle, rate, INTEREST_E8, premium, next_ms)

    def next_funding_ms(self, number: int, now_ms: int) -> int:
        """When the symbol funds next: at whole multiples of its interval, UTC, or as was told."""
        if self._is_told and self.gauges.words[number, NEXT_MS] > now_ms:
            return int(self.gauges.words[number, NEXT_MS])
        interval = self._terms[number].interval_h * HOUR_MS
        return now_ms - now_ms % interval + interval

    def jump(self, number: int, ticks: int) -> None:
        """Move what the market's own participants believe a symbol is worth, for a drill."""
        assert self._fair_ticks is not None, "a recorded market believes nothing"
        self._fair_ticks[number] = float(ticks)

    def due(self, now_ms: int) -> list[int]:
        """The symbols whose funding time has come. The first call only sets the times."""
        if self._is_told:
            return []
        next_ms = self.gauges.words[:, NEXT_MS]
        missing = next_ms == 0
        if missing.any():
            interval = self.gauges.facts[missing, INTERVAL_MS]
            next_ms[missing] = now_ms - now_ms % interval + interval
        found: list[int] = np.flatnonzero(next_ms <= now_ms).tolist()
        return found

    def settle(self, number: int, mark_e8: int, now_ms: int) -> Funding:
        """Fix the rate of the interval that ends, and begin the next one."""
        words = self.gauges.words[number]
        due_ms = int(words[NEXT_MS])
        rate = int(words[RATE])
        funding = Funding(self._specs[number].symbol, due_ms, rate, mark_e8)
        self.remember(number, funding)
        words[[PREMIUM_SUM, PREMIUM_WEIGHT, PREMIUM_COUNT]] = 0
        words[NEXT_MS] = self.next_funding_ms(number, now_ms)
        return funding

    def remember(self, number: int, funding: Funding) -> None:
        """A funding was paid: it is the last one, and stands in the history."""
        self._fundings[number].append(funding)
        self.gauges.words[number, LAST_RATE] = funding.rate_e8

    def fundings(
        self, number: int, limit: int, start_ms: int | None = None, end_ms: int | None = None
    ) -> list[Funding]:
        """Past fundings of a symbol, oldest first.

        With a start the first `limit` from there on, without one the newest `limit`.
        """
        found = [
            funding
            for funding in self._fundings[number]
            if (start_ms is None or funding.time_ms >= start_ms)
            and (end_ms is None or funding.time_ms <= end_ms)
        ]
        return found[:limit] if start_ms is not None else found[-limit:]

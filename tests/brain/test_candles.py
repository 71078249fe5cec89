"""Candles in the brain: closed ones reach the strategy, and none of them moves the market."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from aegis.brain.layout import CORE
from aegis.brain.market import DECIDE, DROP, NONSENSE, apply_tick
from aegis.shm.candles import CandlePlan, candle_write
from aegis.shm.tick import (
    CANDLE,
    CLOCK,
    CLOSED,
    CORRECTED,
    INCOMPLETE,
    TICK,
    TRADE,
    candle_code,
)
from aegis.strategies.contract import MARKET
from tests.brain.harness import START_NS, Harness, quote

SECOND = 1_000_000_000
NOW = 1_723_161_256 * SECOND


def tick(kind: int, flags: int = 0, ts_event_ns: int = NOW, **numbers: Any) -> Any:
    record = np.zeros(1, TICK)
    record["kind"], record["flags"], record["ts_event_ns"] = kind, flags, ts_event_ns
    for name, number in numbers.items():
        record[name] = number
    return record


@pytest.fixture
def known() -> tuple[Any, Any]:
    core, market = np.zeros(1, CORE), np.zeros(1, MARKET)
    market["tick_size"] = 0.1
    assert apply_tick(core[0], tick(TRADE, a=60_000.0, b=1.0, c=1.0)[0], market[0]) == DECIDE
    return core, market


@pytest.mark.parametrize(
    ("flags", "verdict"),
    [(CLOSED, DECIDE), (CLOSED | INCOMPLETE, DECIDE), (0, DROP), (INCOMPLETE, DROP)],
)
def test_only_closed_candles_are_events(known: Any, flags: int, verdict: int) -> None:
    core, market = known
    before = market.copy(), core.copy()
    # Its time is that of its opening, an hour ago; two of them would move the event clock back.
    for _ in range(3):
        candle = tick(CANDLE, flags | candle_code(3_600), NOW - 3_600 * SECOND, a=1.0, d=2.0)
        assert apply_tick(core[0], candle[0], market[0]) == verdict
    assert (market, core) == before


def test_a_candle_that_is_no_number_is_nonsense(known: Any) -> None:
    core, market = known
    candle = tick(CANDLE, CLOSED | candle_code(60), a=float("nan"))
    assert apply_tick(core[0], candle[0], market[0]) == NONSENSE


def test_the_exchanges_clock_is_no_event(known: Any) -> None:
    core, market = known
    before = market.copy(), core.copy()
    assert apply_tick(core[0], tick(CLOCK, ts_event_ns=NOW + SECOND)[0], market[0]) == DROP
    assert (market, core) == before


# ---- each closed candle once, in order, whatever was missed

FIRST_MS = START_NS // 1_000_000 // 60_000 * 60_000
PATIENCE_MS = 15_000
SMC: dict[str, Any] = {"risk_quote": 50.0, "max_notional_quote": 5_000.0}


class Candles:
    """A brain with strategy smc, and a feed that keeps a history of minutes."""

    def __init__(self, make_harness: Callable[..., Harness], **options: Any) -> None:
        self.harness = make_harness(
            strategy="smc", base=SMC, kept=CandlePlan((60,), 100), **options
        )
        self.memory = self.harness.memory

    def keep(self, number: int, flags: int = 0, instrument: int = 0) -> Any:
        """Write a closed minute into the history, as the feed does before it tells of it."""
        kept, open_ms, price = self.memory.candles, FIRST_MS + number * 60_000, 60_000.0 + number
        flags |= CLOSED | candle_code(60)
        candle_write(
            kept.words, kept.values, kept.ring(instrument, 60), kept.history, 60_000, open_ms,
            price, price + 2.0, price - 2.0, price + 1.0, 5.0, 9, flags, open_ms,
        )  # fmt: skip
        numbers = {"a": price, "b": price + 2.0, "c": price - 2.0, "d": price + 1.0, "e": 5.0}
        return tick(CANDLE, flags, open_ms * 1_000_000, instrument=instrument, **numbers)

    def close(self, number: int, flags: int = 0, instrument: int = 0) -> None:
        """The same, and tell."""
        self.harness.feed(self.keep(number, flags, instrument))

    def known(self, instrument: int = 0) -> None:
        self.memory.candles.tell_known(instrument, 0, known=True)
        self.harness.core["history_look_ns"] = 0
        for _ in range(20):
            self.harness.turn()

    def engine(self, instrument: int = 0) -> tuple[int, int]:
        """How many candles the engine has had, and the number of the newest."""
        engine = self.harness.states[instrument]["engine"]
        return int(engine["candles"]), (int(engine["ts_ns"]) // 1_000_000 - FIRST_MS) // 60_000


@pytest.fixture
def candles(make_harness: Callable[..., Harness]) -> Candles:
    return Candles(make_harness)


def test_the_history_comes_first_and_nothing_comes_twice(candles: Candles) -> None:
    for number in range(80):
        candles.keep(number)
    candles.close(80)
    assert candles.engine()[0] == 0, "held back: the exchange has not answered yet"
    candles.known()
    assert candles.engine() == (81, 80), "in stretches of 64, the one that was held back too"
    assert int(candles.harness.core["candles_shown"]) == 81
    candles.harness.feed(candles.keep(80), candles.keep(81))
    assert candles.engine() == (82, 81)
    assert candles.harness.states[0]["restarts"] == 1, "once: its first settings"


def test_an_exchange_that_never_answers_does_not_hold_it_back_for_ever(candles: Candles) -> None:
    harness = candles.harness
    for number in range(3):
        candles.close(number)
    harness.feed(quote(600_000, 60_000.0))
    assert candles.engine()[0] == 0
    harness.core["history_look_ns"] = 0
    harness.feed(quote(600_000, 60_000.0 + PATIENCE_MS + 1.0))
    for _ in range(5):
        harness.core["history_look_ns"] = 0
        harness.turn()
    assert candles.engine() == (3, 2)


def test_what_a_gap_or_a_lap_has_swallowed_is_read_from_the_history(candles: Candles) -> None:
    candles.known()
    for number in range(10):
        candles.close(number)
    assert candles.engine() == (10, 9)
    for number in (10, 11, 12):
        candles.keep(number)
    candles.close(13)
    assert candles.engine() == (14, 13)
    # Lapped: the ring tells nothing of these, and nothing else follows.
    for number in (14, 15):
        candles.keep(number)
    memory = candles.memory
    memory.ticks.publish(np.concatenate([quote(600_000, 1.0 + i) for i in range(100)]))
    candles.harness.desk.cursor[0] = 0
    filler = np.concatenate([quote(600_000, 200.0 + i) for i in range(1_024)])
    for _ in range(memory.ticks.capacity // 1_024 + 1):
        memory.ticks.publish(filler)
    candles.harness.turn()
    assert int(candles.harness.core["laps"]) == 1
    candles.harness.core["history_look_ns"] = 0
    candles.harness.turn()
    assert candles.engine() == (16, 15)
    assert candles.harness.states[0]["restarts"] == 1


def test_a_correction_is_told_and_does_not_rewrite(candles: Candles) -> None:
    candles.known()
    for number in range(10):
        candles.close(number, INCOMPLETE if number == 9 else 0)
    state = candles.harness.states[0]
    assert state["doubt_at"] == 9
    candles.close(9, CORRECTED)
    assert candles.engine() == (10, 9)
    assert state["doubt_at"] == -1


def test_every_lane_has_a_history_of_its_own(make_harness: Callable[..., Harness]) -> None:
    candles = Candles(make_harness, instruments=3)
    for number in range(5):
        for instrument in range(3):
            candles.close(number, instrument=instrument)
    candles.known(2)
    assert [candles.engine(instrument)[0] for instrument in range(3)] == [0, 0, 5]
    candles.known(0)
    assert [candles.engine(instrument)[0] for instrument in range(3)] == [5, 0, 5]

"""Candles in the brain: closed ones reach the strategy, and none of them moves the market."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aegis.brain.layout import CORE
from aegis.brain.market import DECIDE, DROP, NONSENSE, apply_tick
from aegis.shm.tick import CANDLE, CLOCK, CLOSED, INCOMPLETE, TICK, TRADE, candle_code
from aegis.strategies.contract import MARKET

SECOND = 1_000_000_000
NOW = 1_723_161_256 * SECOND


def tick(kind: int, flags: int = 0, ts_event_ns: int = NOW, **numbers: float) -> Any:
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

"""Positions and profits in integers: against a model in Python's own arithmetic."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.execution.fills import (
    GENERATION_LIMIT,
    NOT_TOLD,
    TRADES_SIZE,
    book_fill,
    remember_trade,
    take_told_profit,
)
from aegis.execution.words import PNL_DIFFERENCES, WORDS
from aegis.risk.gate_state import NET_REALIZED_E8
from aegis.risk.gate_state import WORDS as GATE_WORDS
from aegis.risk.guards import GUARD_WORDS
from aegis.risk.limits import EXPOSURE

UNIT = 10_000
GUARDS = np.zeros(GUARD_WORDS, np.int64)
TRADES = st.lists(
    st.tuples(
        st.sampled_from([1, -1]),
        st.integers(1, 50) | st.integers(1, 10**6),
        st.integers(1, 10**7),
        st.integers(-(10**9), 10**12),
    ),
    max_size=40,
)


@dataclass
class Ledger:
    """The exchange's rule: a reduction releases cost in proportion, truncated towards zero."""

    lots: int = 0
    cost: int = 0
    realized: int = 0

    def book(self, lots: int, price: int) -> None:
        paid = lots * price * UNIT
        if self.lots * lots >= 0:
            self.lots += lots
            self.cost += paid
            return
        closing = min(abs(self.lots), abs(lots))
        released = abs(self.cost) * closing // abs(self.lots) * (1 if self.cost >= 0 else -1)
        closing_paid = paid * closing // abs(lots)
        self.realized += -released - closing_paid
        self.cost += -released + (paid - closing_paid)
        self.lots += lots


@settings(max_examples=300, deadline=None)
@given(TRADES)
def test_equal_to_the_exchanges_books(trades: list[tuple[int, int, int, int]]) -> None:
    exposure, words, model = np.zeros(1, EXPOSURE), np.zeros(GATE_WORDS, np.int64), Ledger()
    fees = 0
    for side, lots, price, fee in trades:
        before = model.realized
        model.book(side * lots, price)
        fees += fee
        realized = book_fill(exposure, words, GUARDS, 0, UNIT, side * lots, price, fee)
        assert realized == model.realized - before
        held = exposure[0]
        assert (held["position_lots"], held["cost_e8"]) == (model.lots, model.cost)
        assert (model.lots == 0) <= (model.cost == 0), "flat is flat to the last unit"
    assert exposure[0]["realized_e8"] == model.realized and exposure[0]["fees_e8"] == fees
    assert words[NET_REALIZED_E8] == model.realized - fees


def test_a_round_trip_by_hand() -> None:
    exposure, words = np.zeros(1, EXPOSURE), np.zeros(GATE_WORDS, np.int64)
    assert book_fill(exposure, words, GUARDS, 0, UNIT, 10, 600_000, 0) == 0
    assert book_fill(exposure, words, GUARDS, 0, UNIT, 10, 600_100, 0) == 0
    # Average entry 60,005.0; 15 lots (0.015 BTC) sold 5 higher win 0.075.
    assert book_fill(exposure, words, GUARDS, 0, UNIT, -15, 600_100, 0) == 7_500_000
    # Through zero: 5 lots close at the entry, 10 open short.
    assert book_fill(exposure, words, GUARDS, 0, UNIT, -15, 600_050, 0) == 0
    assert exposure[0]["position_lots"] == -10
    assert exposure[0]["cost_e8"] == -10 * 600_050 * UNIT


@settings(max_examples=200, deadline=None)
@given(TRADES, st.randoms(use_true_random=False))
def test_told_profits_make_the_order_of_booking_indifferent(
    trades: list[tuple[int, int, int, int]], source: random.Random
) -> None:
    """Trades that were missed are booked late; the sums are the exchange's all the same."""
    model, told = Ledger(), []
    for side, lots, price, _ in trades:
        before = model.realized
        model.book(side * lots, price)
        told.append((side * lots, price, model.realized - before))
    source.shuffle(told)
    exposure, words = np.zeros(1, EXPOSURE), np.zeros(WORDS, np.int64)
    gate = np.zeros(GATE_WORDS, np.int64)
    for lots, price, profit in told:
        own = book_fill(exposure, gate, GUARDS, 0, UNIT, lots, price, 0)
        counted = take_told_profit(words, exposure, gate, GUARDS, 0, UNIT, price, own, profit)
        assert counted == profit
    held = exposure[0]
    assert held["position_lots"] == model.lots
    assert (held["cost_e8"], held["realized_e8"]) == (model.cost, model.realized)
    assert gate[NET_REALIZED_E8] == model.realized


def test_a_profit_that_nobody_tells_is_worked_out() -> None:
    exposure, words = np.zeros(1, EXPOSURE), np.zeros(WORDS, np.int64)
    gate = np.zeros(GATE_WORDS, np.int64)
    book_fill(exposure, gate, GUARDS, 0, UNIT, 10, 600_000, 0)
    own = book_fill(exposure, gate, GUARDS, 0, UNIT, -10, 600_010, 0)
    rest = (words, exposure, gate, GUARDS, 0, UNIT, 600_010, own)
    assert take_told_profit(*rest, NOT_TOLD) == own == 1_000_000
    assert words[PNL_DIFFERENCES] == 0
    assert take_told_profit(*rest, own + 5) == own + 5
    assert words[PNL_DIFFERENCES] == 1 and exposure[0]["realized_e8"] == own + 5


def test_large_positions_do_not_wrap_round() -> None:
    exposure, words = np.zeros(1, EXPOSURE), np.zeros(GATE_WORDS, np.int64)
    lots, price = 1_000_000, 1_000_000
    book_fill(exposure, words, GUARDS, 0, UNIT, lots, price, 0)
    assert exposure[0]["cost_e8"] == lots * price * UNIT
    assert (
        book_fill(exposure, words, GUARDS, 0, UNIT, -(lots - 1), price + 1, 0) == (lots - 1) * UNIT
    )


def test_a_trade_is_known_for_thousands_of_trades() -> None:
    trades, words = np.zeros(TRADES_SIZE, np.int64), np.zeros(WORDS, np.int64)
    for trade_id in range(3 * GENERATION_LIMIT):
        assert remember_trade(trades, words, 0, trade_id)
        assert not remember_trade(trades, words, 0, trade_id)
        assert not remember_trade(trades, words, 0, max(0, trade_id - GENERATION_LIMIT + 1))
    assert remember_trade(trades, words, 1, 3 * GENERATION_LIMIT - 1), "of another instrument"
    assert remember_trade(trades, words, 0, 0), "forgotten, and memory stayed as large as it was"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 200) | st.integers(0, 2**52), max_size=300))
def test_exactly_the_first_time_is_new(ids: list[int]) -> None:
    trades, words = np.zeros(TRADES_SIZE, np.int64), np.zeros(WORDS, np.int64)
    seen: set[int] = set()
    for trade_id in ids:
        assert remember_trade(trades, words, 3, trade_id) == (trade_id not in seen)
        seen.add(trade_id)

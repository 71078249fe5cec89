"""The income history: what is stored, what is read off the trades, and that it stays bounded."""

from __future__ import annotations

import pytest

from aegis.venue.income import (
    COMMISSION,
    FUNDING_FEE,
    INSURANCE_CLEAR,
    MAX_INCOME,
    REALIZED_PNL,
    IncomeHistory,
)
from aegis.venue.orders import UserTrade


def trade(trade_id: int, realized: int, fee: int, time_ms: int, account: int = 16) -> UserTrade:
    return UserTrade(account, "BTCUSDT", trade_id, 1, 1, 600_000, 5, realized, fee, False, time_ms)


def test_trades_and_entries_are_one_history_in_time() -> None:
    history = IncomeHistory()
    history.add(16, "BTCUSDT", FUNDING_FEE, -5, "USDT", 20)
    history.add(17, "BTCUSDT", FUNDING_FEE, 5, "USDT", 20)
    history.add(16, "ETHUSDT", INSURANCE_CLEAR, -7, "USDT", 40)
    trades = [trade(1, 0, 3, 10), trade(2, 100, 3, 30), trade(3, 9, 9, 30, account=17)]
    found = history.of(16, trades, None, None)
    assert [(entry.kind, entry.amount_e8, entry.time_ms) for entry in found] == [
        (COMMISSION, -3, 10),
        (FUNDING_FEE, -5, 20),
        (REALIZED_PNL, 100, 30),
        (COMMISSION, -3, 30),
        (INSURANCE_CLEAR, -7, 40),
    ]
    assert [entry.amount_e8 for entry in history.of(16, trades, COMMISSION, None)] == [-3, -3]
    assert [entry.kind for entry in history.of(16, trades, None, "ETHUSDT")] == [INSURANCE_CLEAR]
    assert found[2].trade_id == 2


def test_transaction_ids_grow_even_within_a_millisecond_and_over_a_restart() -> None:
    history = IncomeHistory()
    ids = [history.add(16, "", FUNDING_FEE, 1, "USDT", 5).transaction_id for _ in range(5)]
    assert ids == sorted(set(ids))
    again = IncomeHistory()
    again.restore(history.incomes(), ())
    assert again.add(16, "", FUNDING_FEE, 1, "USDT", 5).transaction_id > ids[-1]


def test_the_history_is_bounded_and_the_journal_sees_each_entry_once() -> None:
    history = IncomeHistory()
    for number in range(MAX_INCOME + 10):
        history.add(16, "", FUNDING_FEE, number, "USDT", number)
    assert len(history.incomes()) == MAX_INCOME
    assert len(history.new_incomes) == MAX_INCOME + 10
    history.seen()
    assert history.new_incomes == []


def test_margin_changes_are_told_apart_by_direction() -> None:
    history = IncomeHistory()
    for added in (100, -40, 7):
        history.note_margin(16, "BTCUSDT", "LONG", added, 1)
    history.note_margin(16, "ETHUSDT", "LONG", 1, 1)
    assert [c.added_e8 for c in history.margin_changes_of(16, "BTCUSDT")] == [100, -40, 7]
    assert [c.added_e8 for c in history.margin_changes_of(16, "BTCUSDT", True)] == [100, 7]
    assert [c.added_e8 for c in history.margin_changes_of(16, "BTCUSDT", False)] == [-40]
    assert history.margin_changes_of(17, "BTCUSDT") == []


def test_a_type_that_the_exchange_does_not_know_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        IncomeHistory().add(16, "", "PRESENT", 1, "USDT", 1)

"""Limits are refused unless finite and positive; a row that nobody filled allows nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from aegis.risk.gate_state import GATE_LIMITS, MAX_RATE, Gate
from aegis.risk.limits import ROW_LIMITS, RULES, InstrumentRules, LimitsError, fill_rules
from tests.risk.bench import BTC, LIMITS


def filled(**changes: Any) -> Any:
    row = np.zeros(1, RULES)
    fill_rules(row[0], BTC, LIMITS | changes)
    return row[0]


def test_quantities_become_whole_lots() -> None:
    row = filled(max_order_qty=0.01, max_position_qty=0.0579)
    assert (row["max_order_lots"], row["max_position_lots"]) == (10, 57)
    assert row["unit_e8"] == 10_000
    assert row["max_order_notional_e8"] == LIMITS["max_order_notional"] * 1e8


@pytest.mark.parametrize("name", ROW_LIMITS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -1.0, True, "1", None])
def test_a_bad_limit_is_named_and_allows_nothing(name: str, value: Any) -> None:
    row = np.zeros(1, RULES)
    with pytest.raises(LimitsError, match=name):
        fill_rules(row[0], BTC, LIMITS | {name: value})
    assert row[0]["allowed"] == 0


@pytest.mark.parametrize("name", GATE_LIMITS)
@pytest.mark.parametrize("value", [math.nan, math.inf, 0, -3, None])
def test_a_bad_instance_limit_is_named(name: str, value: Any) -> None:
    with pytest.raises(LimitsError, match=name):
        Gate(1, LIMITS | {name: value}, 0)


@pytest.mark.parametrize("name", LIMITS)
def test_a_missing_limit_is_a_refusal(name: str) -> None:
    limits = {key: value for key, value in LIMITS.items() if key != name}
    with pytest.raises(LimitsError, match=f"{name} is"):
        fill_rules(np.zeros(1, RULES)[0], BTC, limits)
        Gate(1, limits, 0)


def test_less_than_one_step_is_a_refusal() -> None:
    with pytest.raises(LimitsError, match="less than one step"):
        filled(max_order_qty=0.0009)


def test_a_symbol_that_cannot_be_kept_exactly_is_refused() -> None:
    odd = InstrumentRules("ODDUSDT", True, 1, 6, 1, 3, 1, 10, 1, 10, 10, 0)
    with pytest.raises(LimitsError, match="whole number of 1e-8"):
        fill_rules(np.zeros(1, RULES)[0], odd, LIMITS)


def test_a_changed_rate_begins_with_a_window_of_rest() -> None:
    gate = Gate(1, LIMITS | {"max_orders_per_s": 3.0}, 0)
    gate.rates[:] = [100, 300, 200, *gate.rates[3:]]
    gate.set_limits(LIMITS | {"max_orders_per_s": 5.0})
    assert set(gate.rates[:MAX_RATE].tolist()) == {300}
    assert 300 not in gate.rates[MAX_RATE:], "the cancels have a window of their own"

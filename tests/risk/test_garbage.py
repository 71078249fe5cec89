"""Every control against every garbage: NaN, infinities, denormals, -0.0, huge values, strangers.

For each function of `aegis.risk.checks` the same two promises: it never raises, and when it says
yes, the rule written down here a second time, in plain Python over exact fractions, says yes too
(or no number of it is finite). The gate as a whole is bent the same way in its own words and rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.risk import checks
from aegis.risk.controls import CONTROLS, Control
from aegis.risk.gate_state import IS_MARK_NEEDED, WALLET_E8, WORDS
from aegis.risk.latch import LatchState
from tests.risk.bench import GateBench

NASTY = st.sampled_from(
    [
        math.nan,
        math.inf,
        -math.inf,
        -0.0,
        0.0,
        5e-324,
        -5e-324,
        2.2e-308,
        1.7e308,
        -1.7e308,
        1e15,
        1e23,
        1e300,
        1.0,
        -1.0,
    ]
)
FLOATS = st.one_of(NASTY, st.floats(allow_nan=True, allow_infinity=True), st.floats(-10.0, 10.0))
EDGES = st.sampled_from([0, 1, -1, 2**31, 2**53, -(2**53), 2**62, 2**63 - 1, -(2**63)])
INTEGERS = st.one_of(EDGES, st.integers(-(2**63), 2**63 - 1), st.integers(-50, 50))
FLAGS = st.booleans()
# Sums and products in float64 may err by so much of the largest number in them.
EPSILON = Fraction(1, 2**48)
# And what is smaller than this may be rounded to nothing.
NOTHING = Fraction(1, 10**300)


def exact(*values: float) -> list[Fraction] | None:
    """The values as fractions, None when one of them is none."""
    return [Fraction(v) for v in values] if all(map(math.isfinite, values)) else None


def at_most(value: Fraction, bound: Fraction, *scale: Fraction) -> bool:
    return value <= bound + EPSILON * max(map(abs, (value, bound, *scale))) + NOTHING


def unbounded(share: float, of: float) -> bool:
    """No such limit gets into the gate (see test_limits): anything may pass it."""
    return share * of == math.inf


def near(price: Any, reference: Any, share: Any) -> bool:
    if unbounded(share, reference):
        return 0 < reference <= 1e15
    found = exact(price, reference, share)
    if found is None:
        return False
    p, r, s = found
    return 0 < r <= 10**15 and at_most(abs(p - r), s * r, p, r)


def walks(price: Any, low: Any, high: Any, mid: Any, limit: Any) -> bool:
    if unbounded(limit, mid):
        return 0 < mid <= 1e15
    found = exact(price, low, high, mid, limit)
    if found is None:
        return False
    p, lo, hi, m, s = found
    return m > 0 and at_most(max(abs(p - lo), abs(p - hi)), s * m, p, lo, hi)


def reasons(mid: Any, mark: Any, index: Any, recv: int, now: int, age: int, band: Any) -> bool:
    recent = recv > 0 and at_most(Fraction(abs(now - recv)), Fraction(age), Fraction(now))
    return recent and near(mid, mark, band) and near(mid, index, band)


def below(gross: Any, limit: Any) -> bool:
    return not math.isnan(gross) and abs(gross) <= limit


def levered(gross: Any, equity: Any, times: Any) -> bool:
    if unbounded(times, equity):
        return 0 < equity <= 1e23
    found = exact(gross, equity, times)
    return found is not None and found[1] > 0 and at_most(abs(found[0]), found[1] * found[2])


def buffered(gross: Any, rate: Any, equity: Any, buffer: Any) -> bool:
    if not 0 < equity <= 1e23 or math.isnan(gross) or math.isnan(rate) or math.isnan(buffer):
        return False
    if not all(map(math.isfinite, (gross, rate, buffer))):
        return True  # no such limit gets into the gate either
    g, r, e, b = map(Fraction, (gross, rate, equity, buffer))
    return at_most(b * e, e - abs(g) * r, e, abs(g) * r)


def fell(pnl: Any, peak: Any, limit: Any) -> bool:
    if any(map(math.isnan, (pnl, peak, limit))):
        return False
    found = exact(pnl, peak, limit)
    return found is None or at_most(found[1] - found[0], found[2], found[0], found[1])


def since(now: int, then: int, window: int) -> bool:
    return at_most(Fraction(window), Fraction(now - then), Fraction(now), Fraction(then))


def apart(side: int, is_market: bool, price: int, own: int) -> bool:
    return own == 0 or (own > 0 and not is_market and (price < own if side > 0 else price > own))


Case = tuple[Callable[..., Any], tuple[Any, ...], Callable[..., bool]]
F, I, B = FLOATS, INTEGERS, FLAGS  # noqa: E741 - the columns of the table below
CASES: dict[str, Case] = {
    "price_collar": (checks.price_collar, (F, F, F), near),
    "price_collar_window": (checks.price_collar_window, (F, F, F, F, F), walks),
    "data_reasonability": (checks.data_reasonability, (F, F, F, I, I, I, F), reasons),
    "max_gross_notional": (checks.max_gross_notional, (F, F), below),
    "max_leverage": (checks.max_leverage, (F, F, F), levered),
    "margin_buffer": (checks.margin_buffer, (F, F, F, F), buffered),
    "drawdown": (checks.drawdown, (F, F, F), fell),
    "daily_loss": (checks.daily_loss, (F, F), lambda pnl, limit: -pnl <= limit),
    "equity_floor": (
        checks.equity_floor,
        (F, F),
        lambda equity, floor: floor <= equity and math.isfinite(equity),
    ),
    "pilot": (
        checks.pilot,
        (F, F, F),
        lambda value, limit, share: not math.isnan(value) and abs(value) <= limit * share,
    ),
    "max_order_notional": (checks.max_order_notional, (F, F), lambda worth, limit: worth <= limit),
    "min_notional": (checks.min_notional, (F, F), lambda worth, least: worth >= least),
    "max_order_qty": (checks.max_order_qty, (I, I), lambda qty, limit: qty <= limit),
    "max_open_orders": (checks.max_open_orders, (I, I), lambda count, limit: count < limit),
    "message_rate": (checks.message_rate, (I, I, I), since),
    "duplicate_order": (checks.duplicate_order, (I, I, I), since),
    "repeated_execution": (checks.repeated_execution, (I, I, I), since),
    "intent_expired": (checks.intent_expired, (I, I), lambda now, until: now <= until),
    "self_trade": (checks.self_trade, (I, B, I, I), apart),
    "symbol_allowlist": (
        checks.symbol_allowlist,
        (I, I, I),
        lambda place, rows, allowed: 0 <= place < rows and allowed == 1,
    ),
}
# These have their own property tests in test_checks.
ELSEWHERE = {"well_formed", "filters", "data_freshness", "max_position_incl_open"}


def test_every_control_with_a_function_is_here() -> None:
    functions = {
        entry.function.removeprefix("checks.")
        for entry in CONTROLS.values()
        if entry.function.startswith("checks.")
    }
    assert functions <= set(CASES) | ELSEWHERE
    assert all(hasattr(checks, name) for name in functions)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_garbage_passes(name: str, data: st.DataObject) -> None:
    function, columns, rule = CASES[name]
    values = [data.draw(column) for column in columns]
    if function(*values):
        assert rule(*values), values


WORD_VALUES = st.one_of(EDGES, st.integers(-(2**63), 2**63 - 1))
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "mid_ticks": FLOATS,
        "mark_ticks": FLOATS,
        "index_ticks": FLOATS,
        "mark_recv_ns": INTEGERS,
        "book_recv_ns": INTEGERS,
        "feed_message_ns": INTEGERS,
        "is_book_valid": INTEGERS,
        "is_feed_connected": INTEGERS,
        "own_other_ticks": INTEGERS,
    },
)
ROW = st.dictionaries(
    st.sampled_from(["max_order_notional_e8", "collar", "collar_window", "mark_band"]), FLOATS
)
HELD = st.dictionaries(st.sampled_from(["unrealized_e8"]), FLOATS)
SETTINGS_WORDS = st.dictionaries(st.integers(0, WORDS - 1), WORD_VALUES, max_size=4)


@settings(max_examples=400, deadline=None)
@given(reference=FIELDS, row=ROW, held=HELD, words=SETTINGS_WORDS, wallet=WORD_VALUES)
def test_a_bent_gate_never_raises_and_never_opens(
    reference: dict[str, Any],
    row: dict[str, float],
    held: dict[str, float],
    words: dict[int, int],
    wallet: int,
) -> None:
    """Whatever stands in its words and rows, the answer is a control and the order is in bounds."""
    bench = GateBench()
    bench.gate.set_wallet(wallet)
    bench.reference |= reference
    for name, value in row.items():
        bench.gate.rules[0][name] = value
    for name, value in held.items():
        bench.gate.exposure[0][name] = value
    for place, value in words.items():
        # Heads and counts are the gate's own and index its windows; the rest may be anything.
        if place not in (4, 9, 13, 14, 43, 46):
            bench.gate.words[place] = value
    answer = Control(bench.judge())
    if answer is not Control.PASS:
        return
    gate = bench.gate
    assert 0 < float(gate.reference[0]["mid_ticks"]) <= 1e15
    needs_mark = gate.words[IS_MARK_NEEDED] != 0
    assert not any(
        math.isnan(value) for name, value in row.items() if needs_mark or name != "mark_band"
    )
    assert gate.latch.state is LatchState.ACTIVE and gate.blocks == 0
    assert gate.words[WALLET_E8] > 0, "an equity that is not known adds nothing"

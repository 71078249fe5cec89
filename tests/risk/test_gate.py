"""The gate as a whole: order of the controls, what reducing orders skip, memory, the latch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.risk.controls import Control
from aegis.risk.gate import forget_order_refs
from aegis.risk.gate_state import (
    BLOCK_BRAIN,
    BLOCK_COUNTDOWN,
    BLOCK_DRAINING,
    BLOCK_NOT_READY,
    BLOCK_ORDER_LINK,
    BLOCK_OUTCOME_LANE,
    BLOCK_PRIVATE_STREAM,
    BLOCK_SUPERVISOR,
    IS_MARK_NEEDED,
    NET_REALIZED_E8,
    OPEN_ORDERS,
    Gate,
)
from aegis.risk.latch import LatchState
from aegis.shm.intent import IOC, MARKET, POST_ONLY, REDUCE_ONLY
from tests.risk.bench import LIMITS, MID_TICKS, NOW_NS, GateBench


def test_a_good_order_passes() -> None:
    assert GateBench().judge() == Control.PASS


@pytest.mark.parametrize(
    ("fields", "control"),
    [
        ({"qty_lots": 0}, Control.INVALID_INTENT),
        ({"fair_price": math.nan}, Control.INVALID_INTENT),
        ({"instrument": 1}, Control.SYMBOL_ALLOWLIST),
        ({"instrument": 2**32 - 1}, Control.SYMBOL_ALLOWLIST),
        ({"valid_until_ns": NOW_NS - 1}, Control.INTENT_EXPIRED),
        ({"valid_until_ns": 0}, Control.INTENT_EXPIRED),
        ({"price_ticks": 5_567}, Control.FILTERS),
        ({"price_ticks": 45_297_641}, Control.FILTERS),
        ({"qty_lots": 1_000_001}, Control.FILTERS),
        ({"qty_lots": 501}, Control.MAX_ORDER_QTY),
        ({"qty_lots": 334}, Control.MAX_ORDER_NOTIONAL),
        ({"price_ticks": 603_001}, Control.PRICE_COLLAR),
        ({"price_ticks": 596_999}, Control.PRICE_COLLAR),
        ({"flags": MARKET | IOC, "price_ticks": 0, "qty_lots": 301}, Control.FILTERS),
    ],
)
def test_one_step_too_far(fields: dict[str, Any], control: Control) -> None:
    assert GateBench().judge(**fields) == control


@pytest.mark.parametrize(
    "fields",
    [
        {"qty_lots": 333},
        {"price_ticks": 603_000},
        {"price_ticks": 597_000},
        {"flags": MARKET, "price_ticks": 0, "qty_lots": 300},
        {"valid_until_ns": NOW_NS},
    ],
)
def test_at_the_limit(fields: dict[str, Any]) -> None:
    assert GateBench().judge(**fields) == Control.PASS


def test_unknown_instrument_is_denied() -> None:
    bench = GateBench()
    bench.gate.rules[0]["allowed"] = 0
    assert bench.judge() == Control.SYMBOL_ALLOWLIST


def test_instrument_not_trading_is_denied() -> None:
    bench = GateBench()
    bench.gate.rules[0]["trading"] = 0
    assert bench.judge() == Control.INSTRUMENT_STATUS


def test_minimum_notional_binds_new_risk_only() -> None:
    bench = GateBench(price_collar_bps=2_000.0)
    bench.reference["mid_ticks"] = 499_990.0
    bench.gate.rules[0]["min_notional_e8"] = 50 * 1e8
    assert bench.judge(price_ticks=500_000, qty_lots=1) == Control.PASS
    assert bench.judge(price_ticks=499_999, qty_lots=1) == Control.FILTERS
    bench.hold(position_lots=-1)
    assert bench.judge(price_ticks=499_999, qty_lots=1) == Control.PASS


def test_order_ref_is_never_reused() -> None:
    bench = GateBench(max_orders_per_s=300.0)
    assert bench.judge(order_ref=5) == Control.PASS
    assert bench.judge(order_ref=5) == Control.DUPLICATE_ORDER
    assert bench.judge(order_ref=3) == Control.PASS, "a late reference is no used one"
    assert bench.judge(order_ref=3) == Control.DUPLICATE_ORDER
    assert bench.judge(order_ref=9_000) == Control.PASS
    assert bench.judge(order_ref=9_000 - 4_096) == Control.DUPLICATE_ORDER, "too old to tell"
    assert bench.judge(order_ref=9_000 - 4_095) == Control.PASS
    forget_order_refs(bench.gate.words, bench.gate.refs)
    assert bench.judge(order_ref=5) == Control.PASS


def test_a_refused_reference_is_used_up() -> None:
    bench = GateBench()
    assert bench.judge(order_ref=5, valid_until_ns=0) == Control.INTENT_EXPIRED
    assert bench.judge(order_ref=5) == Control.DUPLICATE_ORDER


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 9_000), min_size=1, max_size=60))
def test_no_reference_passes_twice(refs: list[int]) -> None:
    bench = GateBench(max_orders_per_s=300.0, max_position_qty=1e6, max_open_orders=200)
    passed: set[int] = set()
    for ref in refs:
        bench.now_ns += 1_000_000_000
        answer = bench.judge(order_ref=ref)
        assert (answer == Control.PASS) <= (ref not in passed)
        if answer == Control.PASS:
            passed.add(ref)
        else:
            assert answer in (Control.DUPLICATE_ORDER, Control.KILL)


@pytest.mark.parametrize("state", [LatchState.REDUCING, LatchState.HALTED])
def test_latch_stops_new_risk_only(state: LatchState) -> None:
    bench = GateBench()
    bench.gate.latch.trip(state, Control.OPERATOR, NOW_NS)
    assert bench.judge() == Control.KILL
    bench.hold(position_lots=-150)
    assert bench.judge() == Control.PASS, "a way out is always open"
    assert bench.judge(side=-1) == Control.KILL


@pytest.mark.parametrize(
    ("block", "control"),
    [
        (BLOCK_NOT_READY, Control.NOT_READY),
        (BLOCK_DRAINING, Control.NOT_READY),
        (BLOCK_SUPERVISOR, Control.DEADMAN),
        (BLOCK_BRAIN, Control.DEADMAN),
        (BLOCK_COUNTDOWN, Control.DEADMAN),
        (BLOCK_PRIVATE_STREAM, Control.PRIVATE_STREAM),
        (BLOCK_OUTCOME_LANE, Control.OUTCOME_LANE),
        (BLOCK_ORDER_LINK, Control.ORDER_LINK),
    ],
)
def test_blocks_stop_new_risk_only(block: int, control: Control) -> None:
    bench = GateBench()
    bench.gate.block(block)
    assert bench.judge() == control
    bench.hold(position_lots=-150)
    expected = Control.ORDER_LINK if block == BLOCK_ORDER_LINK else Control.PASS
    assert bench.judge(flags=POST_ONLY | REDUCE_ONLY) == expected
    # By our own books it reduces, too: that is proof while they are known to be the exchange's.
    proves_nothing = block in (BLOCK_NOT_READY, BLOCK_PRIVATE_STREAM, BLOCK_COUNTDOWN)
    assert bench.judge() == (control if proves_nothing else expected)
    bench.gate.clear(block)
    bench.hold(position_lots=0)
    assert bench.judge() == Control.PASS, "a block clears itself, it is not the latch"


@pytest.mark.parametrize(
    "broken",
    [
        {"is_book_valid": 0},
        {"is_feed_connected": 0},
        {"book_recv_ns": NOW_NS - 2_000_000_001},
        {"feed_message_ns": NOW_NS - 2_000_000_001},
        {"mid_ticks": math.nan, "is_book_valid": 0},
    ],
)
def test_stale_data_stops_new_risk_only(broken: dict[str, Any]) -> None:
    bench = GateBench()
    bench.reference |= broken
    assert bench.judge() == Control.DATA_FRESHNESS
    bench.hold(position_lots=-150)
    assert bench.judge() == Control.PASS
    assert bench.judge(flags=MARKET, price_ticks=0, qty_lots=50) == Control.PASS


def test_without_a_book_a_way_out_is_held_to_the_mark() -> None:
    bench = GateBench(max_orders_per_s=300.0)
    bench.reference |= {"is_book_valid": 0, "mark_ticks": MID_TICKS}
    bench.hold(position_lots=-150)
    assert bench.judge(price_ticks=603_000) == Control.PASS
    for price_ticks in (603_001, 1_200_000, 596_999):
        for flags in (POST_ONLY, POST_ONLY | REDUCE_ONLY):
            answer = bench.judge(price_ticks=price_ticks, qty_lots=10, flags=flags)
            assert answer == Control.PRICE_COLLAR
    assert bench.judge(flags=MARKET, price_ticks=0, qty_lots=50) == Control.PASS


@pytest.mark.parametrize(
    "gone",
    [
        {"mark_recv_ns": NOW_NS - 10_000_000_001},
        {"mark_recv_ns": 0},
        {"mark_ticks": math.nan},
        {"mark_ticks": 0.0},
    ],
)
def test_with_neither_book_nor_mark_a_way_out_is_open(gone: dict[str, Any]) -> None:
    bench = GateBench()
    bench.reference |= {"is_book_valid": 0} | gone
    bench.hold(position_lots=-150)
    assert bench.judge(price_ticks=2 * int(MID_TICKS), qty_lots=10) == Control.PASS
    bench.gate.words[IS_MARK_NEEDED] = 0
    bench.reference |= {"mark_ticks": MID_TICKS, "mark_recv_ns": NOW_NS}
    assert bench.judge(price_ticks=2 * int(MID_TICKS), qty_lots=10) == Control.PASS


def test_a_valid_book_without_a_mid_has_no_collar() -> None:
    bench = GateBench()
    bench.reference |= {"mid_ticks": math.nan, "mark_ticks": MID_TICKS, "index_ticks": MID_TICKS}
    assert bench.judge() == Control.DATA_REASONABILITY
    bench.gate.words[IS_MARK_NEEDED] = 0
    assert bench.judge() == Control.PRICE_COLLAR
    assert bench.judge(flags=MARKET, price_ticks=0) == Control.FILTERS


def test_position_counts_open_orders_of_the_side() -> None:
    bench = GateBench(max_orders_per_s=300.0)
    bench.hold(position_lots=500, open_buy_lots=400)
    assert bench.judge(qty_lots=100) == Control.PASS
    assert bench.judge(qty_lots=101) == Control.MAX_POSITION_INCL_OPEN
    bench.hold(open_buy_lots=401)
    assert bench.judge(qty_lots=100) == Control.MAX_POSITION_INCL_OPEN
    bench.hold(position_lots=0, open_buy_lots=0, open_sell_lots=901)
    assert bench.judge(side=-1, qty_lots=100) == Control.MAX_POSITION_INCL_OPEN
    assert bench.judge(side=-1, qty_lots=99) == Control.PASS


def test_open_orders_are_bounded() -> None:
    bench = GateBench()
    bench.gate.words[OPEN_ORDERS] = 9
    assert bench.judge() == Control.PASS
    bench.gate.words[OPEN_ORDERS] = 10
    assert bench.judge() == Control.MAX_OPEN_ORDERS
    bench.hold(position_lots=-150)
    assert bench.judge() == Control.PASS


def test_message_rate_is_a_sliding_window() -> None:
    bench = GateBench()
    for _ in range(5):
        assert bench.judge() == Control.PASS
        bench.now_ns += 100_000_000
    assert bench.judge() == Control.MAX_MSG_RATE
    bench.now_ns = NOW_NS + 999_999_999
    assert bench.judge() == Control.MAX_MSG_RATE
    bench.now_ns = NOW_NS + 1_000_000_000
    assert bench.judge() == Control.PASS
    assert bench.judge() == Control.MAX_MSG_RATE
    bench.hold(position_lots=-150)
    assert bench.judge() == Control.PASS, "a reducing order is counted, not stopped"


def test_a_runaway_is_stopped() -> None:
    bench = GateBench(max_open_orders=200, max_position_qty=1e6, max_orders_per_s=20.0)
    passed = 0
    for _ in range(10_000):
        bench.now_ns += 100_000
        passed += bench.judge() == Control.PASS
    assert passed == 20


def test_daily_loss_latches() -> None:
    bench = GateBench()
    bench.gate.words[NET_REALIZED_E8] = -200 * 10**8
    assert bench.judge() == Control.PASS
    bench.gate.words[NET_REALIZED_E8] -= 1
    assert bench.judge() == Control.DAILY_LOSS
    assert bench.gate.latch.state is LatchState.REDUCING
    bench.gate.words[NET_REALIZED_E8] = 0
    assert bench.judge() == Control.KILL, "what was lost and won back still needs a person"


def test_daily_loss_counts_the_open_position_at_mid() -> None:
    bench = GateBench()
    # Long 100 lots (0.1 BTC) from 62,000.1; at a mid of 60,000 that is 200.01 lost.
    bench.hold(position_lots=100, cost_e8=620_001 * 100 * 10_000)
    assert bench.judge(qty_lots=1) == Control.DAILY_LOSS
    bench = GateBench()
    bench.hold(position_lots=-100, cost_e8=-580_000 * 100 * 10_000)
    assert bench.judge(side=-1, qty_lots=1) == Control.PASS
    bench.gate.start_day()
    assert bench.gate.day_pnl_e8 == 0.0


def test_burst_of_nonsense_halts() -> None:
    bench = GateBench()
    for _ in range(9):
        bench.judge(qty_lots=-1)
        bench.now_ns += 1_000_000_000
    assert bench.gate.latch.state is LatchState.ACTIVE
    bench.judge(instrument=99)
    assert bench.gate.latch.state is LatchState.HALTED
    assert bench.gate.latch.reason == Control.NONSENSE_BURST


def test_nonsense_now_and_then_does_not_halt() -> None:
    bench = GateBench()
    for _ in range(50):
        bench.judge(qty_lots=-1)
        bench.now_ns += 1_200_000_000
    assert bench.gate.latch.state is LatchState.ACTIVE


def test_an_empty_gate_refuses_everything() -> None:
    bench = GateBench()
    bench.gate.words[:] = 0
    assert bench.judge() == Control.KILL
    bench.gate = Gate(1, LIMITS, NOW_NS)
    bench.gate.clear(BLOCK_NOT_READY)
    assert bench.judge() == Control.SYMBOL_ALLOWLIST


ANY = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, -1, 100, 2**31, 2**53, 2**63 - 1, -(2**63)]),
    st.integers(595_000, 605_000),
    st.integers(1, 600),
)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=500, deadline=None)
@given(
    price=ANY,
    qty=ANY,
    ref=ANY,
    until=ANY,
    side=st.integers(-(2**15), 2**15 - 1) | st.sampled_from([1, -1]),
    flags=st.integers(0, 2**16 - 1) | st.integers(0, 15),
    instrument=st.integers(0, 2**32 - 1) | st.just(0),
    fair=FLOATS | st.just(60_000.0),
    mid=FLOATS | st.just(600_000.0),
    position=st.integers(-1_000, 1_000),
    own=st.integers(0, 1_000),
)
def test_nothing_beyond_a_limit_ever_passes(
    price: int,
    qty: int,
    ref: int,
    until: int,
    side: int,
    flags: int,
    instrument: int,
    fair: float,
    mid: float,
    position: int,
    own: int,
) -> None:
    bench = GateBench()
    bench.reference["mid_ticks"] = mid
    bench.hold(position_lots=position, open_buy_lots=own, open_sell_lots=own)
    answer = bench.judge(
        price_ticks=price,
        qty_lots=qty,
        order_ref=ref,
        valid_until_ns=until,
        side=side,
        flags=flags,
        instrument=instrument,
        fair_price=fair,
        confidence=fair,
    )
    if answer != Control.PASS:
        return
    assert instrument == 0 and side in (1, -1) and ref > 0 and until >= NOW_NS
    assert 1 <= qty <= 500 and math.isfinite(fair)
    worst = side * position + own + qty
    is_reducing = side * position < 0 and qty + own <= abs(position)
    assert is_reducing or worst <= 1_000
    if not flags & MARKET:
        assert 5_568 <= price <= 45_297_640
        assert price * qty * 10_000 <= 20_000 * 10**8
        if mid > 0:
            assert abs(price - mid) <= 0.005 * mid
        else:
            assert is_reducing
    assert np.all(bench.gate.exposure[0]["position_lots"] == position)

"""Own prices, capital, losses and flow: each control by itself, then where the gate asks it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from aegis.risk import checks
from aegis.risk.controls import Control
from aegis.risk.gate_state import IS_MARK_NEEDED, NET_REALIZED_E8, OPEN_ORDERS, PEAK_E8
from aegis.risk.guards import GUARD_WORDS
from aegis.risk.latch import LatchState
from aegis.risk.message_times import note_cancel
from aegis.risk.trips import count_execution, watch_losses
from aegis.shm.intent import IOC, MARKET
from tests.risk.bench import NOW_NS, GateBench

SECOND_NS = 1_000_000_000
BTC_E8 = 60_000 * 10**8  # what one bitcoin, 1,000 lots, is worth at the bench's mid


def test_price_collar_window() -> None:
    # Prices so far 599,000..601,000 at a mid of 600,000; 100 bps are 6,000 ticks.
    window = (599_000.0, 601_000.0, 600_000.0, 0.01)
    assert checks.price_collar_window(605_000.0, *window)
    assert checks.price_collar_window(595_000.0, *window)
    assert not checks.price_collar_window(605_001.0, *window)
    assert not checks.price_collar_window(594_999.0, *window)
    assert not checks.price_collar_window(600_000.0, 1.0, 1.0, math.nan, 0.01)


def test_a_price_that_walks_away_is_stopped() -> None:
    """Each step is within the collar of the mid, the mark and the last price; the walk is not."""
    bench = GateBench(max_orders_per_s=300.0, max_open_orders=200, max_position_qty=100.0)
    answers = []
    for step in range(8):
        price = 600_000 + 1_000 * step
        bench.reference["mid_ticks"] = float(price)
        answers.append(bench.judge(price_ticks=price, qty_lots=1))
        bench.now_ns += SECOND_NS
    assert answers == [Control.PASS] * 7 + [Control.PRICE_COLLAR_WINDOW]
    assert bench.judge(price_ticks=607_000, qty_lots=1, side=-1) == Control.PASS, "the other side"
    bench.now_ns += 120 * SECOND_NS
    assert bench.judge(price_ticks=607_000, qty_lots=1) == Control.PASS, "long enough ago"


def test_a_window_covers_at_least_its_length() -> None:
    bench = GateBench(price_collar_window_s=10.0, price_collar_bps=500.0, max_orders_per_s=300.0)
    bench.now_ns += 9 * SECOND_NS
    assert bench.judge(qty_lots=1) == Control.PASS
    bench.now_ns += 10 * SECOND_NS - 1
    assert bench.judge(price_ticks=606_100, qty_lots=1) == Control.PRICE_COLLAR_WINDOW
    bench.now_ns += 11 * SECOND_NS
    assert bench.judge(price_ticks=606_100, qty_lots=1) == Control.PASS


def test_the_collar_holds_against_mark_and_last_price() -> None:
    bench = GateBench()
    bench.reference |= {"mark_ticks": 602_900.0, "index_ticks": 602_900.0}
    assert bench.judge(price_ticks=599_800) == Control.PRICE_COLLAR, "3,014.5 from the mark"
    assert bench.judge(price_ticks=599_900) == Control.PASS
    bench = GateBench()
    assert bench.judge(price_ticks=597_500) == Control.PASS
    assert bench.judge(price_ticks=601_000) == Control.PRICE_COLLAR, "3,500 from our last price"
    assert bench.judge(price_ticks=601_000, side=-1) == Control.PASS
    bench.now_ns += 61 * SECOND_NS
    assert bench.judge(price_ticks=601_000) == Control.PASS, "a price of long ago binds nobody"


def reasonable(**changes: float) -> bool:
    fields: dict[str, float] = {
        "mid": 600_000.0,
        "mark": 600_000.0,
        "index": 600_000.0,
        "recv": 900,
        "now": 1_000,
        "age": 100,
        "band": 0.005,
    }
    return bool(checks.data_reasonability(*(fields | changes).values()))


def test_data_reasonability() -> None:
    assert reasonable()
    assert reasonable(mid=603_000.0) and reasonable(mid=597_000.0)
    assert not reasonable(mid=603_001.0)
    assert not reasonable(index=606_100.0)
    assert not reasonable(recv=899), "a mark of long ago is none"
    assert not reasonable(recv=0, now=50)
    for name in ("mid", "mark", "index", "band"):
        assert not reasonable(**{name: math.nan}), name
    for bad in (0.0, -0.0, -1.0, math.inf):
        assert not reasonable(mark=bad) and not reasonable(index=bad)


def test_a_bad_print_stops_new_risk_and_values_nothing() -> None:
    bench = GateBench()
    bench.hold(position_lots=100, cost_e8=600_000 * 100 * 10_000)
    bench.reference |= {"mid_ticks": 500_000.0, "mark_ticks": 600_000.0, "index_ticks": 600_000.0}
    assert bench.judge(price_ticks=500_000, qty_lots=1) == Control.DATA_REASONABILITY
    assert bench.gate.latch.state is LatchState.ACTIVE, "10,000 lost on paper, by a bad print"
    assert bench.judge(price_ticks=500_000, qty_lots=1, side=-1) == Control.PASS, "a way out"
    bench.reference["mark_recv_ns"] = 0
    assert bench.judge(price_ticks=500_000, qty_lots=1) == Control.DATA_REASONABILITY
    bench.gate.words[IS_MARK_NEEDED] = 0
    assert bench.judge(price_ticks=500_000, qty_lots=1) == Control.DAILY_LOSS, "a replay: no marks"


def test_max_gross_notional() -> None:
    assert checks.max_gross_notional(100.0, 100.0)
    assert not checks.max_gross_notional(math.nextafter(100.0, 200.0), 100.0)
    assert not checks.max_gross_notional(-101.0, 100.0)
    # 0.1 long, 0.2 of buys open: 18,000; another 0.033 is 1,980.
    bench = GateBench(max_gross_notional=20_000.0)
    bench.hold(position_lots=100, open_buy_lots=200, open_sell_lots=50, open_orders=2)
    bench.hold(cost_e8=6_000 * 10**8)
    assert bench.judge(qty_lots=34) == Control.MAX_GROSS_NOTIONAL
    assert bench.judge(qty_lots=33) == Control.PASS
    assert bench.judge(qty_lots=200, side=-1) == Control.PASS, "250 of sells leave 150 short"


def test_max_leverage() -> None:
    assert checks.max_leverage(200.0, 100.0, 2.0)
    assert not checks.max_leverage(201.0, 100.0, 2.0)
    for unknown in (0.0, -5.0, math.nan, math.inf):
        assert not checks.max_leverage(0.0, unknown, 2.0)
    bench = GateBench(max_leverage=2.0, min_equity=1.0)
    bench.gate.set_wallet(3_000 * 10**8)
    assert bench.judge(qty_lots=101) == Control.MAX_LEVERAGE
    assert bench.judge(qty_lots=100) == Control.PASS
    bench.gate.set_wallet(0)
    assert bench.judge(qty_lots=1) == Control.EQUITY_FLOOR, "an unknown wallet adds nothing"


def test_margin_buffer() -> None:
    assert checks.margin_buffer(1_000.0, 0.05, 100.0, 0.5)
    assert not checks.margin_buffer(1_001.0, 0.05, 100.0, 0.5)
    for unknown in (0.0, -5.0, math.nan, math.inf):
        assert not checks.margin_buffer(0.0, 0.05, unknown, 0.5)
    bench = GateBench(min_margin_buffer=0.9, margin_rate=0.1, min_equity=1.0)
    bench.gate.set_wallet(6_000 * 10**8)
    assert bench.judge(qty_lots=101) == Control.MARGIN_BUFFER
    assert bench.judge(qty_lots=100) == Control.PASS


def test_drawdown() -> None:
    assert checks.drawdown(70.0, 100.0, 30.0)
    assert not checks.drawdown(69.0, 100.0, 30.0)
    assert not checks.drawdown(math.nan, 100.0, 30.0)
    bench = GateBench(max_daily_loss=1e6, max_drawdown=150.0)
    bench.gate.words[NET_REALIZED_E8] = 500 * 10**8
    assert bench.judge() == Control.PASS
    bench.gate.words[NET_REALIZED_E8] = 350 * 10**8
    assert bench.judge() == Control.PASS
    bench.gate.words[NET_REALIZED_E8] -= 1
    assert bench.judge() == Control.DRAWDOWN, "still a profit, and yet a fall"
    assert bench.gate.latch.reason == Control.DRAWDOWN
    bench.gate.rearm(bench.now_ns)
    assert bench.gate.words[PEAK_E8] == 350 * 10**8 - 1
    assert bench.judge() == Control.PASS


def test_equity_floor() -> None:
    assert checks.equity_floor(100.0, 100.0)
    assert not checks.equity_floor(99.0, 100.0)
    for garbage in (math.nan, math.inf, -math.inf):
        assert not checks.equity_floor(garbage, 100.0)
    bench = GateBench(min_equity=50_000.0)
    bench.gate.set_wallet(50_000 * 10**8)
    assert bench.judge() == Control.PASS
    bench.gate.set_wallet(50_000 * 10**8 - 1)
    assert bench.judge() == Control.EQUITY_FLOOR
    assert bench.gate.latch.state is LatchState.REDUCING


def test_losses_are_watched_between_orders() -> None:
    bench = GateBench()
    bench.gate.words[NET_REALIZED_E8] = -201 * 10**8
    gate = bench.gate
    assert watch_losses(gate.words, gate.exposure, gate.guards, NOW_NS) == Control.DAILY_LOSS
    assert gate.latch.state is LatchState.REDUCING


def test_pilot() -> None:
    assert checks.pilot(10.0, 100.0, 0.1)
    assert not checks.pilot(10.1, 100.0, 0.1)
    assert not checks.pilot(math.nan, 100.0, 0.1)
    bench = GateBench(pilot_hours=2.0, pilot_share=0.1)
    assert bench.judge(qty_lots=34) == Control.PILOT, "33.3 are a tenth of the order's worth"
    assert bench.judge(qty_lots=33) == Control.PASS
    bench.hold(position_lots=70)
    assert bench.judge(qty_lots=31) == Control.PILOT, "100 are a tenth of the position"
    assert bench.judge(qty_lots=30) == Control.PASS
    bench.hold(position_lots=0)
    bench.now_ns += 7_199 * SECOND_NS
    assert bench.judge(qty_lots=100) == Control.PILOT
    bench.now_ns += SECOND_NS
    assert bench.judge(qty_lots=100) == Control.PASS, "its hours are over"


def test_self_trade() -> None:
    assert checks.self_trade(1, False, 600_000, 0)
    assert checks.self_trade(1, False, 600_000, 600_001)
    assert not checks.self_trade(1, False, 600_000, 600_000)
    assert checks.self_trade(-1, False, 600_000, 599_999)
    assert not checks.self_trade(-1, False, 600_000, 600_000)
    assert not checks.self_trade(1, True, 0, 700_000), "a market order may reach anything"
    assert not checks.self_trade(1, False, 600_000, -1)
    bench = GateBench()
    bench.reference["own_other_ticks"] = 600_000
    assert bench.judge(price_ticks=600_000) == Control.SELF_TRADE
    assert bench.judge(flags=IOC | MARKET, price_ticks=0) == Control.SELF_TRADE
    assert bench.judge(price_ticks=599_999) == Control.PASS


def test_duplicate_order() -> None:
    assert checks.duplicate_order(150, 100, 50)
    assert not checks.duplicate_order(149, 100, 50)
    assert not checks.duplicate_order(50, 100, 50), "a clock that goes back proves nothing"
    bench = GateBench(duplicate_window_ms=50.0, max_orders_per_s=300.0)
    assert bench.judge() == Control.PASS
    bench.now_ns += 49_999_999
    assert bench.judge() == Control.DUPLICATE_ORDER
    assert bench.judge(side=-1) == bench.judge(qty_lots=99) == Control.PASS
    assert bench.judge(price_ticks=599_999) == Control.PASS
    bench.now_ns += 1
    assert bench.judge() == Control.PASS


def executions(bench: GateBench, *sides: int, ends: bool = False, step_ns: int = 1_000) -> None:
    gate = bench.gate
    for side in sides:
        bench.now_ns += step_ns
        count_execution(gate.words, gate.guards, 0, side, ends, bench.now_ns, bench.now_ns)


def test_repeated_execution() -> None:
    assert checks.repeated_execution(1_001, 500, 500)
    assert not checks.repeated_execution(1_000, 500, 500)
    bench = GateBench()
    executions(bench, 1, 1, 1, 1)
    assert bench.gate.latch.state is LatchState.ACTIVE
    executions(bench, 1)
    assert bench.gate.latch.state is LatchState.HALTED
    assert bench.gate.latch.reason == Control.REPEATED_EXECUTION
    assert bench.judge() == Control.KILL
    bench.gate.rearm(bench.now_ns)
    executions(bench, 1, 1, 1, 1)
    assert bench.gate.latch.state is LatchState.ACTIVE, "counted anew"


@pytest.mark.parametrize(
    "between", [{"sides": (-1,)}, {"sides": (1,), "ends": True}], ids=["other side", "profit, flat"]
)
def test_a_streak_ends(between: dict[str, Any]) -> None:
    bench = GateBench()
    executions(bench, 1, 1, 1, 1)
    executions(bench, *between["sides"], ends=between.get("ends", False))
    executions(bench, 1, 1, 1, 1)
    assert bench.gate.latch.state is LatchState.ACTIVE
    executions(bench, 1)
    assert bench.gate.latch.state is LatchState.HALTED


def test_slow_executions_of_one_side_are_no_streak() -> None:
    bench = GateBench()
    executions(bench, *[1] * 200, step_ns=15_000_000_001)
    assert bench.gate.latch.state is LatchState.ACTIVE
    executions(bench, *[1] * 4, step_ns=1_000)
    assert bench.gate.latch.state is LatchState.HALTED


def test_too_many_cancels_stop_new_orders_never_cancels() -> None:
    bench = GateBench()
    for _ in range(10):
        note_cancel(bench.gate.words, bench.gate.rates, bench.now_ns)
    assert bench.judge() == Control.MAX_MSG_RATE
    bench.hold(position_lots=-150)
    assert bench.judge() == Control.PASS, "and no way out"
    bench.hold(position_lots=0)
    bench.now_ns += SECOND_NS
    assert bench.judge() == Control.PASS


@pytest.mark.parametrize("open_orders", [0, 10], ids=["rate", "full"])
def test_a_runaway_is_latched(open_orders: int) -> None:
    """At 10,000 orders a second, whichever control refuses them: halted within 100 ms."""
    bench = GateBench(max_open_orders=10)
    bench.gate.words[OPEN_ORDERS] = open_orders
    start_ns = bench.now_ns
    while bench.gate.latch.state is LatchState.ACTIVE:
        assert bench.now_ns - start_ns < 100_000_000
        bench.judge()
        bench.now_ns += 100_000
    assert bench.gate.latch.state is LatchState.HALTED
    assert bench.gate.latch.reason == Control.MAX_MSG_RATE


def test_decisions_that_come_all_at_once_after_a_stall_are_no_runaway() -> None:
    """Fifteen a second are within the rate; execution takes three seconds of them in one go."""
    bench = GateBench(max_open_orders=10)
    bench.gate.words[OPEN_ORDERS] = 10
    for number in range(45):
        decided_ns = bench.now_ns - 3 * SECOND_NS + number * SECOND_NS // 15
        assert bench.judge(ts_decided_ns=decided_ns) == Control.MAX_OPEN_ORDERS
    assert bench.gate.latch.state is LatchState.ACTIVE


@pytest.mark.parametrize("decided_ns", [0, 1 << 62, -(1 << 63)], ids=["past", "future", "mad"])
def test_a_runaway_does_not_hide_behind_the_time_of_its_decisions(decided_ns: int) -> None:
    bench = GateBench(max_open_orders=10)
    bench.gate.words[OPEN_ORDERS] = 10
    for _ in range(20):
        bench.judge(ts_decided_ns=decided_ns)
        bench.now_ns += 100_000
    assert bench.gate.latch.state is LatchState.HALTED


def test_refusals_that_are_the_worlds_fault_do_not_latch() -> None:
    bench = GateBench()
    bench.reference["is_book_valid"] = 0
    for _ in range(500):
        assert bench.judge() == Control.DATA_FRESHNESS
        bench.now_ns += 100_000
    assert bench.gate.latch.state is LatchState.ACTIVE


def test_a_row_of_guards_is_one_instruments() -> None:
    bench = GateBench()
    assert bench.gate.guards.size == GUARD_WORDS
    bench.judge()
    assert np.count_nonzero(bench.gate.guards) > 0

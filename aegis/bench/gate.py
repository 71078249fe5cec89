"""`aegis bench gate`: the risk gate's cost for one order, beside the same checks in plain Python.

The kernel that execution calls (`judge`, every control) over orders that pass them all: the dearest
way through. Each order is timed by itself inside a compiled loop, the clock's own cost included;
the baseline is timed the same way. The state is that of a market maker at work: a position, resting
orders, a full memory of its last prices and orders. `instruments` is how many rows the gate has.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from aegis.bench.gate_baseline import PlainGate, PlainOrder
from aegis.host.clock import kernel_monotonic_ns
from aegis.host.jit import kernel
from aegis.risk.gate import judge
from aegis.risk.gate_state import BLOCK_NOT_READY, MAX_RATE, OPEN_ORDERS, Gate
from aegis.risk.limits import InstrumentRules, fill_rules
from aegis.shm.intent import INTENT, PLACE, POST_ONLY

__all__ = ["measure_gate"]

NOW_NS = 1 << 50
STEP_NS = 1_000_000
MID_TICKS = 600_000.0
LIMITS: dict[str, Any] = {
    "max_order_qty": 1.0,
    "max_order_notional": 100_000.0,
    "max_position_qty": 5.0,
    "price_collar_bps": 50.0,
    "price_collar_window_bps": 200.0,
    "max_mark_deviation_bps": 50.0,
    "max_open_orders": 100,
    "max_orders_per_s": float(MAX_RATE),
    "max_cancels_per_s": float(MAX_RATE),
    "max_stale_ms": 2_000,
    "max_daily_loss": 10_000.0,
    "max_drawdown": 10_000.0,
    "min_equity": 1_000.0,
    "max_gross_notional": 1_000_000.0,
    "max_leverage": 10.0,
    "margin_rate": 0.05,
    "min_margin_buffer": 0.1,
    "price_collar_window_s": 60.0,
    "duplicate_window_ms": 5.0,
    "max_same_side_fills": 20,
    "same_side_fills_window_s": 60.0,
    "pilot_hours": 0.0,
    "pilot_share": 1.0,
}
RULES = InstrumentRules("BTCUSDT", True, 1, 1, 1, 3, 5_568, 45_297_640, 1, 10**6, 10**6, 50 * 10**8)


@kernel
def _time_orders(
    intents: Any,
    rules: Any,
    exposure: Any,
    words: Any,
    rates: Any,
    refs: Any,
    guards: Any,
    reference: Any,
    taken_ns: Any,
) -> Any:
    """Judge every intent, one moment after the other; how many passed."""
    passed = 0
    for at in range(taken_ns.size):
        now_ns = NOW_NS + at * STEP_NS
        reference[0].book_recv_ns = now_ns
        reference[0].feed_message_ns = now_ns
        reference[0].mark_recv_ns = now_ns
        begun_ns = kernel_monotonic_ns()
        answer = judge(
            intents[at], rules, exposure, words, rates, refs, guards, reference[0], now_ns, now_ns
        )
        taken_ns[at] = kernel_monotonic_ns() - begun_ns
        passed += answer == 0
    return passed


def _price(at: int) -> int:
    """Prices of a maker that follows a mid: some ticks off, never twice the same in a row."""
    side = 1 if at % 2 else -1
    return int(MID_TICKS) - side * (20 + at // 2 % 11)


def _intents(count: int) -> Any:
    records = np.zeros(count, INTENT)
    numbers = np.arange(count)
    records["kind"] = PLACE
    records["flags"] = POST_ONLY
    records["order_ref"] = numbers + 1
    records["side"] = np.where(numbers % 2 == 1, 1, -1)
    records["price_ticks"] = [_price(at) for at in range(count)]
    records["qty_lots"] = 100
    records["valid_until_ns"] = NOW_NS + numbers * STEP_NS + 1
    return records


def _gate(instruments: int) -> Gate:
    gate = Gate(instruments, LIMITS, NOW_NS)
    for row in gate.rules:
        fill_rules(row, RULES, LIMITS)
    gate.clear(BLOCK_NOT_READY)
    gate.set_wallet(100_000 * 10**8)
    gate.words[OPEN_ORDERS] = 10
    gate.exposure["position_lots"][0] = 500
    gate.exposure["cost_e8"][0] = 500 * int(MID_TICKS) * 10_000
    gate.exposure["open_buy_lots"][0] = gate.exposure["open_sell_lots"][0] = 500
    gate.exposure["open_orders"][0] = 10
    gate.reference["mid_ticks"] = gate.reference["mark_ticks"] = MID_TICKS
    gate.reference["index_ticks"] = MID_TICKS
    gate.reference["is_book_valid"] = gate.reference["is_feed_connected"] = 1
    return gate


def _ours(count: int, instruments: int) -> Any:
    gate, intents = _gate(instruments), _intents(count)
    taken_ns = np.zeros(count, np.int64)
    passed = _time_orders(
        intents,
        gate.rules,
        gate.exposure,
        gate.words,
        gate.rates,
        gate.refs,
        gate.guards,
        gate.reference,
        taken_ns,
    )
    assert passed == count, f"{count - passed} of {count} orders did not pass"
    return taken_ns


def _plain(count: int) -> Any:
    limits = {
        "min_price": RULES.min_price_ticks,
        "max_price": RULES.max_price_ticks,
        "max_order_lots": 1_000,
        "max_stale_ns": 2e9,
        "mark_band": 0.005,
        "unit": 1e-4,
        "min_notional": 50.0,
        "max_order_notional": 1e5,
        "collar": 0.005,
        "window_ns": 6e10,
        "collar_window": 0.02,
        "max_daily_loss": 1e4,
        "max_drawdown": 1e4,
        "min_equity": 1e3,
        "max_position_lots": 5_000,
        "max_gross": 1e6,
        "max_leverage": 10.0,
        "margin_rate": 0.05,
        "max_open_orders": 100,
        "duplicate_ns": 5e6,
        "max_orders_per_s": 10_000,
    }
    gate = PlainGate(MID_TICKS, MID_TICKS, limits, position=500.0, wallet=1e5, open_orders=10)
    gate.cost = 500 * MID_TICKS * 1e-4
    gate.open_buys = gate.open_sells = 500
    taken_ns = np.zeros(count, np.int64)
    for at in range(count):
        now_ns = gate.seen_ns = NOW_NS + at * STEP_NS
        order = PlainOrder(at + 1, 1 if at % 2 else -1, _price(at), 100, now_ns + 1)
        begun_ns = time.monotonic_ns()
        answer = gate.judge(order, now_ns)
        taken_ns[at] = time.monotonic_ns() - begun_ns
        assert answer == "", f"order {at} refused by {answer}"
    return taken_ns


def _percentiles(taken_ns: Any) -> dict[str, int]:
    found = np.percentile(taken_ns, [50, 99, 99.9])
    p50, p99, p999 = (round(float(value)) for value in found)
    return {"p50": p50, "p99": p99, "p999": p999, "max": int(taken_ns.max())}


def measure_gate(*, smoke: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """`gate_ns` of one instrument and of 512, and the baseline's, each with percentiles."""
    count = 20_000 if smoke else 1_000_000
    _ours(100, 1)
    progress(f"{count:,} orders through the gate of one instrument")
    one = _percentiles(_ours(count, 1))
    progress(f"{count:,} orders through the gate of 512 instruments")
    many = _percentiles(_ours(count, 512))
    plain_count = count // 10
    progress(f"{plain_count:,} orders through the same checks in plain Python")
    plain = _percentiles(_plain(plain_count))
    return {
        "orders": count,
        "gate_ns": one,
        "gate_512_instruments_ns": many,
        "baseline": {"orders": plain_count, "gate_ns": plain},
        "times_faster": round(plain["p50"] / one["p50"], 1),
    }

"""The order table under millions of orders: through its own kernels, from placement to the end.

Every order gets its row, is looked up by reference, is accepted and is cancelled, as the intake and
the exchange's answers would have it; the outcomes that this stages are thrown away. What is shown
is whether the cost of an order and the memory of the process depend on how many there were before.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from aegis.execution.client_id import ClientIds
from aegis.execution.core import ExecutionCore
from aegis.execution.order_states import ACCEPT, CANCEL
from aegis.execution.order_table import apply_event, find_order, open_order
from aegis.execution.tables import rows_of, words_of
from aegis.execution.words import OPEN_COUNT, STAGE_COUNT
from aegis.host.jit import kernel
from aegis.risk.gate_state import Gate
from aegis.risk.limits import InstrumentRules
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import INTENT, POST_ONLY

__all__ = ["measure_table"]

# Orders that are open at the same time.
OPEN_ORDERS = 200
MARKS = (10_000, 1_000_000, 10_000_000)
# The cost at a mark is the median of this many parts of the orders just before it: what else the
# machine does meets a few of them.
SPAN, PARTS = 5_000, 10


@kernel
def _turn(tables: Any, intents: Any, first: Any, count: Any, open_orders: Any) -> Any:
    """Orders `first` to `first + count`; each ends `open_orders` later. The misses of the hash."""
    words = words_of(tables)
    missed = 0
    for ref in range(first, first + count):
        intent = intents[0]
        intent.order_ref = ref
        intent.intent_id = ref
        slot = open_order(tables, intent, ref, ref)
        found = find_order(tables, np.int64(intent.epoch), np.int64(ref))
        if slot < 0 or found != slot:
            missed += 1
            continue
        apply_event(tables, slot, ACCEPT, 0, 0, 0, ref, 0, ref)
        ended = ref - open_orders
        if ended > 0:
            old = find_order(tables, np.int64(intent.epoch), np.int64(ended))
            if old < 0 or rows_of(tables)[old].order_ref != ended:
                missed += 1
            else:
                apply_event(tables, old, CANCEL, 0, 0, 0, ended, 0, ref)
        words[STAGE_COUNT] = 0
    return missed


def measure_table(marks: tuple[int, ...] = MARKS) -> dict[str, Any]:
    """ns an order at each mark, and how much the process grew from the first mark to the last."""
    with tempfile.TemporaryDirectory(prefix="aegis.bench-", dir="/dev/shm") as folder:
        memory = InstanceMemory.create(
            "table", instruments=1, shm_dir=Path(folder), owner=(os.getpid(), 1)
        )
        try:
            return _measure(memory, marks)
        finally:
            memory.close()


def _measure(memory: InstanceMemory, marks: tuple[int, ...]) -> dict[str, Any]:
    core = ExecutionCore(
        memory, Gate(1, LIMITS, 0), ClientIds("bench", 1_700_000_000), (_BTC,), 2_000
    )
    core.follow_epoch(1)
    tables = core.tables.directory
    intents = np.zeros(1, INTENT)
    for name, value in (("side", 1), ("flags", POST_ONLY), ("qty_lots", 2), ("epoch", 1)):
        intents[name] = value
    intents["price_ticks"] = 599_900
    done, missed = SPAN, int(_turn(tables, intents, 1, SPAN, OPEN_ORDERS))
    costs: dict[str, float] = {}
    resident: list[int] = []
    for mark in marks:
        missed += int(_turn(tables, intents, done + 1, mark - SPAN - done, OPEN_ORDERS))
        part, times = SPAN // PARTS, []
        for first in range(mark - SPAN + 1, mark, part):
            before_ns = time.perf_counter_ns()
            missed += int(_turn(tables, intents, first, part, OPEN_ORDERS))
            times.append((time.perf_counter_ns() - before_ns) / part)
        costs[f"{mark}"] = round(float(np.median(times)), 1)
        done = mark
        resident.append(_resident_bytes())
    assert missed == 0, f"{missed} orders were not found in the table"
    assert int(core.words[OPEN_COUNT]) == OPEN_ORDERS, "every other order has ended"
    return {
        "orders": done,
        "ns": costs,
        "grown_bytes": resident[-1] - resident[0],
        "table_bytes": int(core.tables.rows.nbytes),
    }


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


# Wide enough that nothing but the way of an order is measured.
LIMITS: dict[str, Any] = {
    "max_order_qty": 1.0,
    "max_order_notional": 1e6,
    "max_position_qty": 1e3,
    "max_gross_notional": 1e9,
    "max_leverage": 125.0,
    "min_margin_buffer": 0.01,
    "min_equity": 1.0,
    "max_daily_loss": 1e6,
    "max_drawdown": 1e6,
    "price_collar_bps": 500.0,
    "price_collar_window_bps": 5_000.0,
    "max_mark_deviation_bps": 500.0,
    "max_open_orders": 1_000,
    "max_orders_per_s": 10_000.0,
    "max_cancels_per_s": 10_000.0,
    "max_same_side_fills": 64,
    "max_stale_ms": 5_000,
    "price_collar_window_s": 60.0,
    "same_side_fills_window_s": 0.001,
    "duplicate_window_ms": 1e-9,
    "margin_rate": 0.05,
    "pilot_hours": 0.0,
    "pilot_share": 1.0,
}
_BTC = InstrumentRules(
    symbol="BTCUSDT",
    is_trading=True,
    tick_mantissa=1,
    tick_decimals=1,
    step_mantissa=1,
    step_decimals=3,
    min_price_ticks=1,
    max_price_ticks=1 << 40,
    min_qty_lots=1,
    max_qty_lots=1 << 40,
    max_market_qty_lots=1 << 40,
    min_notional_e8=0,
)

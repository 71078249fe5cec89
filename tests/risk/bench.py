"""A gate with known limits, and one good order to bend. Used by the tests of this room."""

from __future__ import annotations

from typing import Any

import numpy as np

from aegis.risk.gate import judge
from aegis.risk.gate_state import BLOCK_NOT_READY, Gate
from aegis.risk.limits import InstrumentRules, fill_rules
from aegis.shm.intent import INTENT, PLACE, POST_ONLY

LIMITS: dict[str, Any] = {
    "max_order_qty": 0.5,
    "max_order_notional": 20_000.0,
    "max_position_qty": 1.0,
    "price_collar_bps": 50.0,
    "max_open_orders": 10,
    "max_orders_per_s": 5.0,
    "max_stale_ms": 2_000,
    "max_daily_loss": 200.0,
    "max_drawdown": 1_000.0,
    "min_equity": 1_000.0,
    "max_gross_notional": 1_000_000.0,
    "max_leverage": 50.0,
    "min_margin_buffer": 0.1,
    "price_collar_window_bps": 100.0,
    "max_mark_deviation_bps": 60.0,
    "max_cancels_per_s": 10.0,
    "max_same_side_fills": 5,
    "price_collar_window_s": 60.0,
    "same_side_fills_window_s": 60.0,
    # So short that orders alike pass, also at one and the same moment.
    "duplicate_window_ms": 1e-9,
    "margin_rate": 0.05,
    "pilot_hours": 0.0,
    "pilot_share": 1.0,
}
BTC = InstrumentRules(
    symbol="BTCUSDT",
    is_trading=True,
    tick_mantissa=1,
    tick_decimals=1,
    step_mantissa=1,
    step_decimals=3,
    min_price_ticks=5_568,
    max_price_ticks=45_297_640,
    min_qty_lots=1,
    max_qty_lots=1_000_000,
    max_market_qty_lots=300,
    min_notional_e8=50 * 100_000_000,
)
NOW_NS = 10_000_000_000_000
MID_TICKS = 600_000.0


class GateBench:
    """One instrument, a fresh book at MID_TICKS, nothing open."""

    def __init__(self, **limits: Any) -> None:
        self.gate = Gate(1, LIMITS | limits, NOW_NS)
        fill_rules(self.gate.rules[0], BTC, LIMITS | limits)
        self.gate.clear(BLOCK_NOT_READY)
        self.gate.set_wallet(100_000 * 10**8)
        self.now_ns = NOW_NS
        self.reference: dict[str, Any] = {
            "mid_ticks": MID_TICKS,
            "is_book_valid": 1,
            "is_feed_connected": 1,
            "own_other_ticks": 0,
        }
        self.next_ref = 0

    def order(self, **fields: Any) -> Any:
        """A good post-only buy of 100 lots at the mid, with the next reference."""
        self.next_ref += 1
        record = np.zeros(1, INTENT)
        defaults = {
            "kind": PLACE,
            "side": 1,
            "flags": POST_ONLY,
            "price_ticks": 600_000,
            "qty_lots": 100,
            "order_ref": self.next_ref,
            "valid_until_ns": self.now_ns + 1,
        }
        for name, value in (defaults | fields).items():
            record[0][name] = value
        return record

    def judge(self, **fields: Any) -> int:
        """Judge one order at the present time; the control's number."""
        gate = self.gate
        reference = gate.reference[0]
        for name, value in (
            {
                "book_recv_ns": self.now_ns,
                "feed_message_ns": self.now_ns,
                "mark_recv_ns": self.now_ns,
                "mark_ticks": self.reference["mid_ticks"],
                "index_ticks": self.reference["mid_ticks"],
            }
            | self.reference
        ).items():
            reference[name] = value
        return int(
            judge(
                self.order(**fields)[0],
                gate.rules,
                gate.exposure,
                gate.words,
                gate.rates,
                gate.refs,
                gate.guards,
                reference,
                self.now_ns,
                self.now_ns,
            )
        )

    def hold(self, **fields: int) -> None:
        """Set what is held and open; a position costs what it is worth at the mid, unless told."""
        if "position_lots" in fields:
            fields = {"cost_e8": fields["position_lots"] * int(MID_TICKS) * 10_000} | fields
        for name, value in fields.items():
            self.gate.exposure[0][name] = value

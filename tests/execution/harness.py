"""An execution core over real (temporary) shared memory, and short ways to talk to it.

Used by the tests of this room; starts no process and opens no socket.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aegis.execution.client_id import ClientIds
from aegis.execution.core import ExecutionCore
from aegis.execution.replies import ANSWER_DECODER
from aegis.execution.user_events import OrderUpdate
from aegis.execution.words import REQUEST_NEXT
from aegis.risk.gate_state import BLOCK_NOT_READY, Gate
from aegis.risk.limits import InstrumentRules, fill_rules
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import CANCEL, INTENT, PLACE, POST_ONLY
from aegis.shm.outcome import OUTCOME

LIMITS: dict[str, Any] = {
    "max_order_qty": 1.0,
    "max_order_notional": 100_000.0,
    "max_position_qty": 5.0,
    "price_collar_bps": 50.0,
    "max_open_orders": 100,
    "max_orders_per_s": 300.0,
    "max_stale_ms": 2_000,
    "max_daily_loss": 100_000.0,
    "max_drawdown": 100_000.0,
    "min_equity": 1.0,
    "max_gross_notional": 1e9,
    "max_leverage": 100.0,
    "min_margin_buffer": 0.01,
    "price_collar_window_bps": 5_000.0,
    "max_mark_deviation_bps": 500.0,
    "max_cancels_per_s": 10_000.0,
    "max_same_side_fills": 64,
    "price_collar_window_s": 60.0,
    "same_side_fills_window_s": 0.001,
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
    max_market_qty_lots=120_000,
    min_notional_e8=50 * 100_000_000,
)
ETH = InstrumentRules(
    symbol="ETHUSDT",
    is_trading=True,
    tick_mantissa=1,
    tick_decimals=2,
    step_mantissa=1,
    step_decimals=3,
    min_price_ticks=3_986,
    max_price_ticks=30_617_700,
    min_qty_lots=1,
    max_qty_lots=10_000_000,
    max_market_qty_lots=10_000_000,
    min_notional_e8=20 * 100_000_000,
)
NOW_NS = 1_000_000_000_000
NOW_MS = 1_763_700_000_000
STARTED_S = 1_763_700_000
FAR_NS = 1 << 61
MID_TICKS = 600_000


def make_memory(folder: Path, instruments: int = 2) -> InstanceMemory:
    """Shared memory of an instance below `folder`, with both instruments' rows filled."""
    memory = InstanceMemory.create("t", instruments=instruments, shm_dir=folder, owner=(1, 1))
    for place, rules in enumerate((BTC, ETH)[:instruments]):
        memory.instruments.set(
            place,
            symbol=rules.symbol.encode(),
            status=1,
            tick_size=rules.tick_size,
            step_size=rules.step_size,
        )
    return memory


class Desk:
    """A core with fresh books and a feed that is alive, at NOW_NS."""

    def __init__(
        self, folder: Path, *, limits: dict[str, Any] | None = None, run: int = STARTED_S
    ) -> None:
        self.memory = make_memory(folder)
        self.limits = LIMITS | (limits or {})
        self.gate = Gate(2, self.limits, NOW_NS)
        for row, rules in zip(self.gate.rules, (BTC, ETH), strict=True):
            fill_rules(row, rules, self.limits)
        self.core = ExecutionCore(
            self.memory, self.gate, ClientIds("t", run), (BTC, ETH), recv_window_ms=2_000
        )
        # Tests name requests by their place in the run.
        self.core.words[REQUEST_NEXT] = 1
        self.core.follow_epoch(1)
        self.gate.clear(BLOCK_NOT_READY)
        self.gate.set_wallet(10_000_000 * 10**8)
        self.now_ns = NOW_NS
        self.next_ref = 0
        self.refresh()

    def refresh(self) -> None:
        """Books and feed as of now."""
        for place, mid in ((0, 60_000.0), (1, 2_600.0)):
            bids = np.array([[mid - 0.5, 1.0]])
            asks = np.array([[mid + 0.5, 1.0]])
            self.memory.books.write(place, 1, 0, self.now_ns, bids, asks)
            self.memory.marks.write(place, 0, self.now_ns, mid, mid)
        self.memory.counters["feed"]["connected"] = 1
        self.memory.counters["feed"]["last_message_ns"] = self.now_ns

    def intent(self, kind: int = PLACE, **fields: Any) -> Any:
        """One INTENT record: a good buy of 2 lots at 59,990 with the next reference."""
        if kind == PLACE and "order_ref" not in fields:
            self.next_ref += 1
            fields["order_ref"] = self.next_ref
        record = np.zeros(1, INTENT)
        defaults = {
            "kind": kind,
            "side": 1,
            "flags": POST_ONLY,
            "price_ticks": 599_900,
            "qty_lots": 2,
            "valid_until_ns": FAR_NS,
            "ts_decided_ns": self.now_ns,
            "cause_ts_recv_ns": self.now_ns,
            "intent_id": fields.get("order_ref", 0) + 1_000,
            "epoch": 1,
        }
        for name, value in (defaults | fields).items():
            record[0][name] = value
        return record

    def send(self, *records: Any) -> list[list[int]]:
        """Publish intents and take them; the actions."""
        batch = np.concatenate(records)
        assert self.memory.intents.offer(batch) == batch.size
        return self.core.actions(max(self.core.take(self.now_ns, NOW_MS), 0))

    def place(self, **fields: Any) -> int:
        """Place one order that the gate lets through; its slot."""
        (action,) = self.send(self.intent(**fields))
        return action[1]

    def cancel(self, order_ref: int, **fields: Any) -> list[list[int]]:
        """A CANCEL of an order; the actions."""
        return self.send(self.intent(CANCEL, order_ref=order_ref, **fields))

    def outcomes(self) -> Any:
        """What the brain would take now: a copy of the outcomes as an OUTCOME array."""
        parts = [np.zeros(0, OUTCOME)]
        while self.core.publish(self.now_ns) or self.memory.outcomes.pending_count():
            parts.append(self.memory.outcomes.take().copy())
        return np.concatenate(parts)

    def kinds(self) -> list[int]:
        """The kinds of the outcomes since the last look."""
        return [int(kind) for kind in self.outcomes()["kind"]]

    def answer(self, text: str) -> int:
        """An answer of the order connection."""
        return self.core.on_answer(ANSWER_DECODER.decode(text.encode()), self.now_ns)

    def update(self, order_ref: int, x: str, **fields: Any) -> None:
        """An ORDER_TRADE_UPDATE about one of our orders (or, with c=..., anybody's)."""
        base: dict[str, Any] = {
            "s": "BTCUSDT",
            "c": self.core.ids.text(1, order_ref) if order_ref else "",
            "S": "BUY",
            "x": x,
            "X": "NEW",
            "i": 10_000 + order_ref,
            "N": "USDT",
        }
        self.core.on_order_update(OrderUpdate(**(base | fields)), self.now_ns)

    def close(self) -> None:
        """Drop the memory."""
        self.memory.close()
        self.memory.unlink()


def exposure_by_hand(core: ExecutionCore) -> list[tuple[int, int, int]]:
    """(open buys, open sells, open orders) of each instrument, counted over all rows."""
    sums = [[0, 0, 0] for _ in core.instruments]
    for order in core.open_orders():
        row = core.tables.rows[order.slot]
        left = max(int(row["qty_lots"]) - int(row["filled_lots"]), 0)
        place = sums[int(row["instrument"])]
        place[0 if row["side"] > 0 else 1] += left
        place[2] += 1
    return [(buys, sells, count) for buys, sells, count in sums]

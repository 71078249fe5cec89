"""A core with one order that rests, and short ways to amend it and to answer."""

from __future__ import annotations

import json
from typing import Any

from aegis.execution.layouts import ACT_AMEND
from aegis.execution.replies import OrderBody
from aegis.shm.intent import AMEND
from aegis.shm.outcome import DENIED
from tests.execution.harness import NOW_MS, Desk

__all__ = ["AmendDesk"]

BODY: dict[str, Any] = {"symbol": "BTCUSDT", "status": "NEW", "executedQty": "0"}


class AmendDesk:
    """A desk with one order that rests: a buy of 10 lots at 59,990.0, acknowledged."""

    def __init__(self, desk: Desk, **fields: Any) -> None:
        self.desk = desk
        self.slot = desk.place(**{"qty_lots": 10, **fields})
        self.ref = desk.next_ref
        desk.update(self.ref, "NEW", T=NOW_MS)
        desk.outcomes()

    @property
    def row(self) -> Any:
        return self.desk.core.tables.rows[self.slot]

    @property
    def state(self) -> int:
        return self.desk.core.state_of(self.slot)

    @property
    def reserved(self) -> int:
        return int(self.desk.gate.exposure[0]["open_buy_lots"])

    @property
    def terms(self) -> tuple[int, int]:
        return int(self.row["price_ticks"]), int(self.row["qty_lots"])

    def intent(self, price_ticks: int = 0, qty_lots: int = 0, **fields: Any) -> Any:
        base: dict[str, Any] = {"order_ref": self.ref, "side": 0, "flags": 0, "intent_id": 77}
        base |= {"price_ticks": price_ticks, "qty_lots": qty_lots}
        return self.desk.intent(AMEND, **(base | fields))

    def amend(self, price_ticks: int = 0, qty_lots: int = 0, **fields: Any) -> int:
        """An amend that passes; its request id."""
        (action,) = self.desk.send(self.intent(price_ticks, qty_lots, **fields))
        assert action[0] == ACT_AMEND and action[1] == self.slot
        self.text = bytes(self.desk.core.tables.out[action[2] : action[3]].tobytes())
        return action[4]

    def denied(self, *terms: int, **fields: Any) -> tuple[int, int]:
        """An amend that goes no further: (control, code)."""
        assert self.desk.send(self.intent(*terms, **fields)) == []
        told = self.desk.outcomes()
        assert told["kind"].tolist() == [DENIED] and told[0]["intent_id"] == 77
        return int(told[0]["reason"]), int(told[0]["code"])

    def body(self, price: str, qty: str, time_ms: int = NOW_MS + 1, **fields: Any) -> Any:
        return BODY | {
            "orderId": 10_000 + self.ref,
            "clientOrderId": self.desk.core.ids.text(1, self.ref),
            "price": price,
            "origQty": qty,
            "updateTime": time_ms,
            **fields,
        }

    def accept(self, request_id: int, price: str, qty: str, **fields: Any) -> None:
        answer = {"id": request_id, "status": 200, "result": self.body(price, qty, **fields)}
        self.desk.answer(json.dumps(answer))

    def refuse(self, request_id: int, code: int, status: int = 400) -> None:
        error = {"code": code, "msg": "no"}
        self.desk.answer(json.dumps({"id": request_id, "status": status, "error": error}))

    def event(self, x: str, price: str, qty: str, time_ms: int, **fields: Any) -> None:
        self.desk.update(self.ref, x, p=price, q=qty, T=time_ms, **fields)

    def fill(self, lots: int, trade_id: int, filled: int, **fields: Any) -> None:
        base: dict[str, Any] = {"X": "PARTIALLY_FILLED", "l": f"0.{lots:03d}", "t": trade_id}
        base |= {"L": "59990.0", "z": f"0.{filled:03d}", "n": "0", "T": NOW_MS + 5}
        self.desk.update(self.ref, "TRADE", **(base | fields))

    def query(self, price: str, qty: str, asked_ms: int, **fields: Any) -> None:
        body = self.body(price, qty, **fields)
        made = OrderBody(
            symbol="BTCUSDT",
            order_id=body["orderId"],
            status=body["status"],
            price=price,
            orig_qty=qty,
            executed_qty=body["executedQty"],
            update_time=body["updateTime"],
        )
        self.desk.core.on_order_body(self.slot, made, self.desk.now_ns, asked_ms=asked_ms)

    def told(self) -> list[tuple[int, int]]:
        """(kind, intent id) of what the brain was told."""
        return [(int(o["kind"]), int(o["intent_id"])) for o in self.desk.outcomes()]

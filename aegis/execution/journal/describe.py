"""Records for people and for other programs: names instead of numbers, decimals beside integers.

Used by `aegis journal`. A record alone does not know its symbol or whose order it is about; the
`Narrator` remembers what the records before it said.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from aegis.execution import order_states as states
from aegis.execution.batch import CARRIED_EPOCH
from aegis.execution.client_id import ClientIds, OrderName
from aegis.execution.journal.layout import (
    AMEND,
    CARRIED,
    CHECKPOINT,
    EVENT,
    FILL,
    FUNDING,
    INSTRUMENT,
    KINDS,
    LATCH,
    ORDER,
    PLACE,
    RUN,
    SNAPSHOT,
    STRAY,
    VERDICT,
)
from aegis.execution.journal.replay import rules_of_record
from aegis.risk.controls import control_name
from aegis.risk.latch import LatchState
from aegis.risk.limits import InstrumentRules

__all__ = ["Narrator"]

_WORD = (1 << 64) - 1
_ABOUT_ORDERS: Final = frozenset({PLACE, EVENT, FILL, ORDER, CARRIED, AMEND})
_ABOUT_MONEY: Final = frozenset({FILL, STRAY})
_LEARNT: Final = (RUN, INSTRUMENT, CARRIED)


class Narrator:
    """Tells the records of one journal, in their order."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._rules: list[InstrumentRules] = []
        self._ids: ClientIds | None = None
        self._tag = 0
        self._carried: dict[int, OrderName] = {}

    def tell(self, note: Any) -> dict[str, Any]:
        """One RECORD as an object of JSON values; keys that say nothing are left out."""
        kind = int(note["kind"])
        self.learn(note)
        told: dict[str, Any] = {
            "sequence": int(note["sequence"]),
            "time": datetime.fromtimestamp(int(note["ts_ns"]) / 1e9, UTC).isoformat(),
            "ts_ns": int(note["ts_ns"]),
            "kind": KINDS[kind] if kind < len(KINDS) else str(kind),
        }
        if kind in _ABOUT_ORDERS or kind == STRAY:
            self._tell_order(told, note, kind)
        elif kind == RUN:
            told |= {"run": int(note["ident"])}
        elif kind in (SNAPSHOT, CHECKPOINT):
            told["state_hash"] = f"{int(note['ident']) & _WORD:016x}"
        elif kind == LATCH:
            code = int(note["code"])
            told["state"] = LatchState(code).name if code in (1, 2, 3) else str(code)
            told["control"] = control_name(int(note["number"])) if note["number"] else ""
        elif kind == VERDICT:
            told["verdict"] = "equal" if int(note["code"]) == 1 else "different"
        elif kind == FUNDING:
            told["funding"] = int(note["amount_e8"]) / 1e8
            told["source"] = f"income {int(note['trade_id'])}" if note["trade_id"] else "stream"
        else:
            told |= {"symbol": self.symbol(note)}
            for name in ("qty_lots", "cum_lots", "trade_id", "amount_e8"):
                if int(note[name]) and kind != INSTRUMENT:
                    told[name] = int(note[name])
        return told

    def _tell_order(self, told: dict[str, Any], note: Any, kind: int) -> None:
        told["symbol"] = self.symbol(note)
        told["client_id"] = self.client_id(note)
        if kind == EVENT:
            told["event"] = states.EVENTS[int(note["code"])]
            if int(note["number"]):
                told["code"] = int(note["number"])
            if int(note["code"]) == states.AMENDED:
                told["price"], told["qty"] = self.price(note), self.quantity(note)
        if kind in (PLACE, FILL, STRAY, ORDER, AMEND):
            told["side"] = "BUY" if int(note["side"]) > 0 else "SELL"
            told["price"], told["qty"] = self.price(note), self.quantity(note)
        if kind in _ABOUT_MONEY:
            told["trade_id"] = int(note["trade_id"])
            told["fee"] = int(note["amount_e8"]) / 1e8
            told["realized"] = int(note["number"]) / 1e8
            told["maker"] = bool(int(note["flags"]) & 1)
        if kind in (EVENT, FILL, STRAY) and int(note["ident"]):
            told["order_id"] = int(note["ident"])

    def pass_over(self, records: Any) -> None:
        """Remember what RECORDs say of those after them, without telling any."""
        for note in records[np.isin(records["kind"], _LEARNT)]:
            self.learn(note)

    def learn(self, note: Any) -> None:
        """Remember what a record says of those after it."""
        kind = int(note["kind"])
        if kind == RUN:
            self._rules = []
            self._tag = int(note["trade_id"])
            self._ids = ClientIds(self._instance, int(note["ident"]))
        elif kind == INSTRUMENT:
            self._rules.append(rules_of_record(note))
        elif kind == CARRIED:
            name = (int(note["ident"]), int(note["number"]), int(note["trade_id"]))
            self._carried[int(note["order_ref"])] = OrderName(*name, int(note["amount_e8"]))

    def _rules_of(self, note: Any) -> InstrumentRules | None:
        place = int(note["instrument"])
        return self._rules[place] if place < len(self._rules) else None

    def symbol(self, note: Any) -> str:
        """The symbol of a record's instrument; its number where no record has named it."""
        rules = self._rules_of(note)
        return rules.symbol if rules is not None else str(int(note["instrument"]))

    def price(self, note: Any) -> float | None:
        """The price in quote units."""
        rules = self._rules_of(note)
        return int(note["price_ticks"]) * rules.tick_size if rules is not None else None

    def quantity(self, note: Any) -> float | None:
        """The quantity in base units."""
        rules = self._rules_of(note)
        return int(note["qty_lots"]) * rules.step_size if rules is not None else None

    def client_id(self, note: Any) -> str:
        """The client order id of the order that a record is about; "" for none."""
        order_ref, epoch = int(note["order_ref"]), int(note["epoch"])
        if self._ids is None or order_ref <= 0:
            return ""
        name: OrderName | None = OrderName(self._ids.run, epoch, order_ref, self._tag)
        if epoch == CARRIED_EPOCH:
            name = self._carried.get(order_ref)
        return self._ids.text_of(name) if name is not None else ""

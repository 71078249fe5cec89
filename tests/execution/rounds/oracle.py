"""The judge of a round: the exchange's own account of it against what was wanted and what we hold.

Everything is asked over REST or read from shared memory, where execution writes for others. Each
check returns the violations it finds, in words.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from aegis.execution.client_id import ClientIds
from aegis.shm.intent import IOC, MARKET, POST_ONLY
from tests.execution.rounds.brain import Brain, Wanted
from tests.execution.rounds.exchange import Account, exact_e8

MAX_POSITION_LOTS = 60
HALTED = 3
# References that are not the brain's: an operator's orders have an epoch of their own.
_NOBODYS_EPOCH = 0
_OF_PERSON = re.compile("web_.*|autoclose-.*|adl_autoclose")


class Oracle:
    """Looks at one account of one instance."""

    def __init__(self, instance: str, account: Account, brain: Brain, counters: Any) -> None:
        self._ids = ClientIds(instance, 1)
        self._account = account
        self._brain = brain
        self._counters = counters

    def resting(self) -> list[str]:
        """Client ids of our orders that rest now."""
        rows = self._account.open_orders()
        return [row["clientOrderId"] for row in rows if self._ids.is_own(row["clientOrderId"])]

    def has_foreign_orders(self) -> bool:
        """Whether orders of somebody else rest."""
        rows = self._account.open_orders()
        return any(not self._ids.is_own(row["clientOrderId"]) for row in rows)

    def runs_resting(self) -> set[int]:
        """Runs of execution that orders rest of."""
        names = (self._ids.parse(name) for name in self.resting())
        return {name.run for name in names if name is not None}

    def orders(self) -> list[str]:
        """Each order of ours was wanted, as it is, and once."""
        violations = []
        intents: Counter[tuple[int, int]] = Counter()
        for row in self._account.orders():
            name = self._ids.parse(row["clientOrderId"])
            if name is None:
                if _OF_PERSON.fullmatch(row["clientOrderId"]) is None:
                    violations.append(f"an order of nobody: {row['clientOrderId']}")
                continue
            if name.epoch == _NOBODYS_EPOCH:
                if not row["reduceOnly"]:
                    violations.append(f"an operator's order that adds risk: {name}")
                continue
            key = (name.epoch, name.order_ref)
            intents[key] += 1
            wanted = self._brain.wanted.get(key)
            if wanted is None:
                violations.append(f"an order that nobody wanted: {name}")
            elif not _is_as_wanted(row, wanted):
                violations.append(f"{name} was wanted as {wanted}, and is {row}")
        twice = [key for key, count in intents.items() if count > 1]
        return violations + [f"{len(twice)} intents have two orders: {twice[:5]}"] * bool(twice)

    def limit(self) -> list[str]:
        """At no trade was the position beyond the limit."""
        lots, most = 0, 0
        for trade in self._account.trades():
            qty = round(float(trade["qty"]) * 1_000)
            lots += qty if trade["side"] == "BUY" else -qty
            most = max(most, abs(lots))
        over = most > MAX_POSITION_LOTS
        return [f"a position of {most} lots, the limit is {MAX_POSITION_LOTS}"] * over

    def difference(self, told_lots: int | None) -> str:
        """What local books and the exchange disagree on; empty when they are equal."""
        counters = self._counters
        trades = self._account.trades()
        ours = {
            "position": counters["position_lots"],
            "position told to the brain": told_lots,
            "realised": counters["realized_pnl_e8"],
            "fees": counters["fees_e8"],
            "open": counters["open_orders"],
            "unknown": counters["orders_unknown"],
        }
        lots = self._account.position_lots()
        theirs = {
            "position": lots,
            "position told to the brain": lots,
            "realised": sum(exact_e8(row["realizedPnl"]) for row in trades),
            "fees": sum(exact_e8(row["commission"]) for row in trades),
            "open": len(self.resting()),
            "unknown": 0,
        }
        return ", ".join(
            f"{name} {ours[name]}, exchange {theirs[name]}"
            for name in ours
            if ours[name] != theirs[name]
        )

    @property
    def is_halted(self) -> bool:
        """HALTED, with a reason."""
        return bool(self._counters["gate_state"] == HALTED and self._counters["gate_reason"])


def _is_as_wanted(row: dict[str, Any], wanted: Wanted) -> bool:
    side = "BUY" if wanted.side > 0 else "SELL"
    force = {POST_ONLY: "GTX", IOC: "IOC"}.get(wanted.flags, "GTC")
    kind = "MARKET" if wanted.flags == MARKET else "LIMIT"
    price = 0 if wanted.flags == MARKET else wanted.price_ticks
    is_limit = wanted.flags != MARKET
    return (
        row["side"] == side
        and row["origType"] == kind
        and round(float(row["origQty"]) * 1_000) == wanted.qty_lots
        and round(float(row["price"]) * 10) == price
        and (not is_limit or row["timeInForce"] == force)
    )

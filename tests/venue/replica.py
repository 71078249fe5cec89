"""A client's picture of its account, made from nothing but the user data stream.

It is written from the exchange's documents and shares nothing with the venue. Every event is held
against the order's legal life; at the end the picture is compared with what the queries say.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

OPEN = {"NEW", "PARTIALLY_FILLED"}
FINAL = {"FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"}
# Execution type -> the statuses that an order may have after it.
AFTER = {
    "NEW": {"NEW"},
    "TRADE": {"PARTIALLY_FILLED", "FILLED"},
    "CANCELED": {"CANCELED"},
    "EXPIRED": {"EXPIRED", "EXPIRED_IN_MATCH"},
    "AMENDMENT": OPEN,
}
# Of an algo order: status -> what may come next.
ALGO_NEXT = {
    "": {"NEW"},
    "NEW": {"TRIGGERING", "CANCELED", "EXPIRED"},
    "TRIGGERING": {"TRIGGERED", "REJECTED"},
    "TRIGGERED": {"FINISHED"},
}
TRIGGER_KINDS = {
    "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET",
}  # fmt: skip


class Replica:
    """Orders by id, algo orders by id, positions by symbol and side, balances by asset."""

    def __init__(self) -> None:
        self.orders: dict[int, dict[str, Any]] = {}
        self.algos: dict[int, dict[str, Any]] = {}
        self.positions: dict[tuple[str, str], Decimal] = {}
        self.wallets: dict[str, str] = {}
        self.fills: dict[int, Decimal] = {}
        self._newest: dict[str, int] = {}
        self._reducing: tuple[str, str] | None = None
        self._lite: int | None = None

    def apply(self, body: dict[str, Any]) -> None:
        """Take in one event. Fails if it cannot follow what was heard before."""
        name = body["e"]
        assert body["E"] >= self._newest.get(name, 0), f"{name} goes back in time"
        self._newest[name] = body["E"]
        if name == "ORDER_TRADE_UPDATE":
            self._order(body["o"])
        elif name == "ALGO_UPDATE":
            self._algo(body["o"])
        elif name == "ACCOUNT_UPDATE":
            self._account(body["a"])
        elif name == "TRADE_LITE":
            self._lite = body["t"]

    def _order(self, told: dict[str, Any]) -> None:
        known = self.orders.get(told["i"])
        execution, status = told["x"], told["X"]
        assert status in AFTER[execution], f"{execution} makes an order {status}"
        if known is None:
            assert execution == "NEW", f"an order begins with {execution}"
        elif known["X"] not in OPEN:
            # In 2024 a conditional order that has triggered is new once more, as something else.
            assert known["X"] == "EXPIRED" and known["o"] in TRIGGER_KINDS, "it had ended"
            assert execution == "NEW" and told["o"] in ("LIMIT", "MARKET")
        traded = Decimal(told["l"])
        before = Decimal(known["z"]) if known is not None else Decimal(0)
        assert Decimal(told["z"]) == before + traded, "fills do not add up"
        assert Decimal(told["z"]) <= Decimal(told["q"])
        if execution == "TRADE":
            assert traded > 0 and told["t"] > 0
            assert self._lite in (None, told["t"]), "TRADE_LITE was of another trade"
            assert (status == "FILLED") == (told["z"] == told["q"])
            self.fills[told["i"]] = self.fills.get(told["i"], Decimal(0)) + traded
            self._reducing = (told["s"], told["ps"]) if told["R"] else None
        else:
            assert traded == 0 and told["t"] == 0
        self._lite = None
        self.orders[told["i"]] = told

    def _algo(self, told: dict[str, Any]) -> None:
        known = self.algos.get(told["aid"], {}).get("X", "")
        assert told["X"] in ALGO_NEXT[known], f"{known or 'nothing'} becomes {told['X']}"
        assert bool(told["ai"]) == (told["X"] in ("TRIGGERED", "FINISHED"))
        assert ("rm" in told) == (told["X"] == "REJECTED")
        if told["X"] == "TRIGGERED":
            assert int(told["ai"]) not in self.orders, "the order is told of before its parent"
        if told["X"] == "FINISHED":
            child = self.orders[int(told["ai"])]
            assert child["X"] in FINAL
            assert Decimal(told["aq"]) == Decimal(child["z"])
        self.algos[told["aid"]] = told

    def _account(self, told: dict[str, Any]) -> None:
        for balance in told["B"]:
            self.wallets[balance["a"]] = balance["wb"]
        for position in told["P"]:
            key = (position["s"], position["ps"])
            amount = Decimal(position["pa"])
            before = self.positions.get(key, Decimal(0))
            if self._reducing == key and told["m"] == "ORDER":
                smaller = abs(amount) < abs(before) and amount * before >= 0
                assert smaller, f"a reduce-only fill took {before} to {amount}"
            self.positions[key] = amount
        self._reducing = None

    # --- what the queries must say ---

    def open_ids(self) -> set[int]:
        return {order_id for order_id, told in self.orders.items() if told["X"] in OPEN}

    def told_of(self, order_ids: set[int]) -> list[dict[str, Any]]:
        """The newest that was heard of these orders."""
        return [self.orders[order_id] for order_id in order_ids if order_id in self.orders]

    def waiting_algos(self) -> set[int]:
        return {algo_id for algo_id, told in self.algos.items() if told["X"] == "NEW"}

    def assert_orders(self, rows: list[dict[str, Any]]) -> None:
        """`rows` are the account's allOrders: each as the newest event told it."""
        for row in rows:
            told = self.orders[row["orderId"]]
            assert (row["status"], row["executedQty"], row["origQty"], row["type"]) == (
                told["X"], told["z"], told["q"], told["o"],
            )  # fmt: skip
            assert (row["price"], row["avgPrice"], row["side"], row["positionSide"]) == (
                told["p"], told["ap"], told["S"], told["ps"],
            )  # fmt: skip
            assert (row["clientOrderId"], row["updateTime"]) == (told["c"], told["T"])

    def assert_positions(self, rows: list[dict[str, Any]]) -> None:
        """`rows` are the account's positionRisk."""
        told = {key: amount for key, amount in self.positions.items() if amount}
        asked = {
            (row["symbol"], row["positionSide"]): Decimal(row["positionAmt"])
            for row in rows
            if Decimal(row["positionAmt"])
        }
        assert asked == told

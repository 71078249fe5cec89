"""An exchange of one account and one symbol, small and written apart from the embedded one.

It knows what execution's promises are measured against: orders by client id (unique among the open
ones), new terms of those that rest, matching at the touch of a market that moves at random,
positions by average entry, fees, reduce-only, post-only, self-trade prevention, and the events that
the account's stream tells of each change. It has no clock, no wire and no faults of its own:
`front` gives it those. Prices are ticks of 0.1, quantities lots of 0.001, money 1e-8 of the quote
coin.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["SYMBOL", "Exchange", "Refusal", "RestingOrder", "lots_text", "ticks_text"]

SYMBOL = "BTCUSDT"
UNIT_E8 = 10_000  # one lot at one tick
_OPEN = ("NEW", "PARTIALLY_FILLED")
_MAKER_SHARE, _TAKER_SHARE = 5_000, 2_000  # 2 and 5 bps of the notional


class Refusal(Exception):  # noqa: N818  an answer, not a failure of ours
    """A definitive no, with the exchange's code."""

    def __init__(self, code: int, text: str, status: int = 400) -> None:
        self.code = code
        self.text = text
        self.status = status
        super().__init__(f"{code} {text}")


@dataclass(slots=True)
class RestingOrder:
    """One order, resting or over."""

    order_id: int
    client_id: str
    side: int
    ticks: int
    lots: int
    tif: str
    reduces: bool
    born_ms: int
    filled: int = 0
    status: str = "NEW"
    updated_ms: int = 0

    @property
    def is_open(self) -> bool:
        return self.status in _OPEN

    @property
    def left(self) -> int:
        return self.lots - self.filled


def lots_text(lots: int) -> str:
    """Lots as the exchange's decimal text."""
    sign = "-" if lots < 0 else ""
    return f"{sign}{abs(lots) // 1000}.{abs(lots) % 1000:03d}"


def ticks_text(ticks: int) -> str:
    """Ticks as the exchange's decimal text."""
    return f"{ticks // 10}.{ticks % 10}0"


def money_text(amount_e8: int) -> str:
    """1e-8 units as decimal text."""
    sign = "-" if amount_e8 < 0 else ""
    return f"{sign}{abs(amount_e8) // 10**8}.{abs(amount_e8) % 10**8:08d}"


class Exchange:
    """The truth of a trial."""

    def __init__(self, rng: random.Random, tell: Callable[[dict[str, Any]], None]) -> None:
        """`tell` gets every event of the account, in order."""
        self.rng = rng
        self._tell = tell
        self.mid_ticks = 600_000
        self.half_spread = 5
        self.orders: dict[int, RestingOrder] = {}
        self.open: dict[str, RestingOrder] = {}
        self.by_client: dict[str, RestingOrder] = {}
        self.trades: list[dict[str, Any]] = []
        self.income: list[dict[str, Any]] = []
        self.position = 0
        self.cost_e8 = 0
        self.realized_e8 = 0
        self.fees_e8 = 0
        self.funding_e8 = 0
        self.wallet_e8 = 10_000 * 10**8
        self.position_updated_ms = 0
        self._next_order = 1_000
        self._next_trade = 1
        self.now_ms = 0
        # Whether a reduce-only order that is too large is made smaller, or refused.
        self.clips = rng.random() < 0.2
        # Orders of somebody else that came to rest.
        self.by_hand: list[RestingOrder] = []
        self.on_new: Callable[[RestingOrder], None] = lambda _: None
        self.on_amended: Callable[[RestingOrder], None] = lambda _: None
        self.on_self_trade: Callable[[RestingOrder, list[RestingOrder]], None] = lambda *_: None

    @property
    def bid(self) -> int:
        return self.mid_ticks - self.half_spread

    @property
    def ask(self) -> int:
        return self.mid_ticks + self.half_spread

    def open_lots(self, side: int) -> int:
        """What may still fill on a side."""
        return sum(order.left for order in self.open.values() if order.side == side)

    # Commands

    def place(
        self, client_id: str, side: int, ticks: int, lots: int, tif: str, *, reduces: bool = False
    ) -> RestingOrder:
        """A new order; raises Refusal."""
        if client_id in self.open:
            raise Refusal(-4116, "ClientOrderId is duplicated.")
        if reduces:
            room = abs(self.position) if side * self.position < 0 else 0
            if room == 0 or (room < lots and not self.clips):
                raise Refusal(-2022, "ReduceOnly Order is rejected.")
            lots = min(lots, room)
        crosses = tif == "MARKET" or (ticks >= self.ask if side > 0 else ticks <= self.bid)
        if tif == "GTX" and crosses:
            raise Refusal(-5022, "Due to the order could not be executed as maker, rejected.")
        order = RestingOrder(
            self._next_order, client_id, side, ticks, lots, tif, reduces, self.now_ms
        )
        self._next_order += 1
        order.updated_ms = self.now_ms
        self.orders[order.order_id] = order
        self.open[client_id] = order
        self.by_client[client_id] = order
        self.on_new(order)
        self._order_event(order, "NEW")
        if crosses and self._met(order):
            self._end(order, "EXPIRED_IN_MATCH", "EXPIRED")
            return order
        if crosses:
            depth = self.rng.randrange(1, 2 * lots + 1)
            self.fill(order, min(depth, lots), self.ask if side > 0 else self.bid, maker=False)
        if order.is_open and tif in ("IOC", "MARKET"):
            self._end(order, "EXPIRED", "EXPIRED")
        return order

    def _met(self, order: RestingOrder) -> list[RestingOrder]:
        """Orders of our own that would be the other side."""
        touch = order.ticks if order.tif != "MARKET" else self.mid_ticks + order.side * 10**6
        return [
            other
            for other in self.open.values()
            if other.side != order.side and (touch - other.ticks) * order.side >= 0
        ]

    def cancel(self, client_id: str) -> RestingOrder:
        """Cancel an open order; raises Refusal."""
        order = self.open.get(client_id)
        if order is None:
            raise Refusal(-2011, "Unknown order sent.")
        self._end(order, "CANCELED", "CANCELED")
        return order

    def amend(self, client_id: str, side: int, ticks: int, lots: int) -> RestingOrder:
        """New terms of an open order; raises Refusal. It may be cancelled instead."""
        order = self.open.get(client_id)
        if order is None:
            raise Refusal(-2013, "Order does not exist.")
        if order.tif not in ("GTC", "GTX"):
            raise Refusal(-5025, "Only limit order is supported.")
        if side != order.side:
            raise Refusal(-1117, "Invalid side.")
        if (ticks, lots) == (order.ticks, order.lots):
            raise Refusal(-5027, "No need to modify the order.")
        if order.reduces and lots - order.filled > abs(self.position):
            raise Refusal(-2022, "ReduceOnly Order is rejected.")
        crosses = ticks >= self.ask if side > 0 else ticks <= self.bid
        if lots <= order.filled or (order.tif == "GTX" and crosses):
            self._end(order, "CANCELED", "CANCELED")
            return order
        order.ticks, order.lots = ticks, lots
        order.updated_ms = self.now_ms
        self.on_amended(order)
        self._order_event(order, "AMENDMENT")
        met = self._met(order) if crosses else []
        if met:
            # An amend takes the protection from self-trades away: what happens now is wrong.
            self.on_self_trade(order, met)
            self._end(order, "EXPIRED_IN_MATCH", "EXPIRED")
        elif crosses:
            taken = self.rng.randrange(1, order.left + 1)
            self.fill(order, taken, self.ask if side > 0 else self.bid, maker=False)
        return order

    def cancel_all(self) -> int:
        """Cancel whatever is open; how many that was."""
        for client_id in list(self.open):
            self.cancel(client_id)
        return len(self.open)

    def find(self, client_id: str) -> RestingOrder:
        """An order by its client id, open or not; raises Refusal."""
        order = self.by_client.get(client_id)
        if order is None:
            raise Refusal(-2013, "Order does not exist.")
        return order

    # The market

    def move(self, fill_rate: float) -> None:
        """The market moves a little, and takes what stands in its way."""
        rng = self.rng
        self.mid_ticks += rng.randrange(-12, 13)
        for order in list(self.open.values()):
            if not order.is_open:
                continue
            distance = (self.bid - order.ticks) if order.side > 0 else (order.ticks - self.ask)
            if distance < 0 or (distance < 40 and rng.random() < fill_rate):
                whole = distance < 0 or rng.random() < 0.5
                lots = order.left if whole else rng.randrange(1, order.left + 1)
                self.fill(order, lots, order.ticks, maker=True)
            elif rng.random() < fill_rate * 0.02:
                # The exchange itself may end an order, filled in part or not.
                self._end(order, "EXPIRED", "EXPIRED")

    def fill(self, order: RestingOrder, lots: int, ticks: int, *, maker: bool) -> None:
        """A trade of an order; of one that only reduces, no more than there is to reduce."""
        if order.reduces:
            lots = min(lots, abs(self.position))
        order.filled += lots
        order.status = "FILLED" if order.left == 0 else "PARTIALLY_FILLED"
        order.updated_ms = self.now_ms
        if not order.is_open:
            self.open.pop(order.client_id, None)
        realized = self._book(order.side * lots, ticks)
        fee = ticks * lots * UNIT_E8 // (_MAKER_SHARE if maker else _TAKER_SHARE)
        self.realized_e8 += realized
        self.fees_e8 += fee
        self.wallet_e8 += realized - fee
        trade = {
            "id": self._next_trade,
            "orderId": order.order_id,
            "symbol": SYMBOL,
            "side": "BUY" if order.side > 0 else "SELL",
            "price": ticks_text(ticks),
            "qty": lots_text(lots),
            "realizedPnl": money_text(realized),
            "commission": money_text(fee),
            "commissionAsset": "USDT",
            "maker": maker,
            "time": self.now_ms,
        }
        self._next_trade += 1
        self.trades.append(trade)
        self._order_event(
            order,
            "TRADE",
            l=trade["qty"],
            L=trade["price"],
            t=trade["id"],
            n=trade["commission"],
            N="USDT",
            m=maker,
            rp=trade["realizedPnl"],
        )
        self.account_event("ORDER")
        self._end_idle_reducers()

    def _end_idle_reducers(self) -> None:
        """A reduce-only order that rests ends with the position that it was to reduce."""
        for order in list(self.open.values()):
            if order.reduces and order.side * self.position >= 0:
                self._end(order, "EXPIRED", "EXPIRED")

    def _book(self, signed: int, ticks: int) -> int:
        """Average entry; the realised profit before fees."""
        held, lots = self.position, abs(signed)
        direction = 1 if signed > 0 else -1
        self.position_updated_ms = self.now_ms
        self.position = held + signed
        if held * signed >= 0:
            self.cost_e8 += direction * ticks * lots * UNIT_E8
            return 0
        closing = min(lots, abs(held))
        share = abs(self.cost_e8) * closing // abs(held)
        released = share if held > 0 else -share
        closed_for = -direction * ticks * closing * UNIT_E8
        opened = direction * ticks * (lots - closing) * UNIT_E8
        self.cost_e8 += opened - released
        return closed_for - released

    def _end(self, order: RestingOrder, status: str, x: str) -> None:
        order.status = status
        order.updated_ms = self.now_ms
        self.open.pop(order.client_id, None)
        self._order_event(order, x)

    # What happens to the account from outside

    def trade_by_hand(self, prefix: str, side: int, lots: int) -> None:
        """Somebody else's market order: a person, a liquidation, ADL; told like any other."""
        order = RestingOrder(
            self._next_order, f"{prefix}{self._next_order}", side, 0, lots, "MARKET", False, 0
        )
        self._next_order += 1
        self.orders[order.order_id] = order
        self.by_client[order.client_id] = order
        self.open[order.client_id] = order
        self._order_event(order, "NEW")
        self.fill(order, lots, self.ask if side > 0 else self.bid, maker=False)

    def rest_by_hand(self, side: int) -> None:
        """Somebody else's order comes to rest, far from the touch."""
        ticks = self.mid_ticks - side * 5_000
        client_id = f"web_{self._next_order}"
        order = RestingOrder(self._next_order, client_id, side, ticks, 2, "GTC", False, self.now_ms)
        self._next_order += 1
        self.orders[order.order_id] = order
        self.by_client[client_id] = self.open[client_id] = order
        self.by_hand.append(order)
        self._order_event(order, "NEW")

    def edit_position(self, lots: int) -> None:
        """The position changes without an order: a trade bust, a transfer, a mistake."""
        self.position += lots
        self.cost_e8 = self.position * self.mid_ticks * UNIT_E8
        self.position_updated_ms = self.now_ms
        self.account_event("ADJUSTMENT")

    def pay_funding(self) -> None:
        """Funding moves the wallet and nothing else: longs pay a tenth of a tick, shorts get it."""
        if self.position == 0:
            return
        amount = -self.position * UNIT_E8 // 10
        self.funding_e8 += amount
        self.wallet_e8 += amount
        row = {
            "tranId": 9_000_000 + len(self.income),
            "symbol": SYMBOL,
            "incomeType": "FUNDING_FEE",
            "income": money_text(amount),
            "asset": "USDT",
            "time": self.now_ms,
        }
        self.income.append(row)
        balance = {**self._balance(), "bc": row["income"]}
        self._tell(
            {
                "e": "ACCOUNT_UPDATE",
                "E": self.now_ms,
                "T": self.now_ms,
                "a": {"m": "FUNDING_FEE", "B": [balance], "P": []},
            }
        )

    # Words

    def row(self, order: RestingOrder) -> dict[str, Any]:
        """An order as answers and queries show it."""
        return {
            "orderId": order.order_id,
            "symbol": SYMBOL,
            "status": order.status,
            "clientOrderId": order.client_id,
            "price": ticks_text(order.ticks),
            "origQty": lots_text(order.lots),
            "executedQty": lots_text(order.filled),
            "side": "BUY" if order.side > 0 else "SELL",
            "timeInForce": order.tif,
            "updateTime": order.updated_ms,
        }

    def position_row(self) -> dict[str, Any]:
        """positionRisk's row."""
        entry = 0
        if self.position:
            entry = abs(self.cost_e8) * 10**7 // abs(self.position)
        return {
            "symbol": SYMBOL,
            "positionSide": "BOTH",
            "positionAmt": lots_text(self.position),
            "entryPrice": f"{entry // 10**12}.{entry % 10**12:012d}",
            "updateTime": self.position_updated_ms,
        }

    def _balance(self) -> dict[str, str]:
        return {"a": "USDT", "wb": money_text(self.wallet_e8)}

    def _order_event(self, order: RestingOrder, x: str, **fields: Any) -> None:
        details = {
            "s": SYMBOL,
            "c": order.client_id,
            "S": "BUY" if order.side > 0 else "SELL",
            "x": x,
            "X": order.status,
            "i": order.order_id,
            "p": ticks_text(order.ticks),
            "q": lots_text(order.lots),
            "z": lots_text(order.filled),
            "T": self.now_ms,
        }
        details.update(fields)
        self._tell({"e": "ORDER_TRADE_UPDATE", "E": self.now_ms, "T": self.now_ms, "o": details})

    def account_event(self, reason: str) -> None:
        """ACCOUNT_UPDATE with the position as it is now."""
        row = {"s": SYMBOL, "pa": lots_text(self.position), "ep": "0", "ps": "BOTH"}
        self._tell(
            {
                "e": "ACCOUNT_UPDATE",
                "E": self.now_ms,
                "a": {"m": reason, "B": [self._balance()], "P": [row]},
            }
        )

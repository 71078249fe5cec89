"""The risk gate's checks as one would write them in plain Python: the baseline of `bench gate`.

The same controls in the same order over the same order, with attributes and floats instead of
records and kernels. It knows only what the benchmark asks: a healthy state, orders that pass.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

__all__ = ["PlainGate", "PlainOrder"]

SANE = 1e15


@dataclass(slots=True)
class PlainOrder:
    """What the brain asks for: ticks, lots, and until when (ns)."""

    order_ref: int
    side: int
    price_ticks: int
    qty_lots: int
    valid_until_ns: int


@dataclass(slots=True)
class PlainGate:
    """Limits, market and account of one instrument."""

    mid: float
    mark: float
    limits: dict[str, float]
    position: float = 0.0
    cost: float = 0.0
    open_buys: int = 0
    open_sells: int = 0
    open_orders: int = 0
    wallet: float = 0.0
    peak: float = 0.0
    own_other: int = 0
    is_active: bool = True
    blocks: int = 0
    seen_ns: int = 0
    used: set[int] = field(default_factory=set)
    prices: dict[int, deque[tuple[int, int]]] = field(
        default_factory=lambda: {1: deque(), -1: deque()}
    )
    recent: deque[tuple[int, int, int, int]] = field(default_factory=lambda: deque(maxlen=16))
    sent_ns: deque[int] = field(default_factory=deque)

    def judge(self, order: PlainOrder, now_ns: int) -> str:
        """The name of the control that refuses, or an empty text."""
        return (
            self._form(order, now_ns)
            or self._moment(order, now_ns)
            or self._price(order, now_ns)
            or self._capital(order)
            or self._flow(order, now_ns)
        )

    def _form(self, order: PlainOrder, now_ns: int) -> str:
        limits = self.limits
        if order.side not in (1, -1) or not 0 < order.price_ticks < SANE:
            return "INVALID_INTENT"
        if not 0 < order.qty_lots < SANE or order.order_ref <= 0:
            return "INVALID_INTENT"
        if order.order_ref in self.used:
            return "DUPLICATE_ORDER"
        self.used.add(order.order_ref)
        self.used.discard(order.order_ref - 4_096)
        if not now_ns <= order.valid_until_ns:
            return "INTENT_EXPIRED"
        if not limits["min_price"] <= order.price_ticks <= limits["max_price"]:
            return "FILTERS"
        return "" if order.qty_lots <= limits["max_order_lots"] else "MAX_ORDER_QTY"

    def _moment(self, order: PlainOrder, now_ns: int) -> str:
        limits = self.limits
        if not self.is_active:
            return "KILL"
        if self.blocks:
            return "NOT_READY"
        if not abs(now_ns - self.seen_ns) <= limits["max_stale_ns"]:
            return "DATA_FRESHNESS"
        if not (self.mark > 0 and abs(self.mid - self.mark) <= limits["mark_band"] * self.mark):
            return "DATA_REASONABILITY"
        return ""

    def _price(self, order: PlainOrder, now_ns: int) -> str:
        limits = self.limits
        price = float(order.price_ticks)
        notional = price * order.qty_lots * limits["unit"]
        if math.isnan(notional) or notional < limits["min_notional"]:
            return "FILTERS"
        if not notional <= limits["max_order_notional"]:
            return "MAX_ORDER_NOTIONAL"
        for reference in (self.mid, self.mark):
            if not abs(price - reference) <= limits["collar"] * reference:
                return "PRICE_COLLAR"
        prices = self.prices[order.side]
        while prices and now_ns - prices[0][0] > limits["window_ns"]:
            prices.popleft()
        if prices:
            if not abs(price - prices[-1][1]) <= limits["collar"] * prices[-1][1]:
                return "PRICE_COLLAR"
            low = min(seen for _, seen in prices)
            high = max(seen for _, seen in prices)
            reach = max(high, price) - min(low, price)
            if not reach <= limits["collar_window"] * self.mid:
                return "PRICE_COLLAR_WINDOW"
        prices.append((now_ns, order.price_ticks))
        if len(prices) > 16:
            prices.popleft()
        return ""

    def _capital(self, order: PlainOrder) -> str:
        limits = self.limits
        lot = self.mid * limits["unit"]
        unrealized = self.position * lot - self.cost
        self.peak = max(self.peak, unrealized)
        equity = self.wallet + unrealized
        buys = self.open_buys + (order.qty_lots if order.side > 0 else 0)
        sells = self.open_sells + (order.qty_lots if order.side < 0 else 0)
        worst = max(abs(self.position), abs(self.position + buys), abs(self.position - sells))
        gross = worst * lot
        for name, holds in (
            ("DAILY_LOSS", -unrealized <= limits["max_daily_loss"]),
            ("DRAWDOWN", self.peak - unrealized <= limits["max_drawdown"]),
            ("EQUITY_FLOOR", equity >= limits["min_equity"]),
            ("MAX_POSITION_INCL_OPEN", worst <= limits["max_position_lots"]),
            ("MAX_GROSS_NOTIONAL", gross <= limits["max_gross"]),
            ("MAX_LEVERAGE", gross <= limits["max_leverage"] * equity),
            ("MARGIN_BUFFER", equity - gross * limits["margin_rate"] >= 0.1 * equity),
        ):
            if not holds:
                return name
        return ""

    def _flow(self, order: PlainOrder, now_ns: int) -> str:
        limits = self.limits
        if self.open_orders >= limits["max_open_orders"]:
            return "MAX_OPEN_ORDERS"
        if self.own_other and (order.price_ticks - self.own_other) * order.side >= 0:
            return "SELF_TRADE"
        for side, price, lots, at_ns in self.recent:
            same = (side, price, lots) == (order.side, order.price_ticks, order.qty_lots)
            if same and now_ns - at_ns < limits["duplicate_ns"]:
                return "DUPLICATE_ORDER"
        while self.sent_ns and now_ns - self.sent_ns[0] >= 1_000_000_000:
            self.sent_ns.popleft()
        if len(self.sent_ns) >= limits["max_orders_per_s"]:
            return "MAX_MSG_RATE"
        self.recent.append((order.side, order.price_ticks, order.qty_lots, now_ns))
        self.sent_ns.append(now_ns)
        return ""

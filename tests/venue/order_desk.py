"""A desk for tests of orders: prints at any price, events as the wire has them, both dialects.

The market is wide (59,000 to 61,000 on BTCUSDT), so that its middle, the mark price, stays at
60,000 while trades inside of it move the last price.
"""

from __future__ import annotations

import json
from typing import Any

from aegis.config.models import VenueConfig
from aegis.venue.matching import kernels
from aegis.venue.matching.interface import BUY, FIRST_CLIENT, SELL
from aegis.venue.matching.layout import ORDER, OWNER
from aegis.venue.payloads import user as payload
from tests.venue.desk import CLIENT, KEYS, OTHER, Desk

LOW, HIGH, MIDDLE = 590_000, 610_000, 600_000
DEEP = 100_000
KEY_OF = {CLIENT: KEYS[0], OTHER: KEYS[1]}


class OrderDesk(Desk):
    """BTCUSDT with a lot of room between bid and ask, and a last price in its middle."""

    def __init__(self, dialect: str = "2026", **changes: Any) -> None:
        # A maker's quotes are made anew when a trade used them up: orders are not limited here.
        limits = {"orders_per_10s": 10_000_000, "orders_per_minute": 10_000_000}
        super().__init__(VenueConfig.model_validate({"dialect": dialect, **limits, **changes}))
        self.modern = dialect == "2026"
        self.quote(BUY, LOW, DEEP)
        self.quote(SELL, HIGH, DEEP)
        self.print_at(MIDDLE)
        self.exchange.take_events()

    def print_at(self, ticks: int) -> None:
        """Let one lot trade at a price inside the market; the last price is there afterwards."""
        taker = BUY if self.btc.book.best(BUY)[0] < ticks else SELL
        self.quote(-taker, ticks, 1)
        assert self.take(taker, ticks, 1) == 1, f"something stands in front of {ticks}"

    def move_middle(self, ticks: int) -> None:
        """Move the mark price: one more quote on the side where it changes the middle so."""
        side = BUY if ticks > MIDDLE else SELL
        edge = HIGH if side == BUY else LOW
        self.quote(side, 2 * ticks - edge, 1)

    def second(self, seconds: int = 1) -> None:
        """Event time passes, one `on_second` for all of it."""
        self.now_ms += 1_000 * seconds
        self.wall_ms += 1_000 * seconds
        self.exchange.on_second(self.now_ms)
        self.flush()

    # --- what clients ask and hear ---

    def algo(self, **parameters: Any) -> tuple[int, Any]:
        """POST /fapi/v1/algoOrder on BTCUSDT; a SELL STOP_MARKET unless told otherwise."""
        merged = {"symbol": "BTCUSDT", "algoType": "CONDITIONAL", "side": "SELL",
                  "type": "STOP_MARKET", **parameters}  # fmt: skip
        return self.call("POST", "/fapi/v1/algoOrder", **merged)

    def buy(self, quantity: str, **parameters: Any) -> None:
        """A MARKET order of the first client that must fill."""
        reply = {"type": "MARKET", "quantity": quantity, "newOrderRespType": "RESULT"}
        status, order = self.order(**{**reply, **parameters})
        assert (status, order.get("status")) == (200, "FILLED"), order

    def query(self, client_id: str, **parameters: Any) -> Any:
        """GET /fapi/v1/order by client id."""
        asked = {"symbol": "BTCUSDT", "origClientOrderId": client_id, **parameters}
        return self.call("GET", "/fapi/v1/order", **asked)[1]

    def heard(self, account_id: int = CLIENT) -> list[dict[str, Any]]:
        """The account's user events since the last call, as their JSON."""
        bodies = []
        for event in self.exchange.take_events():
            if event.account_id == account_id:
                encoded = payload.encode(event, self.exchange.markets, self.modern)
                bodies.extend(json.loads(message) for _, message in encoded)
        return bodies

    def story(self, account_id: int = CLIENT) -> list[str]:
        """The account's events since the last call, in short words."""
        return [words_of(body) for body in self.heard(account_id)]

    # --- what must always hold ---

    def assert_books_agree(self) -> None:
        """The clients' resting orders are the clients' orders in the books, to the lot."""
        open_orders = self.exchange.orders.open.values()
        resting = {order.order_id: order.left_lots for order in open_orders if not order.waits}
        books = self.core.books
        standing = {}
        for slot in books.table[books.table > 0] - 1:
            if books.slots[slot, OWNER] >= FIRST_CLIENT:
                order_id = int(books.slots[slot, ORDER])
                standing[order_id] = int(kernels.left_lots(books, order_id))
        assert standing == resting

    def assert_sums_agree(self) -> None:
        """What orders hold is what the sums for margin and events say, to the last unit."""
        sums: dict[tuple[int, str, str], list[int]] = {}
        for order in self.exchange.orders.open.values():
            if not order.waits:
                spec = self.exchange.markets[order.symbol].spec
                key = (order.account_id, order.symbol, order.position_side)
                held = sums.setdefault(key, [0, 0])
                held[order.side == SELL] += spec.notional_e8(order.price_ticks, order.left_lots)
        for account_id in KEY_OF:
            for side in ("BOTH", "LONG", "SHORT"):
                told = self.exchange.open_notional(account_id, "BTCUSDT", side)
                assert told == tuple(sums.get((account_id, "BTCUSDT", side), (0, 0)))


def words_of(body: dict[str, Any]) -> str:
    """ "NEW LIMIT NEW", "algo TRIGGERED", "account ORDER 0.010" and the like."""
    name, order = body["e"], body.get("o", {})
    if name == "ORDER_TRADE_UPDATE":
        reason = order.get("er", "0")
        tail = f" er{reason}" if reason != "0" else ""
        return f"{order['x']} {order['o']} {order['X']}{tail}"
    if name == "ALGO_UPDATE":
        return f"algo {order['X']}"
    if name == "ACCOUNT_UPDATE":
        amounts = " ".join(position["pa"] for position in body["a"]["P"])
        return f"account {body['a']['m']} {amounts}"
    return "lite" if name == "TRADE_LITE" else str(name)

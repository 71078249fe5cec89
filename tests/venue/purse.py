"""A desk for tests of money: mark prices set by hand, and what an account's events say."""

from __future__ import annotations

from typing import Any

from aegis.venue.events import (
    AccountEvent,
    AssetModeEvent,
    LeverageEvent,
    MarginCallEvent,
    OrderEvent,
    UserEvent,
)
from aegis.venue.ledger import Account, Position
from aegis.venue.matching.layout import MARK_E8
from tests.venue.desk import CLIENT, KEYS, Desk

USDT = 10**8


class Purse(Desk):
    """One book of BTCUSDT at 60,000.0/60,000.1, deep enough for anything."""

    def __init__(self, lots: int = 1_000_000, **changes: Any) -> None:
        super().__init__(**changes)
        self.book(lots=lots)
        self.exchange.take_events()

    @property
    def account(self) -> Account:
        return self.exchange.account(CLIENT)

    def held(self, side: str = "BOTH", symbol: str = "BTCUSDT") -> Position:
        return self.account.position(symbol, side)

    def set_mark(self, price: float, symbol: str = "BTCUSDT") -> None:
        """From now on the mark price is this, whatever the book says."""
        spec = self.exchange.markets[symbol].spec
        self.core.books.symbols[spec.number, MARK_E8] = round(price * USDT)

    def buy(self, quantity: str, account: int = 0, **more: Any) -> None:
        self._market("BUY", quantity, account, more)

    def sell(self, quantity: str, account: int = 0, **more: Any) -> None:
        self._market("SELL", quantity, account, more)

    def _market(self, side: str, quantity: str, account: int, more: dict[str, Any]) -> None:
        status, body = self.order(
            KEYS[account], type="MARKET", side=side, quantity=quantity, **more
        )
        assert status == 200, body

    def second(self, seconds: float = 1.0) -> None:
        """Let time pass, and the exchange do what it does every second."""
        self.now_ms += round(seconds * 1_000)
        self.exchange.on_second(self.now_ms)

    def events(self, account_id: int = CLIENT) -> list[UserEvent]:
        return [event for event in self.exchange.take_events() if event.account_id == account_id]

    def story(self, account_id: int = CLIENT) -> list[str]:
        """The account's events as short words."""
        return [_word(event) for event in self.events(account_id)]

    def post(self, path: str, **parameters: Any) -> Any:
        """POST; the body if it was accepted, else its code."""
        status, body = self.call("POST", path, **parameters)
        return body if status == 200 else body["code"]

    def get(self, path: str, **parameters: Any) -> Any:
        status, body = self.call("GET", path, **parameters)
        assert status == 200, body
        return body

    def isolate(self, symbol: str = "BTCUSDT") -> None:
        assert self.post("/fapi/v1/marginType", symbol=symbol, marginType="ISOLATED")["code"] == 200

    def hedge(self) -> None:
        assert self.post("/fapi/v1/positionSide/dual", dualSidePosition="true")["code"] == 200


def _word(event: UserEvent) -> str:
    if isinstance(event, OrderEvent):
        return f"{event.execution}/{event.order.status}"
    if isinstance(event, AccountEvent):
        return event.cause
    if isinstance(event, LeverageEvent):
        return f"leverage {event.leverage}"
    if isinstance(event, AssetModeEvent):
        return f"multi {event.multi_assets}"
    assert isinstance(event, MarginCallEvent), event
    return "call"

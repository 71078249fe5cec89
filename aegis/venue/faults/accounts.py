"""Faults that happen to an account from outside its orders: by a person, by the exchange itself.

``room`` hangs them on the board. They go through the exchange's own doors (its orders, its ledger),
so that everything still adds up; where a client is to be left in the dark, no event is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.dialect import dialect_of
from aegis.venue.events import AccountEvent
from aegis.venue.faults.armed import Armed, matches
from aegis.venue.faults.board import Action
from aegis.venue.faults.lines import account_id
from aegis.venue.ledger import BOTH, Account, Position
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY, FIRST_CLIENT, OWNER_MAKERS, SELL
from aegis.venue.notes import balance_note, position_notes
from aegis.venue.orders import ADL
from aegis.venue.placement import parse_place
from aegis.venue.settings import set_leverage

# As the exchange's web page names the orders that people place on it.
FOREIGN_PREFIX: Final = "web_"
FOREIGN_DISTANCE_E4: Final = 200
E4: Final = 10_000
ADJUSTMENT: Final = "ADJUSTMENT"

Held = tuple[Account, Market, str, Position]


class AccountActions:
    """What faults do to accounts."""

    def __init__(self, core: Core, clock: Callable[[], int]) -> None:
        """`clock` tells the time of the market at which a fault strikes, in ms."""
        self._core = core
        self._exchange = core.exchange
        self._clock = clock

    def table(self) -> dict[str, Action]:
        return {
            "liquidation": Action(self._liquidate),
            "adl": Action(self._deleverage),
            "foreign_order": Action(self._order),
            "foreign_leverage": Action(self._leverage),
            "position_shift": Action(self._shift),
            "trade_bust": Action(self._bust),
        }

    # --- the exchange closes positions ---

    def _liquidate(self, armed: Armed) -> None:
        liquidator, now_ms = self._core.treasury.liquidator, self._clock()
        for account, market, side, _ in self._held(armed):
            liquidator.liquidate_now(account, market.spec.symbol, side, now_ms)

    def _deleverage(self, armed: Armed) -> None:
        """Close half of each position at the mark price against the makers."""
        exchange, now_ms = self._exchange, self._clock()
        for account, market, side, position in self._held(armed):
            lots, closing = max(1, abs(position.lots) // 2), SELL if position.lots > 0 else BUY
            ticks = market.spec.ticks_of(market.mark_e8())
            order = exchange.open_forced(
                account, market.spec.symbol, side, closing, lots, ticks, now_ms, force=ADL
            )
            exchange.trade_past_book(order, self._makers, lots, None, now_ms)

    # --- a person at the web page ---

    def _order(self, armed: Armed) -> None:
        """A limit order, buying unless its quantity is negative, away from the market by itself."""
        fault, market = armed.fault, self._market(armed)
        spec, side = market.spec, SELL if fault.qty < 0 else BUY
        mark = spec.ticks_of(market.mark_e8())
        ticks = mark * (E4 - side * FOREIGN_DISTANCE_E4) // E4
        if fault.price is not None:
            ticks = spec.ticks_of(round(fault.price * 1e8))
        smallest = -(-spec.min_notional_e8 // spec.notional_e8(ticks, 1))
        lots = _lots(market, abs(fault.qty)) or max(smallest, spec.min_qty_lots)
        parameters = {
            "symbol": spec.symbol, "side": "BUY" if side == BUY else "SELL", "type": "LIMIT",
            "timeInForce": "GTC", "price": spec.price_text(ticks), "quantity": spec.qty_text(lots),
            "newClientOrderId": f"{FOREIGN_PREFIX}{armed.number}_{armed.struck}",
        }  # fmt: skip
        request = parse_place(parameters, spec, dialect_of(self._core.modern))
        for account in self._accounts(armed):
            self._exchange.place(account.account_id, request, self._clock())

    def _leverage(self, armed: Armed) -> None:
        symbol, leverage = self._market(armed).spec.symbol, armed.fault.leverage
        for account in self._accounts(armed):
            set_leverage(self._exchange, account.account_id, symbol, leverage, self._clock())

    # --- the books are not what the client thinks ---

    def _shift(self, armed: Armed) -> None:
        """Lots appear in (or vanish from) the account; the makers have the other side."""
        market = self._market(armed)
        sign = -1 if armed.fault.qty < 0 else 1
        lots = sign * _lots(market, abs(armed.fault.qty))
        if lots == 0:
            raise reject(-4003)
        for account in self._accounts(armed):
            self._move(account, market, lots, market.spec.ticks_of(market.mark_e8()))

    def _bust(self, armed: Armed) -> None:
        """The newest fill is undone at its price, which only an ADJUSTMENT tells."""
        exchange, now_ms = self._exchange, self._clock()
        for account in self._accounts(armed):
            trade = next(
                (
                    one
                    for one in reversed(exchange.user_trades)
                    if one.account_id == account.account_id
                    and matches(armed.fault.symbol, one.symbol)
                ),
                None,
            )
            if trade is None:
                armed.note = "no fill to take back"
                continue
            market = exchange.market(trade.symbol)
            side = trade.position_side
            self._move(account, market, -trade.side * trade.qty_lots, trade.price_ticks, side)
            exchange.tell(
                AccountEvent(
                    account.account_id,
                    now_ms,
                    ADJUSTMENT,
                    (balance_note(account, market.spec.quote),),
                    position_notes(market, account, side),
                )
            )

    def _move(
        self, account: Account, market: Market, lots: int, ticks: int, side: str = BOTH
    ) -> None:
        exchange, now_ms = self._exchange, self._clock()
        for owner, signed, own in ((account, lots, side), (self._makers, -lots, BOTH)):
            exchange.ledger.book(owner, market.spec, signed, ticks, False, now_ms, own, free=True)
        exchange.touched.accounts[account.account_id] = account

    @property
    def _makers(self) -> Account:
        return self._exchange.ledger.accounts[OWNER_MAKERS]

    # --- whom and what ---

    def _accounts(self, armed: Armed) -> list[Account]:
        """The account that is meant, or every client's."""
        number = armed.fault.account
        return [
            account
            for owner, account in self._exchange.ledger.accounts.items()
            if owner >= FIRST_CLIENT and (number is None or owner == account_id(number))
        ]

    def _market(self, armed: Armed) -> Market:
        """The first market that is meant."""
        for symbol, market in self._exchange.markets.items():
            if matches(armed.fault.symbol, symbol):
                return market
        raise reject(-1121)

    def _held(self, armed: Armed) -> Iterator[Held]:
        """Every open position of the accounts and symbols that are meant."""
        for account in self._accounts(armed):
            for (symbol, side), position in list(account.positions.items()):
                market = self._exchange.markets.get(symbol)
                if market and position.lots and matches(armed.fault.symbol, symbol):
                    yield account, market, side, position


def _lots(market: Market, qty: float) -> int:
    spec = market.spec
    return round(qty * 10.0**spec.quantity_precision / spec.step_points)

"""The insurance fund: which positions it may take over, and how it gets rid of them again.

``liquidation`` asks it when the market did not take a position; ``treasury`` lets it sell a little
every second. It is an account of the ledger like any other, with the exchange as its owner: it pays
what liquidated accounts owe and gets their liquidation fees.
"""

from __future__ import annotations

from typing import Final

from aegis.venue.brackets import E4
from aegis.venue.exchange import Exchange
from aegis.venue.ledger import BOTH, OWNER_INSURANCE, Account
from aegis.venue.margin import Leg, leg_of, value_e8
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY, SELL

# It may hold positions of at most a fifth of itself.
SHARE_E4: Final = 2_000
# It sells a twentieth of a position every second, no further than this from the mark price.
SLICE: Final = 20
REACH_E4: Final = 250


class InsuranceFund:
    """The fund of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def account(self) -> Account:
        return self._exchange.ledger.insurance

    def can_take(self, leg: Leg, ticks: int) -> bool:
        """Whether it may take a position over at a price: solvent, and not too deep in it."""
        spec = leg.market.spec
        balance = self.account.balance_e8(spec.quote)
        exposure = 0
        for own in self._legs(spec.quote):
            balance += own.unrealized_e8
            if own.symbol != spec.symbol:
                exposure += abs(own.value_e8)
        held = self.account.position(spec.symbol).lots + leg.lots
        exposure += abs(value_e8(spec, held, leg.mark_e8))
        paid = spec.notional_e8(ticks, abs(leg.lots))
        balance += leg.value_e8 - (paid if leg.lots > 0 else -paid)
        return exposure * E4 <= balance * SHARE_E4

    def unwind(self, now_ms: int) -> int:
        """Bring positions back to the market, slowly; returns how many lots were traded."""
        exchange, traded = self._exchange, 0
        for market in [exchange.markets[symbol] for symbol in self._symbols()]:
            position = self.account.position(market.spec.symbol)
            side = SELL if position.lots > 0 else BUY
            lots = -(-abs(position.lots) // SLICE)
            _, matched = exchange.market_order_flow(
                market, OWNER_INSURANCE, side, _limit_ticks(market, side), lots, False, now_ms
            )
            traded += lots - matched.left_lots
        if traded:
            exchange.ledger.bring_in()
            self._realize(now_ms)
            exchange.touched.accounts[OWNER_INSURANCE] = self.account
        return traded

    def _realize(self, now_ms: int) -> None:
        """What trades of a position that is closed now have left is profit or loss."""
        for (symbol, _), position in self.account.positions.items():
            if position.lots == 0 and position.cost_e8:
                quote = self._exchange.markets[symbol].spec.quote
                self.account.credit(quote, -position.cost_e8)
                position.realized_e8 -= position.cost_e8
                position.cost_e8 = 0
                position.updated_ms = now_ms

    def _symbols(self) -> list[str]:
        """The listed symbols with an open position."""
        return [
            symbol
            for (symbol, _), position in self.account.positions.items()
            if position.lots and symbol in self._exchange.markets
        ]

    def _legs(self, quote: str) -> list[Leg]:
        """Its open positions in contracts of an asset."""
        legs = [leg_of(self._exchange, self.account, symbol, BOTH) for symbol in self._symbols()]
        return [leg for leg in legs if leg.market.spec.quote == quote]


def _limit_ticks(market: Market, side: int) -> int:
    """How far an order of the fund may walk from the mark price."""
    spec = market.spec
    bound = market.mark_e8() * (E4 + side * REACH_E4) // E4
    return spec.ticks_of(bound) if side == BUY else -(-bound // spec.tick_e8)

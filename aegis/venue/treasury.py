"""What happens to the money once a second: marks, then fundings, then liquidations.

``build`` makes one for an exchange, which calls it from `on_second`; the market data side reads the
marks, the publisher what was liquidated. It puts the parts together and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from aegis.venue.decimals import E8
from aegis.venue.exchange import Exchange
from aegis.venue.funding import FundingDesk
from aegis.venue.income import TRANSFER
from aegis.venue.insurance import InsuranceFund
from aegis.venue.ledger import BNB, USDT, Account
from aegis.venue.liquidation import Liquidator
from aegis.venue.marks import Marks
from aegis.venue.matching.layout import Books


class Treasury:
    """Marks, funding and liquidation of one exchange."""

    def __init__(self, exchange: Exchange, books: Books) -> None:
        markets = sorted(exchange.markets.values(), key=lambda market: market.spec.number)
        self._exchange = exchange
        self.marks = Marks([market.spec for market in markets], books)
        self.funding = FundingDesk(exchange, self.marks, markets)
        self.fund = InsuranceFund(exchange)
        self.liquidator = Liquidator(exchange, self.fund)
        exchange.settlements.extend((self._measure, self._fund, self._liquidate))

    def open_fund(self, usdt: float) -> None:
        """Give the insurance fund what it begins with."""
        self._exchange.ledger.deposit(self.fund.account, USDT, round(usdt * E8))

    def open_account(self, account: Account, others: Mapping[str, float], now_ms: int) -> None:
        """Open a client's account: its balances are its first income."""
        exchange = self._exchange
        exchange.ledger.add(account)
        # Clients take a balance that was never updated for one that does not exist.
        account.updated_ms = now_ms
        for asset, amount in others.items():
            exchange.ledger.deposit(account, asset, round(amount * E8))
        for asset in (USDT, *account.other_wallets_e8):
            balance = account.balance_e8(asset)
            if balance:
                exchange.income.add(account.account_id, "", TRANSFER, balance, asset, now_ms)

    def _measure(self, now_ms: int) -> None:
        self.marks.update(now_ms)
        bnb = self._exchange.markets.get(f"{BNB}{USDT}")
        if bnb is not None:
            self._exchange.ledger.bnb_e8 = bnb.mark_e8()

    def _fund(self, now_ms: int) -> None:
        self.funding.due(now_ms)

    def _liquidate(self, now_ms: int) -> None:
        self.liquidator.check(now_ms)
        # A recorded market does not feel what it sells: there it keeps what it has.
        if self.marks.is_measured:
            self.fund.unwind(now_ms)

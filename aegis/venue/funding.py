"""Funding payments: who holds long pays who holds short at the funding time, or the reverse.

``exchange`` calls `due` once a second, after the marks. A payment is -position * mark price *
rate (section "Fees, margin, funding"), rounded to 1e-8 for each position. What clients and the
insurance fund pay, the market's own participants get, as one party, because they hold the other
side of it; what the rounding leaves over is the house's, so that nothing appears or vanishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aegis.venue.clearing import Clearing
from aegis.venue.decimals import E8
from aegis.venue.events import AccountEvent
from aegis.venue.income import FUNDING_FEE, INSURANCE_CLEAR
from aegis.venue.ledger import OWNER_INSURANCE, Account, Position
from aegis.venue.margin import value_e8
from aegis.venue.market import Market
from aegis.venue.marks import Funding, Marks
from aegis.venue.matching.interface import FIRST_CLIENT, OWNER_MAKERS
from aegis.venue.notes import balance_note, position_note


def payment_e8(value_e8: int, rate_e8: int) -> int:
    """What a position of that signed value at the mark price gets (negative: pays), in 1e-8."""
    paid = abs(value_e8 * rate_e8) // E8
    return -paid if (value_e8 > 0) == (rate_e8 > 0) else paid


class FundingDesk:
    """Settles the fundings of all symbols. `markets` stand in the venue's order."""

    def __init__(self, clearing: Clearing, marks: Marks, markets: Sequence[Market]) -> None:
        self._clearing = clearing
        self._marks = marks
        self._markets = list(markets)

    def due(self, now_ms: int) -> int:
        """Settle what has fallen due; returns how many symbols that were."""
        numbers = self._marks.due(now_ms)
        if not numbers:
            return 0
        settled: dict[str, tuple[Market, Funding]] = {}
        for number in numbers:
            market = self._markets[number]
            funding = self._marks.settle(number, market.mark_e8(), now_ms)
            settled[market.spec.symbol] = (market, funding)
        self._pay(settled, now_ms)
        return len(numbers)

    def pay_now(self, markets: Iterable[Market], rate_e8: int, now_ms: int) -> None:
        """Pay a rate of one's choice between two fundings, which keep their times: for a drill."""
        settled: dict[str, tuple[Market, Funding]] = {}
        for market in markets:
            funding = Funding(market.spec.symbol, now_ms, rate_e8, market.mark_e8())
            self._marks.remember(market.spec.number, funding)
            settled[market.spec.symbol] = (market, funding)
        self._pay(settled, now_ms)

    def pay_told(self, market: Market, funding: Funding, now_ms: int) -> None:
        """Pay a funding that took place at the exchange whose market this is."""
        self._marks.remember(market.spec.number, funding)
        self._pay({market.spec.symbol: (market, funding)}, now_ms)

    def _pay(self, settled: dict[str, tuple[Market, Funding]], now_ms: int) -> None:
        """Pay every open position of the symbols, accounts in the order of their ids."""
        ledger = self._clearing.ledger
        lots = dict.fromkeys(settled, 0)
        paid = dict.fromkeys(settled, 0)
        for account_id, account in sorted(ledger.accounts.items()):
            if account_id < FIRST_CLIENT and account_id != OWNER_INSURANCE:
                continue
            for (symbol, side), position in account.positions.items():
                if position.lots and symbol in settled:
                    market, funding = settled[symbol]
                    lots[symbol] += position.lots
                    paid[symbol] += self._pay_one(account, market, side, position, funding, now_ms)
        for symbol, (market, funding) in settled.items():
            if lots[symbol] or paid[symbol]:
                rest = value_e8(market.spec, -lots[symbol], funding.mark_e8)
                amount = payment_e8(rest, funding.rate_e8)
                ledger.accounts[OWNER_MAKERS].credit(market.spec.quote, amount)
                ledger.house.credit(market.spec.quote, -amount - paid[symbol])

    def _pay_one(
        self,
        account: Account,
        market: Market,
        side: str,
        position: Position,
        funding: Funding,
        now_ms: int,
    ) -> int:
        """Pay one position; returns what it got. An isolated one pays from its own wallet."""
        spec = market.spec
        value = value_e8(spec, position.lots, funding.mark_e8)
        amount = payment_e8(value, funding.rate_e8)
        account.credit(spec.quote, amount)
        position.charges_e8 -= amount
        account.updated_ms = now_ms
        clearing, symbol, owner = self._clearing, spec.symbol, account.account_id
        clearing.touched.accounts[owner] = account
        if owner < FIRST_CLIENT:
            return amount
        clearing.income.add(owner, symbol, FUNDING_FEE, amount, spec.quote, now_ms)
        isolated = account.isolated.get(symbol, False)
        if isolated:
            position.isolated_e8 += amount
            if position.isolated_e8 < 0:
                covered, position.isolated_e8 = -position.isolated_e8, 0
                clearing.ledger.cover(account, spec.quote, covered)
                clearing.touched.accounts[OWNER_INSURANCE] = clearing.ledger.insurance
                clearing.income.add(owner, symbol, INSURANCE_CLEAR, covered, spec.quote, now_ms)
        clearing.tell(
            AccountEvent(
                owner,
                now_ms,
                FUNDING_FEE,
                (balance_note(account, spec.quote, amount),),
                (position_note(market, account, side),) if isolated else (),
                symbol,
            )
        )
        return amount

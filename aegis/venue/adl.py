"""Who is next when the exchange must close winners: the queue of auto-deleveraging.

``liquidation`` takes from its front when neither the book nor the insurance fund can take a
position; ``standing`` tells an account how near the front it is. Holders of the other side are
ranked by profit times leverage, and by profit over leverage where they lose. Nothing is changed
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from aegis.venue.decimals import E8
from aegis.venue.ledger import Account
from aegis.venue.margin import Leg, Pool, Tables, leg_of, legs_of, pool_name, pools_of
from aegis.venue.matching.interface import FIRST_CLIENT

QUANTILES: Final = 5  # told as 0 (last) to 4 (next)


class Holder(NamedTuple):
    """A client's position and its place in the queue: the higher `score_e8`, the sooner."""

    score_e8: int
    account: Account
    leg: Leg


class Ranking:
    """The queues of all symbols, as they are at this moment; made anew for every look."""

    def __init__(self, tables: Tables, accounts: Mapping[int, Account]) -> None:
        self._tables = tables
        self._accounts = accounts
        self._pools: dict[int, dict[str, Pool]] = {}

    def queue(self, symbol: str, sign: int) -> list[Holder]:
        """Clients with a position of that sign in a symbol, who goes first in front."""
        found = []
        for account_id, account in self._accounts.items():
            if account_id < FIRST_CLIENT:
                continue
            for side, position in account.held(symbol):
                if position.lots * sign > 0:
                    leg = leg_of(self._tables, account, symbol, side)
                    found.append(Holder(self._score_e8(account, leg), account, leg))
        return sorted(found, key=lambda holder: (-holder.score_e8, holder.account.account_id))

    def quantile(self, account: Account, leg: Leg) -> int:
        """How near the front a position stands, 0 to 4; 0 without one.

        The market's own participants count as one more holder who neither wins nor loses.
        """
        if leg.lots == 0:
            return 0
        holders = self.queue(leg.symbol, 1 if leg.lots > 0 else -1)
        own = next(
            holder.score_e8
            for holder in holders
            if holder.account is account and holder.leg.side == leg.side
        )
        behind = sum(holder.score_e8 < own for holder in holders) + (own > 0)
        return QUANTILES * behind // (len(holders) + 1)

    def _score_e8(self, account: Account, leg: Leg) -> int:
        """Profit over cost, times (a loss: over) notional over margin balance; in 1e-8."""
        profit = leg.unrealized_e8 * E8 // max(1, abs(leg.position.cost_e8))
        value = max(1, abs(leg.value_e8))
        balance = max(1, self._behind_e8(account, leg))
        return profit * value // balance if profit >= 0 else profit * balance // value

    def _behind_e8(self, account: Account, leg: Leg) -> int:
        """The margin balance that stands behind a position."""
        if leg.isolated:
            return leg.position.isolated_e8 + leg.unrealized_e8
        pools = self._pools.get(account.account_id)
        if pools is None:
            legs = legs_of(self._tables, account)
            pools = self._pools[account.account_id] = pools_of(self._tables, account, legs)
        return pools[pool_name(account, leg.symbol)].equity_e8

"""Where an account stands: balances, margins and positions, derived from the tables on request.

Nothing of this is stored. ``payloads.account`` writes it down in the shapes of v2 and v3; integers
in 1e-8 throughout, of the asset or, for the totals of multi-assets mode, of USD.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aegis.venue.adl import Ranking
from aegis.venue.clearing import Clearing
from aegis.venue.decimals import E8
from aegis.venue.ledger import BOTH, USDT, Account, margin_asset
from aegis.venue.liquidation_price import liquidation_price_e8
from aegis.venue.margin import (
    ALL_ASSETS,
    Leg,
    Pool,
    collateral_e8,
    leg_of,
    legs_of,
    pool_name,
    pools_of,
)

# What an account is shown even without a balance of it, next to USDT.
BNB: Final = "BNB"


@dataclass(slots=True)
class AssetStanding:
    """One asset of an account: sums over its positions, cross and isolated ones."""

    asset: str
    wallet_e8: int = 0
    cross_wallet_e8: int = 0
    unrealized_e8: int = 0
    cross_unrealized_e8: int = 0
    position_margin_e8: int = 0
    order_margin_e8: int = 0
    maintenance_e8: int = 0
    available_e8: int = 0
    withdrawable_e8: int = 0
    updated_ms: int = 0

    @property
    def equity_e8(self) -> int:
        return self.wallet_e8 + self.unrealized_e8

    @property
    def initial_margin_e8(self) -> int:
        return self.position_margin_e8 + self.order_margin_e8

    def count(self, leg: Leg) -> None:
        """Add a position to the sums."""
        self.unrealized_e8 += leg.unrealized_e8
        self.cross_unrealized_e8 += 0 if leg.isolated else leg.unrealized_e8
        self.position_margin_e8 += leg.own_e8
        self.order_margin_e8 += leg.orders_e8
        self.maintenance_e8 += leg.maintenance_e8


@dataclass(frozen=True, slots=True)
class Risk:
    """A position with what takes the whole account to know."""

    leg: Leg
    liquidation_e8: int
    adl_quantile: int


@dataclass(frozen=True, slots=True)
class Standing:
    """An account as a whole: `total` is USDT's in single-asset mode, else all assets' in USD."""

    account: Account
    total: AssetStanding
    assets: list[AssetStanding]
    legs: list[Leg]


def standing_of(clearing: Clearing, account_id: int, flat_too: bool = False) -> Standing:
    """Sum up an account; `flat_too` lists every asset and symbol of the venue, as v2 does."""
    account = clearing.account(account_id)
    open_legs = legs_of(clearing, account)
    pools = pools_of(clearing, account, open_legs)
    names = _assets(clearing, account) if flat_too else [USDT, *_held_assets(account, open_legs)]
    assets = [_asset(clearing, account, name, open_legs, pools) for name in names]
    return Standing(
        account=account,
        total=_total(clearing, assets, pools) if account.multi_assets else assets[0],
        assets=assets,
        legs=legs_for(clearing, account, clearing.markets) if flat_too else open_legs,
    )


def legs_for(clearing: Clearing, account: Account, symbols: Iterable[str]) -> list[Leg]:
    """Every position side of these symbols, flat ones included; in hedge mode BOTH as well."""
    sides = (BOTH, *account.sides) if account.hedged else account.sides
    return [leg_of(clearing, account, symbol, side) for symbol in symbols for side in sides]


def risks_of(clearing: Clearing, account_id: int, symbol: str | None, flat_too: bool) -> list[Risk]:
    """The positions with their liquidation prices, of one symbol or all. Raises RejectError -1121.

    Without `flat_too` only those with a position or an open order.
    """
    account = clearing.account(account_id)
    open_legs = legs_of(clearing, account)
    pools = pools_of(clearing, account, open_legs)
    if symbol is not None:
        clearing.market(symbol)
    if flat_too:
        chosen = [
            leg_of(clearing, account, name, side)
            for name in (clearing.markets if symbol is None else (symbol,))
            for side in account.sides
        ]
    else:
        chosen = [leg for leg in open_legs if symbol in (None, leg.symbol)]
    ranking = Ranking(clearing, clearing.ledger.accounts)
    return [
        Risk(
            leg,
            liquidation_price_e8(
                clearing, account, leg, open_legs, pools.get(pool_name(account, leg.symbol))
            ),
            ranking.quantile(account, leg),
        )
        for leg in chosen
    ]


def _held_assets(account: Account, legs: list[Leg]) -> list[str]:
    """Other assets than USDT that the account has or owes."""
    found = {margin_asset(leg.symbol) for leg in legs}
    found |= {asset for asset, amount in account.other_wallets_e8.items() if amount}
    return sorted(found - {USDT})


def _assets(clearing: Clearing, account: Account) -> list[str]:
    """Every asset that may be held here, USDT first."""
    listed = {market.spec.quote for market in clearing.markets.values()}
    return [USDT, *sorted((listed | {BNB} | set(account.other_wallets_e8)) - {USDT})]


def _asset(
    clearing: Clearing, account: Account, asset: str, legs: list[Leg], pools: dict[str, Pool]
) -> AssetStanding:
    standing = AssetStanding(asset, account.balance_e8(asset), account.cross_balance_e8(asset))
    for leg in legs:
        if margin_asset(leg.symbol) == asset:
            standing.count(leg)
    if account.multi_assets:
        # The whole pool is available, in the asset it is asked for.
        pool = pools.get(ALL_ASSETS) or Pool()
        unit = collateral_e8(clearing, asset, E8)
        standing.available_e8 = pool.available_e8 * E8 // unit if unit else 0
        standing.withdrawable_e8 = max(
            0,
            min(
                standing.cross_wallet_e8,
                pool.withdrawable_e8 * E8 // unit if unit else standing.cross_wallet_e8,
            ),
        )
    else:
        pool = pools.get(asset) or Pool()
        standing.available_e8 = pool.available_e8
        standing.withdrawable_e8 = pool.withdrawable_e8
    standing.updated_ms = account.updated_ms if standing.wallet_e8 or asset == USDT else 0
    return standing


def _total(
    clearing: Clearing, assets: list[AssetStanding], pools: dict[str, Pool]
) -> AssetStanding:
    """The sums of all assets in 1e-8 USD; balances as what they are worth as collateral."""
    total = AssetStanding(ALL_ASSETS)
    for each in assets:
        total.wallet_e8 += collateral_e8(clearing, each.asset, each.wallet_e8)
        total.cross_wallet_e8 += collateral_e8(clearing, each.asset, each.cross_wallet_e8)
        total.unrealized_e8 += each.unrealized_e8
        total.cross_unrealized_e8 += each.cross_unrealized_e8
        total.position_margin_e8 += each.position_margin_e8
        total.order_margin_e8 += each.order_margin_e8
        total.maintenance_e8 += each.maintenance_e8
        total.updated_ms = max(total.updated_ms, each.updated_ms)
    pool = pools.get(ALL_ASSETS) or Pool()
    total.available_e8, total.withdrawable_e8 = pool.available_e8, pool.withdrawable_e8
    return total

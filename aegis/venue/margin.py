"""Margin: what positions and orders need, what an account has for it, and what may be opened.

``checks`` asks it before an order, ``standing`` for every reply about an account, ``liquidation``
once a second. Everything is derived from the tables on request, in exact integers: money in 1e-8
of the margin asset, values at the mark price (section "Fees, margin, funding" of the exchange's
rules). It changes nothing.

Cross positions of one asset share a pool: its balance without what is set aside for isolated
positions, their profits and losses, and the margins they need. In multi-assets mode there is one
pool for all assets. An isolated position stands on its own wallet; only its open orders draw on the
pool, until they fill.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from aegis.venue.brackets import E4, schedule_of
from aegis.venue.codes import reject
from aegis.venue.decimals import E8
from aegis.venue.ledger import BOTH, LONG, SHORT, USDT, Account, Position, margin_asset
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY
from aegis.venue.symbols import SymbolSpec

# What an asset counts as collateral in multi-assets mode, in 1e-4 of its price. The exchange
# publishes such haircuts per asset; these are this venue's.
COLLATERAL_E4: Final = {"USDT": 10_000, "USDC": 10_000}
OTHER_COLLATERAL_E4: Final = 9_500
ALL_ASSETS: Final = "*"
NO_ORDERS: Final = (0, 0)
FLAT: Final = Position()  # of a symbol that was never traded; nobody writes to it


class Tables(Protocol):
    """What margin reads: the exchange, seen from here."""

    @property
    def markets(self) -> Mapping[str, Market]:
        """Every listed market by symbol."""

    def open_notional(self, account_id: int, symbol: str, side: str) -> tuple[int, int]:
        """Notional of the account's open buys and sells of a position side, in 1e-8."""


class Leg(NamedTuple):
    """One position of an account at the present mark price, and the orders of its side.

    `value_e8` and `lots` are signed. `own_e8` is the initial margin of the position, `orders_e8`
    what its open orders need on top of it.
    """

    market: Market
    side: str
    position: Position
    leverage: int
    isolated: bool
    mark_e8: int
    value_e8: int
    bids_e8: int
    asks_e8: int
    own_e8: int
    orders_e8: int
    maintenance_e8: int

    @property
    def symbol(self) -> str:
        return self.market.spec.symbol

    @property
    def lots(self) -> int:
        return self.position.lots

    @property
    def unrealized_e8(self) -> int:
        return self.value_e8 - self.position.cost_e8


@dataclass(slots=True)
class Pool:
    """The cross margin of one asset, or of all of them in multi-assets mode."""

    balance_e8: int = 0
    unrealized_e8: int = 0
    own_e8: int = 0
    orders_e8: int = 0
    maintenance_e8: int = 0

    @property
    def equity_e8(self) -> int:
        """Margin balance: wallet and open profit."""
        return self.balance_e8 + self.unrealized_e8

    @property
    def free_e8(self) -> int:
        """What is left for new orders; negative if they need more than there is."""
        return self.equity_e8 - self.own_e8 - self.orders_e8

    @property
    def available_e8(self) -> int:
        return max(0, self.free_e8)

    @property
    def withdrawable_e8(self) -> int:
        """What may leave: open profit may not, as long as it is open."""
        return max(0, min(self.free_e8, self.balance_e8 - self.own_e8 - self.orders_e8))

    def add(self, leg: Leg) -> None:
        """Count a leg in; of an isolated one only its orders."""
        self.orders_e8 += leg.orders_e8
        if not leg.isolated:
            self.unrealized_e8 += leg.unrealized_e8
            self.own_e8 += leg.own_e8
            self.maintenance_e8 += leg.maintenance_e8


def value_e8(spec: SymbolSpec, lots: int, price_e8: int) -> int:
    """Signed notional of lots at a price in 1e-8, rounded towards zero."""
    scale: int = 10**spec.quantity_precision
    value = abs(lots) * spec.step_points * price_e8 // scale
    return value if lots >= 0 else -value


def unrealized_e8(market: Market, position: Position) -> int:
    """Profit of an open position at the mark price, in 1e-8."""
    return value_e8(market.spec, position.lots, market.mark_e8()) - position.cost_e8


def leg_of(tables: Tables, account: Account, symbol: str, side: str) -> Leg:
    """One position side of an account, whether it is open or not."""
    market = tables.markets[symbol]
    position = account.positions.get((symbol, side)) or FLAT
    bids, asks = tables.open_notional(account.account_id, symbol, side)
    leverage = account.leverage(symbol)
    mark = market.mark_e8()
    value = value_e8(market.spec, position.lots, mark)
    own = abs(value) // leverage
    return Leg(
        market,
        side,
        position,
        leverage,
        account.isolated.get(symbol, False),
        mark,
        value,
        bids,
        asks,
        own,
        _exposure_e8(side, value, bids, asks) // leverage - own if bids or asks else 0,
        schedule_of(market.spec).maintenance_e8(abs(value)) if value else 0,
    )


def legs_of(tables: Tables, account: Account) -> list[Leg]:
    """Every position side with a position or an open order, by symbol.

    An account has an entry among its positions for every symbol that it ever had an order in.
    """
    legs = []
    for symbol, side in sorted(account.positions):
        if symbol in tables.markets and (
            account.positions[symbol, side].lots
            or tables.open_notional(account.account_id, symbol, side) != NO_ORDERS
        ):
            legs.append(leg_of(tables, account, symbol, side))
    return legs


def pool_name(account: Account, symbol: str) -> str:
    """Which pool a symbol's cross positions belong to."""
    return ALL_ASSETS if account.multi_assets else margin_asset(symbol)


def pools_of(tables: Tables, account: Account, legs: list[Leg]) -> dict[str, Pool]:
    """The account's pools by asset, or the one of all assets (in 1e-8 USD)."""
    pools: dict[str, Pool] = {}
    for asset in (USDT, *account.other_wallets_e8):
        balance = account.cross_balance_e8(asset)
        if account.multi_assets:
            pool = pools.setdefault(ALL_ASSETS, Pool())
            pool.balance_e8 += collateral_e8(tables, asset, balance)
        else:
            pools.setdefault(asset, Pool()).balance_e8 += balance
    for leg in legs:
        pools.setdefault(pool_name(account, leg.symbol), Pool()).add(leg)
    return pools


def pool_for(tables: Tables, account: Account, symbol: str) -> Pool:
    """The pool that orders of a symbol draw on."""
    pools = pools_of(tables, account, legs_of(tables, account))
    return pools.get(pool_name(account, symbol)) or Pool()


def collateral_e8(tables: Tables, asset: str, amount_e8: int) -> int:
    """What an amount of an asset is worth in 1e-8 USD as collateral; debts count in full."""
    if asset in COLLATERAL_E4:
        share, price = COLLATERAL_E4[asset], E8
    else:
        market = tables.markets.get(f"{asset}{USDT}")
        share, price = OTHER_COLLATERAL_E4, market.mark_e8() if market is not None else 0
    return amount_e8 * price // E8 * (share if amount_e8 > 0 else E4) // E4


def check_order(
    tables: Tables,
    account: Account,
    market: Market,
    side: int,
    position_side: str,
    notional_e8: int,
    loss_e8: int = 0,
) -> None:
    """May the account add an order of that notional? Raises RejectError -2019 or -2027.

    `notional_e8` is what is added at the order's price; `loss_e8` what would be lost at once at the
    mark price if it filled there. An order that needs no more margin than before always may: it
    reduces. Orders in hedge mode that close are not asked.
    """
    symbol = market.spec.symbol
    account.position(symbol, position_side)
    leg = leg_of(tables, account, symbol, position_side)
    bids = leg.bids_e8 + (notional_e8 if side == BUY else 0)
    asks = leg.asks_e8 + (notional_e8 if side != BUY else 0)
    exposure = _exposure_e8(position_side, leg.value_e8, bids, asks)
    added = exposure // leg.leverage - leg.own_e8 - leg.orders_e8
    if added <= 0:
        return
    if pool_for(tables, account, symbol).free_e8 < added + loss_e8:
        raise reject(-2019)
    if exposure > schedule_of(market.spec).cap_e8(leg.leverage):
        raise reject(-2027)


def open_loss_e8(market: Market, side: int, price_ticks: int, lots: int) -> int:
    """What an order loses at the mark price the moment it fills at its own, in 1e-8; 0 if none."""
    paid = market.spec.notional_e8(price_ticks, lots)
    worth = value_e8(market.spec, lots, market.mark_e8())
    return max(0, (paid - worth) * side)


def check_leverage(tables: Tables, account: Account, market: Market, leverage: int) -> None:
    """May the leverage of a symbol become this? Raises RejectError -4028, -4161, -2027, -2028."""
    spec = market.spec
    schedule = schedule_of(spec)
    if not 1 <= leverage <= schedule.max_leverage:
        raise reject(-4028, leverage)
    legs = [leg_of(tables, account, spec.symbol, side) for side in account.sides]
    old = account.leverage(spec.symbol)
    if leverage < old and any(leg.isolated and leg.lots for leg in legs):
        raise reject(-4161)
    exposures = [_exposure_e8(leg.side, leg.value_e8, leg.bids_e8, leg.asks_e8) for leg in legs]
    if max(exposures) > schedule.cap_e8(leverage):
        raise reject(-2027)
    # Isolated positions keep their wallets: of them only the orders are margined anew.
    added = 0
    for leg, exposure in zip(legs, exposures, strict=True):
        before = leg.orders_e8 if leg.isolated else leg.own_e8 + leg.orders_e8
        own = abs(leg.value_e8) // leverage if leg.isolated else 0
        added += exposure // leverage - own - before
    if added > 0 and pool_for(tables, account, spec.symbol).free_e8 < added:
        raise reject(-2028)


def _exposure_e8(side: str, value: int, bids: int, asks: int) -> int:
    """The largest notional that a position may reach if one side of its open orders fills.

    One-way: whichever of buys and sells leads further. In hedge mode only the orders that open
    count; those that close can only reduce.
    """
    if side == BOTH:
        return max(abs(value), abs(value + bids), abs(value - asks))
    assert side in (LONG, SHORT), f"no position side is called {side!r}"
    return abs(value) + (bids if side == LONG else asks)


def max_notional(spec: SymbolSpec, leverage: int) -> int:
    """The largest notional at a leverage, in whole quote units."""
    return schedule_of(spec).cap_e8(leverage) // E8

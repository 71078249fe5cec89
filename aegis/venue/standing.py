"""Where an account stands: equity, margins and positions, derived from the tables on request.

Nothing of this is stored. ``payloads.account`` writes it down in the shapes of v2 and v3. Cross
margin, one-way; integers in 1e-8 quote throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aegis.venue import checks
from aegis.venue.clearing import Clearing
from aegis.venue.market import Market

# One flat bracket: 0.5 % maintenance margin, up to this notional at any leverage.
MAINTENANCE_E4: Final = 50
MAX_NOTIONAL: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class SymbolStanding:
    """One symbol of an account, with a position or an open order in it."""

    market: Market
    lots: int
    cost_e8: int
    value_e8: int
    unrealized_e8: int
    leverage: int
    isolated: bool
    bids_e8: int
    asks_e8: int
    position_margin_e8: int
    order_margin_e8: int
    maintenance_e8: int
    mark_e8: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class Standing:
    """An account as a whole."""

    wallet_e8: int
    unrealized_e8: int
    position_margin_e8: int
    order_margin_e8: int
    maintenance_e8: int
    symbols: list[SymbolStanding]
    updated_ms: int

    @property
    def equity_e8(self) -> int:
        return self.wallet_e8 + self.unrealized_e8

    @property
    def initial_margin_e8(self) -> int:
        return self.position_margin_e8 + self.order_margin_e8

    @property
    def available_e8(self) -> int:
        return max(0, self.equity_e8 - self.initial_margin_e8)


def standing_of(clearing: Clearing, account_id: int, flat_too: bool = False) -> Standing:
    """Sum up an account; `flat_too` lists every symbol of the venue, as v2 does."""
    account = clearing.account(account_id)
    rows = []
    for symbol in clearing.markets:
        row = symbol_standing(clearing, account_id, symbol)
        if flat_too or row.lots or row.bids_e8 or row.asks_e8:
            rows.append(row)
    return Standing(
        wallet_e8=account.wallet_e8,
        unrealized_e8=sum(row.unrealized_e8 for row in rows),
        position_margin_e8=sum(row.position_margin_e8 for row in rows),
        order_margin_e8=sum(row.order_margin_e8 for row in rows),
        maintenance_e8=sum(row.maintenance_e8 for row in rows),
        symbols=rows,
        updated_ms=account.updated_ms,
    )


def symbol_standing(clearing: Clearing, account_id: int, symbol: str) -> SymbolStanding:
    """One symbol of an account. Raises RejectError -1121."""
    market = clearing.market(symbol)
    account = clearing.account(account_id)
    position = account.position(symbol)
    bids, asks = clearing.open_notional_e8.get((account_id, symbol), (0, 0))
    leverage = account.leverage(symbol)
    value = checks.position_value_e8(market, position.lots)
    own_margin = abs(value) // leverage
    whole_margin = max(abs(value + bids), abs(value - asks)) // leverage
    return SymbolStanding(
        market=market,
        lots=position.lots,
        cost_e8=position.cost_e8,
        value_e8=value,
        unrealized_e8=value - position.cost_e8,
        leverage=leverage,
        isolated=account.isolated.get(symbol, False),
        bids_e8=bids,
        asks_e8=asks,
        position_margin_e8=own_margin,
        order_margin_e8=max(0, whole_margin - own_margin),
        maintenance_e8=abs(value) * MAINTENANCE_E4 // checks.E4,
        mark_e8=market.mark_e8(),
        updated_ms=position.updated_ms,
    )


def liquidation_e8(wallet_e8: int, row: SymbolStanding) -> int:
    """The mark price in 1e-8 at which the account is liquidated if it holds nothing else.

    (wallet - signed cost) / (quantity * (mmr - s)), s = +1 long, -1 short; 0 when there is none.
    """
    if row.lots == 0:
        return 0
    spec = row.market.spec
    sign = 1 if row.lots > 0 else -1
    scale: int = checks.E4 * 10**spec.quantity_precision
    quantity_points = abs(row.lots) * spec.step_points
    price = (
        (wallet_e8 - row.cost_e8) * scale // (quantity_points * (MAINTENANCE_E4 - sign * checks.E4))
    )
    return max(0, price)

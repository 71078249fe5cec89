"""How a balance or a position stands, as the user data stream tells it: values, not live objects.

``funding``, ``liquidation`` and ``settings`` put these into their ACCOUNT_UPDATE events.
"""

from __future__ import annotations

from aegis.venue.events import BalanceNote, CallNote, PositionNote
from aegis.venue.ledger import BOTH, Account
from aegis.venue.margin import Leg, unrealized_e8
from aegis.venue.market import Market


def balance_note(account: Account, asset: str, change_e8: int = 0) -> BalanceNote:
    """An asset of the account; `change_e8` leaves out profit and commission."""
    return BalanceNote(asset, account.balance_e8(asset), account.cross_balance_e8(asset), change_e8)


def position_note(market: Market, account: Account, side: str) -> PositionNote:
    """One position of the account at the present mark price."""
    symbol = market.spec.symbol
    position = account.position(symbol, side)
    return PositionNote(
        symbol,
        side,
        position.lots,
        position.cost_e8,
        position.realized_e8,
        unrealized_e8(market, position),
        account.isolated.get(symbol, False),
        position.isolated_e8,
        position.charges_e8,
    )


def position_notes(market: Market, account: Account, side: str) -> tuple[PositionNote, ...]:
    """The position that changed; in hedge mode the unused BOTH goes before it."""
    sides = (side,) if side == BOTH else (BOTH, side)
    return tuple(position_note(market, account, each) for each in sides)


def call_note(leg: Leg) -> CallNote:
    """One position in a margin call."""
    return CallNote(
        leg.symbol,
        leg.side,
        leg.lots,
        leg.isolated,
        leg.position.isolated_e8,
        leg.mark_e8,
        leg.unrealized_e8,
        leg.maintenance_e8,
    )

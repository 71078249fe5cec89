"""I6 of money: once all has settled, the sums of the books are the exchange's, to the last unit.

Realised profit, fees, funding and the cost of what is held, in 1e-8 of the quote coin. The trial
asks where every trade is in the books: a position edited from outside, or books that were begun in
the middle because a power loss took the journal, have nothing to be compared with.
"""

from __future__ import annotations

from aegis.execution.session import TradingSession
from aegis.simulator.exchange import Exchange

__all__ = ["different_money"]


def different_money(session: TradingSession, exchange: Exchange) -> list[str]:
    """What differs, each with both amounts."""
    held = session.gate.exposure[0]
    pairs = {
        "realized": (int(held["realized_e8"]), exchange.realized_e8),
        "fees": (int(held["fees_e8"]), exchange.fees_e8),
        "funding": (session.core.funding_e8, exchange.funding_e8),
        "cost": (int(held["cost_e8"]), exchange.cost_e8),
    }
    return [
        f"{name} {here} here, {there} there"
        for name, (here, there) in pairs.items()
        if here != there
    ]

"""Orders that may only make a position smaller: how much room they have, and which have none left.

``checks`` asks before such an order is accepted, ``clearing`` after every change of a position or
of the orders against it. A side's orders would fill in the order of their prices, then of their
arrival. Each takes its lots out of the position; a reducing order that could only fill after the
position is gone would open another one, so it is knocked out at once. That the exchange does this
says its expiry reason 4: "knocked out by another higher priority RO order or reversed positions
would be opened".
"""

from __future__ import annotations

from collections.abc import Iterable

from aegis.venue.ledger import BOTH, LONG, SHORT, Account
from aegis.venue.matching.interface import BUY
from aegis.venue.orders import Order


def reducible_lots(account: Account, symbol: str, position_side: str, side: int) -> int:
    """How many lots an order of that side could take out of the position: 0 if it would add."""
    held = account.position(symbol, position_side).lots
    assert position_side in (BOTH, LONG, SHORT), f"no position side is called {position_side!r}"
    assert held >= 0 or position_side != LONG, f"a LONG position of {held} lots"
    assert held <= 0 or position_side != SHORT, f"a SHORT position of {held} lots"
    return max(0, -held * side)


def by_priority(orders: Iterable[Order], position_side: str, side: int) -> list[Order]:
    """The resting orders of a side in the sequence in which they would fill."""
    chosen = [
        order
        for order in orders
        if order.side == side and order.position_side == position_side and not order.force
    ]
    if side == BUY:
        return sorted(chosen, key=lambda order: (-order.price_ticks, order.arrival))
    return sorted(chosen, key=lambda order: (order.price_ticks, order.arrival))


def room_lots(reducible: int, orders: Iterable[Order], side: int, price_ticks: int) -> int:
    """What is left of the position for a new order behind those that would fill before it.

    `orders` are the side's resting ones; `price_ticks` 0 is a MARKET order, which fills first.
    """
    if price_ticks == 0:
        return reducible
    ahead = sum(
        order.left_lots for order in orders if (order.price_ticks - price_ticks) * side >= 0
    )
    return max(0, reducible - ahead)


def knocked_out(reducible: int, orders: Iterable[Order]) -> list[Order]:
    """Of the side's resting orders in sequence, the reducing ones that no longer fit."""
    left = reducible
    doomed = []
    for order in orders:
        if order.reduces and order.left_lots > left:
            doomed.append(order)
        else:
            left = max(0, left - order.left_lots)
    return doomed

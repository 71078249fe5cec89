"""At which mark price a position is liquidated, and at which it is bankrupt.

``standing`` asks for the first, to show it; ``liquidation`` for the second, to limit its orders. A
position is liquidated when what stands behind it (an isolated position's wallet, a cross
position's pool) has come down to the maintenance margin. Everything else of the account stays as it
is at the present marks; in hedge mode both cross positions of a symbol move together. Without other
positions this is the exchange's formula LP = (WB + cum - s*q*EP) / (q*mmr - s*q) (section "Fees,
margin, funding"), whichever bracket the position is in at that price; it is exact to the last unit
because it is found by bisection on the very sums that a liquidation is decided by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from aegis.venue.brackets import schedule_of
from aegis.venue.ledger import Account
from aegis.venue.margin import Leg, Pool, Tables, pool_name, pools_of, value_e8

# Beyond so many times the present mark nothing is liquidated any more.
FURTHEST: Final = 1 << 20


def liquidation_price_e8(
    tables: Tables, account: Account, leg: Leg, legs: Sequence[Leg], pool: Pool | None = None
) -> int:
    """The mark price in 1e-8 at which a position is liquidated; 0 if no price does it.

    `legs` are all legs of the account, `pool` that of the position if the caller has it.
    """
    if leg.lots == 0:
        return 0
    if leg.isolated:
        moving = [leg]
        rest = leg.position.isolated_e8
        needed = 0
    else:
        moving = [each for each in legs if each.symbol == leg.symbol and not each.isolated]
        if pool is None:
            pools = pools_of(tables, account, list(legs))
            pool = pools[pool_name(account, leg.symbol)]
        rest = pool.equity_e8 - sum(each.unrealized_e8 for each in moving)
        needed = pool.maintenance_e8 - sum(each.maintenance_e8 for each in moving)
    maintenance_e8 = schedule_of(leg.market.spec).maintenance_e8
    spec = leg.market.spec

    def cushion_e8(mark_e8: int) -> int:
        """What is left above the maintenance margin at a mark price."""
        left = rest - needed
        for each in moving:
            value = value_e8(spec, each.lots, mark_e8)
            left += value - each.position.cost_e8 - maintenance_e8(abs(value))
        return left

    falls = sum(each.lots for each in moving) > 0
    return _threshold(cushion_e8, leg.mark_e8, falls)


def _threshold(cushion_e8: Callable[[int], int], mark_e8: int, falls: bool) -> int:
    """Where a cushion that is concave in the price is used up, seen from the present mark.

    Below the mark where falling prices hurt, else above it. If it is used up already, where it
    would be again positive on the way back. 0 where there is no such price.
    """
    if cushion_e8(mark_e8) > 0:
        if falls and cushion_e8(0) <= 0:
            return _last_bad(cushion_e8, 0, mark_e8)
        top = _first(lambda price: cushion_e8(price) <= 0, mark_e8)
        return _last_bad(cushion_e8, top, mark_e8) if top else 0
    if falls:
        top = _first(lambda price: cushion_e8(price) > 0, mark_e8)
        return _last_bad(cushion_e8, mark_e8, top) if top else 0
    return _last_bad(cushion_e8, mark_e8, 0) if cushion_e8(0) > 0 else 0


def _first(holds: Callable[[int], bool], start: int) -> int:
    """Some price above `start` for which `holds`; 0 if none of those tried does."""
    factor = 2
    while factor <= FURTHEST:
        if holds(start * factor):
            return start * factor
        factor *= 2
    return 0


def _last_bad(cushion_e8: Callable[[int], int], bad: int, good: int) -> int:
    """The price without a cushion that is next to one with one, between `bad` and `good`."""
    while abs(good - bad) > 1:
        middle = (bad + good) // 2
        if cushion_e8(middle) > 0:
            good = middle
        else:
            bad = middle
    return bad


def bankruptcy_e8(leg: Leg, behind_e8: int) -> int:
    """The price in 1e-8 at which closing a position leaves nothing of `behind_e8`.

    `behind_e8` is the margin balance that stands behind it at the present mark: an isolated
    position's own, or the whole pool's. The price is rounded against the position (a long's up),
    so that closing there costs no more than there is; at least 0.
    """
    assert leg.lots, f"a flat position in {leg.symbol} cannot go bankrupt"
    spec = leg.market.spec
    scale: int = 10**spec.quantity_precision
    points = abs(leg.lots) * spec.step_points
    # What closing must bring in, signed: the value at the mark less all that may be lost.
    target = leg.value_e8 - behind_e8
    if leg.lots > 0:
        return max(0, -(-target * scale // points))
    return max(0, -target * scale // points)

"""The rules an order must pass before it may touch the book: status, filters, sides, reduce-only.

Each function is one rule: it returns nothing or raises the documented RejectError. ``acceptance``
calls them in the exchange's order, for new orders and for modifications. Margin has a room of its
own.
"""

from __future__ import annotations

from typing import Final

from aegis.venue.codes import reject
from aegis.venue.decimals import trimmed_text
from aegis.venue.errors import RejectError
from aegis.venue.ledger import BOTH, Account
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY
from aegis.venue.orders import Order
from aegis.venue.reducing import by_priority, reducible_lots, room_lots

E4: Final = 10_000
# goodTillDate: "greater than the current time plus 600 seconds and smaller than 253402300799000".
SOONEST_GOOD_TILL_MS: Final = 600_000
LATEST_GOOD_TILL_MS: Final = 253_402_300_799_000
TRADING: Final = "TRADING"
CLOSED_STATUSES: Final = frozenset({"DELIVERED", "CLOSE"})
REDUCE_ONLY_STATUSES: Final = frozenset({"PRE_SETTLE", "PRE_DELIVERING"})


def check_status(market: Market, reduces: bool) -> None:
    """-4141 where the symbol is closed, -4140 where positions may only be reduced, else -1122."""
    status = market.status
    if status == TRADING or (reduces and status in REDUCE_ONLY_STATUSES):
        return
    if status in CLOSED_STATUSES:
        raise reject(-4141)
    raise reject(-4140 if status in REDUCE_ONLY_STATUSES else -1122)


def check_in_force(market: Market) -> None:
    """-1008 with the reason while the book is out of force: nobody knows what would be taken."""
    if market.out_of_force:
        refusal = reject(-1008)
        text = f"{refusal.message} ({market.spec.symbol} is out of force: {market.out_of_force})"
        raise RejectError(refusal.code, text, refusal.status)


def check_amendable(market: Market) -> None:
    """-5024 unless the symbol trades, -1008 while its book is out of force."""
    if market.status != TRADING:
        raise reject(-5024)
    check_in_force(market)


def check_position_side(account: Account, position_side: str, says_reduce: bool) -> None:
    """-4061 if the side is not one of the account's mode, -4062 for reduceOnly in hedge mode."""
    if position_side not in account.sides:
        raise reject(-4061)
    if account.hedged and says_reduce:
        raise reject(-4062)


def check_good_till(good_till_ms: int, now_ms: int) -> None:
    """-5040 for an end that is too near or too far."""
    if not now_ms + SOONEST_GOOD_TILL_MS < good_till_ms < LATEST_GOOD_TILL_MS:
        raise reject(-5040)


def check_percent_price(market: Market, side: int, price_ticks: int) -> None:
    """PERCENT_PRICE: a buy at most mark * multiplierUp, a sell at least mark * multiplierDown."""
    spec = market.spec
    price_e8 = price_ticks * spec.tick_e8
    mark = market.mark_e8()
    if side == BUY:
        if price_e8 * E4 > mark * spec.multiplier_up_e4:
            raise reject(-4016)
    elif price_e8 * E4 < mark * spec.multiplier_down_e4:
        raise reject(-4024)


def check_stop_limit(market: Market, side: int, price_ticks: int, trigger_ticks: int) -> None:
    """PERCENT_PRICE of a limit price against its trigger: -4183 above it, -4184 below it."""
    spec = market.spec
    if side == BUY:
        cap = trigger_ticks * spec.multiplier_up_e4 // E4
        if price_ticks > cap:
            raise reject(-4183, spec.price_text(cap), variant=1)
        return
    floor = -(-trigger_ticks * spec.multiplier_down_e4 // E4)
    if price_ticks < floor:
        raise reject(-4184, spec.price_text(floor), variant=1)


def check_counterparty_price(market: Market, side: int) -> None:
    """A MARKET order is refused when the best opposite price already breaks PERCENT_PRICE."""
    best, _ = market.book.best(-side)
    if best == 0:
        return
    spec = market.spec
    price_e8 = best * spec.tick_e8
    mark = market.mark_e8()
    too_high = side == BUY and price_e8 * E4 > mark * spec.multiplier_up_e4
    too_low = side != BUY and price_e8 * E4 < mark * spec.multiplier_down_e4
    if too_high or too_low:
        raise reject(-4131)


def check_notional(market: Market, price_ticks: int, qty_lots: int, code: int = -4164) -> None:
    """MIN_NOTIONAL, at the mark price where `price_ticks` is 0 (MARKET)."""
    spec = market.spec
    ticks = price_ticks or spec.ticks_of(market.mark_e8())
    if spec.notional_e8(ticks, qty_lots) < spec.min_notional_e8:
        raise reject(code, trimmed_text(spec.min_notional_e8, 1))


def check_reduce_only(
    account: Account,
    symbol: str,
    position_side: str,
    side: int,
    price_ticks: int,
    qty_lots: int,
    resting: list[Order],
) -> None:
    """May an order that can only reduce still be placed behind what rests? `price_ticks` 0: MARKET.

    -2022 if it could open or enlarge the position. -4118 if it could do so once the orders that
    would fill before it have; in hedge mode that is -2022 as well, "closing more than held".
    """
    reducible = reducible_lots(account, symbol, position_side, side)
    if qty_lots > reducible:
        raise reject(-2022)
    queue = by_priority(resting, position_side, side)
    if qty_lots > room_lots(reducible, queue, side, price_ticks):
        raise reject(-4118 if position_side == BOTH else -2022)

"""The rules an order must pass before it may touch the book: filters, reduce-only, margin.

Each function is one rule: it returns nothing or raises the documented RejectError. ``exchange``
calls them in the exchange's order, for new orders and for modifications.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aegis.venue.codes import reject
from aegis.venue.decimals import trimmed_text
from aegis.venue.ledger import Account
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY
from aegis.venue.orders import Order

E4 = 10_000


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
    account: Account, symbol: str, side: int, qty_lots: int, resting: Iterable[Order]
) -> None:
    """-2022 if the order could open or enlarge a position, counting what already reduces it."""
    held = account.position(symbol).lots
    reducing = sum(order.left_lots for order in resting if order.reduce_only and order.side == side)
    if held * side >= 0 or qty_lots + reducing > abs(held):
        raise reject(-2022)


def check_margin(
    account: Account,
    markets: Callable[[str], Market],
    open_notional_e8: dict[tuple[int, str], list[int]],
    symbol: str,
    side: int,
    notional_e8: int,
) -> None:
    """-2019 if the order asks for more initial margin than there is, and for more than before.

    Cross margin, one-way: a symbol needs max(|position + bids|, |position - asks|) / leverage, at
    the mark price for the position and at their own prices for the orders.
    """
    equity = account.wallet_e8
    before = after = 0
    symbols = {*account.positions, symbol}
    for name in symbols:
        bids, asks = open_notional_e8.get((account.account_id, name), (0, 0))
        market = markets(name)
        position = account.position(name)
        held = position_value_e8(market, position.lots)
        equity += held - position.cost_e8
        leverage = account.leverage(name)
        needed = max(abs(held + bids), abs(held - asks)) // leverage
        before += needed
        if name == symbol:
            bids += notional_e8 if side == BUY else 0
            asks += notional_e8 if side != BUY else 0
            needed = max(abs(held + bids), abs(held - asks)) // leverage
        after += needed
    if after > before and after > equity:
        raise reject(-2019)


def position_value_e8(market: Market, lots: int) -> int:
    """Signed notional of a position at the mark price, in 1e-8, rounded towards zero."""
    value = abs(lots) * market.mark_e8() * market.spec.unit_e8 // market.spec.tick_e8
    return value if lots >= 0 else -value


def unrealized_e8(market: Market, lots: int, cost_e8: int) -> int:
    """Profit of an open position at the mark price, in 1e-8."""
    return position_value_e8(market, lots) - cost_e8

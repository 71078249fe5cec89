"""One jitted function per control: numbers in, True when the control lets the order pass.

`aegis.risk.gate` calls them in order; nobody else should, except the tests. Every comparison is
written so that NaN fails it (`x <= limit` is False for a NaN on either side, and the functions
return that comparison, never its opposite), and sums and products are made in float64, where a
garbage 64-bit integer cannot wrap round into a small number. Quantities below 2**53 lots and
amounts below 2**53 units of 1e-8 (90 million USDT) are exact there.

They never raise, allocate or look at anything but their arguments.
"""

from aegis.host.jit import kernel

__all__ = [
    "daily_loss",
    "data_freshness",
    "data_reasonability",
    "drawdown",
    "duplicate_order",
    "equity_floor",
    "filters",
    "intent_expired",
    "is_reducing",
    "margin_buffer",
    "max_gross_notional",
    "max_leverage",
    "max_open_orders",
    "max_order_notional",
    "max_order_qty",
    "max_position_incl_open",
    "message_rate",
    "min_notional",
    "order_notional_e8",
    "pilot",
    "price_collar",
    "price_collar_window",
    "repeated_execution",
    "self_trade",
    "symbol_allowlist",
    "well_formed",
    "worst_lots",
]

POST_ONLY, REDUCE_ONLY, IOC, MARKET = 1, 2, 4, 8
KNOWN_FLAGS = POST_ONLY | REDUCE_ONLY | IOC | MARKET
# Beyond these a number is no price, size or probability of this world but a bug's.
SANE_INTEGER = 1 << 53
SANE_FLOAT = 1e15
SANE_AMOUNT_E8 = 1e23


@kernel("b1(i8,i8,i8,i8,i8,f8,f8)")
def well_formed(
    side: int,
    flags: int,
    price_ticks: int,
    qty_lots: int,
    order_ref: int,
    fair_price: float,
    confidence: float,
) -> bool:
    """INVALID_INTENT: whether the fields of a PLACE make sense at all, each by itself.

    A market order carries no price, any other carries one; POST_ONLY with IOC or MARKET
    contradicts itself. `fair_price` and `confidence` are not used to trade, but a brain that
    computes NaN for them computes NaN elsewhere.
    """
    if side != 1 and side != -1:
        return False
    if flags & ~KNOWN_FLAGS != 0:
        return False
    if flags & POST_ONLY != 0 and flags & (IOC | MARKET) != 0:
        return False
    if not 0 < qty_lots < SANE_INTEGER:
        return False
    if flags & MARKET == 0 and not 0 < price_ticks < SANE_INTEGER:
        return False
    if flags & MARKET != 0 and price_ticks != 0:
        return False
    if not 0 < order_ref < SANE_INTEGER:
        return False
    return abs(fair_price) <= SANE_FLOAT and abs(confidence) <= SANE_FLOAT


@kernel("b1(i8,i8)")
def intent_expired(now_ns: int, valid_until_ns: int) -> bool:
    """INTENT_EXPIRED: True while the decision is valid; a missing deadline (0) is one long past."""
    return now_ns <= valid_until_ns


@kernel("b1(i8,i8,i8,i8,i8,i8)")
def filters(
    price_ticks: int,
    qty_lots: int,
    min_price_ticks: int,
    max_price_ticks: int,
    min_qty_lots: int,
    max_qty_lots: int,
) -> bool:
    """FILTERS, first part: PRICE_FILTER and LOT_SIZE of the exchange.

    Tick and step hold by construction: prices are whole ticks and quantities whole lots.
    """
    if not min_price_ticks <= price_ticks <= max_price_ticks:
        return False
    return min_qty_lots <= qty_lots <= max_qty_lots


@kernel("b1(f8,f8)")
def min_notional(notional_e8: float, minimum_e8: float) -> bool:
    """FILTERS, second part: MIN_NOTIONAL, from which reducing orders are exempt."""
    return notional_e8 >= minimum_e8


@kernel("b1(i8,i8)")
def max_order_qty(qty_lots: int, limit_lots: int) -> bool:
    """MAX_ORDER_QTY: whether one order's quantity is within its limit."""
    return qty_lots <= limit_lots


@kernel("f8(f8,i8,f8)")
def order_notional_e8(price_ticks: float, qty_lots: int, unit_e8: float) -> float:
    """Worth of an order in units of 1e-8 quote; `unit_e8` is the worth of one lot at one tick."""
    return abs(price_ticks) * abs(float(qty_lots)) * unit_e8


@kernel("b1(f8,f8)")
def max_order_notional(notional_e8: float, limit_e8: float) -> bool:
    """MAX_ORDER_NOTIONAL: whether one order's worth is within its limit (both in 1e-8 quote)."""
    return notional_e8 <= limit_e8


@kernel("b1(f8,f8,f8)")
def price_collar(price_ticks: float, mid_ticks: float, collar: float) -> bool:
    """PRICE_COLLAR: whether a price lies within `collar` (a fraction) of the mid, on either side.

    The reference is the book's mid, then the exchange's mark, then our own last price of that side.
    Without one (NaN, zero, beyond all sense) no price does.
    """
    if not 0.0 < mid_ticks <= SANE_FLOAT:
        return False
    return abs(price_ticks - mid_ticks) <= collar * mid_ticks


@kernel("b1(i8,i8,i8,i8)")
def is_reducing(side: int, qty_lots: int, position_lots: int, open_same_side_lots: int) -> bool:
    """Whether an order can only bring the position nearer to zero, open orders of its side first.

    Reducing orders always pass the controls that guard new risk.
    """
    position = float(position_lots)
    if not float(side) * position < 0.0:
        return False
    return float(qty_lots) + float(open_same_side_lots) <= abs(position)


@kernel("b1(b1,b1,i8,i8,i8,i8)")
def data_freshness(
    is_book_valid: bool,
    is_feed_connected: bool,
    book_recv_ns: int,
    feed_message_ns: int,
    now_ns: int,
    max_stale_ns: int,
) -> bool:
    """DATA_FRESHNESS: the book is valid, the feed connected, and both were heard of recently.

    A time in the future counts as fresh only within the limit: a clock that far off is no clock.
    """
    if not (is_book_valid and is_feed_connected):
        return False
    limit = float(max_stale_ns)
    if not abs(float(now_ns) - float(book_recv_ns)) <= limit:
        return False
    return abs(float(now_ns) - float(feed_message_ns)) <= limit


@kernel("b1(f8,f8)")
def daily_loss(day_pnl_e8: float, limit_e8: float) -> bool:
    """DAILY_LOSS: whether the day's loss (a negative result, 1e-8 quote) is within its limit."""
    return -day_pnl_e8 <= limit_e8


@kernel("b1(i8,i8)")
def max_open_orders(open_orders: int, limit: int) -> bool:
    """MAX_OPEN_ORDERS: whether one more order may rest beside those that do or may."""
    return open_orders < limit


@kernel("b1(i8,i8,i8,i8,i8)")
def max_position_incl_open(
    side: int, qty_lots: int, position_lots: int, open_same_side_lots: int, limit_lots: int
) -> bool:
    """MAX_POSITION_INCL_OPEN: the worst position this order can lead to, all of its side filling.

    `open_same_side_lots` counts every order that may still fill, UNKNOWN ones included.
    """
    worst = float(position_lots) * float(side) + float(open_same_side_lots) + float(qty_lots)
    return worst <= float(limit_lots)


@kernel("b1(i8,i8,i8)")
def message_rate(now_ns: int, nth_last_ns: int, window_ns: int) -> bool:
    """MAX_MSG_RATE: whether the Nth last order was sent at least a window ago (N per window)."""
    return float(now_ns) - float(nth_last_ns) >= float(window_ns)


@kernel("b1(i8,i8,i8)")
def symbol_allowlist(instrument: int, rows: int, allowed: int) -> bool:
    """SYMBOL_ALLOWLIST: the instrument has a row, and the row was filled whole (`allowed` is 1)."""
    return 0 <= instrument < rows and allowed == 1


@kernel("b1(f8,f8,f8,f8,f8)")
def price_collar_window(
    price_ticks: float, lowest_ticks: float, highest_ticks: float, mid_ticks: float, limit: float
) -> bool:
    """PRICE_COLLAR_WINDOW: with this price, ours of that side moved at most `limit` of the mid.

    `lowest_ticks` and `highest_ticks` bound our prices of that side within the window: a strategy
    that walks away in small steps stays within the collar each time, but not within this.
    """
    if not 0.0 < mid_ticks <= SANE_FLOAT:
        return False
    if not abs(price_ticks - lowest_ticks) <= limit * mid_ticks:
        return False
    return abs(price_ticks - highest_ticks) <= limit * mid_ticks


@kernel("b1(f8,f8,f8,i8,i8,i8,f8)")
def data_reasonability(
    mid_ticks: float,
    mark_ticks: float,
    index_ticks: float,
    mark_recv_ns: int,
    now_ns: int,
    max_age_ns: int,
    band: float,
) -> bool:
    """DATA_REASONABILITY: the book's mid is near the exchange's mark and index, both recent.

    A book that is fresh and whole may still be a bad print; the mark is made from other markets.
    """
    if not (0.0 < mark_ticks <= SANE_FLOAT and 0.0 < index_ticks <= SANE_FLOAT):
        return False
    if mark_recv_ns <= 0:
        return False
    if not abs(float(now_ns) - float(mark_recv_ns)) <= float(max_age_ns):
        return False
    if not abs(mid_ticks - mark_ticks) <= band * mark_ticks:
        return False
    return abs(mid_ticks - index_ticks) <= band * index_ticks


@kernel("f8(i8,i8,i8)")
def worst_lots(position_lots: int, open_buy_lots: int, open_sell_lots: int) -> float:
    """The largest position, long or short, that open orders can lead to, in lots."""
    position = float(position_lots)
    longest = abs(position + float(open_buy_lots))
    shortest = abs(position - float(open_sell_lots))
    return max(abs(position), longest, shortest)


@kernel("b1(f8,f8)")
def max_gross_notional(gross_e8: float, limit_e8: float) -> bool:
    """MAX_GROSS_NOTIONAL: all positions and open orders together, long and short not offset."""
    return abs(gross_e8) <= limit_e8


@kernel("b1(f8,f8,f8)")
def max_leverage(gross_e8: float, equity_e8: float, limit: float) -> bool:
    """MAX_LEVERAGE: the gross notional is at most `limit` times the equity, which is known."""
    if not 0.0 < equity_e8 <= SANE_AMOUNT_E8:
        return False
    return abs(gross_e8) <= limit * equity_e8


@kernel("b1(f8,f8,f8,f8)")
def margin_buffer(gross_e8: float, margin_rate: float, equity_e8: float, buffer: float) -> bool:
    """MARGIN_BUFFER: what the exchange wants as margin leaves `buffer` of the equity free."""
    if not 0.0 < equity_e8 <= SANE_AMOUNT_E8:
        return False
    return equity_e8 - abs(gross_e8) * margin_rate >= buffer * equity_e8


@kernel("b1(f8,f8,f8)")
def drawdown(pnl_e8: float, peak_e8: float, limit_e8: float) -> bool:
    """DRAWDOWN: the result lies at most `limit_e8` below the best it has been."""
    return peak_e8 - pnl_e8 <= limit_e8


@kernel("b1(f8,f8)")
def equity_floor(equity_e8: float, floor_e8: float) -> bool:
    """EQUITY_FLOOR: the wallet with the open result is worth at least the floor."""
    return abs(equity_e8) <= SANE_AMOUNT_E8 and floor_e8 <= equity_e8


@kernel("b1(i8,i8,i8)")
def repeated_execution(now_ns: int, nth_last_ns: int, window_ns: int) -> bool:
    """REPEATED_EXECUTION: the Nth last execution of a one-sided streak lies before the window."""
    return float(now_ns) - float(nth_last_ns) > float(window_ns)


@kernel("b1(i8,i8,i8)")
def duplicate_order(now_ns: int, last_same_ns: int, window_ns: int) -> bool:
    """DUPLICATE_ORDER: the same side, price and quantity was last sent a window ago or earlier."""
    return float(now_ns) - float(last_same_ns) >= float(window_ns)


@kernel("b1(i8,b1,i8,i8)")
def self_trade(side: int, is_market: bool, price_ticks: int, own_other_ticks: int) -> bool:
    """SELF_TRADE: the order cannot meet our own best order of the other side (0: there is none)."""
    if own_other_ticks == 0:
        return True
    if is_market or own_other_ticks < 0:
        return False
    return price_ticks < own_other_ticks if side > 0 else price_ticks > own_other_ticks


@kernel("b1(f8,f8,f8)")
def pilot(value: float, limit: float, share: float) -> bool:
    """PILOT: while an instance is new, a value is held to a share of its limit."""
    return abs(value) <= limit * share

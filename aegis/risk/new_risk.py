"""New risk: whether there is room for an order that can make a position larger.

The gate's second half, called by `aegis.risk.gate` once an order makes sense and its moment is
right: losses, our own prices of late, capital, the pilot's caps, and how often and against whom.
Orders that only reduce never come here. As everywhere in the gate, what is unknown refuses.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.risk.checks import (
    MARKET,
    duplicate_order,
    margin_buffer,
    max_gross_notional,
    max_leverage,
    max_open_orders,
    max_position_incl_open,
    message_rate,
    pilot,
    price_collar,
    price_collar_window,
    self_trade,
    worst_lots,
)
from aegis.risk.controls import Control
from aegis.risk.gate_state import (
    CANCEL_COUNT,
    CANCEL_HEAD,
    CANCEL_WINDOW_NS,
    COLLAR_WINDOW_NS,
    DUPLICATE_WINDOW_NS,
    IS_MARK_NEEDED,
    MARGIN_BUFFER_E9,
    MARGIN_RATE_E9,
    MAX_GROSS_E8,
    MAX_LEVERAGE_E9,
    MAX_OPEN_ORDERS,
    MAX_RATE,
    OPEN_ORDERS,
    PILOT_SHARE_E9,
    PILOT_UNTIL_NS,
    RATE_COUNT,
    RATE_HEAD,
    RATE_WINDOW_NS,
    WALLET_E8,
    book_sums,
    row_gross_e8,
)
from aegis.risk.guards import last_same_order_ns, window_bounds
from aegis.risk.trips import judge_losses

__all__ = ["judge_new_risk"]

PASS = int(Control.PASS)
_DUPLICATE_ORDER = int(Control.DUPLICATE_ORDER)
_PRICE_COLLAR = int(Control.PRICE_COLLAR)
_MAX_OPEN_ORDERS = int(Control.MAX_OPEN_ORDERS)
_MAX_POSITION = int(Control.MAX_POSITION_INCL_OPEN)
_MAX_MSG_RATE = int(Control.MAX_MSG_RATE)
_PRICE_COLLAR_WINDOW = int(Control.PRICE_COLLAR_WINDOW)
_MAX_GROSS_NOTIONAL = int(Control.MAX_GROSS_NOTIONAL)
_MAX_LEVERAGE = int(Control.MAX_LEVERAGE)
_MARGIN_BUFFER = int(Control.MARGIN_BUFFER)
_SELF_TRADE = int(Control.SELF_TRADE)
_PILOT = int(Control.PILOT)
_E9 = 1e-9


@kernel
def _judge_own_prices(
    intent: Any, row: Any, words: Any, guards: Any, mid_ticks: Any, mark_ticks: Any, now_ns: Any
) -> Any:
    """The price of an order that adds risk against the mark and our own prices of late."""
    if intent.flags & MARKET != 0:
        return PASS
    price_ticks = float(intent.price_ticks)
    if words[IS_MARK_NEEDED] != 0 and not price_collar(price_ticks, mark_ticks, row.collar):
        return _PRICE_COLLAR
    last, lowest, highest = window_bounds(
        guards,
        np.int64(intent.instrument),
        np.int64(intent.side),
        intent.price_ticks,
        now_ns,
        words[COLLAR_WINDOW_NS],
    )
    if not price_collar(price_ticks, float(last), row.collar):
        return _PRICE_COLLAR
    if not price_collar_window(
        price_ticks, float(lowest), float(highest), mid_ticks, row.collar_window
    ):
        return _PRICE_COLLAR_WINDOW
    return PASS


@kernel
def _gross_after(intent: Any, more_lots: Any, exposure: Any, guards: Any, gross_e8: Any) -> Any:
    """The gross notional once this order rests beside the others, with `more_lots` than now."""
    instrument = np.int64(intent.instrument)
    held = exposure[instrument]
    buys, sells = held.open_buy_lots, held.open_sell_lots
    if held.position_lots != 0 or held.open_orders != 0:
        gross_e8 -= row_gross_e8(exposure, guards, instrument, buys, sells)
    if intent.side > 0:
        buys += more_lots
    else:
        sells += more_lots
    return gross_e8 + row_gross_e8(exposure, guards, instrument, buys, sells)


@kernel
def _judge_capital(
    intent: Any,
    more_lots: Any,
    row: Any,
    exposure: Any,
    words: Any,
    gross_e8: Any,
    equity_e8: Any,
) -> Any:
    """Position, gross notional, leverage and margin, with this order added to what is open."""
    held = exposure[intent.instrument]
    same_side_lots = held.open_buy_lots if intent.side > 0 else held.open_sell_lots
    if not max_position_incl_open(
        intent.side, more_lots, held.position_lots, same_side_lots, row.max_position_lots
    ):
        return _MAX_POSITION
    if not max_gross_notional(gross_e8, float(words[MAX_GROSS_E8])):
        return _MAX_GROSS_NOTIONAL
    if not max_leverage(gross_e8, equity_e8, float(words[MAX_LEVERAGE_E9]) * _E9):
        return _MAX_LEVERAGE
    rate = float(words[MARGIN_RATE_E9]) * _E9
    if not margin_buffer(gross_e8, rate, equity_e8, float(words[MARGIN_BUFFER_E9]) * _E9):
        return _MARGIN_BUFFER
    return PASS


@kernel
def _judge_pilot(
    intent: Any,
    more_lots: Any,
    row: Any,
    exposure: Any,
    words: Any,
    notional_e8: Any,
    gross_e8: Any,
    now_ns: Any,
) -> Any:
    """PILOT: a new instance is held to a share of its caps until its first hours are over."""
    if now_ns >= words[PILOT_UNTIL_NS]:
        return PASS
    share = float(words[PILOT_SHARE_E9]) * _E9
    held = exposure[intent.instrument]
    buys, sells = held.open_buy_lots, held.open_sell_lots
    if intent.side > 0:
        buys += more_lots
    else:
        sells += more_lots
    worst = worst_lots(held.position_lots, buys, sells)
    if (
        pilot(float(intent.qty_lots), float(row.max_order_lots), share)
        and pilot(notional_e8, row.max_order_notional_e8, share)
        and pilot(worst, float(row.max_position_lots), share)
        and pilot(gross_e8, float(words[MAX_GROSS_E8]), share)
    ):
        return PASS
    return _PILOT


@kernel
def _judge_flow(
    intent: Any,
    is_amend: Any,
    words: Any,
    rates: Any,
    guards: Any,
    own_other_ticks: Any,
    now_ns: Any,
) -> Any:
    """How often, how many, and against whom. Returns PASS or a control."""
    if not is_amend and not max_open_orders(words[OPEN_ORDERS], words[MAX_OPEN_ORDERS]):
        return _MAX_OPEN_ORDERS
    is_market = intent.flags & MARKET != 0
    if not self_trade(intent.side, is_market, intent.price_ticks, own_other_ticks):
        return _SELF_TRADE
    same_ns = last_same_order_ns(
        guards,
        np.int64(intent.instrument),
        intent.price_ticks,
        np.int64(intent.side) * intent.qty_lots,
    )
    if not duplicate_order(now_ns, same_ns, words[DUPLICATE_WINDOW_NS]):
        return _DUPLICATE_ORDER
    count, cancels = words[RATE_COUNT], words[CANCEL_COUNT]
    if not (0 < count <= MAX_RATE and 0 < cancels <= MAX_RATE):
        return _MAX_MSG_RATE
    nth_last_ns = rates[words[RATE_HEAD] % count]
    if not message_rate(now_ns, nth_last_ns, words[RATE_WINDOW_NS]):
        return _MAX_MSG_RATE
    # A flood of cancels stops new orders, never a cancel.
    nth_last_ns = rates[MAX_RATE + words[CANCEL_HEAD] % cancels]
    if not message_rate(now_ns, nth_last_ns, words[CANCEL_WINDOW_NS]):
        return _MAX_MSG_RATE
    return PASS


@kernel
def judge_new_risk(
    intent: Any,
    more_lots: Any,
    is_amend: Any,
    row: Any,
    exposure: Any,
    words: Any,
    rates: Any,
    guards: Any,
    reference: Any,
    mid_ticks: Any,
    notional_e8: Any,
    now_ns: Any,
    rate_now_ns: Any,
) -> Any:
    """Whether there is room for more risk. Returns PASS or a control.

    `more_lots` is what may fill beyond that which is open: all of a new order; of one that
    is amended, by how much it may become larger.
    """
    unrealized_e8, gross_e8 = book_sums(exposure, guards)
    answer = judge_losses(words, unrealized_e8, now_ns)
    if answer != PASS:
        return answer
    answer = _judge_own_prices(
        intent, row, words, guards, mid_ticks, reference.mark_ticks, rate_now_ns
    )
    if answer != PASS:
        return answer
    gross_e8 = _gross_after(intent, more_lots, exposure, guards, gross_e8)
    equity_e8 = float(words[WALLET_E8]) + unrealized_e8
    answer = _judge_capital(intent, more_lots, row, exposure, words, gross_e8, equity_e8)
    if answer == PASS:
        answer = _judge_pilot(
            intent, more_lots, row, exposure, words, notional_e8, gross_e8, now_ns
        )
    if answer == PASS:
        answer = _judge_flow(
            intent, is_amend, words, rates, guards, reference.own_other_ticks, rate_now_ns
        )
    return answer

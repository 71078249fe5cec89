"""Order replies and trade lists, as dicts that the gateway turns into JSON.

One function per shape the exchange has: the reply to a placement, to a cancel or modification, a
query row, a modification's history, a forced order, a /userTrades row.
"""

from __future__ import annotations

from typing import Any, Final

from aegis.venue.decimals import format_scaled, money_text, trimmed_text
from aegis.venue.orders import STP_NAMES, Amendment, Order, UserTrade
from aegis.venue.symbols import SymbolSpec

Json = dict[str, Any]

SIDE_NAMES: Final = {1: "BUY", -1: "SELL"}
AVERAGE_DECIMALS: Final = 5
CALLBACK_DECIMALS: Final = 4  # a callback rate is told in percent


def average_price(spec: SymbolSpec, order: Order) -> str:
    """Notional over quantity of what is filled, "0.00000" before the first fill."""
    return trimmed_text(spec.price_e8(order.cost_e8, order.filled_lots), AVERAGE_DECIMALS)


def price_or_zero(spec: SymbolSpec, order: Order) -> str:
    """The limit price; a MARKET order has "0"."""
    return ticks_or_zero(spec, order.price_ticks)


def ticks_or_zero(spec: SymbolSpec, ticks: int) -> str:
    return spec.price_text(ticks) if ticks else "0"


def trigger_price(spec: SymbolSpec, order: Order) -> str:
    """What `stopPrice` and `sp` say; "please ignore" of a trailing stop."""
    return "0" if order.condition is None else ticks_or_zero(spec, order.condition.trigger_ticks)


def callback_text(callback_e6: int) -> str:
    """A callback rate in percent with at least one decimal: "0.3", "5.0"."""
    whole, _, part = format_scaled(callback_e6, CALLBACK_DECIMALS).partition(".")
    return f"{whole}.{part.rstrip('0') or '0'}"


def working_type(order: Order) -> str:
    by_mark = order.condition is not None and order.condition.by_mark
    return "MARK_PRICE" if by_mark else "CONTRACT_PRICE"


def placed(spec: SymbolSpec, order: Order, modern: bool) -> Json:
    """Reply to POST /order and order.place; since 2026-07 without averages."""
    row = _shared(spec, order)
    row["cumQty"] = row["executedQty"]
    if not modern:
        row["avgPrice"] = average_price(spec, order)
        row["cumQuote"] = money_text(order.cost_e8)
    return row


def amended(spec: SymbolSpec, order: Order, modern: bool) -> Json:
    """Reply to PUT /order; order.modify leaves out `pair`."""
    row = placed(spec, order, modern)
    row["pair"] = order.symbol
    if modern:
        row["modifyId"] = order.modify_id
    else:
        row["cumBase"] = row["executedQty"]
    return row


def canceled(spec: SymbolSpec, order: Order, modern: bool) -> Json:
    """Reply to DELETE /order and order.cancel; never with an average price."""
    row = placed(spec, order, modern)
    row.pop("avgPrice", None)
    return row


def tested(spec: SymbolSpec, order: Order) -> Json:
    """Reply to POST /order/test: the order that was not placed, in both dialects with averages."""
    return placed(spec, order, modern=False)


def queried(spec: SymbolSpec, order: Order) -> Json:
    """A row of order, openOrder, openOrders and allOrders: with averages, without cumQty."""
    row = _shared(spec, order)
    row["avgPrice"] = average_price(spec, order)
    row["cumQuote"] = money_text(order.cost_e8)
    row["time"] = order.created_ms
    return row


def listed(spec: SymbolSpec, order: Order, modern: bool) -> Json:
    """A row of allOrders, which has gained two fields on 2026-08-07."""
    row = queried(spec, order)
    if modern:
        row["pair"] = order.symbol
        row["cumBase"] = row["executedQty"]
    return row


FORCED_FIELDS: Final = (
    "orderId", "symbol", "status", "clientOrderId", "price", "avgPrice", "origQty", "executedQty",
    "cumQuote", "timeInForce", "type", "reduceOnly", "closePosition", "side", "positionSide",
    "stopPrice", "workingType", "origType", "time", "updateTime",
)  # fmt: skip


def forced(spec: SymbolSpec, order: Order, modern: bool) -> Json:
    """A row of /forceOrders."""
    row = queried(spec, order)
    chosen = {name: row[name] for name in FORCED_FIELDS}
    if modern:
        chosen["pair"] = order.symbol
        chosen["cumBase"] = row["executedQty"]
    return chosen


def amendment(spec: SymbolSpec, change: Amendment, modern: bool) -> Json:
    """A row of /orderAmendment."""
    details: Json = {
        "price": {
            "before": spec.price_text(change.ticks_before),
            "after": spec.price_text(change.ticks_after),
        },
        "origQty": {
            "before": spec.qty_text(change.lots_before),
            "after": spec.qty_text(change.lots_after),
        },
        "count": change.count,
    }
    if modern:
        details["modifyId"] = change.modify_id
    return {
        "amendmentId": change.amendment_id,
        "symbol": change.symbol,
        "pair": change.symbol,
        "orderId": change.order_id,
        "clientOrderId": change.client_id,
        "time": change.time_ms,
        "amendment": details,
        "priceMatch": change.price_match,
    }


def user_trade(spec: SymbolSpec, trade: UserTrade, modern: bool) -> Json:
    """A row of /userTrades; commission is positive when paid."""
    row = {
        "buyer": trade.side > 0,
        "commission": money_text(trade.fee_e8),
        "commissionAsset": trade.fee_asset,
        "id": trade.trade_id,
        "maker": trade.maker,
        "orderId": trade.order_id,
        "price": spec.price_text(trade.price_ticks),
        "qty": spec.qty_text(trade.qty_lots),
        "quoteQty": money_text(spec.notional_e8(trade.price_ticks, trade.qty_lots)),
        "realizedPnl": money_text(trade.realized_e8),
        "side": SIDE_NAMES[trade.side],
        "positionSide": trade.position_side,
        "symbol": trade.symbol,
        "time": trade.time_ms,
    }
    if modern:
        # Since 2026-08-07.
        row |= {"baseQty": row["qty"], "marginAsset": spec.quote, "pair": trade.symbol}
    return row


def _shared(spec: SymbolSpec, order: Order) -> Json:
    condition = order.condition
    row: Json = {
        "clientOrderId": order.client_id,
        "executedQty": spec.qty_text(order.filled_lots),
        "orderId": order.order_id,
        "origQty": spec.qty_text(order.qty_lots),
        "price": price_or_zero(spec, order),
        "reduceOnly": order.reduce_only,
        "side": SIDE_NAMES[order.side],
        "positionSide": order.position_side,
        "status": order.status,
        "stopPrice": trigger_price(spec, order),
        "closePosition": condition is not None and condition.closes_position,
        "symbol": order.symbol,
        "timeInForce": order.tif,
        "type": order.kind,
        "origType": order.origin_kind,
        "updateTime": order.updated_ms,
        "workingType": working_type(order),
        "priceProtect": condition is not None and condition.protected,
        "priceMatch": order.price_match,
        "selfTradePreventionMode": STP_NAMES[order.stp],
        "goodTillDate": order.good_till_ms,
    }
    if condition is not None and condition.is_trailing:
        row["activatePrice"] = spec.price_text(condition.activation_ticks)
        row["priceRate"] = callback_text(condition.callback_e6)
    return row

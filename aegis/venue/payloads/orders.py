"""Order replies and trade lists, as dicts that the gateway turns into JSON.

One function per shape the exchange has: the reply to a placement, to a cancel or modification, a
query row, a /userTrades row.
"""

from __future__ import annotations

from typing import Any

from aegis.venue.decimals import money_text, trimmed_text
from aegis.venue.orders import STP_NAMES, Order, UserTrade
from aegis.venue.symbols import SymbolSpec

Json = dict[str, Any]

SIDE_NAMES = {1: "BUY", -1: "SELL"}
AVERAGE_DECIMALS = 5


def average_price(spec: SymbolSpec, order: Order) -> str:
    """Notional over quantity of what is filled, "0.00000" before the first fill."""
    return trimmed_text(spec.price_e8(order.cost_e8, order.filled_lots), AVERAGE_DECIMALS)


def price_or_zero(spec: SymbolSpec, order: Order) -> str:
    """The limit price; a MARKET order has "0"."""
    return spec.price_text(order.price_ticks) if order.price_ticks else "0"


def placed(spec: SymbolSpec, order: Order, modern: bool) -> Json:
    """Reply to POST /order and order.place; since 2026-07 without averages."""
    row = _shared(spec, order)
    row["cumQty"] = row["executedQty"]
    if not modern:
        row["avgPrice"] = average_price(spec, order)
        row["cumQuote"] = money_text(order.cost_e8)
    return row


def amended(spec: SymbolSpec, order: Order, modern: bool) -> Json:
    """Reply to PUT /order and order.modify."""
    return {**placed(spec, order, modern), "pair": order.symbol, "modifyId": order.amendments}


def canceled(spec: SymbolSpec, order: Order, modern: bool) -> Json:
    """Reply to DELETE /order and order.cancel."""
    return placed(spec, order, modern)


def queried(spec: SymbolSpec, order: Order) -> Json:
    """A row of order, openOrder, openOrders and allOrders: with averages, without cumQty."""
    row = _shared(spec, order)
    row["avgPrice"] = average_price(spec, order)
    row["cumQuote"] = money_text(order.cost_e8)
    row["time"] = order.created_ms
    return row


def user_trade(spec: SymbolSpec, trade: UserTrade) -> Json:
    """A row of /userTrades; commission is positive when paid."""
    notional = spec.notional_e8(trade.price_ticks, trade.qty_lots)
    return {
        "buyer": trade.side > 0,
        "commission": money_text(trade.fee_e8),
        "commissionAsset": spec.quote,
        "id": trade.trade_id,
        "maker": trade.maker,
        "orderId": trade.order_id,
        "price": spec.price_text(trade.price_ticks),
        "qty": spec.qty_text(trade.qty_lots),
        "quoteQty": money_text(notional),
        "baseQty": spec.qty_text(trade.qty_lots),
        "marginAsset": spec.quote,
        "realizedPnl": money_text(trade.realized_e8),
        "side": SIDE_NAMES[trade.side],
        "positionSide": "BOTH",
        "symbol": trade.symbol,
        "pair": trade.symbol,
        "time": trade.time_ms,
    }


def _shared(spec: SymbolSpec, order: Order) -> Json:
    return {
        "clientOrderId": order.client_id,
        "executedQty": spec.qty_text(order.filled_lots),
        "orderId": order.order_id,
        "origQty": spec.qty_text(order.qty_lots),
        "price": price_or_zero(spec, order),
        "reduceOnly": order.reduce_only,
        "side": SIDE_NAMES[order.side],
        "positionSide": "BOTH",
        "status": order.status,
        "stopPrice": "0",
        "closePosition": False,
        "symbol": order.symbol,
        "timeInForce": order.tif,
        "type": order.kind,
        "origType": order.kind,
        "updateTime": order.updated_ms,
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "priceMatch": "NONE",
        "selfTradePreventionMode": STP_NAMES[order.stp],
        "goodTillDate": 0,
    }

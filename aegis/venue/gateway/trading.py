"""Handlers of orders and trades, for REST and the WebSocket API alike."""

from __future__ import annotations

from typing import Any, Final

from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.gateway.calls import Caller
from aegis.venue.orders import Order
from aegis.venue.payloads import info
from aegis.venue.payloads import orders as payload
from aegis.venue.requests import (
    bounded,
    integer,
    optional,
    parse_amend,
    parse_key,
    parse_place,
    required,
)

Json = dict[str, Any]
MAX_MS: Final = 2**62


def place(core: Core, caller: Caller) -> Json:
    spec = core.exchange.market(required(caller.parameters, "symbol")).spec
    request = parse_place(caller.parameters, spec)
    order = core.exchange.place(caller.account_id, request, core.event_ms())
    return payload.placed(spec, order, core.modern)


def amend(core: Core, caller: Caller) -> Json:
    spec = core.exchange.market(required(caller.parameters, "symbol")).spec
    request = parse_amend(caller.parameters, spec)
    order = core.exchange.amend(caller.account_id, request, core.event_ms())
    return payload.amended(spec, order, core.modern)


def cancel(core: Core, caller: Caller) -> Json:
    spec = core.exchange.market(required(caller.parameters, "symbol")).spec
    key = parse_key(caller.parameters, spec)
    order = core.exchange.cancel(caller.account_id, key, core.event_ms())
    return payload.canceled(spec, order, core.modern)


def cancel_all(core: Core, caller: Caller) -> Json:
    symbol = required(caller.parameters, "symbol")
    core.exchange.market(symbol)
    core.exchange.cancel_all(caller.account_id, symbol, core.event_ms())
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def countdown(core: Core, caller: Caller) -> Json:
    symbol = required(caller.parameters, "symbol")
    text = required(caller.parameters, "countdownTime")
    after = bounded(caller.parameters, "countdownTime", 0, 0, MAX_MS)
    deadline = core.wall_ms() + after if after else None
    core.exchange.set_countdown(caller.account_id, symbol, deadline)
    return {"symbol": symbol, "countdownTime": text}


def query(core: Core, caller: Caller) -> Json:
    order = _find(core, caller)
    return payload.queried(core.exchange.market(order.symbol).spec, order)


def query_open(core: Core, caller: Caller) -> Json:
    order = _find(core, caller)
    if not order.is_open:
        raise reject(-2013)
    return payload.queried(core.exchange.market(order.symbol).spec, order)


def open_orders(core: Core, caller: Caller) -> list[Json]:
    symbol = optional(caller.parameters, "symbol")
    if symbol is not None:
        core.exchange.market(symbol)
    return _rows(core, core.exchange.orders.open_of(caller.account_id, symbol))


def all_orders(core: Core, caller: Caller) -> list[Json]:
    symbol = optional(caller.parameters, "symbol")
    if symbol is not None:
        core.exchange.market(symbol)
    limit = bounded(caller.parameters, "limit", 500, 1, 1000)
    first = bounded(caller.parameters, "orderId", 0, 0, MAX_MS)
    start, end = _times(caller)
    found = [
        order
        for order in core.exchange.orders.all_of(caller.account_id, symbol)
        if order.order_id >= first and start <= order.created_ms <= end
    ]
    rows = _rows(core, found[:limit] if first else found[-limit:])
    if core.modern:
        # Since 2026-08-07, in this list only.
        for row in rows:
            row["pair"] = row["symbol"]
            row["cumBase"] = row["executedQty"]
    return rows


def user_trades(core: Core, caller: Caller) -> list[Json]:
    market = core.exchange.market(required(caller.parameters, "symbol"))
    limit = bounded(caller.parameters, "limit", 500, 1, 1000)
    order_id = integer(caller.parameters, "orderId")
    first = bounded(caller.parameters, "fromId", 0, 0, MAX_MS)
    start, end = _times(caller)
    found = [
        trade
        for trade in core.exchange.user_trades
        if trade.account_id == caller.account_id
        and trade.symbol == market.spec.symbol
        and trade.trade_id >= first
        and start <= trade.time_ms <= end
        and order_id in (None, trade.order_id)
    ]
    chosen = found[:limit] if first else found[-limit:]
    return [payload.user_trade(market.spec, trade) for trade in chosen]


def order_rate_limit(core: Core, caller: Caller) -> list[Json]:
    limits = info.rate_limits(core.limiter.limits)
    return [row for row in limits if row["rateLimitType"] == "ORDERS"]


def _find(core: Core, caller: Caller) -> Order:
    spec = core.exchange.market(required(caller.parameters, "symbol")).spec
    key = parse_key(caller.parameters, spec)
    order = core.exchange.orders.find(caller.account_id, key.symbol, key.order_id, key.client_id)
    if order is None:
        raise reject(-2013)
    return order


def _rows(core: Core, orders: list[Order]) -> list[Json]:
    return [payload.queried(core.exchange.market(order.symbol).spec, order) for order in orders]


def _times(caller: Caller) -> tuple[int, int]:
    start = bounded(caller.parameters, "startTime", 0, 0, MAX_MS)
    end = bounded(caller.parameters, "endTime", MAX_MS, 0, MAX_MS)
    if start > end:
        raise reject(-1023)
    return start, end

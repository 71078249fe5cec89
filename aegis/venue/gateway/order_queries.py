"""Handlers that read orders and trades, for REST and the WebSocket API alike."""

from __future__ import annotations

from typing import Any, Final

from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.dialect import dialect_of
from aegis.venue.gateway.calls import Caller
from aegis.venue.gateway.order_windows import DAY_MS, MAX_MS, is_windowed, window_of
from aegis.venue.gateway.trading import spec_of
from aegis.venue.orders import ADL, CANCELED, EXPIRED, LIQUIDATION, Order
from aegis.venue.payloads import info
from aegis.venue.payloads import orders as payload
from aegis.venue.requests import bounded, integer, optional, parse_key, required
from aegis.venue.symbols import SymbolSpec

Json = dict[str, Any]
# "These orders will not be found": without a fill after three days, any after ninety.
UNTRADED_LIFE_MS: Final = 3 * DAY_MS
LIFE_MS: Final = 90 * DAY_MS


def query(core: Core, caller: Caller) -> Json:
    order = _find(core, caller)
    return payload.queried(_spec(core, order), order)


def query_open(core: Core, caller: Caller) -> Json:
    order = _find(core, caller)
    if not order.is_open:
        raise reject(-2013)
    return payload.queried(_spec(core, order), order)


def open_orders(core: Core, caller: Caller) -> list[Json]:
    symbol = _symbol(core, caller)
    found = core.exchange.orders.open_of(caller.account_id, symbol)
    return [payload.queried(_spec(core, order), order) for order in found]


def all_orders(core: Core, caller: Caller) -> list[Json]:
    """From an orderId on, oldest first; otherwise the newest of the window."""
    parameters = caller.parameters
    symbol = _symbol(core, caller)
    if symbol is None and not dialect_of(core.modern).lists_all_symbols:
        raise reject(-1102, "symbol")
    limit = bounded(parameters, "limit", 500, 1, 1_000)
    first = integer(parameters, "orderId")
    start, end = window_of(parameters, core.event_ms())
    if first is not None and not is_windowed(parameters):
        start, end = 0, MAX_MS
    found = [
        order
        for order in core.exchange.orders.all_of(caller.account_id, symbol)
        if order.order_id >= (first or 0)
        and start <= order.created_ms <= end
        and _is_known(order, core.event_ms())
    ]
    chosen = found[:limit] if first is not None else found[-limit:]
    return [payload.listed(_spec(core, order), order, core.modern) for order in chosen]


def amendments(core: Core, caller: Caller) -> list[Json]:
    """The modifications of one order, newest first."""
    parameters = caller.parameters
    spec = spec_of(core, parameters)
    key = parse_key(parameters, spec)
    limit = bounded(parameters, "limit", 1_000, 1, 1_000)
    start = bounded(parameters, "startTime", 0, 0, MAX_MS)
    end = bounded(parameters, "endTime", MAX_MS, 0, MAX_MS)
    if start > end:
        raise reject(-1023)
    found = [
        change
        for change in reversed(core.exchange.amendments)
        if change.account_id == caller.account_id
        and change.symbol == spec.symbol
        and (
            change.order_id == key.order_id
            if key.order_id is not None
            else change.client_id == key.client_id
        )
        and start <= change.time_ms <= end
    ]
    return [payload.amendment(spec, change, core.modern) for change in found[:limit]]


def force_orders(core: Core, caller: Caller) -> list[Json]:
    """Orders that liquidated the account or deleveraged it, newest of the window."""
    parameters = caller.parameters
    symbol = _symbol(core, caller)
    cause = optional(parameters, "autoCloseType")
    if cause not in (None, LIQUIDATION, ADL):
        raise reject(-1130, "autoCloseType")
    limit = bounded(parameters, "limit", 50, 1, 100)
    start, end = window_of(parameters, core.event_ms())
    found = [
        order
        for order in core.exchange.orders.all_of(caller.account_id, symbol)
        if order.force and cause in (None, order.force) and start <= order.created_ms <= end
    ]
    return [payload.forced(_spec(core, order), order, core.modern) for order in found[-limit:]]


def user_trades(core: Core, caller: Caller) -> list[Json]:
    """From a trade id or a start on, oldest first; otherwise the newest of seven days."""
    parameters = caller.parameters
    spec = spec_of(core, parameters)
    limit = bounded(parameters, "limit", 500, 1, 1_000)
    order_id = integer(parameters, "orderId")
    first = integer(parameters, "fromId")
    if first is not None and is_windowed(parameters):
        raise reject(-1128)
    start, end = window_of(parameters, core.event_ms())
    if first is not None or (order_id is not None and not is_windowed(parameters)):
        start, end = 0, MAX_MS
    found = [
        trade
        for trade in core.exchange.user_trades
        if trade.account_id == caller.account_id
        and trade.symbol == spec.symbol
        and trade.trade_id >= (first or 0)
        and start <= trade.time_ms <= end
        and order_id in (None, trade.order_id)
    ]
    forward = first is not None or "startTime" in parameters
    chosen = found[:limit] if forward else found[-limit:]
    return [payload.user_trade(spec, trade, core.modern) for trade in chosen]


def order_rate_limit(core: Core, caller: Caller) -> list[Json]:
    limits = info.rate_limits(core.limiter.limits)
    return [row for row in limits if row["rateLimitType"] == "ORDERS"]


def _symbol(core: Core, caller: Caller) -> str | None:
    """An optional symbol. Raises RejectError -1121."""
    symbol = optional(caller.parameters, "symbol")
    if symbol is not None:
        core.exchange.market(symbol)
    return symbol


def _find(core: Core, caller: Caller) -> Order:
    spec = core.exchange.market(required(caller.parameters, "symbol")).spec
    key = parse_key(caller.parameters, spec)
    order = core.exchange.orders.find(caller.account_id, key.symbol, key.order_id, key.client_id)
    if order is None or not _is_known(order, core.event_ms()):
        raise reject(-2013)
    return order


def _is_known(order: Order, now_ms: int) -> bool:
    """Whether the exchange still finds the order, however long this venue remembers it."""
    age_ms = now_ms - order.created_ms
    untraded = order.status in (CANCELED, EXPIRED) and order.filled_lots == 0
    return order.is_open or age_ms <= (UNTRADED_LIFE_MS if untraded else LIFE_MS)


def _spec(core: Core, order: Order) -> SymbolSpec:
    return core.exchange.market(order.symbol).spec

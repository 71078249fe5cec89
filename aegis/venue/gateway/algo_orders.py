"""Handlers of the algo service, which there is in the dialect of 2026 only."""

from __future__ import annotations

from typing import Any

from aegis.venue.algo.order import AlgoOrder
from aegis.venue.algo.requests import parse_algo
from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.dialect import dialect_of
from aegis.venue.gateway.calls import Caller
from aegis.venue.gateway.order_windows import MAX_MS, is_windowed, window_of
from aegis.venue.gateway.trading import ALL_CANCELED, spec_of
from aegis.venue.payloads import algo as payload
from aegis.venue.requests import Parameters, bounded, integer, optional

Json = dict[str, Any]


def place(core: Core, caller: Caller) -> Json:
    _check_offered(core, "POST /fapi/v1/algoOrder")
    spec = spec_of(core, caller.parameters)
    request = parse_algo(caller.parameters, spec, dialect_of(core.modern))
    algo = core.exchange.place_algo(caller.account_id, request, core.event_ms())
    return payload.placed(spec, algo)


def cancel(core: Core, caller: Caller) -> Json:
    _check_offered(core, "DELETE /fapi/v1/algoOrder")
    algo_id, client_id = _key(caller.parameters)
    algo = core.exchange.cancel_algo(caller.account_id, algo_id, client_id, core.event_ms())
    return payload.canceled(algo)


def cancel_all(core: Core, caller: Caller) -> Json:
    _check_offered(core, "DELETE /fapi/v1/algoOpenOrders")
    spec = spec_of(core, caller.parameters)
    core.exchange.cancel_all_algos(caller.account_id, spec.symbol, core.event_ms())
    return ALL_CANCELED


def query(core: Core, caller: Caller) -> Json:
    _check_offered(core, "GET /fapi/v1/algoOrder")
    algo = core.exchange.algos.find(caller.account_id, *_key(caller.parameters))
    if algo is None:
        raise reject(-2013)
    return payload.queried(core.exchange.market(algo.symbol).spec, algo)


def open_orders(core: Core, caller: Caller) -> list[Json]:
    """Those that wait; those that have triggered are orders by then."""
    _check_offered(core, "GET /fapi/v1/openAlgoOrders")
    parameters = caller.parameters
    if (optional(parameters, "algoType") or "CONDITIONAL") != "CONDITIONAL":
        raise reject(-1130, "algoType")
    symbol = optional(parameters, "symbol")
    if symbol is not None:
        core.exchange.market(symbol)
    algo_id = integer(parameters, "algoId")
    found = core.exchange.algos.waiting_of(caller.account_id, symbol)
    return [
        payload.listed(core.exchange.market(algo.symbol).spec, algo)
        for algo in found
        if algo_id in (None, algo.algo_id)
    ]


def all_orders(core: Core, caller: Caller) -> list[Json]:
    """From an algoId on, oldest first; otherwise the newest of the window."""
    _check_offered(core, "GET /fapi/v1/allAlgoOrders")
    parameters = caller.parameters
    spec = spec_of(core, parameters)
    limit = bounded(parameters, "limit", 500, 1, 1_000)
    first = integer(parameters, "algoId")
    start, end = window_of(parameters, core.event_ms())
    if first is not None and not is_windowed(parameters):
        start, end = 0, MAX_MS
    found: list[AlgoOrder] = [
        algo
        for algo in core.exchange.algos.all_of(caller.account_id, spec.symbol)
        if algo.algo_id >= (first or 0) and start <= algo.created_ms <= end
    ]
    chosen = found[:limit] if first is not None else found[-limit:]
    return [payload.queried(spec, algo) for algo in chosen]


def _key(parameters: Parameters) -> tuple[int | None, str | None]:
    algo_id = integer(parameters, "algoId")
    client_id = optional(parameters, "clientAlgoId")
    if algo_id is None and client_id is None:
        raise reject(-1102, "algoId", "clientAlgoId", variant=1)
    return algo_id, client_id


def _check_offered(core: Core, name: str) -> None:
    """-5000 in the dialect of 2024, as for any path that does not exist."""
    if dialect_of(core.modern).stops_are_orders:
        method, _, path = name.partition(" ")
        raise reject(-5000, path, method)

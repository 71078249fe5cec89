"""Handlers that change orders, one at a time, for REST and the WebSocket API alike."""

from __future__ import annotations

from typing import Any, Final

from aegis.venue.core import Core
from aegis.venue.dialect import dialect_of
from aegis.venue.gateway.calls import Caller
from aegis.venue.payloads import orders as payload
from aegis.venue.placement import parse_amend, parse_place
from aegis.venue.requests import Parameters, bounded, parse_key, required
from aegis.venue.symbols import SymbolSpec

Json = dict[str, Any]
MAX_MS: Final = 2**62
ALL_CANCELED: Final = {"code": 200, "msg": "The operation of cancel all open order is done."}


def spec_of(core: Core, parameters: Parameters) -> SymbolSpec:
    """The contract that `symbol` names. Raises RejectError -1102 or -1121."""
    return core.exchange.market(required(parameters, "symbol")).spec


def place(core: Core, caller: Caller) -> Json:
    return place_one(core, caller.account_id, caller.parameters, single=True)


def place_one(core: Core, account_id: int, parameters: Parameters, *, single: bool) -> Json:
    """One order, by itself or out of a batch. Raises RejectError."""
    spec = spec_of(core, parameters)
    request = parse_place(parameters, spec, dialect_of(core.modern), single=single)
    order = core.exchange.place(account_id, request, core.event_ms())
    return payload.placed(spec, order, core.modern)


def test(core: Core, caller: Caller) -> Json:
    """Everything but the order. Conditional types are still taken, in both dialects."""
    spec = spec_of(core, caller.parameters)
    dialect = dialect_of(core.modern)
    request = parse_place(caller.parameters, spec, dialect, single=False, stops_too=True)
    order = core.exchange.test(caller.account_id, request, core.event_ms())
    return payload.tested(spec, order)


def amend(core: Core, caller: Caller) -> Json:
    return amend_one(core, caller.account_id, caller.parameters)


def amend_one(core: Core, account_id: int, parameters: Parameters) -> Json:
    """One modification, by itself or out of a batch. Raises RejectError."""
    spec = spec_of(core, parameters)
    request = parse_amend(parameters, spec, dialect_of(core.modern))
    order = core.exchange.amend(account_id, request, core.event_ms())
    return payload.amended(spec, order, core.modern)


def amend_by_wsapi(core: Core, caller: Caller) -> Json:
    """order.modify, whose result has neither `pair` nor `cumBase`."""
    row = amend(core, caller)
    del row["pair"]
    row.pop("cumBase", None)
    return row


def cancel(core: Core, caller: Caller) -> Json:
    spec = spec_of(core, caller.parameters)
    key = parse_key(caller.parameters, spec)
    order = core.exchange.cancel(caller.account_id, key, core.event_ms())
    return payload.canceled(spec, order, core.modern)


def cancel_all(core: Core, caller: Caller) -> Json:
    spec = spec_of(core, caller.parameters)
    core.exchange.cancel_all(caller.account_id, spec.symbol, core.event_ms())
    return ALL_CANCELED


def countdown(core: Core, caller: Caller) -> Json:
    """The reply repeats the time as a text."""
    spec = spec_of(core, caller.parameters)
    text = required(caller.parameters, "countdownTime")
    after = bounded(caller.parameters, "countdownTime", 0, 0, MAX_MS)
    deadline = core.wall_ms() + after if after else None
    core.exchange.set_countdown(caller.account_id, spec.symbol, deadline)
    return {"symbol": spec.symbol, "countdownTime": text}

"""Handlers of several orders at once: each is carried out or refused by itself.

The answer is one list in the order of the request, HTTP 200 whatever became of the single orders.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.errors import RejectError
from aegis.venue.gateway.calls import UNREADABLE, Caller
from aegis.venue.gateway.trading import amend_one, place_one, spec_of
from aegis.venue.payloads import orders as payload
from aegis.venue.requests import OrderKey, Parameters, optional, required

Json = dict[str, Any]
MAX_ORDERS: Final = 5
MAX_CANCELS: Final = 10


def place_batch(core: Core, caller: Caller) -> list[Json]:
    rows = _rows(caller.parameters)
    return [
        _outcome(partial(place_one, core, caller.account_id, row, single=False)) for row in rows
    ]


def amend_batch(core: Core, caller: Caller) -> list[Json]:
    rows = _rows(caller.parameters)
    return [_outcome(partial(amend_one, core, caller.account_id, row)) for row in rows]


def cancel_batch(core: Core, caller: Caller) -> list[Json]:
    """By orderIdList or origClientOrderIdList; the ids win if both are sent."""
    parameters = caller.parameters
    spec = spec_of(core, parameters)
    order_ids = _list(parameters, "orderIdList", list[int])
    client_ids = _list(parameters, "origClientOrderIdList", list[str])
    if order_ids is not None:
        keys = [OrderKey(spec.symbol, order_id, None) for order_id in order_ids]
    elif client_ids is not None:
        keys = [OrderKey(spec.symbol, None, client_id) for client_id in client_ids]
    else:
        raise reject(-1102, "orderIdList", "origClientOrderIdList", variant=1)
    if len(keys) > MAX_CANCELS:
        raise reject(-4032)

    def cancel_one(key: OrderKey) -> Json:
        order = core.exchange.cancel(caller.account_id, key, core.event_ms())
        return payload.canceled(spec, order, core.modern)

    return [_outcome(partial(cancel_one, key)) for key in keys]


def _outcome(act: Callable[[], Json]) -> Json:
    try:
        return act()
    except RejectError as error:
        return {"code": error.code, "msg": error.message}


def _rows(parameters: Parameters) -> list[dict[str, str]]:
    """batchOrders as one mapping of texts per order. Raises RejectError -1102, -1130, -4082."""
    text = required(parameters, "batchOrders")
    try:
        rows = msgspec.json.decode(text, type=list[dict[str, msgspec.Raw]])
    except UNREADABLE as error:
        raise reject(-1130, "batchOrders") from error
    if not 1 <= len(rows) <= MAX_ORDERS:
        raise reject(-4082, len(rows))
    return [{name: _text(raw) for name, raw in row.items()} for row in rows]


def _text(raw: msgspec.Raw) -> str:
    """A value as if it had been a parameter: numbers keep the characters they were sent in."""
    content = bytes(raw)
    if content[:1] == b'"':
        try:
            return msgspec.json.decode(content, type=str)
        except UNREADABLE as error:
            raise reject(-1130, "batchOrders") from error
    if content[:1] in (b"{", b"["):
        raise reject(-1130, "batchOrders")
    return "" if content == b"null" else content.decode("ascii", "replace")


def _list(parameters: Parameters, name: str, kind: Any) -> list[Any] | None:
    """A JSON list. ccxt and python-binance spell its name in small letters, and are understood."""
    text = optional(parameters, name if name in parameters else name.lower())
    if text is None:
        return None
    try:
        found: list[Any] = msgspec.json.decode(text, type=kind)
    except UNREADABLE as error:
        raise reject(-1130, name) from error
    return found

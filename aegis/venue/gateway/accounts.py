"""Handlers of balances, positions, account settings and listen keys."""

from __future__ import annotations

from typing import Any

from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.gateway.calls import Caller
from aegis.venue.payloads import account as payload
from aegis.venue.requests import integer, optional, required
from aegis.venue.standing import MAX_NOTIONAL, SymbolStanding, standing_of, symbol_standing

Json = dict[str, Any]


def balance(core: Core, caller: Caller) -> list[Json]:
    return payload.balances(standing_of(core.exchange, caller.account_id))


def account_v2(core: Core, caller: Caller) -> Json:
    return payload.account_v2(standing_of(core.exchange, caller.account_id, flat_too=True))


def account_v3(core: Core, caller: Caller) -> Json:
    return payload.account_v3(standing_of(core.exchange, caller.account_id))


def position_risk_v2(core: Core, caller: Caller) -> list[Json]:
    wallet = core.exchange.account(caller.account_id).wallet_e8
    rows = _symbols(core, caller, flat_too=True)
    return [payload.position_risk_v2(wallet, row) for row in rows]


def position_risk_v3(core: Core, caller: Caller) -> list[Json]:
    wallet = core.exchange.account(caller.account_id).wallet_e8
    rows = _symbols(core, caller, flat_too=False)
    return [payload.position_risk_v3(wallet, row) for row in rows]


def account_config(core: Core, caller: Caller) -> Json:
    return payload.account_config()


def symbol_config(core: Core, caller: Caller) -> list[Json]:
    return [payload.symbol_config(row) for row in _symbols(core, caller, flat_too=True)]


def commission_rate(core: Core, caller: Caller) -> Json:
    symbol = required(caller.parameters, "symbol")
    core.exchange.market(symbol)
    return payload.commission_rate(symbol, core.exchange.account(caller.account_id))


def set_leverage(core: Core, caller: Caller) -> Json:
    symbol = required(caller.parameters, "symbol")
    leverage = integer(caller.parameters, "leverage")
    if leverage is None:
        raise reject(-1102, "leverage")
    core.exchange.set_leverage(caller.account_id, symbol, leverage, core.event_ms())
    return {"leverage": leverage, "maxNotionalValue": str(MAX_NOTIONAL), "symbol": symbol}


def set_margin_type(core: Core, caller: Caller) -> Json:
    symbol = required(caller.parameters, "symbol")
    kind = required(caller.parameters, "marginType")
    if kind not in ("ISOLATED", "CROSSED"):
        raise reject(-1130, "marginType")
    core.exchange.set_isolated(caller.account_id, symbol, kind == "ISOLATED", core.event_ms())
    return {"code": 200, "msg": "success"}


def position_mode(core: Core, caller: Caller) -> Json:
    return {"dualSidePosition": False}


def set_position_mode(core: Core, caller: Caller) -> Json:
    wanted = required(caller.parameters, "dualSidePosition").lower()
    if wanted not in ("true", "false"):
        raise reject(-1130, "dualSidePosition")
    if wanted == "false":
        raise reject(-4059)
    if core.exchange.orders.open_of(caller.account_id):
        raise reject(-4067)
    # Hedge mode is not built yet; the exchange has a code for what it does not offer.
    raise reject(-4084)


def open_listen_key(core: Core, caller: Caller) -> Json:
    return {"listenKey": core.listen_keys.open(caller.account_id, core.wall_ms())}


def extend_listen_key(core: Core, caller: Caller) -> Json:
    return {"listenKey": core.listen_keys.extend(caller.account_id, core.wall_ms())}


def close_listen_key(core: Core, caller: Caller) -> Json:
    core.listen_keys.close(caller.account_id, core.wall_ms())
    return {}


def _symbols(core: Core, caller: Caller, flat_too: bool) -> list[SymbolStanding]:
    symbol = optional(caller.parameters, "symbol")
    if symbol is None:
        return standing_of(core.exchange, caller.account_id, flat_too).symbols
    row = symbol_standing(core.exchange, caller.account_id, symbol)
    return [row] if flat_too or row.lots or row.bids_e8 or row.asks_e8 else []

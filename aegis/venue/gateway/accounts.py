"""Handlers of balances, positions, account settings and listen keys."""

from __future__ import annotations

from typing import Any, Final

from aegis.venue import settings
from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.decimals import parse_scaled
from aegis.venue.errors import BadDecimalError, TooPreciseError
from aegis.venue.gateway.calls import Caller
from aegis.venue.income import KINDS
from aegis.venue.ledger import BOTH, HEDGE_SIDES
from aegis.venue.payloads import account as payload
from aegis.venue.requests import bounded, integer, optional, required
from aegis.venue.standing import risks_of, standing_of

Json = dict[str, Any]
SUCCESS: Final[Json] = {"code": 200, "msg": "success"}
DAY_MS: Final = 86_400_000
# What /income looks back without a startTime.
RECENT_MS: Final = 7 * DAY_MS


def balance_v2(core: Core, caller: Caller) -> list[Json]:
    return payload.balances(standing_of(core.exchange, caller.account_id, flat_too=True))


def balance(core: Core, caller: Caller) -> list[Json]:
    return payload.balances(standing_of(core.exchange, caller.account_id))


def account_v2(core: Core, caller: Caller) -> Json:
    return payload.account_v2(standing_of(core.exchange, caller.account_id, flat_too=True))


def account_v3(core: Core, caller: Caller) -> Json:
    return payload.account_v3(standing_of(core.exchange, caller.account_id))


def account_status_v2(core: Core, caller: Caller) -> Json:
    """v2/account.status: as REST says it in v3, and which assets count as margin."""
    reply = account_v3(core, caller)
    for asset in reply["assets"]:
        asset["marginAvailable"] = True
    return reply


def position_risk_v2(core: Core, caller: Caller) -> list[Json]:
    symbol = optional(caller.parameters, "symbol")
    risks = risks_of(core.exchange, caller.account_id, symbol, flat_too=True)
    return [payload.position_risk_v2(risk) for risk in risks]


def position_risk_v3(core: Core, caller: Caller) -> list[Json]:
    symbol = optional(caller.parameters, "symbol")
    risks = risks_of(core.exchange, caller.account_id, symbol, flat_too=False)
    return [payload.position_risk_v3(risk) for risk in risks]


def account_config(core: Core, caller: Caller) -> Json:
    return payload.account_config(core.exchange.account(caller.account_id))


def symbol_config(core: Core, caller: Caller) -> list[Json]:
    account = core.exchange.account(caller.account_id)
    symbol = optional(caller.parameters, "symbol")
    markets = core.exchange.markets.values() if symbol is None else [core.exchange.market(symbol)]
    return [payload.symbol_config(account, market.spec) for market in markets]


def commission_rate(core: Core, caller: Caller) -> Json:
    symbol = required(caller.parameters, "symbol")
    core.exchange.market(symbol)
    return payload.commission_rate(symbol, core.exchange.account(caller.account_id))


def leverage_brackets(core: Core, caller: Caller) -> list[Json] | Json:
    """One object with a symbol, a list of all without."""
    symbol = optional(caller.parameters, "symbol")
    if symbol is not None:
        return payload.leverage_brackets(core.exchange.market(symbol).spec)
    return [payload.leverage_brackets(market.spec) for market in core.exchange.markets.values()]


def adl_quantile(core: Core, caller: Caller) -> list[Json] | Json:
    symbol = optional(caller.parameters, "symbol")
    risks = risks_of(core.exchange, caller.account_id, symbol, flat_too=False)
    return payload.adl_quantiles(risks, core.exchange.account(caller.account_id).hedged)


def trading_status(core: Core, caller: Caller) -> Json:
    symbol = optional(caller.parameters, "symbol")
    markets = core.exchange.markets.values() if symbol is None else [core.exchange.market(symbol)]
    return payload.trading_status(markets, symbol is None, core.event_ms())


# --- settings ---


def set_leverage(core: Core, caller: Caller) -> Json:
    symbol = required(caller.parameters, "symbol")
    leverage = integer(caller.parameters, "leverage")
    if leverage is None:
        raise reject(-1102, "leverage")
    most = settings.set_leverage(
        core.exchange, caller.account_id, symbol, leverage, core.event_ms()
    )
    return {"leverage": leverage, "maxNotionalValue": str(most), "symbol": symbol}


def set_margin_type(core: Core, caller: Caller) -> Json:
    symbol = required(caller.parameters, "symbol")
    kind = required(caller.parameters, "marginType")
    if kind not in ("ISOLATED", "CROSSED"):
        raise reject(-1130, "marginType")
    settings.set_isolated(
        core.exchange, caller.account_id, symbol, kind == "ISOLATED", core.event_ms()
    )
    return SUCCESS


def change_margin(core: Core, caller: Caller) -> Json:
    symbol = required(caller.parameters, "symbol")
    kind = integer(caller.parameters, "type")
    if kind not in (1, 2):
        raise reject(-1102, "type") if kind is None else reject(-1130, "type")
    text = required(caller.parameters, "amount")
    try:
        amount_e8 = parse_scaled(text, 8)
    except TooPreciseError as error:
        raise reject(-1111) from error
    except BadDecimalError as error:
        raise reject(-1102, "amount") from error
    if amount_e8 <= 0:
        raise reject(-4055)
    side = optional(caller.parameters, "positionSide") or BOTH
    if side not in (BOTH, *HEDGE_SIDES):
        raise reject(-4060)
    added = kind == 1
    change = amount_e8 if added else -amount_e8
    settings.change_margin(core.exchange, caller.account_id, symbol, side, change, core.event_ms())
    return payload.margin_changed(text, added)


def position_mode(core: Core, caller: Caller) -> Json:
    return {"dualSidePosition": core.exchange.account(caller.account_id).hedged}


def set_position_mode(core: Core, caller: Caller) -> Json:
    wanted = _switch(caller, "dualSidePosition")
    settings.set_hedged(core.exchange, caller.account_id, wanted, core.event_ms())
    return SUCCESS


def asset_mode(core: Core, caller: Caller) -> Json:
    return {"multiAssetsMargin": core.exchange.account(caller.account_id).multi_assets}


def set_asset_mode(core: Core, caller: Caller) -> Json:
    wanted = _switch(caller, "multiAssetsMargin")
    settings.set_multi_assets(core.exchange, caller.account_id, wanted, core.event_ms())
    return SUCCESS


def fee_burn(core: Core, caller: Caller) -> Json:
    return {"feeBurn": core.exchange.account(caller.account_id).burns_bnb}


def set_fee_burn(core: Core, caller: Caller) -> Json:
    settings.set_fee_burn(core.exchange, caller.account_id, _switch(caller, "feeBurn"))
    return SUCCESS


# --- histories ---


def income(core: Core, caller: Caller) -> list[Json]:
    """Oldest first; without a startTime the newest entries of a week."""
    parameters = caller.parameters
    symbol, kind = optional(parameters, "symbol"), optional(parameters, "incomeType")
    if kind is not None and kind not in KINDS:
        raise reject(-1130, "incomeType")
    limit = bounded(parameters, "limit", 100, 1, 1_000)
    page = bounded(parameters, "page", 1, 1, 1_000_000)
    start_ms, end_ms = _window(caller)
    exchange = core.exchange
    entries = exchange.income.of(caller.account_id, exchange.user_trades, kind, symbol)
    earliest = core.event_ms() - RECENT_MS if start_ms is None else start_ms
    entries = [
        entry
        for entry in entries
        if entry.time_ms >= earliest and (end_ms is None or entry.time_ms <= end_ms)
    ]
    if start_ms is None:
        end = len(entries) - (page - 1) * limit
        entries = entries[max(0, end - limit) : max(0, end)]
    else:
        entries = entries[(page - 1) * limit : page * limit]
    return [payload.income(entry) for entry in entries]


def margin_history(core: Core, caller: Caller) -> list[Json]:
    parameters = caller.parameters
    symbol = required(parameters, "symbol")
    core.exchange.market(symbol)
    kind = integer(parameters, "type")
    if kind not in (None, 1, 2):
        raise reject(-1130, "type")
    limit = bounded(parameters, "limit", 500, 1, 1_000)
    start_ms, end_ms = _window(caller)
    changes = core.exchange.income.margin_changes_of(
        caller.account_id, symbol, None if kind is None else kind == 1
    )
    chosen = [
        change
        for change in changes
        if (start_ms is None or change.time_ms >= start_ms)
        and (end_ms is None or change.time_ms <= end_ms)
    ]
    return [payload.margin_change(change) for change in chosen[-limit:]]


def no_download(core: Core, caller: Caller) -> Json:
    """Histories as files for download: the exchange has a code for what it does not offer."""
    raise reject(-4084)


def open_listen_key(core: Core, caller: Caller) -> Json:
    return {"listenKey": core.listen_keys.open(caller.account_id, core.wall_ms())}


def extend_listen_key(core: Core, caller: Caller) -> Json:
    return {"listenKey": core.listen_keys.extend(caller.account_id, core.wall_ms())}


def close_listen_key(core: Core, caller: Caller) -> Json:
    core.listen_keys.close(caller.account_id, core.wall_ms())
    return {}


def _switch(caller: Caller, name: str) -> bool:
    """A mandatory "true" or "false". Raises RejectError -1102 or -1130."""
    wanted = required(caller.parameters, name).lower()
    if wanted not in ("true", "false"):
        raise reject(-1130, name)
    return wanted == "true"


def _window(caller: Caller) -> tuple[int | None, int | None]:
    """startTime and endTime in ms. Raises RejectError -1023 if they are the wrong way round."""
    start_ms = integer(caller.parameters, "startTime")
    end_ms = integer(caller.parameters, "endTime")
    if start_ms is not None and end_ms is not None and start_ms > end_ms:
        raise reject(-1023)
    return start_ms, end_ms

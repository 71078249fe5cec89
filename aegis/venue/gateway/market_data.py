"""Handlers of the public endpoints: discovery, book, prints, prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from aegis.venue.candles import INTERVALS_MS
from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.gateway.calls import Caller
from aegis.venue.market import Market
from aegis.venue.payloads import info
from aegis.venue.requests import bounded, integer, optional, required

DEPTH_WEIGHTS: Final = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
DEFAULT_DEPTH: Final = 500
MAX_MS: Final = 2**62


def ping(core: Core, caller: Caller) -> dict[str, Any]:
    return {}


def server_time(core: Core, caller: Caller) -> dict[str, Any]:
    return {"serverTime": core.wall_ms()}


def exchange_info(core: Core, caller: Caller) -> dict[str, Any]:
    markets = core.exchange.markets.values()
    return info.exchange_info(markets, core.limiter.limits, core.wall_ms())


def depth_weight(parameters: Mapping[str, str]) -> int:
    """By the number of levels; a limit the exchange does not have costs the default and fails."""
    text = parameters.get("limit", str(DEFAULT_DEPTH))
    return DEPTH_WEIGHTS.get(int(text), 10) if text.isdecimal() and len(text) < 6 else 10


def depth(core: Core, caller: Caller) -> dict[str, Any]:
    market = core.exchange.market(required(caller.parameters, "symbol"))
    limit = integer(caller.parameters, "limit")
    limit = DEFAULT_DEPTH if limit is None else limit
    if limit not in DEPTH_WEIGHTS:
        raise reject(-4021, limit)
    return info.depth(market, limit, core.event_ms())


def trades(core: Core, caller: Caller) -> list[dict[str, Any]]:
    market = core.exchange.market(required(caller.parameters, "symbol"))
    limit = bounded(caller.parameters, "limit", 500, 1, 1000)
    newest = list(market.recent)[-limit:]
    return [info.recent_trade(market.spec, trade) for trade in newest]


def klines_weight(parameters: Mapping[str, str]) -> int:
    text = parameters.get("limit", "500")
    limit = int(text) if text.isdecimal() and len(text) < 6 else 500
    return next((weight for top, weight in ((99, 1), (499, 2), (1000, 5)) if limit <= top), 10)


def klines(core: Core, caller: Caller) -> list[list[Any]]:
    market = core.exchange.market(required(caller.parameters, "symbol"))
    interval = required(caller.parameters, "interval")
    if interval not in INTERVALS_MS:
        raise reject(-1120)
    limit = bounded(caller.parameters, "limit", 500, 1, 1500)
    start = bounded(caller.parameters, "startTime", 0, 0, MAX_MS)
    end = bounded(caller.parameters, "endTime", MAX_MS, 0, MAX_MS)
    if start > end:
        raise reject(-1023)
    bars = market.candles.read(interval, limit, start, end)
    return [info.kline(market.spec, interval, bar) for bar in bars]


def premium_index(core: Core, caller: Caller) -> Any:
    now_ms = core.event_ms()
    return _one_or_all(core, caller, lambda market: info.premium_index(market, now_ms))


def book_ticker(core: Core, caller: Caller) -> Any:
    now_ms = core.event_ms()
    return _one_or_all(core, caller, lambda market: info.book_ticker(market, now_ms))


def price_ticker(core: Core, caller: Caller) -> Any:
    return _one_or_all(core, caller, info.price_ticker)


def by_symbol(one: int, every: int) -> Callable[[Mapping[str, str]], int]:
    """A weight that depends on whether one symbol is asked for or all."""
    return lambda parameters: one if "symbol" in parameters else every


def _one_or_all(core: Core, caller: Caller, row: Callable[[Market], Any]) -> Any:
    symbol = optional(caller.parameters, "symbol")
    if symbol is not None:
        return row(core.exchange.market(symbol))
    return [row(market) for market in core.exchange.markets.values()]

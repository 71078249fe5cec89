"""Handlers of the markets' public endpoints: discovery, books, prints, candles, prices, marks.

``rest`` and ``wsapi`` list them; what is counted over periods stands in ``statistics``. They read
the exchange and its history and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.gateway.calls import Caller
from aegis.venue.gateway.windows import HOUR_MS, limit_of, one_of, window
from aegis.venue.history.intervals import INTERVALS, KLINE_INTERVALS
from aegis.venue.history.layout import INDEX, MARK, PREMIUM
from aegis.venue.history.rows import Ticker
from aegis.venue.market import Market
from aegis.venue.marks import Reading
from aegis.venue.payloads import info
from aegis.venue.payloads import market as payload
from aegis.venue.requests import integer, optional, required

DEPTH_WEIGHTS: Final = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
DEFAULT_DEPTH: Final = 500
RPI_DEPTH: Final = 1_000
# Of the contract types of a pair this venue lists perpetuals alone: the others have no candles.
PERPETUAL: Final = "PERPETUAL"
CONTRACT_TYPES: Final = frozenset(
    {PERPETUAL, "CURRENT_QUARTER", "NEXT_QUARTER", "TRADIFI_PERPETUAL"}
)
# What /fundingRate and /fundingInfo share per address in five minutes.
FUNDING_POOL: Final = ("funding", 500)


def ping(core: Core, caller: Caller) -> dict[str, Any]:
    return {}


def server_time(core: Core, caller: Caller) -> dict[str, Any]:
    return {"serverTime": core.server_ms()}


def exchange_info(core: Core, caller: Caller) -> dict[str, Any]:
    markets = core.exchange.markets.values()
    return info.exchange_info(markets, core.limiter.limits, core.server_ms(), core.modern)


# --- books ---


def depth_weight(parameters: Mapping[str, str]) -> int:
    """By the number of levels; a limit the exchange does not have costs the default and fails."""
    text = parameters.get("limit", str(DEFAULT_DEPTH))
    return DEPTH_WEIGHTS.get(int(text), 10) if text.isdecimal() and len(text) < 6 else 10


def depth(core: Core, caller: Caller) -> dict[str, Any]:
    market = _market(core, caller)
    limit = integer(caller.parameters, "limit")
    limit = DEFAULT_DEPTH if limit is None else limit
    if limit not in DEPTH_WEIGHTS:
        raise reject(-4021, limit)
    return payload.depth(market, limit, core.event_ms())


def rpi_depth(core: Core, caller: Caller) -> dict[str, Any]:
    """The book with RPI orders; nobody places any here, so it is the book."""
    market = _market(core, caller)
    limit = integer(caller.parameters, "limit")
    if limit not in (None, RPI_DEPTH):
        raise reject(-4021, limit)
    return payload.depth(market, RPI_DEPTH, core.event_ms())


# --- prints ---


def trades(core: Core, caller: Caller) -> list[dict[str, Any]]:
    market = _market(core, caller)
    limit = limit_of(caller.parameters, 500, 1000)
    newest = core.history.trades(market.spec.number, limit)
    return [payload.recent_trade(market.spec, trade, core.modern) for trade in newest]


def historical_trades(core: Core, caller: Caller) -> list[dict[str, Any]]:
    """As far back as the history remembers, not the month of the exchange."""
    market = _market(core, caller)
    limit = limit_of(caller.parameters, 100, 500) if core.modern else _limit_of_2024(caller)
    from_id = _from_id(caller)
    found = core.history.trades(market.spec.number, limit, from_id)
    return [payload.recent_trade(market.spec, trade, core.modern) for trade in found]


def aggregate_trades(core: Core, caller: Caller) -> list[dict[str, Any]]:
    market = _market(core, caller)
    limit = limit_of(caller.parameters, 500, 1000)
    from_id = _from_id(caller)
    asked = window(caller.parameters)
    if from_id is not None and not asked.is_open:
        raise reject(-1128)
    both = asked.start_ms is not None and "endTime" in caller.parameters
    if both and asked.end_ms - (asked.start_ms or 0) >= HOUR_MS:
        raise reject(-1127, 1, variant=1)
    end = asked.end_ms if "endTime" in caller.parameters else None
    rows = core.history.aggregates(market.spec.number, limit, from_id, asked.start_ms, end)
    return [payload.aggregate_trade(market.spec, row, core.modern) for row in rows]


# --- candles ---


def klines_weight(parameters: Mapping[str, str]) -> int:
    text = parameters.get("limit", "500")
    limit = int(text) if text.isdecimal() and len(text) < 6 else 500
    return next((weight for top, weight in ((99, 1), (499, 2), (1000, 5)) if limit <= top), 10)


def klines(core: Core, caller: Caller) -> list[list[Any]]:
    return _klines(core, caller, _market(core, caller), KLINE_INTERVALS)


def continuous_klines(core: Core, caller: Caller) -> list[list[Any]]:
    market = _pair(core, caller)
    kind = one_of(caller.parameters, "contractType", CONTRACT_TYPES, -4104)
    rows = _klines(core, caller, market, frozenset(INTERVALS))
    return rows if kind == PERPETUAL else []


def index_price_klines(core: Core, caller: Caller) -> list[list[Any]]:
    return _mark_klines(core, caller, _pair(core, caller), INDEX)


def mark_price_klines(core: Core, caller: Caller) -> list[list[Any]]:
    return _mark_klines(core, caller, _market(core, caller), MARK)


def premium_index_klines(core: Core, caller: Caller) -> list[list[Any]]:
    return _mark_klines(core, caller, _market(core, caller), PREMIUM)


def _klines(
    core: Core, caller: Caller, market: Market, intervals: frozenset[str]
) -> list[list[Any]]:
    interval = one_of(caller.parameters, "interval", intervals, -1120)
    limit = limit_of(caller.parameters, 500, 1500)
    start, end = window(caller.parameters)
    bars = core.history.bars(market.spec.number, interval, limit, start, end, core.event_ms())
    return [payload.kline(market.spec, bar) for bar in bars]


def _mark_klines(core: Core, caller: Caller, market: Market, kind: int) -> list[list[Any]]:
    interval = one_of(caller.parameters, "interval", KLINE_INTERVALS, -1120)
    limit = limit_of(caller.parameters, 500, 1500)
    start, end = window(caller.parameters)
    bars = core.history.mark_bars(
        market.spec.number, kind, interval, limit, start, end, core.event_ms()
    )
    return [payload.mark_kline(bar) for bar in bars]


# --- marks and fundings ---


def premium_index(core: Core, caller: Caller) -> Any:
    now_ms = core.event_ms()
    return _one_or_all(
        core,
        caller,
        lambda market: payload.premium_index(market.spec, reading(core, market), now_ms),
    )


def reading(core: Core, market: Market) -> Reading:
    """The marks of a market as they are now."""
    number, mark_e8 = market.spec.number, market.mark_e8()
    return core.treasury.marks.reading(number, mark_e8, core.event_ms())


def funding_rate(core: Core, caller: Caller) -> list[dict[str, Any]]:
    """Past fundings, oldest first; without a symbol those of all symbols."""
    core.limiter.charge_pool(caller.address, *FUNDING_POOL, core.wall_ms())
    limit = limit_of(caller.parameters, 100, 1000)
    start, end = window(caller.parameters)
    symbol = optional(caller.parameters, "symbol")
    marks = core.treasury.marks
    if symbol is not None:
        number = core.exchange.market(symbol).spec.number
        found = marks.fundings(number, limit, start, end)
    else:
        every = range(len(core.exchange.markets))
        found = [row for number in every for row in marks.fundings(number, limit, start, end)]
        found.sort(key=lambda row: row.time_ms)
        found = found[:limit] if start is not None else found[-limit:]
    return [payload.funding(row, core.modern) for row in found]


def funding_info(core: Core, caller: Caller) -> list[dict[str, Any]]:
    """Contracts whose funding differs from the usual."""
    core.limiter.charge_pool(caller.address, *FUNDING_POOL, core.wall_ms())
    return [
        payload.funding_terms(market.spec, terms)
        for market in core.exchange.markets.values()
        if (terms := core.treasury.marks.terms(market.spec.number)).is_adjusted
    ]


# --- tickers ---


def book_ticker(core: Core, caller: Caller) -> Any:
    now_ms = core.event_ms()
    return _one_or_all(core, caller, lambda market: payload.book_ticker(market, now_ms))


def price_ticker(core: Core, caller: Caller) -> Any:
    return _one_or_all(core, caller, payload.price_ticker)


def day_ticker(core: Core, caller: Caller) -> Any:
    now_ms = core.event_ms()

    def row(market: Market) -> dict[str, Any]:
        ticker = core.history.ticker(market.spec.number, now_ms)
        return payload.day_ticker(market, ticker or _untraded(market, now_ms))

    return _one_or_all(core, caller, row)


def by_symbol(one: int, every: int) -> Callable[[Mapping[str, str]], int]:
    """A weight that depends on whether one symbol is asked for or all."""
    return lambda parameters: one if "symbol" in parameters else every


def _untraded(market: Market, now_ms: int) -> Ticker:
    """The ticker of a contract that nobody has traded yet: its opening price, no volume."""
    last = market.last_ticks
    return Ticker(now_ms, now_ms, last, last, last, last, 0, 0, 0, 0, 0, -1, -1, last)


def _market(core: Core, caller: Caller) -> Market:
    return core.exchange.market(required(caller.parameters, "symbol"))


def _pair(core: Core, caller: Caller) -> Market:
    """The market of a pair: perpetuals have the pair's name."""
    pair = required(caller.parameters, "pair")
    market = core.exchange.markets.get(pair)
    if market is None:
        raise reject(-4144)
    return market


def _from_id(caller: Caller) -> int | None:
    from_id = integer(caller.parameters, "fromId")
    if from_id is not None and from_id < 0:
        raise reject(-1130, "fromId")
    return from_id


def _limit_of_2024(caller: Caller) -> int:
    return limit_of(caller.parameters, 500, 1000)


def _one_or_all(core: Core, caller: Caller, row: Callable[[Market], Any]) -> Any:
    symbol = optional(caller.parameters, "symbol")
    if symbol is not None:
        return row(core.exchange.market(symbol))
    return [row(market) for market in core.exchange.markets.values()]

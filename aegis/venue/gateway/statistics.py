"""Handlers of the statistics: open interest, ratios, basis, indices, the insurance fund.

All of it is derived from the venue's own accounts, marks and prints, as far back as its rings
reach: a quantity that nobody holds is 0, a ratio that has no value is left out. ``public`` lists
them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.gateway.calls import Caller
from aegis.venue.gateway.market_data import CONTRACT_TYPES, PERPETUAL, reading
from aegis.venue.gateway.windows import limit_of, one_of, window
from aegis.venue.history.samples import PERIODS_MS, Sample
from aegis.venue.ledger import USDT
from aegis.venue.market import Market
from aegis.venue.observation import holders_of, open_interest_lots, positions_of
from aegis.venue.payloads import statistics as payload
from aegis.venue.requests import optional, required

PERIODS: Final = frozenset(PERIODS_MS)
# Statistics cost no weight, but all of them together may be asked for so often in five minutes.
POOL: Final = ("statistics", 1_000)
# The exchange rates the risk of auto-deleveraging every half hour, from its insurance fund among
# others. Here: what the fund is worth of a symbol's open interest, in 1e-4.
RATED_EVERY_MS: Final = 30 * 60_000
LOW_RISK_E4: Final = 100
MEDIUM_RISK_E4: Final = 10
INDEXED_ASSETS: Final = ("BTC", "ETH", "BNB", "USDC", "USDT")
Json = dict[str, Any]


def open_interest(core: Core, caller: Caller) -> Json:
    market = core.exchange.market(required(caller.parameters, "symbol"))
    lots = open_interest_lots(core.exchange, market.spec.symbol)
    return payload.open_interest(market.spec, lots, core.event_ms())


def open_interest_history(core: Core, caller: Caller) -> list[Json]:
    market, samples = _samples(core, caller)
    return [payload.open_interest_sample(market.spec, row, core.modern) for row in samples]


def global_long_short(core: Core, caller: Caller) -> list[Json]:
    return _ratios(
        core, caller, lambda row: (row.holders.long_accounts, row.holders.short_accounts)
    )


def top_long_short_accounts(core: Core, caller: Caller) -> list[Json]:
    return _ratios(
        core, caller, lambda row: (row.holders.top_long_accounts, row.holders.top_short_accounts)
    )


def top_long_short_positions(core: Core, caller: Caller) -> list[Json]:
    return _ratios(
        core, caller, lambda row: (row.holders.top_long_lots, row.holders.top_short_lots)
    )


def taker_volume(core: Core, caller: Caller) -> list[Json]:
    """Taker volumes of whole periods."""
    market = _market(core, caller, "symbol")
    period = one_of(caller.parameters, "period", PERIODS)
    limit = limit_of(caller.parameters, 30, 500)
    start, end = window(caller.parameters)
    now_ms = core.event_ms()
    bars = core.history.bars(market.spec.number, period, limit + 1, start, end, now_ms)
    rows = [payload.taker_volume(market.spec, bar) for bar in bars if bar.close_ms < now_ms]
    found = [row for row in rows if row is not None]
    return found[:limit] if start is not None else found[-limit:]


def basis(core: Core, caller: Caller) -> list[Json]:
    kind = one_of(caller.parameters, "contractType", CONTRACT_TYPES, -4104)
    market, samples = _samples(core, caller, "pair")
    if kind != PERPETUAL:
        return []
    return [payload.basis(market.spec, row) for row in samples]


def delivery_price(core: Core, caller: Caller) -> list[Json]:
    """Settlement prices of quarterly contracts: none is listed."""
    _market(core, caller, "pair")
    return []


def constituents(core: Core, caller: Caller) -> Json:
    market = core.exchange.market(required(caller.parameters, "symbol"))
    return payload.constituents(market.spec, reading(core, market).index_e8, core.event_ms())


def asset_index(core: Core, caller: Caller) -> Any:
    """Assets in US dollars: by this venue's indices, a stablecoin is one dollar."""
    symbol = optional(caller.parameters, "symbol")
    rows: dict[str, Json] = {}
    now_ms = core.event_ms()
    for asset in INDEXED_ASSETS:
        market = core.exchange.markets.get(f"{asset}USDT")
        if market is not None:
            rows[f"{asset}USD"] = payload.asset_index(asset, reading(core, market).index_e8, now_ms)
        elif asset.startswith("USD"):
            rows[f"{asset}USD"] = payload.asset_index(asset, 10**8, now_ms)
    if symbol is None:
        return list(rows.values())
    if symbol not in rows:
        raise reject(-1121)
    return rows[symbol]


def index_info(core: Core, caller: Caller) -> list[Json]:
    """Composite index contracts: none is listed."""
    symbol = optional(caller.parameters, "symbol")
    if symbol is not None:
        core.exchange.market(symbol)
    return []


def adl_risk(core: Core, caller: Caller) -> Any:
    rated_ms = core.event_ms() // RATED_EVERY_MS * RATED_EVERY_MS
    fund_e8 = core.exchange.ledger.insurance.wallet_e8

    positions = positions_of(core.exchange)

    def row(market: Market) -> Json:
        lots = holders_of(positions.get(market.spec.symbol, ())).long_lots
        held_e8 = lots * market.mark_e8() * market.spec.unit_e8 // market.spec.tick_e8
        share_e4 = fund_e8 * 10_000 // held_e8 if held_e8 else LOW_RISK_E4
        risk = "low" if share_e4 >= LOW_RISK_E4 else "medium"
        risk = risk if share_e4 >= MEDIUM_RISK_E4 else "high"
        return payload.adl_risk(market.spec.symbol, risk, rated_ms)

    symbol = optional(caller.parameters, "symbol")
    if symbol is not None:
        return row(core.exchange.market(symbol))
    return [row(market) for market in core.exchange.markets.values()]


def insurance_balance(core: Core, caller: Caller) -> Any:
    """One fund covers every symbol; an object for one symbol, a list of groups for all."""
    symbol = optional(caller.parameters, "symbol")
    if symbol is not None:
        core.exchange.market(symbol)
    fund = core.exchange.ledger.insurance
    balances = {USDT: fund.wallet_e8, **fund.other_wallets_e8}
    body = payload.insurance_fund(list(core.exchange.markets), balances, core.event_ms())
    return body if symbol is not None else [body]


def trading_schedule(core: Core, caller: Caller) -> Json:
    """Sessions of stocks and commodities: none is listed, so there are none."""
    kinds = ("EQUITY", "COMMODITY", "KR_EQUITY", "HK_EQUITY", "CN_EQUITY", "FX")
    return {
        "updateTime": core.event_ms(),
        "marketSchedules": {kind: {"sessions": []} for kind in kinds},
    }


def _market(core: Core, caller: Caller, name: str) -> Market:
    """The market of a statistic; counts the request. Raises RejectError."""
    core.limiter.charge_pool(caller.address, *POOL, core.wall_ms())
    text = required(caller.parameters, name)
    market = core.exchange.markets.get(text)
    if market is None:
        raise reject(-4144 if name == "pair" else -1121)
    return market


def _samples(core: Core, caller: Caller, name: str = "symbol") -> tuple[Market, list[Sample]]:
    market = _market(core, caller, name)
    period = one_of(caller.parameters, "period", PERIODS)
    limit = limit_of(caller.parameters, 30, 500)
    start, end = window(caller.parameters)
    samples = core.observation.samples
    return market, samples.read(market.spec.number, period, limit, start, end)


def _ratios(core: Core, caller: Caller, sides: Callable[[Sample], tuple[int, int]]) -> list[Json]:
    market, samples = _samples(core, caller)
    rows = [payload.long_short(market.spec, *sides(row), row.time_ms) for row in samples]
    return [row for row in rows if row is not None]

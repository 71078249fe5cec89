"""The body of GET /fapi/v1/exchangeInfo, and the venue's limits in the exchange's words.

Every symbol's row is written once and kept as JSON: the rest changes with the clock alone. Texts
are as the real listing has them: the smallest values padded to their precision, the largest ones
trimmed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec

from aegis.venue.brackets import E4, schedule_of
from aegis.venue.decimals import E8, format_scaled
from aegis.venue.limits import RateLimits
from aegis.venue.market import Market
from aegis.venue.symbols import SymbolSpec

Json = dict[str, Any]
PERPETUAL_DELIVERY_MS: Final = 4_133_404_800_000
MAX_SYMBOL_ROWS: Final = 1_024
ORDER_TYPES: Final = (
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)
TIMES_IN_FORCE: Final = ("GTC", "IOC", "FOK", "GTX", "GTD")
# Until 2025-12-29 the open conditional orders of a symbol had a filter; since then an account has
# a flat limit that no filter tells.
MAX_ALGO_ORDERS_2024: Final = 10
MAX_MOVES: Final = 10_000
# Margin assets of the multi-assets mode; the debt beyond which the exchange would exchange others
# into one, 0 where it never does: this venue never does.
STABLE: Final = ("USDT", "USDC")
AUTO_EXCHANGE: Final = {"USDT": "-10000", "BTC": "0", "BNB": "0", "ETH": "0", "USDC": "0"}


def exchange_info(markets: Iterable[Market], limits: RateLimits, now_ms: int, modern: bool) -> Json:
    """GET /fapi/v1/exchangeInfo."""
    rows = list(markets)
    bases = {market.spec.base for market in rows}
    return {
        "exchangeFilters": [],
        "rateLimits": rate_limits(limits),
        "serverTime": now_ms,
        "assets": [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": threshold}
            for asset, threshold in AUTO_EXCHANGE.items()
            if asset in STABLE or asset in bases
        ],
        "symbols": [_symbol(market.spec, market.status, modern) for market in rows],
        "timezone": "UTC",
    }


def contract_info(market: Market, now_ms: int, modern: bool) -> Json:
    """An event of `!contractInfo`: a listing, or a change of status, filters or brackets."""
    spec = market.spec
    row = {
        "e": "contractInfo",
        "E": now_ms,
        "s": spec.symbol,
        "ps": spec.symbol,
        "ct": "PERPETUAL",
        "dt": PERPETUAL_DELIVERY_MS,
        "ot": spec.onboard_ms,
        "cs": market.status,
        "bks": [
            {
                "bs": bracket.number,
                "bnf": bracket.floor_e8 // E8,
                "bnc": bracket.cap_e8 // E8,
                "mmr": bracket.ratio_e4 / E4,
                "cf": bracket.cum_e8 / E8,
                "mi": 1,
                "ma": bracket.leverage,
            }
            for bracket in schedule_of(spec).brackets
        ],
    }
    return {**row, "st": 1} if modern else row


def rate_limits(limits: RateLimits) -> list[Json]:
    """The venue's limits in the exchange's words."""
    return [
        _limit("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute),
        _limit("ORDERS", "MINUTE", 1, limits.orders_per_minute),
        _limit("ORDERS", "SECOND", 10, limits.orders_per_10s),
    ]


def _limit(kind: str, interval: str, number: int, limit: int) -> Json:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


@lru_cache(maxsize=MAX_SYMBOL_ROWS)
def _symbol(spec: SymbolSpec, status: str, modern: bool) -> msgspec.Raw:
    row = {
        "symbol": spec.symbol,
        "pair": spec.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL_DELIVERY_MS,
        "onboardDate": spec.onboard_ms,
        "status": status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": spec.base,
        "quoteAsset": spec.quote,
        "marginAsset": spec.quote,
        "pricePrecision": spec.price_precision,
        "quantityPrecision": spec.quantity_precision,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": list(spec.sub_types),
        "settlePlan": 0,
        "triggerProtect": format_scaled(spec.trigger_protect_e4, 4),
        "liquidationFee": format_scaled(spec.liquidation_fee_e6, 6),
        "marketTakeBound": format_scaled(spec.market_take_bound_e4 // 100, 2),
        "maxMoveOrderLimit": MAX_MOVES,
        "filters": _filters(spec, modern),
        "orderTypes": list(ORDER_TYPES),
        "timeInForce": list(TIMES_IN_FORCE),
    }
    return msgspec.Raw(msgspec.json.encode(row))


def _filters(spec: SymbolSpec, modern: bool) -> list[Json]:
    smallest = {
        "minQty": spec.qty_text(spec.min_qty_lots),
        "stepSize": spec.qty_text(spec.lot_filter_lots),
    }
    market_lots = spec.market_max_lots or spec.max_qty_lots
    rows: list[Json] = [
        {
            "filterType": "PRICE_FILTER",
            "maxPrice": _trimmed(spec.price_text(spec.max_price_ticks)),
            "minPrice": spec.price_text(spec.min_price_ticks),
            "tickSize": spec.price_text(spec.price_filter_ticks),
        },
        {
            "filterType": "LOT_SIZE",
            "maxQty": _trimmed(spec.qty_text(spec.max_qty_lots)),
            **smallest,
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "maxQty": _trimmed(spec.qty_text(market_lots)),
            **smallest,
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": spec.max_open_orders},
    ]
    if not modern:
        rows.append({"filterType": "MAX_NUM_ALGO_ORDERS", "limit": MAX_ALGO_ORDERS_2024})
    rows.append(
        {
            "filterType": "MIN_NOTIONAL",
            "notional": _trimmed(format_scaled(spec.min_notional_e8, 8)),
        }
    )
    rows.append(
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": format_scaled(spec.multiplier_up_e4, 4),
            "multiplierDown": format_scaled(spec.multiplier_down_e4, 4),
            "multiplierDecimal": "4",
        }
    )
    if modern:
        rows.append({"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"})
    return rows


def _trimmed(text: str) -> str:
    """A decimal text without the zeros that say nothing: "4529764.00" is "4529764"."""
    return text.rstrip("0").rstrip(".") if "." in text else text

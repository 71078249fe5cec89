"""Public REST bodies: exchangeInfo, depth, trades, klines, tickers, premiumIndex."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aegis.venue.candles import INTERVALS_MS, Bar
from aegis.venue.decimals import format_scaled, money_text, trimmed_text
from aegis.venue.limits import RateLimits
from aegis.venue.market import FUNDING_RATE_E8, Market, PublicTrade
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.symbols import SymbolSpec

Json = dict[str, Any]
PERPETUAL_DELIVERY_MS = 4_133_404_800_000
ONBOARD_MS = 1_569_398_400_000


def exchange_info(markets: Iterable[Market], limits: RateLimits, now_ms: int) -> Json:
    """GET /fapi/v1/exchangeInfo."""
    return {
        "exchangeFilters": [],
        "rateLimits": rate_limits(limits),
        "serverTime": now_ms,
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-100"}],
        "symbols": [_symbol(market) for market in markets],
        "timezone": "UTC",
    }


def rate_limits(limits: RateLimits) -> list[Json]:
    """The venue's limits in the exchange's words."""
    return [
        _limit("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute),
        _limit("ORDERS", "MINUTE", 1, limits.orders_per_minute),
        _limit("ORDERS", "SECOND", 10, limits.orders_per_10s),
    ]


def depth(market: Market, limit: int, time_ms: int) -> Json:
    """GET /fapi/v1/depth: best first on both sides."""
    spec = market.spec
    return {
        "lastUpdateId": market.book.last_update_id(),
        "E": time_ms,
        "T": time_ms,
        "bids": _levels(spec, market.book.depth(BUY, limit)),
        "asks": _levels(spec, market.book.depth(SELL, limit)),
    }


def recent_trade(spec: SymbolSpec, trade: PublicTrade) -> Json:
    """A row of GET /fapi/v1/trades."""
    return {
        "id": trade.trade_id,
        "price": spec.price_text(trade.price_ticks),
        "qty": spec.qty_text(trade.qty_lots),
        "quoteQty": money_text(spec.notional_e8(trade.price_ticks, trade.qty_lots)),
        "time": trade.time_ms,
        "isBuyerMaker": trade.buyer_is_maker,
        "isRPITrade": False,
    }


def kline(spec: SymbolSpec, interval: str, bar: Bar) -> list[Any]:
    """A row of GET /fapi/v1/klines."""
    return [
        bar.open_ms,
        spec.price_text(bar.open_ticks),
        spec.price_text(bar.high_ticks),
        spec.price_text(bar.low_ticks),
        spec.price_text(bar.close_ticks),
        spec.qty_text(bar.lots),
        bar.open_ms + INTERVALS_MS[interval] - 1,
        money_text(bar.quote_e8),
        bar.trades,
        spec.qty_text(bar.taker_buy_lots),
        money_text(bar.taker_buy_quote_e8),
        "0",
    ]


def premium_index(market: Market, now_ms: int) -> Json:
    """GET /fapi/v1/premiumIndex."""
    mark = money_text(market.mark_e8())
    return {
        "symbol": market.spec.symbol,
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": money_text(FUNDING_RATE_E8),
        "interestRate": money_text(FUNDING_RATE_E8),
        "nextFundingTime": market.next_funding_ms(now_ms),
        "time": now_ms,
    }


def book_ticker(market: Market, now_ms: int) -> Json:
    """GET /fapi/v1/ticker/bookTicker."""
    spec, top = market.spec, market.top()
    return {
        "lastUpdateId": market.book.last_update_id(),
        "symbol": spec.symbol,
        "bidPrice": spec.price_text(top.bid_ticks),
        "bidQty": spec.qty_text(top.bid_lots),
        "askPrice": spec.price_text(top.ask_ticks),
        "askQty": spec.qty_text(top.ask_lots),
        "time": now_ms,
    }


def price_ticker(market: Market) -> Json:
    """GET /fapi/v1|v2/ticker/price: the last trade."""
    return {
        "symbol": market.spec.symbol,
        "price": market.spec.price_text(market.last_ticks),
        "time": market.last_time_ms,
    }


def _levels(spec: SymbolSpec, levels: list[tuple[int, int]]) -> list[list[str]]:
    return [[spec.price_text(ticks), spec.qty_text(lots)] for ticks, lots in levels]


def _limit(kind: str, interval: str, number: int, limit: int) -> Json:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _symbol(market: Market) -> Json:
    spec = market.spec
    return {
        "symbol": spec.symbol,
        "pair": spec.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL_DELIVERY_MS,
        "onboardDate": ONBOARD_MS,
        "status": market.status,
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
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.020000",
        "marketTakeBound": format_scaled(spec.market_take_bound_e4, 4),
        "maxMoveOrderLimit": 10000,
        "filters": _filters(spec),
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _filters(spec: SymbolSpec) -> list[Json]:
    lots = {
        "maxQty": spec.qty_text(spec.max_qty_lots),
        "minQty": spec.qty_text(spec.min_qty_lots),
        "stepSize": spec.qty_text(1),
    }
    return [
        {
            "filterType": "PRICE_FILTER",
            "maxPrice": spec.price_text(spec.max_price_ticks),
            "minPrice": spec.price_text(spec.min_price_ticks),
            "tickSize": spec.price_text(1),
        },
        {"filterType": "LOT_SIZE", **lots},
        {"filterType": "MARKET_LOT_SIZE", **lots},
        {"filterType": "MAX_NUM_ORDERS", "limit": spec.max_open_orders},
        {"filterType": "MIN_NOTIONAL", "notional": trimmed_text(spec.min_notional_e8, 2)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": format_scaled(spec.multiplier_up_e4, 4),
            "multiplierDown": format_scaled(spec.multiplier_down_e4, 4),
            "multiplierDecimal": "4",
        },
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ]

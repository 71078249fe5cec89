"""Public REST bodies of one market: depth, trades, candles, tickers, marks and fundings.

The gateway's market data handlers call these. Prices have the decimals of pricePrecision and
quantities those of quantityPrecision; money has as many as the exchange gives that row. `modern` is
the dialect of 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aegis.venue.decimals import E8, format_scaled, money_text, trimmed_text
from aegis.venue.history.rows import Aggregate, Bar, MarkBar, PublicTrade, Ticker
from aegis.venue.market import Market
from aegis.venue.marks import Funding, Reading, Terms
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.symbols import SymbolSpec

Json = dict[str, Any]
PERCENT_DECIMALS = 3


def depth(market: Market, limit: int, time_ms: int) -> Json:
    """GET /fapi/v1/depth and /fapi/v1/rpiDepth: best first on both sides."""
    spec = market.spec
    return {
        "lastUpdateId": market.book.last_update_id(),
        "E": time_ms,
        "T": time_ms,
        "bids": _levels(spec, market.book.depth(BUY, limit)),
        "asks": _levels(spec, market.book.depth(SELL, limit)),
    }


def recent_trade(spec: SymbolSpec, trade: PublicTrade, modern: bool) -> Json:
    """A row of GET /fapi/v1/trades and /fapi/v1/historicalTrades."""
    quote_e8 = spec.notional_e8(trade.price_ticks, trade.qty_lots)
    row = {
        "id": trade.trade_id,
        "price": spec.price_text(trade.price_ticks),
        "qty": spec.qty_text(trade.qty_lots),
        "quoteQty": trimmed_text(quote_e8, spec.price_precision),
        "time": trade.time_ms,
        "isBuyerMaker": trade.buyer_is_maker,
    }
    if modern:
        row["isRPITrade"] = False
    return row


def aggregate_trade(spec: SymbolSpec, trade: Aggregate, modern: bool) -> Json:
    """A row of GET /fapi/v1/aggTrades."""
    qty = spec.qty_text(trade.qty_lots)
    row: Json = {"a": trade.aggregate_id, "p": spec.price_text(trade.price_ticks), "q": qty}
    if modern:
        row["nq"] = qty
    return row | {
        "f": trade.first_id,
        "l": trade.last_id,
        "T": trade.time_ms,
        "m": trade.buyer_is_maker,
    }


def kline(spec: SymbolSpec, bar: Bar) -> list[Any]:
    """A row of GET /fapi/v1/klines and /fapi/v1/continuousKlines."""
    return [
        bar.open_ms,
        spec.price_text(bar.open_ticks),
        spec.price_text(bar.high_ticks),
        spec.price_text(bar.low_ticks),
        spec.price_text(bar.close_ticks),
        spec.qty_text(bar.lots),
        bar.close_ms,
        turnover_text(spec, bar.quote_e8),
        bar.trades,
        spec.qty_text(bar.taker_buy_lots),
        turnover_text(spec, bar.taker_buy_quote_e8),
        "0",
    ]


def mark_kline(bar: MarkBar) -> list[Any]:
    """A row of GET /fapi/v1/markPriceKlines, indexPriceKlines and premiumIndexKlines."""
    return [
        bar.open_ms,
        money_text(bar.open_e8),
        money_text(bar.high_e8),
        money_text(bar.low_e8),
        money_text(bar.close_e8),
        "0",
        bar.close_ms,
        "0",
        bar.samples,
        "0",
        "0",
        "0",
    ]


def turnover_text(spec: SymbolSpec, quote_e8: int) -> str:
    """A candle's quote volume: price times quantity has the decimals of both."""
    return trimmed_text(quote_e8, min(8, spec.price_precision + spec.quantity_precision))


def premium_index(spec: SymbolSpec, reading: Reading, now_ms: int) -> Json:
    """GET /fapi/v1/premiumIndex."""
    return {
        "symbol": spec.symbol,
        "markPrice": money_text(reading.mark_e8),
        "indexPrice": money_text(reading.index_e8),
        "estimatedSettlePrice": money_text(reading.settle_e8),
        "lastFundingRate": money_text(reading.rate_e8),
        "interestRate": money_text(reading.interest_e8),
        "nextFundingTime": reading.next_funding_ms,
        "time": now_ms,
    }


def funding(row: Funding, modern: bool) -> Json:
    """A row of GET /fapi/v1/fundingRate."""
    body: Json = {
        "symbol": row.symbol,
        "fundingTime": row.time_ms,
        "fundingRate": money_text(row.rate_e8),
        "markPrice": money_text(row.mark_e8),
    }
    if modern:
        body["rateType"] = "FUNDING_FEE"
    return body


def funding_terms(spec: SymbolSpec, terms: Terms) -> Json:
    """A row of GET /fapi/v1/fundingInfo."""
    return {
        "symbol": spec.symbol,
        "adjustedFundingRateCap": money_text(terms.cap_e8),
        "adjustedFundingRateFloor": money_text(-terms.cap_e8),
        "fundingIntervalHours": terms.interval_h,
        "disclaimer": False,
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


def day_ticker(market: Market, ticker: Ticker) -> Json:
    """GET /fapi/v1/ticker/24hr."""
    spec = market.spec
    change = ticker.last_ticks - ticker.open_ticks
    return {
        "symbol": spec.symbol,
        "priceChange": spec.price_text(change),
        "priceChangePercent": percent_text(change, ticker.open_ticks),
        "weightedAvgPrice": trimmed_text(ticker.vwap_e8, spec.price_precision),
        "lastPrice": spec.price_text(ticker.last_ticks),
        "lastQty": spec.qty_text(ticker.last_lots),
        "openPrice": spec.price_text(ticker.open_ticks),
        "highPrice": spec.price_text(ticker.high_ticks),
        "lowPrice": spec.price_text(ticker.low_ticks),
        "volume": spec.qty_text(ticker.lots),
        "quoteVolume": trimmed_text(ticker.quote_e8, spec.price_precision),
        "openTime": ticker.open_ms,
        "closeTime": ticker.close_ms,
        "firstId": ticker.first_id,
        "lastId": ticker.last_id,
        "count": ticker.trades,
    }


def percent_text(change: int, base: int) -> str:
    """100 * change / base with three decimals, rounded half away from zero; 0 of nothing."""
    if base == 0:
        return format_scaled(0, PERCENT_DECIMALS)
    ratio_e8 = (abs(change) * 100 * E8 * 2 + base) // (base * 2)
    return trimmed_text(ratio_e8 if change >= 0 else -ratio_e8, PERCENT_DECIMALS)


def _levels(spec: SymbolSpec, levels: Sequence[tuple[int, int]]) -> list[list[str]]:
    return [[spec.price_text(ticks), spec.qty_text(lots)] for ticks, lots in levels]

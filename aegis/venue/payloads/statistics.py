"""Bodies of the statistics: open interest, ratios, basis, indices, the insurance fund.

The handlers of ``gateway.statistics`` call these with the venue's own figures. Ratios have four
decimals, as the exchange's have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aegis.venue.decimals import E8, format_scaled, money_text, trimmed_text
from aegis.venue.history.rows import Bar
from aegis.venue.history.samples import Sample
from aegis.venue.symbols import SymbolSpec

Json = dict[str, Any]
RATIO_DECIMALS: Final = 4
# Buffers of the exchange's asset index around the price at which collateral is counted.
BUFFER_E8: Final = 5_000_000
AUTO_EXCHANGE_BUFFER_E8: Final = 2_500_000


def open_interest(spec: SymbolSpec, lots: int, now_ms: int) -> Json:
    """GET /fapi/v1/openInterest."""
    return {"symbol": spec.symbol, "openInterest": spec.qty_text(lots), "time": now_ms}


def open_interest_sample(spec: SymbolSpec, sample: Sample, modern: bool) -> Json:
    """A row of GET /futures/data/openInterestHist. Simulated coins have no circulating supply."""
    lots = sample.holders.long_lots
    value_e8 = lots * sample.mark_e8 * spec.unit_e8 // spec.tick_e8
    row: Json = {
        "symbol": spec.symbol,
        "sumOpenInterest": format_scaled(lots * spec.step_points * _to_e8(spec), 8),
        "sumOpenInterestValue": money_text(value_e8),
    }
    if modern:
        row["CMCCirculatingSupply"] = "0"
    row["timestamp"] = sample.time_ms
    return row


def long_short(spec: SymbolSpec, longs: int, shorts: int, time_ms: int) -> Json | None:
    """A row of the long/short ratios; None where nobody is short, for then there is no ratio."""
    if shorts == 0:
        return None
    return {
        "symbol": spec.symbol,
        "longAccount": ratio_text(longs, longs + shorts),
        "longShortRatio": ratio_text(longs, shorts),
        "shortAccount": ratio_text(shorts, longs + shorts),
        "timestamp": time_ms,
    }


def taker_volume(spec: SymbolSpec, bar: Bar) -> Json | None:
    """A row of GET /futures/data/takerlongshortRatio; None where no taker sold."""
    sold = bar.lots - bar.taker_buy_lots
    if sold == 0:
        return None
    return {
        "buySellRatio": ratio_text(bar.taker_buy_lots, sold),
        "sellVol": spec.qty_text(sold),
        "buyVol": spec.qty_text(bar.taker_buy_lots),
        "timestamp": bar.open_ms,
    }


def basis(spec: SymbolSpec, sample: Sample) -> Json:
    """A row of GET /futures/data/basis: last price against index."""
    futures_e8 = sample.last_ticks * spec.tick_e8
    difference = futures_e8 - sample.index_e8
    return {
        "indexPrice": money_text(sample.index_e8),
        "contractType": "PERPETUAL",
        "basisRate": ratio_text(difference, sample.index_e8),
        "futuresPrice": spec.price_text(sample.last_ticks),
        "annualizedBasisRate": "",
        "basis": money_text(difference),
        "pair": spec.symbol,
        "timestamp": sample.time_ms,
    }


def constituents(spec: SymbolSpec, index_e8: int, now_ms: int) -> Json:
    """GET /fapi/v1/constituents: the index is this venue's own."""
    return {
        "symbol": spec.symbol,
        "time": now_ms,
        "constituents": [
            {
                "exchange": "embedded",
                "symbol": spec.symbol,
                "price": money_text(index_e8),
                "weight": "1.00000000",
            }
        ],
    }


def asset_index(asset: str, index_e8: int, now_ms: int) -> Json:
    """A row of GET /fapi/v1/assetIndex: an asset in US dollars, with the exchange's buffers."""

    def rate(buffer_e8: int) -> str:
        return money_text(index_e8 * (E8 + buffer_e8) // E8)

    return {
        "symbol": f"{asset}USD",
        "time": now_ms,
        "index": money_text(index_e8),
        "bidBuffer": money_text(BUFFER_E8),
        "askBuffer": money_text(BUFFER_E8),
        "bidRate": rate(-BUFFER_E8),
        "askRate": rate(BUFFER_E8),
        "autoExchangeBidBuffer": money_text(AUTO_EXCHANGE_BUFFER_E8),
        "autoExchangeAskBuffer": money_text(AUTO_EXCHANGE_BUFFER_E8),
        "autoExchangeBidRate": rate(-AUTO_EXCHANGE_BUFFER_E8),
        "autoExchangeAskRate": rate(AUTO_EXCHANGE_BUFFER_E8),
    }


def adl_risk(symbol: str, risk: str, time_ms: int) -> Json:
    """A row of GET /fapi/v1/symbolAdlRisk."""
    return {"symbol": symbol, "adlRisk": risk, "updateTime": time_ms}


def insurance_fund(symbols: Sequence[str], balances_e8: dict[str, int], time_ms: int) -> Json:
    """GET /fapi/v1/insuranceBalance: one fund for all symbols."""
    return {
        "symbols": list(symbols),
        "assets": [
            {"asset": asset, "marginBalance": money_text(balance), "updateTime": time_ms}
            for asset, balance in balances_e8.items()
        ],
    }


def ratio_text(value: int, base: int) -> str:
    """value / base with four decimals, rounded half away from zero. `base` is positive."""
    scaled = (abs(value) * E8 * 2 + base) // (base * 2)
    return trimmed_text(scaled if value >= 0 else -scaled, RATIO_DECIMALS)


def _to_e8(spec: SymbolSpec) -> int:
    """What 10**-quantity_precision is in 1e-8."""
    scale: int = 10 ** (8 - spec.quantity_precision)
    return scale

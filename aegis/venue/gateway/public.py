"""The public rows of the table of REST endpoints: handler, weight and security of each.

``rest`` merges them with those of accounts and orders. Weights are the exchange's of 2026.
"""

from __future__ import annotations

from typing import Final

from aegis.venue.gateway import market_data, statistics
from aegis.venue.gateway.calls import Endpoint, Security
from aegis.venue.gateway.market_data import by_symbol, depth_weight, klines_weight

_V1: Final = "/fapi/v1"
_DATA: Final = "/futures/data"

_GET: Final[dict[str, Endpoint]] = {
    f"{_V1}/ping": Endpoint(market_data.ping, 1),
    f"{_V1}/time": Endpoint(market_data.server_time, 1),
    f"{_V1}/exchangeInfo": Endpoint(market_data.exchange_info, 1),
    f"{_V1}/depth": Endpoint(market_data.depth, depth_weight, depth=True),
    f"{_V1}/rpiDepth": Endpoint(market_data.rpi_depth, 20, depth=True),
    f"{_V1}/trades": Endpoint(market_data.trades, 5),
    f"{_V1}/historicalTrades": Endpoint(market_data.historical_trades, 200, Security.KEY),
    f"{_V1}/aggTrades": Endpoint(market_data.aggregate_trades, 20),
    f"{_V1}/klines": Endpoint(market_data.klines, klines_weight),
    f"{_V1}/continuousKlines": Endpoint(market_data.continuous_klines, klines_weight),
    f"{_V1}/indexPriceKlines": Endpoint(market_data.index_price_klines, klines_weight),
    f"{_V1}/markPriceKlines": Endpoint(market_data.mark_price_klines, klines_weight),
    f"{_V1}/premiumIndexKlines": Endpoint(market_data.premium_index_klines, klines_weight),
    f"{_V1}/premiumIndex": Endpoint(market_data.premium_index, by_symbol(1, 10)),
    # These two share a limit of their own instead of costing weight.
    f"{_V1}/fundingRate": Endpoint(market_data.funding_rate, 0),
    f"{_V1}/fundingInfo": Endpoint(market_data.funding_info, 0),
    f"{_V1}/ticker/24hr": Endpoint(market_data.day_ticker, by_symbol(1, 40)),
    f"{_V1}/ticker/price": Endpoint(market_data.price_ticker, by_symbol(1, 2)),
    "/fapi/v2/ticker/price": Endpoint(market_data.price_ticker, by_symbol(1, 2)),
    f"{_V1}/ticker/bookTicker": Endpoint(market_data.book_ticker, by_symbol(2, 5)),
    f"{_V1}/openInterest": Endpoint(statistics.open_interest, 1),
    f"{_V1}/constituents": Endpoint(statistics.constituents, 2),
    f"{_V1}/assetIndex": Endpoint(statistics.asset_index, by_symbol(1, 10)),
    f"{_V1}/indexInfo": Endpoint(statistics.index_info, 1),
    f"{_V1}/symbolAdlRisk": Endpoint(statistics.adl_risk, 1),
    f"{_V1}/insuranceBalance": Endpoint(statistics.insurance_balance, 1),
    f"{_V1}/tradingSchedule": Endpoint(statistics.trading_schedule, 5),
    # The statistics share a limit of their own, too.
    f"{_DATA}/openInterestHist": Endpoint(statistics.open_interest_history, 0),
    f"{_DATA}/topLongShortAccountRatio": Endpoint(statistics.top_long_short_accounts, 0),
    f"{_DATA}/topLongShortPositionRatio": Endpoint(statistics.top_long_short_positions, 0),
    f"{_DATA}/globalLongShortAccountRatio": Endpoint(statistics.global_long_short, 0),
    f"{_DATA}/takerlongshortRatio": Endpoint(statistics.taker_volume, 0),
    f"{_DATA}/basis": Endpoint(statistics.basis, 0),
    f"{_DATA}/delivery-price": Endpoint(statistics.delivery_price, 0),
}
# The spot exchange's: python-binance asks it for both before it does anything at all.
_SPOT: Final[dict[str, Endpoint]] = {
    "/api/v3/ping": Endpoint(market_data.ping, 1),
    "/api/v3/time": Endpoint(market_data.server_time, 1),
}
PUBLIC: Final[dict[tuple[str, str], Endpoint]] = {
    ("GET", path): endpoint for path, endpoint in {**_GET, **_SPOT}.items()
}

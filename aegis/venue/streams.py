"""Stream names: which exist, and on which route each is carried.

The publisher numbers its streams by these rules, the sessions check what clients ask for. Symbols
are lower case, the rest is case sensitive. Since 2026-04 a stream on the wrong route is
acknowledged and silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

from aegis.venue.history.intervals import INTERVALS, KLINE_INTERVALS

PARTIAL_SPEEDS_MS: Final = (100, 250, 500)
PARTIAL_LEVELS: Final = (5, 10, 20)
DEFAULT_SPEED_MS: Final = 250
# The assets whose index against the dollar is told, as GET /fapi/v1/assetIndex has them.
ASSET_STREAMS: Final = {
    asset: f"{asset.lower()}usd@assetIndex" for asset in ("BTC", "ETH", "BNB", "USDC", "USDT")
}


class Route(Enum):
    """Where a connection came in."""

    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"
    LEGACY = "legacy"


_CONTRACT: Final = "_perpetual"
_PUBLIC: Final = re.compile(r"bookTicker|trade|depth(5|10|20)?(@(0|100|500)ms)?|rpiDepth@500ms")
_MARKET: Final = re.compile(
    rf"aggTrade|markPrice(@1s)?|miniTicker|ticker|forceOrder|kline_({'|'.join(KLINE_INTERVALS)})"
)
_CONTINUOUS: Final = re.compile(rf"continuousKline_({'|'.join(INTERVALS)})")
_ALL_PUBLIC: Final = frozenset({"!bookTicker"})
_ALL_MARKET: Final = frozenset(
    {
        "!markPrice@arr",
        "!markPrice@arr@1s",
        "!miniTicker@arr",
        "!ticker@arr",
        "!forceOrder@arr",
        "!contractInfo",
        "!assetIndex@arr",
    }
) | frozenset(ASSET_STREAMS.values())


class StreamNames:
    """The streams of one venue."""

    def __init__(self, symbols: Iterable[str], modern: bool) -> None:
        self._symbols = frozenset(symbol.lower() for symbol in symbols)
        self._modern = modern

    def carried(self, name: str, route: Route) -> bool:
        """Does this venue send `name` on `route`?"""
        if self._is_public(name):
            return route in (Route.PUBLIC, Route.LEGACY)
        if self._is_market(name):
            return route is Route.MARKET or (route is Route.LEGACY and not self._modern)
        return False

    def carries_user_data(self, route: Route) -> bool:
        """Listen keys belong to /private; the unrouted form had them until 2026."""
        return route is Route.PRIVATE or (route is Route.LEGACY and not self._modern)

    def _is_public(self, name: str) -> bool:
        symbol, _, kind = name.partition("@")
        if name in _ALL_PUBLIC:
            return True
        return symbol in self._symbols and _PUBLIC.fullmatch(kind) is not None

    def _is_market(self, name: str) -> bool:
        symbol, _, kind = name.partition("@")
        if name in _ALL_MARKET:
            return True
        if symbol in self._symbols:
            return _MARKET.fullmatch(kind) is not None
        pair = symbol.removesuffix(_CONTRACT)
        return pair != symbol and pair in self._symbols and _CONTINUOUS.fullmatch(kind) is not None

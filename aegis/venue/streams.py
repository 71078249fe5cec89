"""Stream names: which exist, and on which route each is carried.

The publisher builds its names here, the sessions check what clients ask for. Symbols are lower
case, the rest is case sensitive. Since 2026-04 a stream on the wrong route is acknowledged and
silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

from aegis.venue.candles import INTERVALS_MS

DIFF_SPEEDS_MS: Final = (0, 100, 250, 500)
PARTIAL_SPEEDS_MS: Final = (100, 250, 500)
PARTIAL_LEVELS: Final = (5, 10, 20)
DEFAULT_SPEED_MS: Final = 250


class Route(Enum):
    """Where a connection came in."""

    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"
    LEGACY = "legacy"


_INTERVALS: Final = "|".join(INTERVALS_MS)
_PUBLIC: Final = re.compile(r"bookTicker|trade|depth(5|10|20)?(@(0|100|500)ms)?")
_MARKET: Final = re.compile(rf"aggTrade|markPrice(@1s)?|kline_({_INTERVALS})")


def diff_stream(symbol: str, speed_ms: int) -> str:
    """`<s>@depth` is the 250 ms one."""
    suffix = "" if speed_ms == DEFAULT_SPEED_MS else f"@{speed_ms}ms"
    return f"{symbol.lower()}@depth{suffix}"


def partial_stream(symbol: str, levels: int, speed_ms: int) -> str:
    suffix = "" if speed_ms == DEFAULT_SPEED_MS else f"@{speed_ms}ms"
    return f"{symbol.lower()}@depth{levels}{suffix}"


class StreamNames:
    """The streams of one venue."""

    def __init__(self, symbols: Iterable[str], modern: bool) -> None:
        self._symbols = frozenset(symbol.lower() for symbol in symbols)
        self._modern = modern

    def carried(self, name: str, route: Route) -> bool:
        """Does this venue send `name` on `route`?"""
        symbol, _, kind = name.partition("@")
        if symbol not in self._symbols:
            return False
        if _PUBLIC.fullmatch(kind):
            return route in (Route.PUBLIC, Route.LEGACY)
        if _MARKET.fullmatch(kind):
            return route is Route.MARKET or (route is Route.LEGACY and not self._modern)
        return False

    def carries_user_data(self, route: Route) -> bool:
        """Listen keys belong to /private; the unrouted form had them until 2026."""
        return route is Route.PRIVATE or (route is Route.LEGACY and not self._modern)

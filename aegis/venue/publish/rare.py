"""Messages that are too rare for a kernel: forced orders, and the indexes of margin assets.

``publisher`` calls these at most once a second, and only where somebody listens.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from aegis.venue.decimals import trimmed_text
from aegis.venue.liquidation import Forced
from aegis.venue.matching.interface import BUY
from aegis.venue.payloads import statistics

__all__ = ["asset_index", "force_order"]

# The stream's name for each field of a row of GET /fapi/v1/assetIndex, in its order.
_INDEX_FIELDS: Final = {
    "symbol": "s",
    "index": "i",
    "bidBuffer": "b",
    "askBuffer": "a",
    "bidRate": "B",
    "askRate": "A",
    "autoExchangeBidBuffer": "q",
    "autoExchangeAskBuffer": "g",
    "autoExchangeBidRate": "Q",
    "autoExchangeAskRate": "G",
}


def force_order(forced: Forced, event_ms: int, modern: bool) -> bytes:
    """A liquidation order as the public sees it."""
    spec = forced.market.spec
    body: dict[str, Any] = {
        "e": "forceOrder",
        "E": event_ms,
        "o": {
            "s": spec.symbol,
            "S": "BUY" if forced.side == BUY else "SELL",
            "o": "LIMIT",
            "f": "IOC",
            "q": spec.qty_text(forced.lots),
            "p": spec.price_text(forced.limit_ticks),
            "ap": trimmed_text(forced.average_e8, spec.price_precision),
            "X": forced.status,
            "l": spec.qty_text(forced.last_lots),
            "z": spec.qty_text(forced.filled_lots),
            "T": forced.time_ms,
        },
    }
    if modern:
        body |= {"ps": spec.symbol, "st": 1}
    return msgspec.json.encode(body)


def asset_index(asset: str, index_e8: int, event_ms: int) -> bytes:
    """An asset in US dollars, with the exchange's buffers."""
    row = statistics.asset_index(asset, index_e8, event_ms)
    body = {"e": "assetIndexUpdate", "E": event_ms}
    return msgspec.json.encode(body | {short: row[name] for name, short in _INDEX_FIELDS.items()})

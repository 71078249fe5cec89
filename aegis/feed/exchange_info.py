"""Rows of the instruments table from the exchange's exchangeInfo. Pure: bytes in, fields out.

Called by discovery at start, once a minute and when `!contractInfo` tells of a change: symbols are
listed, filters and trading status change while we run, and the risk gate checks orders against
these rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from aegis.feed.errors import WireError
from aegis.shm.instruments import TRADING

__all__ = [
    "STATUS_CODES",
    "Listing",
    "read_listing",
    "status_of_event",
]

# TRADING is 1; everything else may not be traded, and the code tells people why.
STATUS_CODES = {
    "TRADING": TRADING,
    "PENDING_TRADING": 2,
    "PRE_SETTLE": 3,
    "SETTLING": 4,
    "PRE_DELIVERING": 5,
    "DELIVERING": 6,
    "DELIVERED": 7,
    "CLOSE": 8,
    "TRADING_HALT": 9,
    "TRADING_CANCEL_ONLY": 10,
}
STATUS_OTHER = 99


class _Filter(Struct):
    filterType: str  # noqa: N815 (the wire's names)
    minPrice: float | None = None  # noqa: N815
    maxPrice: float | None = None  # noqa: N815
    tickSize: float | None = None  # noqa: N815
    minQty: float | None = None  # noqa: N815
    maxQty: float | None = None  # noqa: N815
    stepSize: float | None = None  # noqa: N815
    notional: float | None = None
    multiplierUp: float | None = None  # noqa: N815
    multiplierDown: float | None = None  # noqa: N815


class _Symbol(Struct):
    symbol: str
    status: str
    pricePrecision: int  # noqa: N815
    quantityPrecision: int  # noqa: N815
    filters: list[_Filter]
    contractType: str = ""  # noqa: N815
    marginAsset: str = ""  # noqa: N815


class _Named(Struct):
    symbol: str = ""


class _RateLimit(Struct):
    rateLimitType: str = ""  # noqa: N815
    interval: str = ""
    intervalNum: int = 0  # noqa: N815
    limit: int = 0


class _ExchangeInfo(Struct):
    symbols: list[msgspec.Raw]
    rateLimits: list[_RateLimit] = []  # noqa: N815


class _ContractInfo(Struct, tag_field="e", tag="contractInfo"):
    """An event of `!contractInfo`: symbol s, contract status cs."""

    s: str
    cs: str


class _ContractFrame(Struct):
    stream: str
    data: _ContractInfo


_contract_decoder = msgspec.json.Decoder(_ContractFrame, strict=False)
_decoder = msgspec.json.Decoder(_ExchangeInfo, strict=False)
_symbol_decoder = msgspec.json.Decoder(_Symbol, strict=False)
_name_decoder = msgspec.json.Decoder(_Named, strict=False)

# Field of the row: the filter it is in, and its name there.
_FIELDS = {
    "tick_size": ("PRICE_FILTER", "tickSize"),
    "min_price": ("PRICE_FILTER", "minPrice"),
    "max_price": ("PRICE_FILTER", "maxPrice"),
    "step_size": ("LOT_SIZE", "stepSize"),
    "min_qty": ("LOT_SIZE", "minQty"),
    "max_qty": ("LOT_SIZE", "maxQty"),
    "min_notional": ("MIN_NOTIONAL", "notional"),
    "multiplier_up": ("PERCENT_PRICE", "multiplierUp"),
    "multiplier_down": ("PERCENT_PRICE", "multiplierDown"),
}
# Without these no order can be formed; 0 in the others means that the exchange does not limit.
_POSITIVE = ("tick_size", "step_size")
_LIMIT = 1e15


@dataclass(frozen=True, slots=True)
class Listing:
    """An exchangeInfo: every symbol's own fields by name, and what the address may weigh.

    weight_per_minute is 0 where the exchange does not say. `perpetuals` are those margined in USDT,
    in the exchange's order, whatever their status. `unreadable` are the symbols, with the reason,
    whose entries are not what they should be: one of them spoils no other.
    """

    symbols: dict[str, _Symbol]
    weight_per_minute: int
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def perpetuals(self) -> list[str]:
        """USDT-margined perpetual contracts, TRADIFI_PERPETUAL among them."""
        return [
            name
            for name, row in self.symbols.items()
            if row.contractType.endswith("PERPETUAL") and row.marginAsset == "USDT"
        ]

    def is_trading(self, symbol: str) -> bool:
        """Whether the exchange trades it now."""
        return self.symbols[symbol].status == "TRADING"

    def fields(self, symbol: str) -> dict[str, Any]:
        """A symbol's row. Raises WireError for a filter that is no finite number."""
        return _fields(self.symbols[symbol])

    def status(self, symbol: str) -> int:
        """The code of a symbol's contract status, which is known where its filters are none."""
        return STATUS_CODES.get(self.symbols[symbol].status, STATUS_OTHER)


def read_listing(body: bytes) -> Listing:
    """Decode the body of GET /fapi/v1/exchangeInfo.

    Raises WireError for what is none, and for one of which no symbol can be read.
    """
    symbols: dict[str, _Symbol] = {}
    unreadable: dict[str, str] = {}
    try:
        info = _decoder.decode(body)
        for number, entry in enumerate(info.symbols):
            try:
                row = _symbol_decoder.decode(entry)
                symbols[row.symbol] = row
            except msgspec.MsgspecError as error:
                name = _name_of(entry) or f"symbol number {number}"
                unreadable[name] = f"exchangeInfo {name}: {error}"
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise WireError(f"exchangeInfo: {error}") from error
    if unreadable and not symbols:
        raise WireError(next(iter(unreadable.values())))
    weights = [
        limit.limit // limit.intervalNum
        for limit in info.rateLimits
        if limit.rateLimitType == "REQUEST_WEIGHT"
        and limit.interval == "MINUTE"
        and limit.intervalNum > 0
        and limit.limit > 0
    ]
    return Listing(symbols, min(weights, default=0), unreadable)


def _name_of(entry: msgspec.Raw) -> str:
    try:
        return _name_decoder.decode(entry).symbol
    except msgspec.MsgspecError:
        return ""


def status_of_event(payload: bytes) -> tuple[str, int] | None:
    """(symbol, code of its status) of a `!contractInfo` frame; None for any other frame."""
    try:
        event = _contract_decoder.decode(payload).data
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    return event.s, STATUS_CODES.get(event.cs, STATUS_OTHER)


def _fields(row: _Symbol) -> dict[str, Any]:
    filters = {entry.filterType: entry for entry in row.filters}
    fields: dict[str, Any] = {
        "symbol": row.symbol.encode(),
        "status": STATUS_CODES.get(row.status, STATUS_OTHER),
        "price_precision": row.pricePrecision,
        "quantity_precision": row.quantityPrecision,
    }
    for name, (filter_name, key) in _FIELDS.items():
        value = getattr(filters.get(filter_name), key, None) or 0.0
        # Written so that NaN fails it.
        if not 0.0 <= value <= _LIMIT or (name in _POSITIVE and value == 0.0):
            raise WireError(f"exchangeInfo {row.symbol}: {filter_name}.{key}={value}")
        fields[name] = value
    for name in ("price_precision", "quantity_precision"):
        if not 0 <= fields[name] <= 18:
            raise WireError(f"exchangeInfo {row.symbol}: {name}={fields[name]}, wanted 0 to 18")
    return fields

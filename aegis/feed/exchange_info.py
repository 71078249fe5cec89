"""Rows of the instruments table from the exchange's exchangeInfo. Pure: bytes in, fields out.

Called by the process at start, after each reconnect and once a minute: filters and trading status
change while we run, and the risk gate checks orders against these rows.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from aegis.feed.errors import SymbolUnknownError, WireError
from aegis.shm.instruments import TRADING, Instruments

__all__ = ["STATUS_CODES", "instrument_fields", "update_rows"]

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


class _ExchangeInfo(Struct):
    symbols: list[_Symbol]


_decoder = msgspec.json.Decoder(_ExchangeInfo, strict=False)

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


def instrument_fields(body: bytes, symbols: list[str]) -> list[dict[str, Any]]:
    """The rows of `symbols`, in that order, from the body of GET /fapi/v1/exchangeInfo.

    Raises WireError for a body that cannot be read or a filter that is no finite number,
    SymbolUnknownError for a symbol that the exchange does not list.
    """
    try:
        listed = {row.symbol: row for row in _decoder.decode(body).symbols}
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise WireError(f"exchangeInfo: {error}") from error
    missing = [symbol for symbol in symbols if symbol not in listed]
    if missing:
        raise SymbolUnknownError(
            f"the exchange lists {len(listed)} symbols, but not {', '.join(missing)}"
        )
    return [_fields(listed[symbol]) for symbol in symbols]


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


def update_rows(table: Instruments, rows: list[dict[str, Any]]) -> list[str]:
    """Write the rows that differ from the table's; returns one sentence for each that changed."""
    changes = []
    for instrument, fields in enumerate(rows):
        row = table.row(instrument)
        old = {name: row[name] for name in fields}
        if int(row["version"]) > 0 and all(old[name] == fields[name] for name in fields):
            continue
        if int(row["version"]) > 0:
            different = [name for name in fields if old[name] != fields[name]]
            words = ", ".join(f"{name} {old[name]} -> {fields[name]}" for name in different)
            changes.append(f"{fields['symbol'].decode()}: {words}")
        table.set(instrument, **fields)
    return changes

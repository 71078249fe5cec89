"""The exchange's rules of our symbols: exchangeInfo in, `InstrumentRules` out.

Read once at the start and again when a filter refusal shows that they have changed. Filter values
are decimal texts and become whole numbers here; precision fields are not tick and step, so they are
not used. Raises UnusableSetupError for a symbol that is absent or cannot be kept exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aegis.execution.decimal_text import decimal_parts, text_to_e8, text_to_scaled
from aegis.execution.errors import UnusableSetupError
from aegis.risk.limits import InstrumentRules, LimitsError

__all__ = ["changed_symbols", "rules_of_symbols"]

# A bound of 0 in a filter switches it off; this stands for "no bound" and is still a sane number.
_UNBOUNDED = 1 << 52


def rules_of_symbols(
    exchange_info: Mapping[str, Any], symbols: Sequence[str], *, may_miss: bool = False
) -> list[InstrumentRules]:
    """The rules of `symbols`, in their order, from a decoded exchangeInfo.

    With `may_miss` (the feed chose the symbols, not a person) one that cannot be traded gets rules
    that let nothing through, instead of an error.
    """
    rows = {row.get("symbol"): row for row in exchange_info.get("symbols", [])}
    found = []
    for symbol in symbols:
        if symbol not in rows:
            if may_miss:
                found.append(_closed(symbol))
                continue
            raise UnusableSetupError(f"the exchange does not list {symbol}")
        try:
            rules = _rules(symbol, rows[symbol])
            assert rules.unit_e8 > 0
        except LimitsError as error:
            if not may_miss:
                raise UnusableSetupError(str(error)) from error
            rules = _closed(symbol)
        except (KeyError, ValueError, TypeError) as error:
            raise UnusableSetupError(
                f"the filters of {symbol} in exchangeInfo cannot be read: {error}"
            ) from error
        found.append(rules)
    return found


def changed_symbols(
    exchange_info: Mapping[str, Any], before: Sequence[InstrumentRules], may_miss: bool
) -> str:
    """The symbols whose rules are not what they were, the first of them by name; empty for none."""
    symbols = [rules.symbol for rules in before]
    now = rules_of_symbols(exchange_info, symbols, may_miss=may_miss)
    changed = [new.symbol for new, old in zip(now, before, strict=True) if new != old]
    return ", ".join(changed[:8])


def _closed(symbol: str) -> InstrumentRules:
    """Rules of a symbol that is not to be traded, on a grid that is good for nothing."""
    return InstrumentRules(
        symbol=symbol,
        is_trading=False,
        tick_mantissa=1,
        tick_decimals=4,
        step_mantissa=1,
        step_decimals=4,
        min_price_ticks=1,
        max_price_ticks=_UNBOUNDED,
        min_qty_lots=1,
        max_qty_lots=_UNBOUNDED,
        max_market_qty_lots=_UNBOUNDED,
        min_notional_e8=0,
    )


def _rules(symbol: str, row: Mapping[str, Any]) -> InstrumentRules:
    filters = {entry["filterType"]: entry for entry in row["filters"]}
    prices, lots = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    market_lots = filters.get("MARKET_LOT_SIZE", lots)
    tick_mantissa, tick_decimals = decimal_parts(prices["tickSize"])
    step_mantissa, step_decimals = decimal_parts(lots["stepSize"])

    def ticks(text: str, *, upwards: bool) -> int:
        value = text_to_scaled(text, tick_decimals)
        return -(-value // tick_mantissa) if upwards else value // tick_mantissa

    def whole_lots(text: str, *, upwards: bool) -> int:
        value = text_to_scaled(text, step_decimals)
        return -(-value // step_mantissa) if upwards else value // step_mantissa

    return InstrumentRules(
        symbol=symbol,
        is_trading=row["status"] == "TRADING",
        tick_mantissa=tick_mantissa,
        tick_decimals=tick_decimals,
        step_mantissa=step_mantissa,
        step_decimals=step_decimals,
        min_price_ticks=max(1, ticks(prices["minPrice"], upwards=True)),
        max_price_ticks=ticks(prices["maxPrice"], upwards=False) or _UNBOUNDED,
        min_qty_lots=max(1, whole_lots(lots["minQty"], upwards=True)),
        max_qty_lots=whole_lots(lots["maxQty"], upwards=False) or _UNBOUNDED,
        max_market_qty_lots=whole_lots(market_lots["maxQty"], upwards=False) or _UNBOUNDED,
        min_notional_e8=text_to_e8(str(filters.get("MIN_NOTIONAL", {}).get("notional", "0"))),
    )

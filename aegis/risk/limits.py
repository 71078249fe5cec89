"""The rows that the gate reads: per instrument the rules, per instrument the exposure.

Execution fills the rules once from the configured limits and the exchange's filters (and again
after a reload), and keeps the exposure up to date with every order and fill. A row that nobody
filled is all zeros, and a zero limit lets nothing through. Quantities are in lots (steps), prices
in ticks, money in 1e-8 of the quote currency.

Raises: LimitsError when a limit or a filter is missing, not finite, or not positive.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "E8",
    "EXPOSURE",
    "ROW_LIMITS",
    "RULES",
    "InstrumentRules",
    "LimitsError",
    "fill_rules",
    "positive_limit",
]

E8 = 100_000_000
# The limits that each instrument's row holds; the others are the gate's words.
ROW_LIMITS = (
    "max_order_qty",
    "max_order_notional",
    "max_position_qty",
    "price_collar_bps",
    "price_collar_window_bps",
    "max_mark_deviation_bps",
)
# Above this a product of a price and a quantity could leave 64 bits in the position arithmetic.
MAX_LOTS = 3_000_000_000

RULES = np.dtype(
    [
        ("allowed", "<i8"),
        ("trading", "<i8"),
        ("unit_e8", "<i8"),
        ("tick_size", "<f8"),
        ("min_price_ticks", "<i8"),
        ("max_price_ticks", "<i8"),
        ("min_qty_lots", "<i8"),
        ("max_qty_lots", "<i8"),
        ("max_market_qty_lots", "<i8"),
        ("min_notional_e8", "<f8"),
        ("max_order_lots", "<i8"),
        ("max_order_notional_e8", "<f8"),
        ("max_position_lots", "<i8"),
        ("collar", "<f8"),
        ("collar_window", "<f8"),
        ("mark_band", "<f8"),
    ]
)
assert RULES.itemsize == 128, "two cache lines a row"

EXPOSURE = np.dtype(
    [
        ("position_lots", "<i8"),
        ("cost_e8", "<i8"),
        ("realized_e8", "<i8"),
        ("fees_e8", "<i8"),
        ("unrealized_e8", "<f8"),
        ("open_buy_lots", "<i8"),
        ("open_sell_lots", "<i8"),
        ("open_orders", "<i8"),
    ]
)
assert EXPOSURE.itemsize == 64, "one cache line a row"


class LimitsError(ValueError):
    """A limit or filter cannot be used; the text names it, its value and what would be right."""


@dataclass(frozen=True, slots=True)
class InstrumentRules:
    """The exchange's rules for one symbol, all in whole ticks, lots and units of 1e-8 quote.

    `tick_mantissa * 10**-tick_decimals` is the tick size, and likewise the step.
    """

    symbol: str
    is_trading: bool
    tick_mantissa: int
    tick_decimals: int
    step_mantissa: int
    step_decimals: int
    min_price_ticks: int
    max_price_ticks: int
    min_qty_lots: int
    max_qty_lots: int
    max_market_qty_lots: int
    min_notional_e8: int

    @property
    def tick_size(self) -> float:
        """One tick in quote units."""
        return float(self.tick_mantissa / 10**self.tick_decimals)

    @property
    def step_size(self) -> float:
        """One lot in base units."""
        return float(self.step_mantissa / 10**self.step_decimals)

    @property
    def unit_e8(self) -> int:
        """The worth of one lot at one tick in 1e-8 quote. Raises LimitsError unless whole."""
        unit, rest = divmod(
            self.tick_mantissa * self.step_mantissa * E8,
            10 ** (self.tick_decimals + self.step_decimals),
        )
        if unit < 1 or rest:
            raise LimitsError(
                f"{self.symbol}: tick {self.tick_size} times step {self.step_size} is not a whole "
                f"number of 1e-8 quote units; positions could not be kept exactly"
            )
        return int(unit)


def positive_limit(limits: Mapping[str, Any], name: str, prefix: str = "") -> float:
    """One limit as a float. Raises LimitsError unless it is there, finite and positive."""
    if name not in limits:
        raise LimitsError(f"{prefix}limit {name} is missing; without it nothing trades")
    value = limits[name]
    wanted = f"{prefix}limit {name} is {value!r}; a positive finite number is right"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LimitsError(wanted)
    number = float(value)
    if not (math.isfinite(number) and number > 0.0):
        raise LimitsError(wanted)
    return number


def _whole_lots(symbol: str, name: str, quantity: float, rules: InstrumentRules) -> int:
    """Quantity in whole lots, rounded down; the tiny addend forgives binary fractions only."""
    lots = math.floor(quantity / rules.step_size * (1 + 1e-12))
    if lots < 1:
        raise LimitsError(
            f"{symbol}: limit {name} of {quantity} is less than one step of {rules.step_size}; "
            f"nothing could ever be ordered"
        )
    return min(lots, MAX_LOTS)


def fill_rules(
    row: npt.NDArray[Any] | np.void, rules: InstrumentRules, limits: Mapping[str, Any]
) -> None:
    """Fill one RULES row from the exchange's rules and the instance's limits.

    `limits` holds those of ROW_LIMITS in base and quote units and basis points. Raises LimitsError
    for a limit that is absent or unusable: no limit, no trade.
    """
    values = {name: positive_limit(limits, name, f"{rules.symbol}: ") for name in ROW_LIMITS}
    unit_e8 = rules.unit_e8
    row["unit_e8"] = unit_e8
    row["tick_size"] = rules.tick_size
    row["trading"] = int(rules.is_trading)
    row["min_price_ticks"] = rules.min_price_ticks
    row["max_price_ticks"] = rules.max_price_ticks
    row["min_qty_lots"] = rules.min_qty_lots
    row["max_qty_lots"] = min(rules.max_qty_lots, MAX_LOTS)
    row["max_market_qty_lots"] = min(rules.max_market_qty_lots, MAX_LOTS)
    row["min_notional_e8"] = float(rules.min_notional_e8)
    for name, field in (
        ("max_order_qty", "max_order_lots"),
        ("max_position_qty", "max_position_lots"),
    ):
        row[field] = _whole_lots(rules.symbol, name, values[name], rules)
    row["max_order_notional_e8"] = values["max_order_notional"] * E8
    row["collar"] = values["price_collar_bps"] * 1e-4
    row["collar_window"] = values["price_collar_window_bps"] * 1e-4
    row["mark_band"] = values["max_mark_deviation_bps"] * 1e-4
    row["allowed"] = 1  # last: a half-filled row allows nothing

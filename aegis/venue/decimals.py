"""Decimal texts to integers and back, exactly.

Prices, quantities and money are integers everywhere inside the venue; this module stands where they
meet text. It never goes through a float.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from aegis.venue.errors import BadDecimalError, TooPreciseError

E8: Final = 100_000_000
# Bounded in every direction, so that hostile text cannot make a number of a million digits.
_NUMBER: Final = re.compile(
    r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,2})?", re.ASCII
)


def parse_scaled(text: str, decimals: int) -> int:
    """Return `text` times 10**decimals as an exact integer.

    Clients that sign JSON numbers also send exponents ("1e-3"), so these are read too. Raises
    BadDecimalError if it is no number, TooPreciseError if it has more than `decimals` significant
    decimals.
    """
    if _NUMBER.fullmatch(text) is None:
        raise BadDecimalError(f"{text[:40]!r} is not a decimal number")
    scaled = Decimal(text).scaleb(decimals)
    whole = int(scaled)
    if whole != scaled:
        raise TooPreciseError(f"{text[:40]!r} has more than {decimals} decimals")
    return whole


def format_scaled(value: int, decimals: int) -> str:
    """Write `value` / 10**decimals with exactly `decimals` decimals: (618002, 1) -> "61800.2"."""
    if decimals == 0:
        return str(value)
    scale = 10**decimals
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), scale)
    return f"{sign}{whole}.{part:0{decimals}d}"


def money_text(value_e8: int) -> str:
    """Money in 1e-8 quote units as the exchange writes it: "122624.12345678"."""
    return format_scaled(value_e8, 8)


def trimmed_text(value_e8: int, decimals: int) -> str:
    """A derived price in 1e-8 units, rounded half away from zero to `decimals` decimals."""
    divisor = 10 ** (8 - decimals)
    half = divisor // 2
    rounded = (abs(value_e8) + half) // divisor
    return format_scaled(-rounded if value_e8 < 0 else rounded, decimals)

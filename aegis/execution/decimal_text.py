"""Numbers as the exchange writes them, without a float in between.

Prices and quantities are whole ticks and lots inside; on the wire they are decimal texts. Kernels
write them into a byte buffer (`write_integer`, `write_decimal`, `write_base36`), the cold side
reads them with `text_to_scaled`. The writers neither raise nor look at the buffer's end: the caller
keeps room for MAX_NUMBER bytes.
"""

import re
from typing import Any

import numpy as np

from aegis.host.jit import kernel

__all__ = [
    "MAX_NUMBER",
    "decimal_parts",
    "text_to_e8",
    "text_to_scaled",
    "to_base36",
    "write_base36",
    "write_decimal",
    "write_integer",
]

# 19 digits of an int64, a sign, a point, and the zeros of 0.00000001.
MAX_NUMBER = 32
_ZERO, _POINT, _LETTER_A = ord("0"), ord("."), ord("a")
_DECIMAL = re.compile(r"(-?)(\d{1,20})(?:\.(\d{1,30}))?", re.ASCII)
_DIGITS36 = "0123456789abcdefghijklmnopqrstuvwxyz"


@kernel("i8(u1[::1],i8,i8)")
def write_integer(out: Any, place: Any, value: Any) -> Any:
    """Write a non-negative integer at `place`; returns the place after it."""
    digits = 1
    limit = np.uint64(10)
    rest = np.uint64(value)
    while digits < 19 and rest >= limit:
        digits += 1
        limit *= np.uint64(10)
    end = place + digits
    at = end
    while at > place:
        at -= 1
        quotient = rest // np.uint64(10)
        out[at] = _ZERO + np.int64(rest - quotient * np.uint64(10))
        rest = quotient
    return end


@kernel("i8(u1[::1],i8,i8,i8)")
def write_decimal(out: Any, place: Any, value: Any, decimals: Any) -> Any:
    """Write the non-negative `value * 10**-decimals`, all its decimals; returns the place after."""
    if decimals <= 0:
        return write_integer(out, place, value)
    scale = 1
    for _ in range(decimals):
        scale *= 10
    whole = value // scale
    place = write_integer(out, place, whole)
    out[place] = _POINT
    place += 1
    rest = value - whole * scale
    for step in range(decimals):
        quotient = rest // 10
        out[place + decimals - 1 - step] = _ZERO + (rest - quotient * 10)
        rest = quotient
    return place + decimals


@kernel("i8(u1[::1],i8,i8,i8)")
def write_base36(out: Any, place: Any, value: Any, width: Any) -> Any:
    """Write a non-negative integer in base 36, at least `width` digits; returns the place after."""
    digits = 1
    rest = value // 36
    while rest > 0:
        digits += 1
        rest //= 36
    digits = max(digits, width)
    rest = value
    for step in range(digits):
        quotient = rest // 36
        digit = rest - quotient * 36
        out[place + digits - 1 - step] = _ZERO + digit if digit < 10 else _LETTER_A + digit - 10
        rest = quotient
    return place + digits


def to_base36(value: int, width: int = 1) -> str:
    """The same as text: at least `width` digits, lower case."""
    assert value >= 0
    digits = ""
    while value or not digits:
        value, digit = divmod(value, 36)
        digits = _DIGITS36[digit] + digits
    return digits.rjust(width, "0")


def text_to_scaled(text: str, decimals: int) -> int:
    """A decimal text as an integer of 10**-decimals, rounded half away from zero past that.

    Raises ValueError for anything that is not a plain decimal number: no exponent, no NaN, no
    blank, at most 20 digits before the point.
    """
    found = _DECIMAL.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a decimal number")
    sign, whole, fraction = found.group(1), found.group(2), found.group(3) or ""
    kept = fraction[:decimals].ljust(decimals, "0")
    value = int(whole + kept) if whole + kept else 0
    if len(fraction) > decimals and fraction[decimals] >= "5":
        value += 1
    return -value if sign else value


def text_to_e8(text: str) -> int:
    """A decimal text in units of 1e-8: money. Raises ValueError as `text_to_scaled` does."""
    return text_to_scaled(text, 8)


def decimal_parts(text: str) -> tuple[int, int]:
    """(mantissa, decimals) of a positive filter value, trailing zeros dropped: "0.10" is (1, 1).

    Raises ValueError when it is not a positive decimal number.
    """
    found = _DECIMAL.fullmatch(text)
    if found is None or found.group(1):
        raise ValueError(f"{text[:40]!r} is not a positive decimal number")
    fraction = (found.group(3) or "").rstrip("0")
    mantissa = int(found.group(2) + fraction)
    if mantissa <= 0:
        raise ValueError(f"{text[:40]!r} is not a positive decimal number")
    return mantissa, len(fraction)

"""Tokens of the exchange's JSON: integers, quoted decimals, price levels, things to skip.

Called by the scanner (scan.py, which tells the theory) at a known offset of a buffer that ends in
a zero byte. Each function recognises one token in exactly the plain form that the exchange sends
and returns where it ends, or -1 for anything else; none of them judges, copies or allocates.

A decimal is an integer mantissa and a count of decimals; while the mantissa is below 2^53 and the
power of ten at most 10^22 both are exact doubles, so their quotient is the correctly rounded
double (Clinger 1990, the fast path of every strtod) and equals what any decoder makes of the text.
"""

from typing import Any

import numpy as np

from aegis.feed.raw_bytes import byte_at, word, word_at
from aegis.host.jit import kernel

__all__ = [
    "FALSE",
    "LOW3",
    "LOW4",
    "LOW5",
    "LOW6",
    "LOW7",
    "MAX_LEVELS",
    "MAX_MANTISSA",
    "MAX_PRICE",
    "POWERS",
    "PRICE_SCALE",
    "TRUE",
    "scan_decimal",
    "scan_integer",
    "scan_levels",
    "scan_signed_decimal",
    "skip_scalar",
]

# Prices are keyed in 1e-8 quote units: a tick that no exchange refines, so a book survives a
# change of the instrument's tick size. Below 2^53 the key and the double name the same price.
PRICE_SCALE = 100_000_000
PRICE_DECIMALS = 8
MAX_MANTISSA = 2**53 - 1
MAX_PRICE = MAX_MANTISSA / PRICE_SCALE
# Levels a side of one message. The busiest event of the recording has 1,226 in all.
MAX_LEVELS = 4096
_MAX_DIGITS = 18

POWERS = np.array([10.0**n for n in range(_MAX_DIGITS + 1)])
_SCALES = np.array([10 ** (PRICE_DECIMALS - n) for n in range(PRICE_DECIMALS + 1)], np.int64)
_KEY_LIMITS = MAX_MANTISSA // _SCALES

# Masks that keep the first bytes of a little-endian word.
LOW3, LOW4, LOW5, LOW6, LOW7 = ((1 << 8 * count) - 1 for count in range(3, 8))
TRUE = word(b"true\0\0\0\0")
FALSE = word(b"false\0\0\0")


@kernel
def scan_integer(buffer: Any, at: Any) -> Any:
    """(value, next) of a plain non-negative integer; next is -1 when it is anything else."""
    first = byte_at(buffer, at) - 48
    if first < 0 or first > 9:
        return 0, -1
    value = first
    start = at
    at += 1
    digit = byte_at(buffer, at) - 48
    while 0 <= digit <= 9:
        value = value * 10 + digit
        at += 1
        digit = byte_at(buffer, at) - 48
    digits = at - start
    # A wrapped value has more digits than this; a leading zero is not JSON.
    if digits > _MAX_DIGITS or (first == 0 and digits > 1):
        return 0, -1
    return value, at


@kernel
def _scan_digits(buffer: Any, at: Any) -> Any:
    """(mantissa, decimals, next) of a plain decimal at `at` and the quote behind it."""
    start = at
    mantissa = byte_at(buffer, at) - 48
    if mantissa < 0 or mantissa > 9:
        return 0, 0, -1
    leading_zero = mantissa == 0
    at += 1
    digit = byte_at(buffer, at) - 48
    while 0 <= digit <= 9:
        mantissa = mantissa * 10 + digit
        at += 1
        digit = byte_at(buffer, at) - 48
    whole = at - start
    decimals = 0
    if digit == -2:
        at += 1
        start = at
        digit = byte_at(buffer, at) - 48
        while 0 <= digit <= 9:
            mantissa = mantissa * 10 + digit
            at += 1
            digit = byte_at(buffer, at) - 48
        decimals = at - start
        if decimals == 0:
            return 0, 0, -1
    if byte_at(buffer, at) != 34 or (leading_zero and whole > 1):
        return 0, 0, -1
    if whole + decimals > _MAX_DIGITS or mantissa > MAX_MANTISSA:
        return 0, 0, -1
    return mantissa, decimals, at + 1


@kernel
def scan_decimal(buffer: Any, at: Any) -> Any:
    """(mantissa, decimals, next) of a quoted plain decimal; next is -1 for anything else."""
    if byte_at(buffer, at) != 34:
        return 0, 0, -1
    return _scan_digits(buffer, at + 1)


@kernel
def scan_signed_decimal(buffer: Any, at: Any) -> Any:
    """(value f64, next) of a quoted plain decimal that may be negative; next is -1 otherwise."""
    if byte_at(buffer, at) != 34:
        return 0.0, -1
    is_negative = byte_at(buffer, at + 1) == 45
    mantissa, decimals, at = _scan_digits(buffer, at + (2 if is_negative else 1))
    if at < 0:
        return 0.0, -1
    value = mantissa / POWERS[decimals]
    return (-value if is_negative else value), at


@kernel
def skip_scalar(buffer: Any, at: Any) -> Any:
    """Where an uninteresting string, integer or boolean ends; -1 when it is not so plain."""
    first = byte_at(buffer, at)
    if first == 34:
        at += 1
        letter = byte_at(buffer, at)
        while letter != 34:
            if letter < 32 or letter > 126 or letter == 92:
                return -1
            at += 1
            letter = byte_at(buffer, at)
        return at + 1
    if first == 116 and (word_at(buffer, at) & LOW4) == TRUE:
        return at + 4
    if first == 102 and (word_at(buffer, at) & LOW5) == FALSE:
        return at + 5
    return scan_integer(buffer, at)[1]


@kernel
def scan_levels(buffer: Any, at: Any, keys: Any, quantities: Any, base: Any) -> Any:
    """(count, next) of `[["price","quantity"],...]`, put at `base` on; next is -1 if unusual."""
    if byte_at(buffer, at) != 91:
        return 0, -1
    at += 1
    if byte_at(buffer, at) == 93:
        return 0, at + 1
    count = 0
    while count < MAX_LEVELS:
        if byte_at(buffer, at) != 91:
            return 0, -1
        mantissa, decimals, at = scan_decimal(buffer, at + 1)
        if at < 0 or decimals > 8 or byte_at(buffer, at) != 44:
            return 0, -1
        if mantissa == 0 or mantissa > _KEY_LIMITS[decimals]:
            return 0, -1
        keys[base + count] = mantissa * _SCALES[decimals]
        mantissa, decimals, at = scan_decimal(buffer, at + 1)
        if at < 0 or byte_at(buffer, at) != 93:
            return 0, -1
        quantities[base + count] = mantissa / POWERS[decimals]
        count += 1
        mark = byte_at(buffer, at + 1)
        at += 2
        if mark == 93:
            return count, at
        if mark != 44:
            return 0, -1
    return 0, -1

"""Integers to decimal digits, eight at a time.

The encoders spend most of their time here. Eight digits are made in one machine word by dividing
all of its lanes at once (by 100, then by 10) instead of one digit after the other. Values are exact
in all of int64; places and room are the caller's to see to (MAX_NUMBER and raw.SLACK bytes).
"""

from typing import Any

import numpy as np

from aegis.host.jit import inline_kernel, kernel
from aegis.venue.publish.raw import load_word, store_word, trailing_zeros

__all__ = ["MAX_NUMBER", "write_digits", "write_integer", "write_money", "write_scaled"]

# 19 digits of an int64, a sign, a point, and the zero before it.
MAX_NUMBER = 24

_EIGHT = 100_000_000
_ONE = np.int64(1)  # not Python's: Numba would compile what it is passed to once more
_POWERS = tuple(10**power for power in range(9))
_MINUS, _POINT = ord("-"), ord(".")
_ZEROS = np.uint64(0x3030303030303030)
# Lanes: the quotient of a number below 10,000 by 100, of one below 100 by 10.
_BY_100, _SHIFT_100 = np.uint64(10_486), np.uint64(20)
_MASK_100 = np.uint64(0x0000007F0000007F)
_BY_10, _SHIFT_10 = np.uint64(103), np.uint64(10)
_MASK_10 = np.uint64(0x000F000F000F000F)
assert all(n * 10_486 >> 20 == n // 100 for n in range(10_000)), "exact for every four digits"
assert all(n * 103 >> 10 == n // 10 for n in range(100)), "exact for every two digits"


@inline_kernel
def _eight_digits(value: Any) -> Any:
    """The digits of a number below 10**8 as bytes 0 to 9 of a word, the first one lowest."""
    high = np.uint64(value // 10_000)
    low = np.uint64(value) - high * np.uint64(10_000)
    fours = high | (low << np.uint64(32))
    hundreds = ((fours * _BY_100) >> _SHIFT_100) & _MASK_100
    twos = hundreds | ((fours - hundreds * np.uint64(100)) << np.uint64(16))
    tens = ((twos * _BY_10) >> _SHIFT_10) & _MASK_10
    return tens | ((twos - tens * np.uint64(10)) << np.uint64(8))


@inline_kernel
def _write_head(out: Any, at: Any, value: Any, least: Any) -> Any:
    """A number below 10**8 with at least `least` (1 to 8) digits; returns the place after it."""
    digits = _eight_digits(value)
    zeros = np.int64(trailing_zeros(digits) >> np.uint64(3))
    zeros = min(zeros, 8 - least)
    store_word(out, at, (digits | _ZEROS) >> np.uint64(8 * zeros))
    return at + 8 - zeros


@inline_kernel
def _write_eight(out: Any, at: Any, value: Any) -> Any:
    """Exactly eight digits of a number below 10**8."""
    store_word(out, at, _eight_digits(value) | _ZEROS)
    return at + 8


@kernel
def write_digits(out: Any, at: Any, value: Any, least: Any) -> Any:
    """A non-negative integer with at least `least` (1 to 9) digits; returns the place after it."""
    if value < _EIGHT and least <= 8:
        return _write_head(out, at, value, least)
    high = value // _EIGHT
    low = value - high * _EIGHT
    if high < _EIGHT:
        return _write_eight(out, _write_head(out, at, high, 1), low)
    top = high // _EIGHT
    at = _write_eight(out, _write_head(out, at, top, 1), high - top * _EIGHT)
    return _write_eight(out, at, low)


@kernel
def write_integer(out: Any, at: Any, value: Any) -> Any:
    """An integer, with a minus if it is negative; returns the place after it."""
    if value < 0:
        out[at] = _MINUS
        return write_digits(out, at + 1, -value, _ONE)
    return write_digits(out, at, value, _ONE)


@kernel
def write_scaled(out: Any, at: Any, value: Any, decimals: Any) -> Any:
    """`value` / 10**decimals (0 to 8) with all its decimals, signed; returns the place after it."""
    if value < 0:
        out[at] = _MINUS
        at += 1
        value = -value
    end = write_digits(out, at, value, decimals + 1)
    if decimals == 0:
        return end
    # The decimals move up by one to make room for the point: eight at the most, one word.
    point = end - decimals
    store_word(out, point + 1, load_word(out, point))
    out[point] = _POINT
    return end + 1


@kernel
def write_money(out: Any, at: Any, high: Any, low: Any, unit_e8: Any, decimals: Any) -> Any:
    """(`high` * 2**31 + `low`) * `unit_e8` in 1e-8, rounded half up to `decimals`; not negative.

    A day's turnover in ticks times lots may pass 2**63, so it comes in two parts, 0 <= low < 2**31.
    Exact as long as the whole units fit into 63 bits and unit_e8 is below 9e10.
    """
    quotient = high // _EIGHT
    rest = ((high - quotient * _EIGHT) << 31) + low
    hundred_millions = (quotient << 31) + rest // _EIGHT
    money = (rest % _EIGHT) * unit_e8
    whole = hundred_millions * unit_e8 + money // _EIGHT
    scale = _POWERS[decimals]
    divisor = _EIGHT // scale
    fraction = (money % _EIGHT + divisor // 2) // divisor
    if fraction == scale:
        whole += 1
        fraction = 0
    at = write_digits(out, at, whole, _ONE)
    if decimals == 0:
        return at
    out[at] = _POINT
    return write_digits(out, at + 1, fraction, decimals)

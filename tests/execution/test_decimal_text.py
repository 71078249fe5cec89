"""Numbers to text and back, without a float."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.execution import decimal_text as text

QUICK = settings(max_examples=300, deadline=None)
NATURAL = st.integers(0, 2**63 - 1) | st.sampled_from([0, 9, 10, 99, 10**18, 2**63 - 1])


def written(writer: object, *arguments: int) -> str:
    out = np.zeros(64, np.uint8)
    end = writer(out, 3, *arguments)  # type: ignore[operator]
    assert end - 3 <= text.MAX_NUMBER
    return bytes(out[3:end]).decode()


@QUICK
@given(NATURAL)
def test_integer(value: int) -> None:
    assert written(text.write_integer, value) == str(value)


@QUICK
@given(NATURAL, st.integers(0, 8))
def test_decimal(value: int, decimals: int) -> None:
    found = written(text.write_decimal, value, decimals)
    assert Decimal(found) == Decimal(value).scaleb(-decimals)
    assert len(found.partition(".")[2]) == decimals
    assert text.text_to_scaled(found, decimals) == value


@QUICK
@given(NATURAL, st.integers(1, 6))
def test_base36(value: int, width: int) -> None:
    found = written(text.write_base36, value, width)
    assert int(found, 36) == value and len(found) >= width
    assert found == text.to_base36(value, width)


@pytest.mark.parametrize(
    ("given_text", "decimals", "value"),
    [
        ("60000.10", 1, 600_001),
        ("0.00100000", 3, 1),
        ("-0.012", 3, -12),
        ("7", 8, 700_000_000),
        ("0.125", 2, 13),
        ("-0.125", 2, -13),
        ("0.124", 2, 12),
    ],
)
def test_reading(given_text: str, decimals: int, value: int) -> None:
    assert text.text_to_scaled(given_text, decimals) == value


@pytest.mark.parametrize(
    "bad", ["", " 1", "1 ", "1e5", "NaN", "inf", "+1", ".5", "1.", "0x1", "1" * 21, "--1"]
)
def test_what_is_no_number(bad: str) -> None:
    with pytest.raises(ValueError, match="not a decimal number"):
        text.text_to_scaled(bad, 8)


def test_filter_values() -> None:
    assert text.decimal_parts("0.10") == (1, 1)
    assert text.decimal_parts("0.00001000") == (1, 5)
    assert text.decimal_parts("5") == (5, 0)
    assert text.decimal_parts("0.25") == (25, 2)
    for bad in ("0", "0.000", "-0.1", "x"):
        with pytest.raises(ValueError, match="positive decimal"):
            text.decimal_parts(bad)

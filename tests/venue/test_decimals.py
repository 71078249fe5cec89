"""Decimal texts: exact both ways, bounded against hostile ones."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.venue.decimals import format_scaled, money_text, parse_scaled, trimmed_text
from aegis.venue.errors import BadDecimalError, TooPreciseError

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(INT64, st.integers(0, 8))
def test_text_and_back(value: int, decimals: int) -> None:
    assert parse_scaled(format_scaled(value, decimals), decimals) == value


@given(st.decimals(-(10**9), 10**9, places=4), st.integers(4, 8))
def test_reads_what_decimal_reads(value: Decimal, decimals: int) -> None:
    assert parse_scaled(f"{value:f}", decimals) == int(value.scaleb(decimals))


@pytest.mark.parametrize(
    ("text", "decimals", "value"),
    [("61800.20", 2, 6180020), (".5", 3, 500), ("1e-3", 3, 1), ("5.", 0, 5), ("1E2", 1, 1000)],
)
def test_forms_clients_send(text: str, decimals: int, value: int) -> None:
    assert parse_scaled(text, decimals) == value


@pytest.mark.parametrize(
    "text", ["", "abc", "1,5", " 1", "1 ", "nan", "inf", "1e999", "0x10", "1" * 21, "+-1", "1.2.3"]
)
def test_refuses_what_is_no_number(text: str) -> None:
    with pytest.raises(BadDecimalError):
        parse_scaled(text, 2)


def test_refuses_too_many_decimals_but_not_trailing_zeros() -> None:
    assert parse_scaled("1.2300", 2) == 123
    with pytest.raises(TooPreciseError):
        parse_scaled("1.234", 2)


def test_money_and_trimmed_prices() -> None:
    assert money_text(-12262412345678) == "-122624.12345678"
    assert trimmed_text(6_180_020_000_500, 5) == "61800.20001"
    assert trimmed_text(-6_180_020_000_499, 5) == "-61800.20000"

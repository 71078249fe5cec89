"""Digits eight at a time against Python's own."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from aegis.venue.decimals import format_scaled, trimmed_text
from aegis.venue.publish.digits import (
    MAX_NUMBER,
    write_digits,
    write_integer,
    write_money,
    write_scaled,
)
from aegis.venue.publish.raw import SLACK

MAX_INT64 = 2**63 - 1
values = st.one_of(
    st.integers(-MAX_INT64, MAX_INT64),
    st.integers(-1_000, 1_000),
    st.integers(0, 19).map(lambda digits: 10**digits if digits < 19 else MAX_INT64),
    st.integers(1, 18).map(lambda digits: 10**digits - 1),
)


def text(write: object, *arguments: int) -> str:
    """What a writer writes; it must stay within its number and the slack."""
    out = np.full(3 * MAX_NUMBER + SLACK, ord("#"), np.uint8)
    end = write(out, 5, *arguments)
    assert end - 5 <= MAX_NUMBER + 8
    assert bytes(out[:5]) == b"#####"
    assert set(bytes(out[end + SLACK :])) == {ord("#")}
    return bytes(out[5:end]).decode()


@given(values)
@example(0)
@example(-MAX_INT64)
def test_integers(value: int) -> None:
    assert text(write_integer, value) == str(value)


@given(values.map(abs), st.integers(1, 9))
def test_digits_are_padded(value: int, least: int) -> None:
    assert text(write_digits, value, least) == str(value).rjust(least, "0")


@given(values, st.integers(0, 8))
def test_decimals(value: int, decimals: int) -> None:
    assert text(write_scaled, value, decimals) == format_scaled(value, decimals)


@given(
    st.one_of(st.integers(0, 2**90), st.integers(0, 10**10)),
    st.sampled_from([1, 5, 10, 100, 5_000, 10**7, 10**10]), st.integers(0, 8),
)  # fmt: skip
def test_turnovers_past_64_bits(turnover: int, unit_e8: int, decimals: int) -> None:
    if turnover * unit_e8 // 10**8 >= MAX_INT64:
        return
    high, low = turnover >> 31, turnover & (2**31 - 1)
    written = text(write_money, high, low, unit_e8, decimals)
    assert written == trimmed_text(turnover * unit_e8, decimals)

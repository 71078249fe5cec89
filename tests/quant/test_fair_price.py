"""Fair prices from the top of the book: known answers, bounds, and empty books."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.quant.fair_price import imbalance, mid_price, weighted_mid

QUANTITY = st.floats(min_value=1e-6, max_value=1e6)


def test_known_answers() -> None:
    assert mid_price(100.0, 101.0) == 100.5
    assert imbalance(3.0, 1.0) == 0.75
    assert weighted_mid(100.0, 3.0, 101.0, 1.0) == pytest.approx(100.75)


@given(bid_qty=QUANTITY, ask_qty=QUANTITY)
def test_weighted_mid_stays_within_the_spread_and_leans(bid_qty: float, ask_qty: float) -> None:
    price = weighted_mid(100.0, bid_qty, 101.0, ask_qty)
    assert 100.0 <= price <= 101.0
    assert (price >= 100.5) == (bid_qty >= ask_qty) or math.isclose(price, 100.5)


@pytest.mark.parametrize("quantities", [(0.0, 0.0), (-1.0, 2.0), (math.nan, 1.0)])
def test_no_quantity_no_price(quantities: tuple[float, float]) -> None:
    assert math.isnan(imbalance(*quantities))
    assert math.isnan(weighted_mid(100.0, quantities[0], 101.0, quantities[1]))

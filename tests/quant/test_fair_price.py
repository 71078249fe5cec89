"""Fair prices from the top of the book: known answers, bounds, and empty books."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.quant.fair_price import (
    effective_vamp,
    imbalance,
    mid_price,
    order_flow_imbalance,
    vamp,
    weighted_mid,
)

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


def test_vamp_of_the_best_level_is_the_weighted_mid() -> None:
    one = (np.array([100.0]), np.array([3.0]), np.array([101.0]), np.array([1.0]))
    assert vamp(*one, 0.01) == pytest.approx(weighted_mid(100.0, 3.0, 101.0, 1.0))


def test_the_effective_vamp_weighs_whole_sides() -> None:
    bids, bid_qtys = np.array([100.0, 99.0, 50.0]), np.array([1.0, 3.0, 9.0])
    asks, ask_qtys = np.array([101.0, 103.0]), np.array([2.0, 2.0])
    sides = (bids, bid_qtys, asks, ask_qtys)
    # Bids cost 99.25 on average for 4, asks 102 for 4; the far bid is out of reach.
    assert effective_vamp(*sides, 0.1) == pytest.approx((99.25 * 4.0 + 102.0 * 4.0) / 8.0)
    assert effective_vamp(*sides, 0.001) == pytest.approx(weighted_mid(100.0, 1.0, 101.0, 2.0))
    assert math.isnan(effective_vamp(bids, bid_qtys, np.zeros(0), np.zeros(0), 0.1))


def test_vamp_stops_at_its_reach_and_at_the_end_of_a_side() -> None:
    bids, bid_qtys = np.array([100.0, 99.0, 50.0]), np.array([1.0, 2.0, 9.0])
    asks, ask_qtys = np.array([101.0, 102.0, 0.0]), np.array([1.0, 1.0, 0.0])
    two = (100.0 + 101.0 + 99.0 * 1.0 + 102.0 * 2.0) / 5.0
    assert vamp(bids, bid_qtys, asks, ask_qtys, 0.5) == pytest.approx(two)
    assert vamp(bids, bid_qtys, asks, ask_qtys, 0.001) == pytest.approx(100.5)
    nothing = np.zeros(0)
    assert math.isnan(vamp(nothing, nothing, asks, ask_qtys, 0.5))


@pytest.mark.parametrize(
    ("before", "after", "flow"),
    [
        ((100.0, 5.0, 101.0, 5.0), (100.0, 7.0, 101.0, 5.0), 2.0),  # demand grew
        ((100.0, 5.0, 101.0, 5.0), (100.0, 5.0, 101.0, 8.0), -3.0),  # supply grew
        ((100.0, 5.0, 101.0, 5.0), (100.5, 2.0, 101.0, 5.0), 2.0),  # a better bid
        ((100.0, 5.0, 101.0, 5.0), (99.5, 9.0, 101.0, 5.0), -5.0),  # the bid was taken
        ((100.0, 5.0, 101.0, 5.0), (100.0, 5.0, 101.5, 9.0), 5.0),  # the ask was taken
        ((100.0, 5.0, 101.0, 5.0), (100.0, 5.0, 100.5, 2.0), -2.0),  # a better ask
    ],
)
def test_order_flow_imbalance(
    before: tuple[float, float, float, float],
    after: tuple[float, float, float, float],
    flow: float,
) -> None:
    assert order_flow_imbalance(*before, *after) == flow

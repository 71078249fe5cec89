"""Each control by itself: at the limit, just inside, just outside, and against every garbage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.risk import checks
from aegis.shm.intent import IOC, MARKET, POST_ONLY, REDUCE_ONLY

I64 = st.integers(-(2**63), 2**63 - 1)
EDGES = st.sampled_from([0, 1, -1, 2**31, 2**53, 2**62, 2**63 - 1, -(2**63)])
ANY_INTEGER = st.one_of(I64, EDGES, st.integers(-1_000, 1_000))
ANY_FLOAT = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7e308]),
)
MANY = settings(max_examples=300, deadline=None)


def form(**changes: float) -> bool:
    """A good post-only buy with some fields changed."""
    fields: dict[str, float] = {
        "side": 1,
        "flags": POST_ONLY,
        "price_ticks": 600_000,
        "qty_lots": 2,
        "order_ref": 7,
        "fair_price": 60_000.0,
        "confidence": 0.5,
    }
    return bool(checks.well_formed(*(fields | changes).values()))


def test_well_formed() -> None:
    assert form()
    assert form(side=-1)
    assert form(flags=IOC | REDUCE_ONLY)
    assert form(flags=MARKET, price_ticks=0)
    assert form(fair_price=0.0, confidence=0.0)


@pytest.mark.parametrize(
    "broken",
    [
        {"side": 0},
        {"side": 2},
        {"side": -2},
        {"flags": 16},
        {"flags": POST_ONLY | 0x8000},
        {"flags": POST_ONLY | IOC},
        {"flags": POST_ONLY | MARKET, "price_ticks": 0},
        {"flags": MARKET, "price_ticks": 1},
        {"price_ticks": 0},
        {"price_ticks": -1},
        {"price_ticks": 2**53},
        {"qty_lots": 0},
        {"qty_lots": -5},
        {"qty_lots": 2**63 - 1},
        {"order_ref": 0},
        {"order_ref": -1},
        {"order_ref": 2**53},
        {"fair_price": math.nan},
        {"fair_price": math.inf},
        {"fair_price": -1e300},
        {"confidence": math.nan},
        {"confidence": -math.inf},
    ],
)
def test_malformed(broken: dict[str, float]) -> None:
    assert not form(**broken)


@MANY
@given(ANY_INTEGER, ANY_INTEGER, ANY_INTEGER, ANY_INTEGER, ANY_INTEGER, ANY_FLOAT, ANY_FLOAT)
def test_no_garbage_is_well_formed(
    side: int, flags: int, price: int, qty: int, ref: int, fair: float, confidence: float
) -> None:
    if checks.well_formed(side, flags, price, qty, ref, fair, confidence):
        assert side in (1, -1)
        assert 0 <= flags <= 15
        assert 0 < qty < 2**53 and 0 < ref < 2**53
        assert 0 <= price < 2**53 and (price > 0) == (not flags & MARKET)
        assert math.isfinite(fair) and math.isfinite(confidence)


def test_intent_expired() -> None:
    assert checks.intent_expired(999, 1_000)
    assert checks.intent_expired(1_000, 1_000)
    assert not checks.intent_expired(1_001, 1_000)
    assert not checks.intent_expired(1, 0), "a missing deadline is long past"


def test_filters() -> None:
    bounds = (100, 200, 5, 50)
    for price, qty, passes in [
        (100, 5, True),
        (200, 50, True),
        (99, 5, False),
        (201, 5, False),
        (150, 4, False),
        (150, 51, False),
    ]:
        assert checks.filters(price, qty, *bounds) is passes, (price, qty)
    assert checks.min_notional(5.0, 5.0)
    assert not checks.min_notional(math.nextafter(5.0, 0.0), 5.0)
    assert not checks.min_notional(math.nan, 5.0)
    assert not checks.min_notional(5.0, math.nan)


def test_max_order_qty() -> None:
    assert checks.max_order_qty(9, 10)
    assert checks.max_order_qty(10, 10)
    assert not checks.max_order_qty(11, 10)
    assert not checks.max_order_qty(1, 0), "a limit that nobody set lets nothing through"


def test_max_order_notional() -> None:
    assert checks.order_notional_e8(600_000.0, 2, 10_000.0) == 1.2e10
    assert checks.max_order_notional(1.2e10, 1.2e10)
    assert not checks.max_order_notional(math.nextafter(1.2e10, math.inf), 1.2e10)
    for bad in (math.nan, math.inf):
        assert not checks.max_order_notional(bad, 1.2e10)
    assert not checks.max_order_notional(1.0, math.nan)


@MANY
@given(ANY_FLOAT, I64, ANY_FLOAT, ANY_FLOAT)
def test_no_garbage_passes_the_notional(price: float, qty: int, unit: float, limit: float) -> None:
    worth = checks.order_notional_e8(price, qty, unit)
    if checks.max_order_notional(worth, limit):
        assert not math.isnan(limit) and worth <= limit
        # A product of 64-bit integers would have wrapped round; this one has not.
        assert worth == abs(price) * abs(float(qty)) * unit


def test_price_collar() -> None:
    mid, collar = 600_000.0, 0.005
    assert checks.price_collar(603_000.0, mid, collar)
    assert checks.price_collar(597_000.0, mid, collar)
    assert not checks.price_collar(603_001.0, mid, collar)
    assert not checks.price_collar(596_999.0, mid, collar)


@MANY
@given(ANY_FLOAT, ANY_FLOAT, ANY_FLOAT)
def test_no_garbage_passes_the_collar(price: float, mid: float, collar: float) -> None:
    if checks.price_collar(price, mid, collar):
        assert mid > 0 and not math.isnan(price) and not math.isnan(collar)
        assert math.isinf(mid) or abs(price - mid) <= collar * mid


def test_reducing() -> None:
    assert checks.is_reducing(-1, 5, 5, 0)
    assert not checks.is_reducing(-1, 6, 5, 0)
    assert not checks.is_reducing(-1, 3, 5, 3), "two reductions together may not turn it"
    assert checks.is_reducing(-1, 2, 5, 3)
    assert checks.is_reducing(1, 5, -5, 0)
    assert not checks.is_reducing(1, 1, 5, 0)
    assert not checks.is_reducing(1, 1, 0, 0)
    assert not checks.is_reducing(-1, 1, 0, 0)


@MANY
@given(ANY_INTEGER, ANY_INTEGER, ANY_INTEGER, st.integers(0, 2**53))
def test_what_reduces_never_turns_a_position(side: int, qty: int, position: int, own: int) -> None:
    if checks.is_reducing(side, qty, position, own) and side in (1, -1) and 0 < qty < 2**53:
        after = position + side * (qty + own)
        assert abs(after) <= abs(position) and after * position >= 0


def fresh(**changes: int) -> bool:
    fields: dict[str, int] = {
        "valid": 1,
        "connected": 1,
        "book_ns": 9_000,
        "feed_ns": 9_500,
        "now_ns": 10_000,
        "limit_ns": 1_000,
    }
    values = list((fields | changes).values())
    return bool(checks.data_freshness(bool(values[0]), bool(values[1]), *values[2:]))


def test_data_freshness() -> None:
    assert fresh()
    assert fresh(now_ns=10_000, book_ns=9_000)
    assert not fresh(book_ns=8_999)
    assert not fresh(feed_ns=8_999)
    assert not fresh(valid=0)
    assert not fresh(connected=0)
    assert not fresh(book_ns=11_001), "a book from the future is no book"
    assert not fresh(limit_ns=0)
    assert not fresh(book_ns=0)


def test_daily_loss() -> None:
    assert checks.daily_loss(-100.0, 100.0)
    assert checks.daily_loss(5e20, 100.0)
    assert not checks.daily_loss(math.nextafter(-100.0, -math.inf), 100.0)
    assert not checks.daily_loss(math.nan, 100.0)
    assert not checks.daily_loss(0.0, math.nan)


def test_max_open_orders() -> None:
    assert checks.max_open_orders(9, 10)
    assert not checks.max_open_orders(10, 10)
    assert not checks.max_open_orders(0, 0)


def test_max_position_incl_open() -> None:
    # (side, quantity, position, open of that side, limit)
    assert checks.max_position_incl_open(1, 3, 2, 5, 10)
    assert not checks.max_position_incl_open(1, 4, 2, 5, 10)
    assert checks.max_position_incl_open(-1, 3, -2, 5, 10)
    assert not checks.max_position_incl_open(-1, 4, -2, 5, 10)
    assert checks.max_position_incl_open(-1, 12, 2, 0, 10), "from long to short"
    assert not checks.max_position_incl_open(-1, 13, 2, 0, 10)
    assert not checks.max_position_incl_open(1, 1, 0, 0, 0)


@MANY
@given(
    st.sampled_from([1, -1]),
    st.integers(1, 2**53),
    st.integers(-(2**62), 2**62),
    st.integers(0, 2**62),
    st.integers(0, 2**40),
)
def test_no_garbage_passes_the_position(
    side: int, qty: int, position: int, own: int, limit: int
) -> None:
    worst = side * position + own + qty
    passed = checks.max_position_incl_open(side, qty, position, own, limit)
    if abs(position) + own + qty < 2**52:
        assert passed == (worst <= limit)
    elif passed:
        # Beyond exactness it may err by rounding, never by wrapping round.
        assert worst <= limit + 2 * (abs(position) + own + qty) * float(np.finfo(float).eps)


def test_message_rate() -> None:
    assert checks.message_rate(2_000, 1_000, 1_000)
    assert not checks.message_rate(1_999, 1_000, 1_000)
    assert not checks.message_rate(0, 1_000, 1_000)

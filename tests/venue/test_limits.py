"""Fixed windows, aligned to the clock, and bounded in memory."""

from __future__ import annotations

import pytest

from aegis.venue.errors import RejectError
from aegis.venue.limits import MAX_ADDRESSES, Limiter, RateLimits


def test_windows_reset_at_once_and_per_address() -> None:
    limiter = Limiter(RateLimits(weight_per_minute=10))
    assert limiter.charge_weight("a", 10, 59_999) == 10
    with pytest.raises(RejectError):
        limiter.charge_weight("a", 1, 59_999)
    assert limiter.charge_weight("b", 3, 59_999) == 3
    assert limiter.charge_weight("a", 4, 60_000) == 4
    assert limiter.used_weight("b", 60_000) == 0


def test_orders_are_limited_in_both_windows() -> None:
    limiter = Limiter(RateLimits(orders_per_10s=2, orders_per_minute=3))
    assert limiter.charge_order(1, 0).minute == 1
    limiter.charge_order(1, 1)
    with pytest.raises(RejectError, match="2 orders per TEN_SECONDS"):
        limiter.charge_order(1, 2)
    assert limiter.charge_order(1, 10_000).ten_seconds == 1
    with pytest.raises(RejectError, match="3 orders per MINUTE"):
        limiter.charge_order(1, 20_000)
    assert limiter.charge_order(2, 20_000).minute == 1


def test_a_crowd_of_strangers_is_bounded() -> None:
    limiter = Limiter(RateLimits())
    for number in range(3 * MAX_ADDRESSES):
        limiter.charge_weight(f"10.0.{number}", 1, 0) if number < MAX_ADDRESSES else None
    used = limiter.charge_weight("one more", 1, 0)
    assert used == 1
    assert limiter.charge_weight("and another", 1, 0) == 2

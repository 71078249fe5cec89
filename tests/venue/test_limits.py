"""Fixed windows, aligned to the clock, and bounded in memory; bans that grow and end."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from pydantic import ValidationError

from aegis.config.models import VenueConfig, VenueLimitsConfig
from aegis.venue.errors import RejectError
from aegis.venue.limits import FORGIVEN_MS, MAX_ADDRESSES, Limiter, RateLimits

DAY_S = 86_400


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


def refusal(limiter: Limiter, now_ms: int, weight: int = 1) -> tuple[int, str]:
    with pytest.raises(RejectError) as caught:
        limiter.charge_weight("a", weight, now_ms)
    assert caught.value.code == -1003
    return caught.value.status, caught.value.message


def test_who_goes_on_after_429_is_banned_and_told_until_when() -> None:
    limiter = Limiter(RateLimits(weight_per_minute=1, refusals_before_ban=3))
    limiter.charge_weight("a", 1, 0)
    for _ in range(3):
        status, message = refusal(limiter, 1_000)
        assert (status, "current limit is 1 requests per minute" in message) == (429, True)
    status, message = refusal(limiter, 2_000)
    assert status == 418
    assert message.startswith("Way too many requests; IP banned until 122000. ")
    # A ban outlives the window of the weight, and costs the others nothing.
    assert refusal(limiter, 121_999)[0] == 418
    assert limiter.charge_weight("b", 1, 2_000) == 1
    assert limiter.charge_weight("a", 1, 122_000) == 1


def test_bans_grow_from_two_minutes_to_three_days_and_are_forgiven() -> None:
    limiter = Limiter(RateLimits())
    now_ms, lengths = 0, []
    for _ in range(10):
        until_ms = limiter.ban("a", now_ms)
        lengths.append((until_ms - now_ms) // 1000)
        now_ms = until_ms + 1
    assert lengths == sorted(lengths)
    assert lengths[:3] == [120, 480, 1920]
    assert lengths[-1] == 3 * DAY_S
    now_ms += FORGIVEN_MS
    assert limiter.ban("a", now_ms) - now_ms == 120_000


def test_retry_after_tells_when_it_is_worth_trying_again() -> None:
    limiter = Limiter(RateLimits(weight_per_minute=1))
    with pytest.raises(RejectError) as too_many:
        limiter.charge_weight("a", 2, 45_500)
    assert limiter.retry_after_s("a", too_many.value, 45_500) == 15
    limiter.ban("a", 45_500, 2.5)
    with pytest.raises(RejectError) as banned:
        limiter.check_ban("a", 45_501)
    assert limiter.retry_after_s("a", banned.value, 45_501) == 3


def test_the_list_of_the_banned_is_bounded() -> None:
    limiter = Limiter(RateLimits())
    for number in range(MAX_ADDRESSES + 10):
        limiter.ban(f"10.0.{number}", number)
    assert len(limiter._bans) == MAX_ADDRESSES
    with pytest.raises(RejectError):
        limiter.check_ban(f"10.0.{MAX_ADDRESSES + 9}", 2_000)


def test_connections_and_floods() -> None:
    limiter = Limiter(RateLimits(connections_per_5min=2, floods_before_ban=3))
    limiter.charge_connection("a", 0)
    limiter.charge_connection("a", 299_999)
    with pytest.raises(RejectError) as caught:
        limiter.charge_connection("a", 299_999)
    assert (caught.value.code, caught.value.status) == (-1003, 429)
    limiter.charge_connection("a", 300_000)
    for _ in range(2):
        limiter.note_flood("b", 0)
        limiter.check_ban("b", 0)
    limiter.note_flood("b", 0)
    with pytest.raises(RejectError):
        limiter.check_ban("b", 0)


def test_a_batch_counts_as_the_exchange_counts_it_or_not_at_all() -> None:
    limiter = Limiter(RateLimits(orders_per_10s=8, orders_per_minute=2))
    counts = limiter.charge_order(1, 0, 5, 1)
    assert (counts.ten_seconds, counts.minute) == (5, 1)
    with pytest.raises(RejectError, match="8 orders per TEN_SECONDS"):
        limiter.charge_order(1, 0, 5, 1)
    assert limiter.charge_order(1, 0, 3, 1).minute == 2
    with pytest.raises(RejectError, match="2 orders per MINUTE"):
        limiter.charge_order(1, 10_000)


def test_the_whole_system_is_throttled_only_when_told() -> None:
    never = Limiter(RateLimits())
    for _ in range(1000):
        never.throttle_order(0)
    limiter = Limiter(RateLimits(throttle_orders_per_s=2))
    limiter.throttle_order(0)
    limiter.throttle_order(999)
    with pytest.raises(RejectError, match="system-level protection") as caught:
        limiter.throttle_order(999)
    assert (caught.value.code, caught.value.status) == (-1008, 503)
    limiter.throttle_order(1_000)


def test_the_file_has_every_limit_and_the_same_defaults() -> None:
    assert RateLimits.of(VenueConfig()) == RateLimits()
    assert VenueLimitsConfig().model_dump() == asdict(RateLimits())
    own = VenueConfig(orders_per_10s=7, limits=VenueLimitsConfig(weight_per_minute=9))
    limits = RateLimits.of(own)
    assert (limits.orders_per_10s, limits.weight_per_minute, limits.orders_per_minute) == (
        7, 9, 1_200,
    )  # fmt: skip
    with pytest.raises(ValidationError, match=r"stands in .venue. and in .venue.limits."):
        VenueConfig(orders_per_10s=7, limits=VenueLimitsConfig(orders_per_10s=8))

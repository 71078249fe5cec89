"""Request weight per address and order counts per account, in fixed windows.

The gateway charges it before it does anything else and writes its counts into the headers. Windows
are aligned to the clock and reset at once, as the exchange's do. Bans (HTTP 418) are not here yet;
an address over its weight is only told 429.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aegis.venue.codes import reject

MINUTE_MS: Final = 60_000
TEN_SECONDS_MS: Final = 10_000
MAX_ADDRESSES: Final = 1_024


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The exchange's production limits for a regular user."""

    weight_per_minute: int = 2_400
    orders_per_10s: int = 300
    orders_per_minute: int = 1_200


class _Window:
    """Counts per key within the current window; forgets all of them when it ends."""

    def __init__(self, width_ms: int) -> None:
        self._width_ms = width_ms
        self._number = -1
        self._counts: dict[object, int] = {}

    def count(self, key: object, now_ms: int) -> int:
        number = now_ms // self._width_ms
        if number != self._number:
            self._number = number
            self._counts.clear()
        return self._counts.get(key, 0)

    def add(self, key: object, amount: int, now_ms: int) -> int:
        total = self.count(key, now_ms) + amount
        # One window's worth of strangers is bounded: the rest of them share one count.
        if key not in self._counts and len(self._counts) >= MAX_ADDRESSES:
            key = None
            total = self.count(key, now_ms) + amount
        self._counts[key] = total
        return total


@dataclass(frozen=True, slots=True)
class OrderCounts:
    """Orders of an account in the two windows that limit them."""

    ten_seconds: int
    minute: int


class Limiter:
    """The counters of the whole venue."""

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self._weight = _Window(MINUTE_MS)
        self._ten_seconds = _Window(TEN_SECONDS_MS)
        self._minute = _Window(MINUTE_MS)

    def charge_weight(self, address: str, weight: int, now_ms: int) -> int:
        """Add to the address's used weight and return it. Raises RejectError -1003 above it."""
        used = self._weight.add(address, weight, now_ms)
        if used > self.limits.weight_per_minute:
            raise reject(-1003, self.limits.weight_per_minute)
        return used

    def used_weight(self, address: str, now_ms: int) -> int:
        return self._weight.count(address, now_ms)

    def charge_order(self, account_id: int, now_ms: int) -> OrderCounts:
        """Count an order request of the account. Raises RejectError -1015 above either limit."""
        counts = self.order_counts(account_id, now_ms)
        if counts.ten_seconds >= self.limits.orders_per_10s:
            raise reject(-1015, self.limits.orders_per_10s, "TEN_SECONDS")
        if counts.minute >= self.limits.orders_per_minute:
            raise reject(-1015, self.limits.orders_per_minute, "MINUTE")
        return OrderCounts(
            self._ten_seconds.add(account_id, 1, now_ms), self._minute.add(account_id, 1, now_ms)
        )

    def order_counts(self, account_id: int, now_ms: int) -> OrderCounts:
        return OrderCounts(
            self._ten_seconds.count(account_id, now_ms), self._minute.count(account_id, now_ms)
        )

"""What one address, account or connection may do: weight, order counts, connections, and bans.

The gateway charges it before it does anything else and writes its counts into the headers; the wire
asks it about handshakes and floods. Windows are aligned to the clock and reset at once, as the
exchange's do. An address that goes on after HTTP 429 is banned (418): each ban is longer than the
one before, from two minutes to three days. Nothing here knows a socket or a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aegis.config.models import VenueConfig
from aegis.venue.codes import reject
from aegis.venue.errors import RejectError

SECOND_MS: Final = 1_000
TEN_SECONDS_MS: Final = 10_000
MINUTE_MS: Final = 60_000
FIVE_MINUTES_MS: Final = 300_000
# An address that behaved for so long begins with the shortest ban again.
FORGIVEN_MS: Final = 24 * 3_600_000
MAX_ADDRESSES: Final = 1_024
BANNED_STATUS: Final = 418


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The exchange's production limits for a regular user; the keys are those of the file."""

    weight_per_minute: int = 2_400
    orders_per_10s: int = 300
    orders_per_minute: int = 1_200
    throttle_orders_per_s: int = 0
    refusals_before_ban: int = 20
    ban_first_s: float = 120.0
    ban_longest_s: float = 259_200.0
    ban_growth: float = 4.0
    messages_per_s: int = 10
    api_pings_per_s: int = 5
    floods_before_ban: int = 5
    streams_per_connection: int = 1_024
    connections_per_5min: int = 300
    max_recv_window_ms: int = 60_000
    ping_every_s: float = 180.0
    pong_within_s: float = 600.0
    lifetime_s: float = 86_400.0

    @classmethod
    def of(cls, config: VenueConfig) -> RateLimits:
        """The file's: ``[venue.limits]``, the order limits also from ``[venue]`` itself."""
        values = config.limits.model_dump()
        for name in ("orders_per_10s", "orders_per_minute"):
            own = getattr(config, name)
            if own is not None:
                values[name] = own
        return cls(**values)


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

    def left_s(self, now_ms: int) -> int:
        """Whole seconds until the window ends, at least 1."""
        return max(1, -(-(self._width_ms - now_ms % self._width_ms) // SECOND_MS))


@dataclass(slots=True)
class _Ban:
    """An address's record: how often it was banned, and until when (ms) it is."""

    times: int = 0
    until_ms: int = 0


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
        self._refused = _Window(MINUTE_MS)
        self._connections = _Window(FIVE_MINUTES_MS)
        self._floods = _Window(FIVE_MINUTES_MS)
        self._all_orders = _Window(SECOND_MS)
        self._pools = _Window(FIVE_MINUTES_MS)
        self._bans: dict[str, _Ban] = {}

    # --- addresses ---

    def check_ban(self, address: str, now_ms: int) -> None:
        """Raises RejectError -1003 with HTTP 418 while the address is banned."""
        ban = self._bans.get(address)
        if ban is not None and now_ms < ban.until_ms:
            raise _banned(ban.until_ms)

    def charge_weight(self, address: str, weight: int, now_ms: int) -> int:
        """Add to the address's used weight and return it. Raises RejectError -1003: 429 or 418."""
        self.check_ban(address, now_ms)
        used = self._weight.add(address, weight, now_ms)
        if used > self.limits.weight_per_minute:
            self.note_refusal(address, now_ms)
            raise reject(-1003, self.limits.weight_per_minute)
        return used

    def used_weight(self, address: str, now_ms: int) -> int:
        return self._weight.count(address, now_ms)

    def charge_connection(self, address: str, now_ms: int) -> None:
        """Count a WebSocket handshake. Raises RejectError -1003: 429, or 418 if banned."""
        self.check_ban(address, now_ms)
        if self._connections.add(address, 1, now_ms) > self.limits.connections_per_5min:
            self.note_refusal(address, now_ms)
            raise reject(-1003, variant=1)

    def charge_pool(self, address: str, pool: str, most: int, now_ms: int) -> None:
        """Count a request of endpoints that share a limit of their own, per five minutes.

        Raises RejectError -1003: 429 above `most`, or 418 if banned.
        """
        if self._pools.add((pool, address), 1, now_ms) > most:
            self.note_refusal(address, now_ms)
            raise reject(-1003, variant=1)

    def note_refusal(self, address: str, now_ms: int) -> None:
        """The address is told 429. Raises RejectError -1003 with 418 if that was once too often."""
        if self._refused.add(address, 1, now_ms) > self.limits.refusals_before_ban:
            raise _banned(self.ban(address, now_ms))

    def note_flood(self, address: str, now_ms: int) -> None:
        """A connection was closed because its client sent too much; a habit of it is banned."""
        if self._floods.add(address, 1, now_ms) >= self.limits.floods_before_ban:
            self.ban(address, now_ms)

    def ban(self, address: str, now_ms: int, length_s: float | None = None) -> int:
        """Ban an address for `length_s`, or for as long as its record asks; returns until when."""
        ban = self._bans.get(address)
        if ban is None:
            self._forgive(now_ms)
            ban = self._bans[address] = _Ban()
        elif now_ms - ban.until_ms > FORGIVEN_MS:
            ban.times = 0
        if length_s is None:
            limits = self.limits
            # Beyond this many the growth only overflows: the longest ban is reached long before.
            growth = limits.ban_growth ** min(ban.times, 64)
            length_s = min(limits.ban_longest_s, limits.ban_first_s * growth)
            ban.times += 1
        ban.until_ms = now_ms + int(length_s * SECOND_MS)
        return ban.until_ms

    def retry_after_s(self, address: str, error: RejectError, now_ms: int) -> int:
        """What Retry-After says to a 418 or 429: whole seconds until it is worth trying again."""
        ban = self._bans.get(address)
        if error.status == BANNED_STATUS and ban is not None and ban.until_ms > now_ms:
            return -(-(ban.until_ms - now_ms) // SECOND_MS)
        return self._weight.left_s(now_ms)

    def _forgive(self, now_ms: int) -> None:
        """Make room in the list of the banned: first who served, then who would first be free."""
        if len(self._bans) < MAX_ADDRESSES:
            return
        for address, ban in list(self._bans.items()):
            if now_ms - ban.until_ms > FORGIVEN_MS:
                del self._bans[address]
        if len(self._bans) >= MAX_ADDRESSES:
            del self._bans[min(self._bans, key=lambda address: self._bans[address].until_ms)]

    # --- accounts ---

    def charge_order(
        self, account_id: int, now_ms: int, per_10s: int = 1, per_minute: int = 1
    ) -> OrderCounts:
        """Count an order request of the account. Raises RejectError -1015 above either limit.

        A batch counts `per_10s` and `per_minute`; a request that would go above counts nothing.
        """
        counts = self.order_counts(account_id, now_ms)
        if counts.ten_seconds + per_10s > self.limits.orders_per_10s:
            raise reject(-1015, self.limits.orders_per_10s, "TEN_SECONDS")
        if counts.minute + per_minute > self.limits.orders_per_minute:
            raise reject(-1015, self.limits.orders_per_minute, "MINUTE")
        return OrderCounts(
            self._ten_seconds.add(account_id, per_10s, now_ms),
            self._minute.add(account_id, per_minute, now_ms),
        )

    def throttle_order(self, now_ms: int) -> None:
        """Count an order that adds risk, of whomever. Raises RejectError -1008 above the limit."""
        most = self.limits.throttle_orders_per_s
        if most and self._all_orders.add("all", 1, now_ms) > most:
            raise reject(-1008, variant=1)

    def order_counts(self, account_id: int, now_ms: int) -> OrderCounts:
        return OrderCounts(
            self._ten_seconds.count(account_id, now_ms), self._minute.count(account_id, now_ms)
        )


def _banned(until_ms: int) -> RejectError:
    refusal = reject(-1003, until_ms, variant=2)
    return RejectError(refusal.code, refusal.message, BANNED_STATUS)

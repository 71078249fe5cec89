"""The request weight of a minute, and how deep a snapshot may be: a budget without a clock.

Called by the process around every REST question. The exchange counts weight per address and minute
and says with each answer (`X-MBX-USED-WEIGHT-1M`) how much is used, ours and everybody else's on
this address; that figure is believed, and what is still under way is added to it. A reserve is left
to execution and to people. When the budget is spent, snapshots wait for the next minute; a 429
never has to teach us (source: exchange document "Limits", USD-M futures).
"""

from __future__ import annotations

from aegis.shm.rate_ledger import WEIGHT, RateLedger

__all__ = ["DEFAULT_LIMIT", "EXCHANGE_INFO_WEIGHT", "WeightBudget", "snapshot_choice"]

# What production allows an address; exchangeInfo tells the real figure.
DEFAULT_LIMIT = 2_400
EXCHANGE_INFO_WEIGHT = 1
# Levels a side of GET /fapi/v1/depth, and what asking weighs.
_SNAPSHOTS = ((1000, 20), (500, 10), (100, 5), (50, 2))
_MINUTE_MS = 60_000


def snapshot_choice(symbols: int, budget: int) -> tuple[int, int]:
    """(levels, weight) of the deepest snapshot that all symbols can be given within one minute.

    `budget` is the weight a minute that may be spent. With production's limit and a reserve of a
    quarter: 1,000 levels up to 90 symbols, 500 up to 180, 100 up to 360, 50 above.
    """
    for levels, weight in _SNAPSHOTS:
        if symbols * weight <= budget:
            return levels, weight
    return _SNAPSHOTS[-1]


class WeightBudget:
    """All times are the exchange's, in ms since 1970: its minutes are the ones that count."""

    def __init__(self, reserve: float, limit: int = DEFAULT_LIMIT) -> None:
        """`reserve`: the share of the limit that is left to others, 0 to 1."""
        self.limit = limit
        self.reserve = reserve
        self.used = 0
        self.spent = 0
        self.under_way = 0
        self._minute = -1
        # What the other processes of this box use of the same limit, once there is a ledger.
        self.ledger: RateLedger | None = None

    @property
    def per_minute(self) -> int:
        """The weight a minute that we may spend."""
        return int(self.limit * (1.0 - self.reserve))

    def room(self, weight: int, now_ms: int) -> int:
        """How many requests of this weight may be sent now."""
        self._turn(now_ms)
        used = self.used
        if self.ledger is not None:
            used = max(used, self.ledger.used(WEIGHT, now_ms))
        return max(0, self.per_minute - used - self.under_way) // weight

    def begin(self, weight: int) -> None:
        """A request goes out."""
        self.under_way += weight
        self.spent += weight

    def observe(self, used: int, now_ms: int) -> None:
        """An answer says how much of this minute is used."""
        self._turn(now_ms)
        # The exchange may begin its minute before or after us: its word counts, up or down.
        self.used = used
        if self.ledger is not None:
            self.ledger.tell(WEIGHT, used, now_ms)

    def end(self, weight: int, now_ms: int, *, was_told: bool) -> None:
        """A request is over; `was_told` when an answer to it has been observed."""
        self._turn(now_ms)
        self.under_way -= weight
        assert self.under_way >= 0, "more requests ended than were begun"
        if not was_told:
            self.used += weight
            if self.ledger is not None:
                self.ledger.spend(WEIGHT, weight, now_ms)

    def _turn(self, now_ms: int) -> None:
        minute = now_ms // _MINUTE_MS
        if minute != self._minute:
            self._minute = minute
            self.used = 0

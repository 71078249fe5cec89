"""The dispatcher: which command may leave now, which waits, and which pause the exchange asked for.

Sans-I/O: the intake and the REST client ask it before they send and tell it what the exchange said.
Commands have five levels, and what is more urgent goes first: cancel, reduce, amend, new, query.
Theory of operation:

* The limits are the exchange's own (`rateLimits` of exchangeInfo); nothing is assumed before.
* The use of a window is the box's (`aegis.shm.rate_ledger`): what all processes spent, and what
  the exchange last told. A level may fill a window up to its share only. Of the request weight,
  steady queries get half, reconciliation another quarter, and the last quarter is for cancels; of
  the order counts a tenth is kept for orders that reduce.
* A command without room waits in its level's queue and leaves when there is room, most urgent
  first; one that waits longer than it may is given back, and has certainly not been sent.
* 429 makes the box quiet for as long as the exchange said: cancels alone go on, and a second 429 in
  that time stops them, too. 418 stops everything until the ban's end. An overloaded exchange
  (-1008) is spared new risk, a little longer each time.

Whoever sends an admitted command calls nothing more: `admit` has counted it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice

from aegis.execution.replies import LimitCount
from aegis.shm.rate_ledger import ORDERS_1M, ORDERS_10S, WEIGHT, WINDOW_MS, RateLedger

__all__ = ["Dispatcher", "Held", "Level", "Share"]

LIMITERS = {
    ("REQUEST_WEIGHT", "MINUTE", 1): WEIGHT,
    ("ORDERS", "SECOND", 10): ORDERS_10S,
    ("ORDERS", "MINUTE", 1): ORDERS_1M,
}
HEADERS = {
    "x-mbx-used-weight-1m": WEIGHT,
    "x-mbx-order-count-10s": ORDERS_10S,
    "x-mbx-order-count-1m": ORDERS_1M,
}
MOST_HELD = 1_024
_UNLIMITED = 1 << 40
_NEW_ORDERS_SHARE = 0.9
_DEFAULT_PAUSE_MS = 10_000
_FIRST_OVERLOAD_MS, _LAST_OVERLOAD_MS = 200, 3_200


class Level(IntEnum):
    """How urgent a command is; the lowest number first."""

    CANCEL = 0
    REDUCE = 1
    AMEND = 2
    NEW = 3
    QUERY = 4


class Share(IntEnum):
    """What request weight is spent on; each may use the window up to its mark."""

    STEADY = 0
    RECONCILE = 1
    KILL = 2


_MARKS = {Share.STEADY: 0.5, Share.RECONCILE: 0.75, Share.KILL: 1.0}


@dataclass(frozen=True, slots=True)
class Held:
    """A command that waits: whose it is, its bytes, and the exchange's time until it is good.

    `valid_until_ns` (CLOCK_MONOTONIC) is the decision's own end, but of a cancel; `is_way_out`: it
    only reduced when it passed the gate, which bound it to no message rate.
    """

    slot: int
    order_ref: int
    epoch: int
    request_id: int
    kind: int
    request: bytes
    until_ms: int
    valid_until_ns: int = 0
    is_way_out: bool = False


class Dispatcher:
    """One process's gatekeeper at the limits. All times are the exchange's, in ms."""

    def __init__(self, ledger: RateLedger) -> None:
        self._ledger = ledger
        self._limits = [_UNLIMITED] * len(WINDOW_MS)
        self._used = [0] * len(WINDOW_MS)
        self._windows = [-1] * len(WINDOW_MS)
        self._queues: tuple[deque[Held], ...] = tuple(deque() for _ in Level)
        self._order_pause_ms = 0
        self._overload_pause_ms = 0
        self._overloads = 0
        self._quiet_ms = self._stopped_ms = 0
        self.waits = 0
        self.given_back = 0
        self.rate_limited = 0
        self.is_roomy = False

    # The exchange's word

    def set_limits(self, rows: Iterable[LimitCount]) -> bool:
        """Take the limits of exchangeInfo; False when one of the three that we need is missing."""
        found = {}
        for row in rows:
            limiter = LIMITERS.get((row.rate_limit_type, row.interval, row.interval_num))
            if limiter is not None and row.limit > 0:
                found[limiter] = row.limit
        if len(found) < len(WINDOW_MS):
            return False
        self._limits = [found[limiter] for limiter in range(len(WINDOW_MS))]
        return True

    @property
    def quiet_until_ms(self) -> int:
        """Until when the exchange wants to hear no queries of this box."""
        return max(self._quiet_ms, self._stopped_ms)

    def limit(self, limiter: int) -> int:
        """What the exchange allows in a window."""
        return self._limits[limiter]

    def used(self, limiter: int, now_ms: int) -> int:
        """What the box has used of the present window."""
        self.refresh(now_ms)
        return self._used[limiter]

    def on_counts(self, rows: Iterable[LimitCount], now_ms: int) -> None:
        """`rateLimits` of an answer on the order connection."""
        for row in rows:
            limiter = LIMITERS.get((row.rate_limit_type, row.interval, row.interval_num))
            if limiter is not None:
                self._ledger.tell(limiter, row.count, now_ms)

    def on_headers(self, headers: dict[str, str], now_ms: int) -> None:
        """The headers of a REST reply, names in lower case."""
        for name, limiter in HEADERS.items():
            text = headers.get(name, "")
            if text.isascii() and text.isdigit():
                self._ledger.tell(limiter, int(text), now_ms)

    def on_rate_limited(self, code: int, pause_ms: int | None, now_ms: int) -> None:
        """A 429: of orders (-1015) those pause, of anything else the whole box but for cancels."""
        self.rate_limited += 1
        if code == -1015:
            window_ms = WINDOW_MS[ORDERS_10S]
            end_ms = (now_ms // window_ms + 1) * window_ms
            self._order_pause_ms = now_ms + pause_ms if pause_ms is not None else end_ms
        else:
            until_ms = now_ms + (_DEFAULT_PAUSE_MS if pause_ms is None else pause_ms)
            if now_ms < self._ledger.quiet_until_ms:
                # What still went out was refused as well: the next answer would be a ban.
                self._ledger.stop(max(until_ms, self._ledger.quiet_until_ms))
            self._ledger.be_quiet(until_ms)
        self.refresh(now_ms)

    def on_banned(self, until_ms: int, now_ms: int) -> None:
        """A 418: silence, until the ban ends."""
        self._ledger.stop(until_ms)
        self.refresh(now_ms)

    def on_clock(self, offset_ms: int) -> None:
        """The exchange's clock is CLOCK_MONOTONIC plus so much: our pauses move along with it.

        Before the first answer that clock is the box's, which may be off by days: a ban met then
        would last as long.
        """
        moved_ms = offset_ms - self._ledger.offset_ms
        self._ledger.offset_ms = offset_ms
        self._order_pause_ms += moved_ms
        self._overload_pause_ms += moved_ms
        self._windows = [-1] * len(WINDOW_MS)

    def on_overloaded(self, now_ms: int) -> None:
        """The exchange is overloaded: spare it new risk for a moment, longer each time."""
        pause_ms = min(_FIRST_OVERLOAD_MS << self._overloads, _LAST_OVERLOAD_MS)
        self._overloads = min(self._overloads + 1, 8)
        self._overload_pause_ms = now_ms + pause_ms
        self.refresh(now_ms)

    def on_accepted(self) -> None:
        """An order was taken: the exchange is itself again."""
        self._overloads = 0

    # Admission

    def refresh(self, now_ms: int) -> None:
        """Look at the whole box's use again; called every turn, and when a window ends."""
        ledger = self._ledger
        for limiter, length_ms in enumerate(WINDOW_MS):
            self._used[limiter] = ledger.used(limiter, now_ms)
            self._windows[limiter] = now_ms // length_ms
        self._quiet_ms, self._stopped_ms = ledger.quiet_until_ms, ledger.stopped_until_ms
        pause_ms = max(
            self._quiet_ms, self._stopped_ms, self._order_pause_ms, self._overload_pause_ms
        )
        self.is_roomy = (
            now_ms >= pause_ms
            and not self.waiting
            and all(2 * used < limit for used, limit in zip(self._used, self._limits, strict=True))
        )

    def admit(self, level: Level, now_ms: int) -> bool:
        """Whether an order command may leave now; if so, it is counted."""
        self._follow_windows(now_ms)
        if now_ms < self._stopped_ms:
            return False
        if level is Level.CANCEL:
            return self._take(WEIGHT, 1, 1.0, now_ms)
        if now_ms < max(self._quiet_ms, self._order_pause_ms):
            return False
        share = 1.0
        if level is not Level.REDUCE:
            share = _NEW_ORDERS_SHARE
            if now_ms < self._overload_pause_ms:
                return False
        for limiter in (ORDERS_10S, ORDERS_1M):
            if self._used[limiter] + 1 > self._limits[limiter] * share:
                return False
        for limiter in (ORDERS_10S, ORDERS_1M):
            self._take(limiter, 1, share, now_ms)
        return True

    def admit_query(self, share: Share, weight: int, now_ms: int) -> bool:
        """Whether a REST request of this weight may leave now; if so, it is counted."""
        self._follow_windows(now_ms)
        if now_ms < self._stopped_ms:
            return False
        if share is not Share.KILL and now_ms < self._quiet_ms:
            return False
        return self._take(WEIGHT, weight, _MARKS[share], now_ms)

    def _take(self, limiter: int, amount: int, share: float, now_ms: int) -> bool:
        used = self._used[limiter] + amount
        if used > self._limits[limiter] * share:
            return False
        self._used[limiter] = used
        self._ledger.spend(limiter, amount, now_ms)
        return True

    def _follow_windows(self, now_ms: int) -> None:
        windows = self._windows
        if now_ms // 10_000 != windows[ORDERS_10S] or now_ms // 60_000 != windows[WEIGHT]:
            self.refresh(now_ms)

    # Waiting

    @property
    def waiting(self) -> int:
        """How many commands wait."""
        return sum(map(len, self._queues))

    def waiting_ids(self) -> list[int]:
        """The requests of the commands that wait."""
        return [held.request_id for queue in self._queues for held in queue]

    def is_waiting(self, level: Level) -> bool:
        """Whether something as urgent, or more so, waits already: nobody overtakes it."""
        return any(self._queues[other] for other in Level if other <= level)

    def hold(self, level: Level, held: Held) -> bool:
        """Let a command wait; False when too many do."""
        if self.waiting >= MOST_HELD:
            return False
        self._queues[level].append(held)
        self.waits += 1
        self.is_roomy = False
        return True

    def overdue(self, now_ms: int) -> Iterator[Held]:
        """Take out what has waited for too long: it was not sent and is not good any more."""
        for queue in self._queues:
            for _ in range(len(queue)):
                held = queue.popleft()
                if held.until_ms > now_ms:
                    queue.append(held)
                else:
                    self.given_back += 1
                    yield held

    def release(
        self, now_ms: int, may_leave: Callable[[Held], bool] = lambda _: True
    ) -> Held | None:
        """The most urgent command that may leave now, counted and taken out; None for none.

        `may_leave` tells what else a command must wait for. It is asked of the first of each level,
        and of the ways out one by one: none of them waits behind another that must.
        """
        for level in Level:
            queue = self._queues[level]
            asked = queue if level is Level.REDUCE else islice(queue, 1)
            at = next((at for at, held in enumerate(asked) if may_leave(held)), None)
            if at is not None and self.admit(level, now_ms):
                held = queue[at]
                del queue[at]
                return held
        return None

"""Which books need a snapshot, and when to ask for it: a queue without sockets or clock.

Called by the intake (a book broke, a snapshot was too old) and by the process (which asks over
REST and reports). Attempts of one instrument back off and are counted; success is believed only
after the book has lived a while, so a book that breaks at once keeps backing off. When the
exchange says stop, everybody waits. Only a few are under way at a time, and whoever asks tells how
many the weight of this minute has room for.

A book's events are buffered from a moment before its snapshot is asked for, no earlier: whatever
came before that is inside the snapshot. When hundreds of books wait in a busy market (a cold start,
a lost connection), buffering for all of them would cost more than there is; those far back in the
queue are `deferred` instead, and the intake's kernel passes over their events.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.feed.backoff import Backoff

__all__ = ["SnapshotQueue", "SnapshotRequest"]

_NS = 1_000_000_000
FIRST_DELAY_S = 0.1
LIMIT_DELAY_S = 30.0
# After so many failures in a row the stream itself is suspect: the connection is made anew.
MAX_ATTEMPTS = 8
BELIEVED_AFTER_S = 5.0
MAX_UNDER_WAY = 4
# Books that buffer at a time, for each request under way; and for how long before they ask. A
# snapshot may come from a replica of the exchange that is a little behind the stream.
HELD_PER_REQUEST = 4
HELD_BEFORE_S = 0.05


class SnapshotRequest(NamedTuple):
    """One request; the ticket tells whether its answer is still of the same connection.

    A snapshot asked for before a reconnect may be numbered by another run of the exchange, and
    update ids that match by chance would make a wrong book look right.
    """

    instrument: int
    ticket: int


@dataclass(slots=True)
class _Want:
    backoff: Backoff
    ticket: int = 0
    active: bool = False
    due_ns: int = -1
    under_way: bool = False
    placed_ns: int = 0
    # Not to be sent before: its events are buffered only since a moment ago.
    held_until_ns: int = 0


@dataclass(slots=True)
class SnapshotQueue:
    """The wants of all instruments. All times are CLOCK_MONOTONIC in nanoseconds, given in.

    `deferred` (i64, a word an instrument, shared with the intake's kernel) is 1 while the events of
    a book need not be kept.
    """

    instruments: int
    source: random.Random
    paused_until_ns: int = 0
    at_once: int = MAX_UNDER_WAY
    deferred: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, np.int64))
    _wants: list[_Want] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.deferred.size == 0:
            self.deferred = np.zeros(self.instruments, np.int64)
        self._wants = [
            _Want(Backoff(FIRST_DELAY_S, LIMIT_DELAY_S, self.source))
            for _ in range(self.instruments)
        ]

    def want(self, instrument: int, now_ns: int) -> None:
        """The book needs a snapshot: at once, or later if the last one did not help for long."""
        want = self._wants[instrument]
        want.active = True
        if want.due_ns >= 0 or want.under_way:
            return
        if want.placed_ns and now_ns - want.placed_ns > int(BELIEVED_AFTER_S * _NS):
            want.backoff.reset()
        # The first repair is tried at once; a second one soon after waits.
        delay_s = want.backoff.next_s() if want.backoff.attempts else 0.0
        want.backoff.attempts = max(want.backoff.attempts, 1)
        want.due_ns = now_ns + int(delay_s * _NS)
        if self._held(now_ns) > HELD_PER_REQUEST * self.at_once:
            self.deferred[instrument] = 1

    @property
    def is_waiting(self) -> bool:
        """Whether anybody waits for a request to be sent."""
        return any(want.due_ns >= 0 for want in self._wants)

    @property
    def waiting(self) -> int:
        """How many wait for a request to be sent."""
        return sum(want.due_ns >= 0 for want in self._wants)

    def due(self, now_ns: int, room: int = MAX_UNDER_WAY) -> list[SnapshotRequest]:
        """Requests to send now, at most `room`; each is under way until `placed` or `failed`."""
        if now_ns < self.paused_until_ns or room <= 0 or not self.is_waiting:
            return []
        self._hold_next(now_ns)
        room = min(room, self.at_once - sum(want.under_way for want in self._wants))
        ready = [
            (want.due_ns, instrument)
            for instrument, want in enumerate(self._wants)
            if 0 <= want.due_ns <= now_ns and self._is_held(instrument, now_ns)
        ]
        chosen = [instrument for _, instrument in sorted(ready)[: max(room, 0)]]
        for instrument in chosen:
            self._wants[instrument].due_ns = -1
            self._wants[instrument].under_way = True
        return [SnapshotRequest(number, self._wants[number].ticket) for number in chosen]

    # ---- whose events are buffered

    def _is_held(self, instrument: int, now_ns: int) -> bool:
        """Whether its events have been buffered for long enough to ask."""
        return not self.deferred[instrument] and self._wants[instrument].held_until_ns <= now_ns

    def _held(self, now_ns: int) -> int:
        """How many buffer because their request is under way, or is theirs to send next."""
        return sum(
            want.under_way or 0 <= want.due_ns <= now_ns
            for want, deferred in zip(self._wants, self.deferred.tolist(), strict=True)
            if not deferred
        )

    def _hold_next(self, now_ns: int) -> None:
        """Let the first of those that were deferred begin to buffer, as far as there is room."""
        if not self.deferred.any():
            return
        waiting = sorted(
            (self._wants[number].due_ns, number)
            for number in np.flatnonzero(self.deferred).tolist()
        )
        room = max(HELD_PER_REQUEST * self.at_once - self._held(now_ns), 0)
        for due_ns, instrument in waiting[:room]:
            if due_ns <= now_ns:
                self.deferred[instrument] = 0
                self._wants[instrument].held_until_ns = now_ns + int(HELD_BEFORE_S * _NS)

    def is_current(self, request: SnapshotRequest) -> bool:
        """Whether the request was made for the connection that is up now."""
        return self._wants[request.instrument].ticket == request.ticket

    def placed(self, instrument: int, now_ns: int) -> None:
        """The snapshot is in the book."""
        want = self._wants[instrument]
        want.under_way = False
        want.active = False
        want.due_ns = -1
        want.placed_ns = now_ns
        self.deferred[instrument] = 0

    def failed(self, instrument: int, now_ns: int) -> None:
        """It did not come, or did not help: again later, if it is still wanted."""
        want = self._wants[instrument]
        want.under_way = False
        delay_ns = int(want.backoff.next_s() * _NS)
        want.due_ns = now_ns + delay_ns if want.active else -1

    def pause(self, now_ns: int, pause_s: float) -> None:
        """The exchange wants silence for so long: nobody asks before that."""
        self.paused_until_ns = max(self.paused_until_ns, now_ns + int(pause_s * _NS))

    def cancel(self, instrument: int) -> None:
        """Nobody needs it any more: the connection is gone. What is under way is void."""
        want = self._wants[instrument]
        want.ticket += 1
        want.active = False
        want.under_way = False
        want.due_ns = -1
        want.backoff.reset()
        self.deferred[instrument] = 0

    def placed_ns(self, instrument: int) -> int:
        """When the last snapshot was placed, 0 for never."""
        return self._wants[instrument].placed_ns

    def is_hopeless(self, instrument: int) -> bool:
        """Whether so many attempts failed in a row that the connection should be made anew."""
        return self._wants[instrument].backoff.attempts > MAX_ATTEMPTS

    def next_due_ns(self) -> int | None:
        """When the earliest waiting request is due, None when there is none."""
        waiting = [want.due_ns for want in self._wants if want.due_ns >= 0]
        return max(min(waiting), self.paused_until_ns) if waiting else None

"""Which books need a snapshot, and when to ask for it: a queue without sockets or clock.

Called by the intake (a book broke, a snapshot was too old) and by the process (which asks over
REST and reports). Attempts of one instrument back off and are counted; success is believed only
after the book has lived a while, so a book that breaks at once keeps backing off. When the
exchange says stop, everybody waits. Only a few are under way at a time, and whoever asks tells how
many the weight of this minute has room for.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import NamedTuple

from aegis.feed.backoff import Backoff

__all__ = ["SnapshotQueue", "SnapshotRequest"]

_NS = 1_000_000_000
FIRST_DELAY_S = 0.1
LIMIT_DELAY_S = 30.0
# After so many failures in a row the stream itself is suspect: the connection is made anew.
MAX_ATTEMPTS = 8
BELIEVED_AFTER_S = 30.0
MAX_UNDER_WAY = 4


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


@dataclass(slots=True)
class SnapshotQueue:
    """The wants of all instruments. All times are CLOCK_MONOTONIC in nanoseconds, given in."""

    instruments: int
    source: random.Random
    paused_until_ns: int = 0
    at_once: int = MAX_UNDER_WAY
    _wants: list[_Want] = field(default_factory=list)

    def __post_init__(self) -> None:
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

    @property
    def is_waiting(self) -> bool:
        """Whether anybody waits for a request to be sent."""
        return any(want.due_ns >= 0 for want in self._wants)

    def due(self, now_ns: int, room: int = MAX_UNDER_WAY) -> list[SnapshotRequest]:
        """Requests to send now, at most `room`; each is under way until `placed` or `failed`."""
        if now_ns < self.paused_until_ns or room <= 0 or not self.is_waiting:
            return []
        room = min(room, self.at_once - sum(want.under_way for want in self._wants))
        ready = [
            (want.due_ns, instrument)
            for instrument, want in enumerate(self._wants)
            if 0 <= want.due_ns <= now_ns and not want.under_way
        ]
        chosen = [instrument for _, instrument in sorted(ready)[: max(room, 0)]]
        for instrument in chosen:
            self._wants[instrument].due_ns = -1
            self._wants[instrument].under_way = True
        return [SnapshotRequest(number, self._wants[number].ticket) for number in chosen]

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

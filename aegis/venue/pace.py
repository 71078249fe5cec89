"""What "digested" means under a supervisor: the counters of the other processes, read as they are.

``process`` gives one to the conductor. Only differences since the start of the recording (or since
the last `rebase`) are compared, so that what came before does not matter. It relies on the order in
which each process writes: the counter that says "taken" is stored after everything that taking it
led to (records published, orders handed to the socket) can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from aegis.shm.instance import InstanceMemory
from aegis.venue.core import Core
from aegis.venue.wire.hub import Hub
from aegis.venue.wire.userfeed import UserFeed

LEAVING = ("brain", "execution", "venue")


@dataclass(frozen=True, slots=True)
class _Counts:
    """Both ends of every wire between the venue and the trader, at one moment."""

    messages_sent: int
    messages_taken: int
    requests_sent: int
    requests_taken: int
    answers_sent: int
    answers_taken: int
    events_sent: int
    events_taken: int


class CounterPace:
    """See conductor.Pace."""

    def __init__(self, memory: InstanceMemory, core: Core, hub: Hub, feed: UserFeed) -> None:
        self._memory = memory
        self._core = core
        self._hub = hub
        self._feed = feed
        self._base = self._counts()
        self._last_seen: tuple[int, ...] = ()

    def trader_ready(self) -> bool:
        memory = self._memory
        execution = memory.counters["execution"]
        return (
            execution["ready"] == 1
            and execution["private_connected"] == 1
            and memory.counters["brain"]["synced"] == 1
            and self._lanes_empty()
            and memory.counters["brain"]["outcomes_consumed"] >= memory.outcomes.published
        )

    def market_digested(self) -> bool:
        return self._steady(self._market_seen())

    def private_digested(self) -> bool:
        return self._steady(self._market_seen() and self._private_seen())

    def books_joined(self, count: int) -> bool:
        return self._memory.counters["feed"]["books_valid"] >= count

    def released(self) -> bool:
        control = self._memory.control
        return any(control.must_stop(process) for process in LEAVING)

    def rebase(self) -> None:
        self._base = self._counts()

    def _market_seen(self) -> bool:
        now, base = self._counts(), self._base
        return (
            now.messages_taken - base.messages_taken >= now.messages_sent - base.messages_sent
            and self._lanes_empty()
            and now.requests_taken - base.requests_taken >= now.requests_sent - base.requests_sent
        )

    def _private_seen(self) -> bool:
        now, base = self._counts(), self._base
        memory = self._memory
        return (
            now.answers_taken - base.answers_taken >= now.answers_sent - base.answers_sent
            and now.events_taken - base.events_taken >= now.events_sent - base.events_sent
            and memory.counters["brain"]["outcomes_consumed"] >= memory.outcomes.published
        )

    def _lanes_empty(self) -> bool:
        """Ticks have reached the brain, intents have reached execution."""
        memory = self._memory
        return (
            memory.counters["brain"]["ticks_consumed"] >= memory.ticks.published
            and memory.counters["execution"]["intents_consumed"] >= memory.intents.published
        )

    def _steady(self, reached: bool) -> bool:
        """Reached, and nothing has moved since it was last asked.

        One turn more than the counters alone would need: it covers a writer that shows what it has
        taken an instant before what it has made of it.
        """
        if not reached:
            self._last_seen = ()
            return False
        memory = self._memory
        seen = (
            memory.ticks.published,
            memory.intents.published,
            memory.outcomes.published,
            self._core.tally.ws_requests,
        )
        steady = seen == self._last_seen
        self._last_seen = seen
        return steady

    def _counts(self) -> _Counts:
        counters = self._memory.counters
        feed, execution = counters["feed"], counters["execution"]
        tally = self._core.tally
        # What was sent is read before what was taken of it on the way to us, and after it on the
        # way from us: a difference seen here is never one that has just been made up for.
        requests_sent = (
            execution["orders_sent"] + execution["cancels_sent"] + execution["amends_sent"]
        )
        return _Counts(
            messages_sent=self._hub.sent_tracked,
            messages_taken=feed["messages"],
            requests_sent=requests_sent,
            requests_taken=tally.ws_requests,
            answers_sent=tally.ws_answers,
            answers_taken=execution["responses"],
            events_sent=self._feed.sent,
            events_taken=execution["user_events"],
        )

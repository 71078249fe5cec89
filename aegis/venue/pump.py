"""What goes out after something happened, in the one order that is right.

First the journal, then the answer to whoever asked (the dispatcher's part), then the owners'
events, then the market's streams: the tape's readers, one after the other, the history first.
``wire.dispatch``, the flow and the conductor all end their steps here.
"""

from __future__ import annotations

from aegis.venue.core import Core
from aegis.venue.digest import EventDigest
from aegis.venue.matching.kernels import end_steps
from aegis.venue.memory import Memory
from aegis.venue.publish.grid import Grid
from aegis.venue.publish.publisher import Publisher
from aegis.venue.wire.hub import Hub
from aegis.venue.wire.userfeed import UserFeed


class Pump:
    """Carries the exchange's outbox and the venue's tape to their readers.

    `recorded` markets have a clock of their own: the conductor's ticks alone move it, the records
    of the tape do not.
    """

    def __init__(
        self,
        core: Core,
        memory: Memory,
        publisher: Publisher,
        hub: Hub,
        feed: UserFeed,
        *,
        recorded: bool = False,
    ) -> None:
        self._core = core
        self._memory = memory
        self._publisher = publisher
        self._hub = hub
        self._feed = feed
        self._recorded = recorded
        self._grid = Grid()
        self.digest: EventDigest | None = None
        self.digest_origin_ms = 0
        self.last_event_ms = 0

    def commit(self) -> None:
        """Make everything durable that happened; before any answer."""
        self._memory.commit()

    def private(self) -> int:
        """Send the owners their events; returns how many there were."""
        events = self._core.exchange.take_events()
        if events:
            # What the same connection has been sent of the markets before must not be overtaken.
            self._hub.distribute()
            self._core.tally.fills += self._feed.publish(events)
        return len(events)

    def public(self, now_ms: int) -> None:
        """Close the open steps and publish what is on the tape. The hub keeps it until `flush`."""
        core, publisher, tape = self._core, self._publisher, self._core.tape
        end_steps(core.books, now_ms)
        count = len(tape)
        # Whoever has subscribed since the last step hears this one: his snapshot may be older.
        publisher.admit()
        begin = 0
        while begin < count:
            end = count
            if not self._recorded:
                self.tick(int(tape.records[begin]["time_ms"]))
                end = self._grid.end(tape, begin)
            core.history.consume_part(tape, begin, end)
            publisher.consume_part(tape, begin, end)
            begin = end
        if count:
            if self.digest is not None:
                self.digest.consume(tape, self.digest_origin_ms)
            tape.clear()
        publisher.refresh()

    def tick(self, now_ms: int) -> None:
        """Send what is due by the clock of the market: all events before `now_ms` have happened.

        Cheap where nothing is due, and the clock may stand still.
        """
        while (due_ms := self._grid.reach(now_ms)) is not None:
            self._core.history.close_due(due_ms)
            self._publisher.tick(due_ms)

    def after_step(self, now_ms: int) -> None:
        """The synthetic markets moved, or a second of theirs is over."""
        self.last_event_ms = now_ms
        self.commit()
        self.private()
        self.public(now_ms)
        self.tick(now_ms)

    def after_command(self, now_ms: int) -> None:
        """A client's command ran and was answered."""
        self.last_event_ms = now_ms
        self.private()
        self.public(now_ms)
        self._hub.flush()

"""What goes out after something happened, in the one order that is right.

First the journal, then the answer to whoever asked (the dispatcher's part), then the owners'
events, then the market's streams. ``wire.dispatch``, the flow and the conductor all end their
steps here.
"""

from __future__ import annotations

from aegis.venue.core import Core
from aegis.venue.market import Market
from aegis.venue.memory import Memory
from aegis.venue.publisher import EventDigest, Publisher
from aegis.venue.wire.hub import Hub
from aegis.venue.wire.userfeed import UserFeed


class Pump:
    """Carries the exchange's outbox and the markets' batches to the hubs."""

    def __init__(
        self, core: Core, memory: Memory, publisher: Publisher, hub: Hub, feed: UserFeed
    ) -> None:
        self._core = core
        self._memory = memory
        self._publisher = publisher
        self._hub = hub
        self._feed = feed
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
            self._core.tally.fills += self._feed.publish(events)
        return len(events)

    def public(self, market: Market, now_ms: int) -> None:
        """Publish one market's step. The hub keeps it until `flush`."""
        batch = market.take_batch(now_ms)
        if batch is None:
            return
        if self.digest is not None:
            self.digest.add(batch, self.digest_origin_ms)
        self._publisher.batch(batch)

    def after_step(self, market: Market, now_ms: int) -> None:
        """A synthetic market moved."""
        self.last_event_ms = now_ms
        self.commit()
        self.private()
        self.public(market, now_ms)

    def after_command(self, now_ms: int) -> None:
        """A client's command ran and was answered."""
        self.last_event_ms = now_ms
        self.private()
        for market in self._core.exchange.markets.values():
            if market.prints:
                self.public(market, now_ms)
        self._hub.flush()

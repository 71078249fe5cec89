"""The fault room of a venue: its board, and everything that carries faults out, put together.

``serve`` makes one and advances it with the market's own time; sessions tell it of connections,
both edges hand it their requests, the control endpoint works on its board. Without faults it costs
an attribute and a dictionary look-up per request, and nothing per message.
"""

from __future__ import annotations

from collections.abc import Callable

from aegis.venue.core import Core
from aegis.venue.faults import control
from aegis.venue.faults.accounts import AccountActions
from aegis.venue.faults.actions import KeyActions, LineActions, VenueActions
from aegis.venue.faults.board import Action, FaultBoard
from aegis.venue.faults.held import Later
from aegis.venue.faults.lines import Lines
from aegis.venue.faults.markets import MarketActions
from aegis.venue.faults.menu import Room
from aegis.venue.faults.requests import Edge, RequestFaults
from aegis.venue.faults.schema import Schedule
from aegis.venue.faults.streams import StreamFaults
from aegis.venue.gateway.calls import Call, Reply
from aegis.venue.wire.dispatch import Dispatcher
from aegis.venue.wire.hub import Hub
from aegis.venue.wire.userfeed import UserFeed


class FaultRoom:
    """All faults of one venue."""

    def __init__(
        self,
        core: Core,
        schedule: Schedule,
        seed: int,
        hub: Hub,
        feed: UserFeed,
        dispatcher: Dispatcher,
        later: Later,
        newest_ms: Callable[[], int],
        publish: Callable[[int], None],
    ) -> None:
        """`newest_ms` is the time of the exchange's newest event; `publish(now_ms)` tells what a
        fault has done to accounts and markets to whom it concerns."""
        markets = core.exchange.markets
        self.board = FaultBoard(seed if schedule.seed is None else schedule.seed)
        self.lines = Lines()
        self._schedule = schedule
        self._core = core
        self._dispatcher = dispatcher
        self._publish = publish
        self._streams = StreamFaults(self.board, self.lines, markets, (hub, feed), later)
        self._newest_ms = newest_ms
        market_actions = MarketActions(core, hub, self.clock)
        self._requests = RequestFaults(
            core, self.board, dispatcher.submit, later, market_actions.fill
        )
        self.board.actions = {
            **LineActions(self.lines, later).table(),
            **KeyActions(core, feed, self.lines).table(),
            **VenueActions(core).table(),
            **AccountActions(core, self.clock).table(),
            **market_actions.table(),
            "stale_snapshot": Action(self._requests.take_snapshots),
        }
        self.board.on_change = self.lines.on_change = self._streams.refresh

    # --- the market's time ---

    def open(self, now_ms: int) -> None:
        """The markets open: the schedule begins."""
        self.board.open(now_ms, self._schedule.faults)

    def next_edge_ms(self) -> int:
        """The next time at which the market has to stop for a fault."""
        return self.board.next_edge_ms()

    def advance(self, now_ms: int) -> None:
        """The market's time is `now_ms`: what is due is done, and told to whom it concerns."""
        before = self.board.acts
        self.board.advance(now_ms)
        if self.board.acts != before:
            self._publish(self.clock())

    def clock(self) -> int:
        """When something happens that a fault does: now, and after all that has happened."""
        return max(self.board.now_ms, self._newest_ms())

    def keep_house(self) -> None:
        """Now and then: take diverters out that nothing is held back in any more."""
        self._streams.refresh()

    # --- requests ---

    def carry_out(self, call: Call, edge: Edge) -> None:
        """Have an admitted request done and answered."""
        if self.board.has(Room.REQUEST) or self._requests.owes:
            self._requests.carry_out(call, edge)
        else:
            self._dispatcher.submit(call, edge.deliver)

    def control(self, method: str, path: str, query: str, body: bytes) -> Reply:
        """Answer a request of the control endpoint."""
        self._core.catch_up()
        before = self.board.acts
        reply = control.answer(self, method, path, query, body)
        if self.board.acts != before:
            self._publish(self.clock())
        return reply

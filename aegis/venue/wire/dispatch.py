"""When an admitted request is carried out: at once, at its turn, or when the snapshot is due.

REST and the WebSocket API both end here with a Call and a way to deliver its reply. In lockstep the
conductor sets `queueing`: commands then wait, in order of arrival, until it calls `run_inbox`.
"""

from __future__ import annotations

from collections.abc import Callable

from aegis.venue.core import Core
from aegis.venue.gateway.calls import Call, Kind, Reply
from aegis.venue.pump import Pump

Deliver = Callable[[Reply], None]


class Dispatcher:
    """The queue between the gateway and the exchange."""

    def __init__(self, core: Core, pump: Pump) -> None:
        self._core = core
        self._pump = pump
        self._inbox: list[tuple[Call, Deliver]] = []
        self._held: list[tuple[Call, Deliver]] = []
        self.queueing = False
        self.broken: AssertionError | None = None  # an invariant failed: nothing may go on

    def held_count(self, symbol: str) -> int:
        """Depth requests that wait for the symbol's recorded snapshot."""
        return sum(call.facts.symbol == symbol for call, _ in self._held)

    def submit(self, call: Call, deliver: Deliver) -> None:
        """Take a request on; `deliver` is called exactly once, now or later."""
        if call.kind is Kind.HELD:
            self._held.append((call, deliver))
        elif call.kind is Kind.COMMAND and self.queueing:
            self._inbox.append((call, deliver))
        else:
            if call.kind is Kind.COMMAND:
                self._core.catch_up()
            self._run([(call, deliver)])
            if call.kind is Kind.COMMAND:
                self._pump.after_command(self._core.event_ms())

    def run_inbox(self) -> int:
        """Carry out the queued commands in order of arrival; returns how many there were."""
        waiting, self._inbox = self._inbox, []
        self._run(waiting)
        return len(waiting)

    def release_held(self, symbol: str | None = None) -> int:
        """Answer the depth requests held back for a symbol, or for all; returns how many."""
        held = [one for one in self._held if symbol in (None, one[0].facts.symbol)]
        self._held = [one for one in self._held if one not in held]
        self._run(held)
        return len(held)

    def _run(self, calls: list[tuple[Call, Deliver]]) -> None:
        try:
            replies = [(call.run(), deliver) for call, deliver in calls]
        except AssertionError as error:
            self.broken = error
            raise
        self._pump.commit()
        for reply, deliver in replies:
            deliver(reply)

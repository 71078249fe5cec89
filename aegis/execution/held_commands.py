"""Order commands that must wait for room at the limits, or for a line: kept, released, given back.

The intake hands over what the dispatcher does not admit; `release` sends it when it does, most
urgent first. What has waited beyond the placement's receive window has certainly not been sent: a
placement is then refused locally, a cancel is wanted again and is written anew by the resolver. A
placement whose cancel came while it waited is never sent at all.

What waits together must not leave together: the gate's message rate counts a placement when it
leaves, and a placement of new risk waits on until there is room for it in that, too.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns

from aegis.execution import order_states as states
from aegis.execution.core import ExecutionCore
from aegis.execution.dispatcher import Dispatcher, Held, Level
from aegis.execution.layouts import ACT_PLACE
from aegis.execution.order_routes import OrderRoutes
from aegis.shm.intent import REDUCE_ONLY

__all__ = ["HeldCommands"]

TOO_MANY_ORDERS = -1015
# A request must still be on its way for a moment before the exchange judges its age.
TRANSIT_MS = 300


class HeldCommands:
    """The commands of one core that wait."""

    def __init__(
        self,
        core: ExecutionCore,
        routes: OrderRoutes,
        dispatcher: Dispatcher,
        exchange_ms: Callable[[], int],
    ) -> None:
        self._core = core
        self._routes = routes
        self._dispatcher = dispatcher
        self._exchange_ms = exchange_ms

    def may_go(self, kind: int, slot: int) -> bool:
        """Whether a command may be sent at once; if so, it is counted."""
        dispatcher, now_ms = self._dispatcher, self._exchange_ms()
        level = Level.CANCEL if kind != ACT_PLACE else Level.NEW
        if not dispatcher.is_roomy:
            if level is Level.NEW:
                level = self._level_of(slot)
            if dispatcher.is_waiting(level):
                return False
        return dispatcher.admit(level, now_ms)

    def hold(
        self, kind: int, slot: int, request_id: int, request: bytes, valid_until_ns: int = 0
    ) -> None:
        """Let a command wait; one too many is refused as if it had waited for too long.

        `valid_until_ns` is the end of a placement's intent.
        """
        row = self._core.tables.rows[slot]
        window_ms = self._core.messages.recv_window_ms
        window_ms -= min(TRANSIT_MS, window_ms // 4)
        held = Held(
            slot=slot,
            order_ref=int(row["order_ref"]),
            epoch=int(row["epoch"]),
            request_id=request_id,
            kind=kind,
            request=request,
            until_ms=self._exchange_ms() + window_ms,
            valid_until_ns=valid_until_ns,
            is_way_out=kind == ACT_PLACE and self._core.reduces_by_books(slot),
        )
        level = self._level_of(slot) if kind == ACT_PLACE else Level.CANCEL
        if not self._dispatcher.hold(level, held):
            self._give_back(held)

    def release(self) -> tuple[int, int]:
        """Send what may be sent now; returns (placements, cancels)."""
        dispatcher = self._dispatcher
        if not dispatcher.waiting:
            return 0, 0
        now_ms = self._exchange_ms()
        for held in list(dispatcher.overdue(now_ms)):
            self._give_back(held)
        places = cancels = 0
        while True:
            line = self._routes.current()
            if line is None or not line.is_ready:
                break
            held_now = dispatcher.release(now_ms, self._has_room)
            if held_now is None:
                break
            if not self._is_wanted(held_now):
                continue
            line.send(held_now.request)
            self._stamp(held_now)
            places += held_now.kind == ACT_PLACE
            cancels += held_now.kind != ACT_PLACE
        return places, cancels

    def _has_room(self, held: Held) -> bool:
        """Whether the message rate lets a command leave: only a placement of new risk waits for it.

        What is new risk is what it was for the gate: a reduce-only order is, where our books hold
        nothing that it could reduce. One that is not wanted any more need not: it never leaves.
        """
        if held.kind != ACT_PLACE or held.is_way_out or not self._is_open(held):
            return True
        return self._core.held_may_leave(monotonic_ns())

    def _is_open(self, held: Held) -> bool:
        """Whether a placement is one that nobody has cancelled or given up."""
        row = self._core.tables.rows[held.slot]
        is_new = row["state"] == states.PENDING_NEW and not row["cancel_wanted"]
        return self._is_same(held) and bool(is_new)

    def _is_wanted(self, held: Held) -> bool:
        """Whether the command still says what is wanted; a placement that does not is refused."""
        if not self._is_same(held):
            return False
        if held.kind != ACT_PLACE:
            return int(self._core.tables.rows[held.slot]["state"]) == states.PENDING_CANCEL
        if self._is_open(held) and self._core.judge_held(
            held.slot, held.valid_until_ns, monotonic_ns()
        ):
            return True
        self._give_back(held)
        return False

    def _give_back(self, held: Held) -> None:
        """It was never sent."""
        if not self._is_same(held):
            return
        now_ns = monotonic_ns()
        if held.kind == ACT_PLACE:
            self._core.apply(held.slot, states.REJECT, now_ns, code=TOO_MANY_ORDERS)
        else:
            self._core.apply(held.slot, states.CANCEL_REFUSED, now_ns, code=TOO_MANY_ORDERS)

    def _stamp(self, held: Held) -> None:
        """Record that it has left, as `settle_batch` does for a batch."""
        now_ns = monotonic_ns()
        if held.kind == ACT_PLACE:
            self._core.held_leaves(held.slot, now_ns)
        else:
            self._core.tables.rows[held.slot]["cancel_sent_ns"] = now_ns
        requests = self._core.tables.requests
        requests[held.request_id % requests.size]["sent_ns"] = now_ns

    def _is_same(self, held: Held) -> bool:
        row = self._core.tables.rows[held.slot]
        return (int(row["order_ref"]), int(row["epoch"])) == (held.order_ref, held.epoch)

    def _level_of(self, slot: int) -> Level:
        flags = int(self._core.tables.rows[slot]["flags"])
        return Level.REDUCE if flags & REDUCE_ONLY else Level.NEW

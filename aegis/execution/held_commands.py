"""Order commands that must wait for room at the limits, or for a line: kept, released, given back.

The intake hands over what the dispatcher does not admit; `release` sends it when it does, most
urgent first. What has waited beyond the receive window has certainly not been sent: a placement or
an amend is then refused locally, a cancel is wanted again and is written anew by the resolver. A
placement or an amend whose order's cancel came while it waited is never sent at all.

What waits together must not leave together: the gate's message rate counts a placement (and an
amend) when it leaves, and one of new risk waits on until there is room for it in that, too.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns

from aegis.execution import order_states as states
from aegis.execution.core import ExecutionCore
from aegis.execution.dispatcher import Dispatcher, Held, Level
from aegis.execution.layouts import ACT_AMEND, ACT_CANCEL, ACT_PLACE, AMENDING
from aegis.execution.order_routes import OrderRoutes
from aegis.shm.intent import REDUCE_ONLY

__all__ = ["HeldCommands"]

TOO_MANY_ORDERS = -1015
# A request must still be on its way for a moment before the exchange judges its age.
TRANSIT_MS = 300
_LEVELS = {ACT_PLACE: Level.NEW, ACT_CANCEL: Level.CANCEL, ACT_AMEND: Level.AMEND}


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
        level = _LEVELS[kind]
        if not dispatcher.is_roomy:
            level = self._level_of(kind, slot)
            if dispatcher.is_waiting(level):
                return False
        return dispatcher.admit(level, now_ms)

    def hold(
        self, kind: int, slot: int, request_id: int, request: bytes, valid_until_ns: int = 0
    ) -> None:
        """Let a command wait; one too many is refused as if it had waited for too long.

        `valid_until_ns` is the end of a placement's or an amend's intent.
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
            is_way_out=kind != ACT_CANCEL and self._core.reduces_by_books(slot),
        )
        if not self._dispatcher.hold(self._level_of(kind, slot), held):
            self._give_back(held)

    def release(self) -> tuple[int, int, int]:
        """Send what may be sent now; returns (placements, cancels, amends)."""
        dispatcher = self._dispatcher
        sent = {ACT_PLACE: 0, ACT_CANCEL: 0, ACT_AMEND: 0}
        if not dispatcher.waiting:
            return 0, 0, 0
        now_ms = self._exchange_ms()
        for held in list(dispatcher.overdue(now_ms)):
            self._give_back(held)
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
            sent[held_now.kind] += 1
        return sent[ACT_PLACE], sent[ACT_CANCEL], sent[ACT_AMEND]

    def _has_room(self, held: Held) -> bool:
        """Whether the message rate lets a command leave: only new risk waits for it.

        What is new risk is what it was for the gate: a reduce-only order is, where our books hold
        nothing that it could reduce. One that is not wanted any more need not: it never leaves.
        """
        if held.kind == ACT_CANCEL or held.is_way_out or not self._is_open(held):
            return True
        return self._core.held_may_leave(monotonic_ns())

    def _is_open(self, held: Held) -> bool:
        """Whether a placement or an amend is one that nobody has cancelled or given up."""
        row = self._core.tables.rows[held.slot]
        if held.kind == ACT_AMEND:
            is_due = row["state"] == states.PENDING_AMEND and not row["cancel_wanted"]
            return self._is_pending(held) and bool(is_due)
        is_new = row["state"] == states.PENDING_NEW and not row["cancel_wanted"]
        return self._is_same(held) and bool(is_new)

    def _is_wanted(self, held: Held) -> bool:
        """Whether the command still says what is wanted; one of risk that does not is refused."""
        if not self._is_same(held):
            return False
        if held.kind == ACT_CANCEL:
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
        elif held.kind == ACT_CANCEL:
            self._core.apply(held.slot, states.CANCEL_REFUSED, now_ns, code=TOO_MANY_ORDERS)
        elif self._is_pending(held):
            self._core.apply(held.slot, states.AMEND_REFUSED, now_ns, code=TOO_MANY_ORDERS)

    def _stamp(self, held: Held) -> None:
        """Record that it has left, as `settle_batch` does for a batch."""
        now_ns = monotonic_ns()
        if held.kind == ACT_PLACE:
            self._core.held_leaves(held.slot, now_ns)
        elif held.kind == ACT_AMEND:
            self._core.held_amend_leaves(held.slot, now_ns)
        else:
            self._core.tables.rows[held.slot]["cancel_sent_ns"] = now_ns
        requests = self._core.tables.requests
        requests[held.request_id % requests.size]["sent_ns"] = now_ns

    def _is_same(self, held: Held) -> bool:
        row = self._core.tables.rows[held.slot]
        return (int(row["order_ref"]), int(row["epoch"])) == (held.order_ref, held.epoch)

    def _is_pending(self, held: Held) -> bool:
        """Whether an amend that waits is the one that its order waits for."""
        tables = self._core.tables
        if not self._is_same(held) or not tables.rows[held.slot]["amends"] & AMENDING:
            return False
        return int(tables.terms[held.slot]["request_id"]) == held.request_id

    def _level_of(self, kind: int, slot: int) -> Level:
        if kind != ACT_PLACE:
            return _LEVELS[kind]
        flags = int(self._core.tables.rows[slot]["flags"])
        return Level.REDUCE if flags & REDUCE_ONLY else Level.NEW

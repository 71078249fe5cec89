"""The intake: from the brain's eventfd to the exchange's socket, the hot path in Python's share.

The event loop calls `wake` when the brain signals; everything that is pending is then taken in
batches: one kernel call gates and writes a batch, `send` hands each request to the line, one
kernel call records what left. Between two batches outcomes go out and counters follow their
effects, in this order: orders sent, then outcomes, then intents consumed, so that whoever waits for
the last has seen the first.

Before the account is known there is no core: `WaitingRoom` stands in its place, answers canaries,
denies orders and remembers that the brain asked for its positions.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic_ns

import numpy as np

from aegis.execution import order_states as states
from aegis.execution.client_id import MAX_EPOCH
from aegis.execution.core import ExecutionCore
from aegis.execution.dispatcher import Dispatcher
from aegis.execution.held_commands import HeldCommands
from aegis.execution.journal.journal import Journal
from aegis.execution.layouts import (
    ACT_AMEND,
    ACT_CANARY,
    ACT_CANCEL,
    ACT_CANCEL_ALL,
    ACT_CANCEL_BY_REST,
    ACT_PLACE,
    ACT_RESYNC,
)
from aegis.execution.order_routes import OrderRoutes
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import AMEND, CANARY, CANCEL, PLACE, RESYNC
from aegis.shm.outcome import DENIED, OUTCOME
from aegis.shm.wake import arm_eventfd, disarm

__all__ = ["CanaryDesk", "Intake", "Parking", "WaitingRoom"]

_READER_SLOT = 0
# After so many batches the loop gets its turn: answers and fills must not starve.
_BATCHES_A_TURN = 32
# How long the loop keeps looking after the last intent; looking costs its core's whole time.
_POLL_NS = {"park": 0, "backoff": 200_000, "yield": 2_000_000, "spin": 1 << 62}


class Parking:
    """The reader's side of the wake-up protocol on the intents ring."""

    def __init__(self, memory: InstanceMemory, descriptor: int, wait: str) -> None:
        """`wait` is the profile's wait strategy: how long to look before sleeping."""
        self._poll_ns = _POLL_NS[wait]
        self._worked_ns = 0
        self._header = memory.intents.header
        self._ring = memory.intents
        self.descriptor = descriptor

    def clear(self) -> None:
        """Awake: the brain need not signal, and the signal that came is used up."""
        disarm(self._header, _READER_SLOT)
        try:
            os.eventfd_read(self.descriptor)
        except BlockingIOError:
            return

    def may_sleep(self, now_ns: int, worked: bool) -> bool:
        """Whether it is time to park: at once, some time after the last work, or never."""
        if worked:
            self._worked_ns = now_ns
        return now_ns - self._worked_ns >= self._poll_ns

    def park(self) -> bool:
        """Ask to be woken; False when there is something to read already."""
        seen = np.uint64(self._ring.consumed)
        return bool(arm_eventfd(self._header, _READER_SLOT, self.descriptor, seen))


class CanaryDesk:
    """Notes a canary that came through feed and brain."""

    def __init__(self, memory: InstanceMemory) -> None:
        self._counters = memory.counters["execution"]
        self._number = self._counters.index("canary_number")
        self._time = self._counters.index("canary_ns")
        self._histogram = memory.histograms["execution"]["canary_ns"]

    def note(self, number: int, sent_ns: int) -> None:
        """`sent_ns` is when the feed made it."""
        now_ns = monotonic_ns()
        self._counters.set(self._time, now_ns)
        self._counters.set(self._number, number)
        self._histogram.record(now_ns - sent_ns)


class WaitingRoom:
    """Takes intents while there is no core: nothing is sent, nobody is left without an answer."""

    def __init__(self, memory: InstanceMemory) -> None:
        self._memory = memory
        self._canaries = CanaryDesk(memory)
        self._counters = memory.counters["execution"]
        self.resync: int | None = None

    def consume(self) -> int:
        """Everything that is pending; returns how many intents that was."""
        total = 0
        while True:
            records = self._memory.intents.take()
            if records.size == 0:
                return total
            total += int(records.size)
            for record in records:
                if record["kind"] == CANARY:
                    self._canaries.note(int(record["order_ref"]), int(record["cause_ts_recv_ns"]))
                elif record["kind"] == RESYNC:
                    self.resync = int(record["intent_id"])
                elif record["kind"] in (PLACE, CANCEL, AMEND):
                    self._deny(record)
            self._counters["outcomes_published"] = self._memory.outcomes.published
            self._counters["intents_consumed"] = self._memory.intents.consumed

    def _deny(self, record: np.void) -> None:
        told = np.zeros(1, OUTCOME)
        told["kind"] = DENIED
        told["reason"] = int(Control.NOT_READY)
        for name in ("order_ref", "instrument", "side", "intent_id", "price_ticks", "qty_lots"):
            told[name] = record[name]
        told["epoch"] = record["epoch"]
        # A lane that is full of old outcomes has no reader either.
        self._memory.outcomes.offer(told)
        self._counters["orders_denied"] += 1


class Intake:
    """Carries the intents of one core to the exchange."""

    def __init__(
        self,
        core: ExecutionCore,
        routes: OrderRoutes,
        memory: InstanceMemory,
        exchange_ms: Callable[[], int],
        on_resync: Callable[[int, int], None],
        on_rest_cancel: Callable[[int], None],
        dispatcher: Dispatcher,
        journal: Journal | None = None,
    ) -> None:
        """`on_resync` gets (epoch, intent id), `on_rest_cancel` the slot to cancel by REST."""
        self._core = core
        self._routes = routes
        self._memory = memory
        self._exchange_ms = exchange_ms
        self._on_resync = on_resync
        self._on_rest_cancel = on_rest_cancel
        self._journal = journal
        self._held = HeldCommands(core, routes, dispatcher, exchange_ms)
        self._canaries = CanaryDesk(memory)
        self._out = memoryview(core.tables.out.data)
        self._counters = memory.counters["execution"]
        index = self._counters.index
        self._sent = index("orders_sent")
        self._cancels = index("cancels_sent")
        self._amends = index("amends_sent")
        self._consumed = index("intents_consumed")
        self._published = index("outcomes_published")

    def drain(self) -> tuple[int, bool]:
        """Take what is pending; returns (batches, whether there may be more)."""
        core = self._core
        living = self._memory.control.generation("brain")
        if living > core.epoch >= 0:
            # Whoever was stopped meanwhile must not serve a brain that is dead; asked here, since
            # the look at the vital signs may come after the first intents.
            core.follow_epoch(min(living, MAX_EPOCH))
        for batch in range(_BATCHES_A_TURN):
            count = core.take(monotonic_ns(), self._exchange_ms())
            if count < 0:
                return batch, False
            if count:
                self.carry_out(count)
            self.publish()
            self._counters.set(self._consumed, self._memory.intents.consumed)
        return _BATCHES_A_TURN, True

    def carry_out(self, count: int) -> None:
        """Do what the batch asks for, requests first to last."""
        core = self._core
        actions = core.actions(count)
        line = self._routes.current()
        # Before the first byte: an order that is not written down is not sent. A cancel is.
        may_place = self._journal is None or self._journal.flush()
        # Writing it down may have found the disk full: from that moment only ways out are sent.
        may_risk = core.gate.latch.state is LatchState.ACTIVE
        out = self._out
        done = core.tables.done_ns
        fallback = self._routes.fallback
        places = cancels = amends = by_fallback = 0
        for at, (kind, slot, start, end, request_id, intent, _, _) in enumerate(actions):
            if line is not None and not line.is_ready:
                # It may have ended under this very batch: what is left goes another way, or none.
                line = self._routes.current()
            if kind in (ACT_PLACE, ACT_AMEND):
                if line is None or not may_place or not (may_risk or core.reduces(slot)):
                    # Certain: these bytes never left.
                    event = states.REJECT if kind == ACT_PLACE else states.AMEND_REFUSED
                    core.apply(slot, event, monotonic_ns(), code=0)
                    continue
                if not line.is_ready or not self._held.may_go(kind, slot):
                    until_ns = int(core.tables.batch[intent]["valid_until_ns"])
                    self._held.hold(kind, slot, request_id, bytes(out[start:end]), until_ns)
                    continue
                line.send(out[start:end])
                done[at] = monotonic_ns()
                places += kind == ACT_PLACE
                amends += kind == ACT_AMEND
                by_fallback += line is fallback
            elif kind == ACT_CANCEL:
                if line is None:
                    self._on_rest_cancel(slot)
                    continue
                if not line.is_ready or not self._held.may_go(kind, slot):
                    self._held.hold(kind, slot, request_id, bytes(out[start:end]))
                    continue
                line.send(out[start:end])
                done[at] = monotonic_ns()
                cancels += 1
                by_fallback += line is fallback
        core.settle(count)
        self._routes.fallback_requests += by_fallback
        if places:
            self._counters.add(self._sent, places)
        if cancels:
            self._counters.add(self._cancels, cancels)
        if amends:
            self._counters.add(self._amends, amends)
        if places + cancels + amends < count:
            self._other_actions(actions)

    def release(self) -> None:
        """Send what had to wait and may go now."""
        places, cancels, amends = self._held.release()
        if places:
            self._counters.add(self._sent, places)
        if cancels:
            self._counters.add(self._cancels, cancels)
        if amends:
            self._counters.add(self._amends, amends)

    def _other_actions(self, actions: list[list[int]]) -> None:
        """What is not a request on the order connection, in its order."""
        batch = self._core.tables.batch
        # Copied first: what follows may write actions of its own.
        for kind, slot, _, _, _, at, _, number in actions:
            if kind == ACT_CANARY:
                self._canaries.note(number, int(batch[at]["cause_ts_recv_ns"]))
            elif kind == ACT_RESYNC:
                self._on_resync(number, int(batch[at]["intent_id"]))
            elif kind == ACT_CANCEL_BY_REST:
                self._on_rest_cancel(slot)
            elif kind == ACT_CANCEL_ALL:
                self.cancel_all()

    def cancel_all(self) -> int:
        """Send a cancel for every order that may rest; returns how many."""
        total = 0
        while True:
            count = self._core.cancel_all(monotonic_ns(), self._exchange_ms())
            if count == 0:
                return total
            total += count
            self.carry_out(count)

    def cancel_one(self, slot: int) -> None:
        """Send the cancel of one order."""
        self.carry_out(self._core.cancel_one(slot, monotonic_ns(), self._exchange_ms()))

    def publish(self) -> None:
        """Outcomes to the brain, then the counter that speaks of them; first what they stand on."""
        if self._journal is not None:
            self._journal.flush()
        if self._core.publish(monotonic_ns()):
            self._counters.set(self._published, self._memory.outcomes.published)

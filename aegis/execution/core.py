"""The sans-I/O core: intents, answers, stream events and queries in; bytes and outcomes out.

`session` feeds it from sockets and rings, the tests (and a simulator) from lists. It owns the
tables and the gate; the half that reads the exchange's words is `evidence`. It reads no clock and
knows no socket: times are arguments, and what must happen outside (send these bytes, query that
order, halt) it leaves as return values, marks in rows, or the latch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from aegis.execution import order_states as states
from aegis.execution.batch import (
    CARRIED_EPOCH,
    settle_batch,
    take_batch,
    write_cancel_all,
    write_cancel_one,
)
from aegis.execution.client_id import ClientIds, OrderName, first_request
from aegis.execution.errors import ExchangeError
from aegis.execution.evidence import EvidenceReader
from aegis.execution.layouts import (
    AMENDING,
    ORDER,
    REQUEST_AMEND,
    REQUEST_CANCEL,
    REQUEST_PLACE,
)
from aegis.execution.order_messages import OrderMessages
from aegis.execution.outbox import BACKLOG_LIMIT
from aegis.execution.positions import (
    accept_position,
    flush_stage,
    tell_position,
    tell_state,
)
from aegis.execution.reference import (
    held_amend_leaves,
    held_leaves,
    held_may_leave,
    judge_held,
    revalue,
)
from aegis.execution.replies import verdict_of
from aegis.execution.tables import BATCH_SIZE, Tables
from aegis.execution.taken_intents import taken_intents
from aegis.execution.words import (
    EPOCH,
    FUNDING_E8,
    REQUEST_NEXT,
    STAGE_COUNT,
    STAGE_LOST,
    TAPE_TIME,
)
from aegis.risk.checks import is_reducing
from aegis.risk.controls import Control
from aegis.risk.gate import forget_order_refs, recall_order_refs
from aegis.risk.gate_state import BLOCK_OUTCOME_LANE, IS_MARK_NEEDED, Gate
from aegis.risk.latch import LATCH_STATE, LatchState
from aegis.risk.limits import InstrumentRules
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import REDUCE_ONLY

__all__ = ["ExecutionCore", "OpenOrder"]


class OpenOrder(NamedTuple):
    """A row of the order table that is not final, as the cold side wants it."""

    slot: int
    symbol: str
    client_id: str
    name: OrderName
    state: int
    acknowledged: bool
    cancel_wanted: bool
    exchange_order_id: int
    sent_ns: int
    sent_ms: int
    cancel_sent_ns: int
    changed_ns: int
    tries: int
    # When the amend that is under way left, 0 for none.
    amend_sent_ns: int


class ExecutionCore(EvidenceReader):
    """One instance's orders, positions and gate."""

    def __init__(
        self,
        memory: InstanceMemory,
        gate: Gate,
        ids: ClientIds,
        instruments: Sequence[InstrumentRules],
        recv_window_ms: int,
    ) -> None:
        self.messages = OrderMessages(ids, instruments, recv_window_ms)
        super().__init__(
            gate, ids, instruments, Tables(memory, gate, self.messages), recv_window_ms
        )
        self.words[REQUEST_NEXT] = first_request(ids.run)
        # Instruments that the journal knows nothing of, though it has books of others.
        self.unbooked: list[int] = []
        # Exchange time since which the books of an instrument hold every trade, where that is not
        # since ever: until its list was read once, what is older is no news.
        self.begun_ms: dict[int, int] = {}
        self._intents = memory.intents
        self.outcomes_published = 0
        self._told_state = int(LatchState.ACTIVE)

    def on_refused(self, error: ExchangeError, now_ns: int) -> None:
        """A question over REST was refused: it means what it means for an order command."""
        self._note_verdict(verdict_of(error.status, error.code, error.text), now_ns)

    # Intents

    @property
    def epoch(self) -> int:
        """The brain's epoch whose intents are obeyed, -1 for none."""
        return int(self.words[EPOCH])

    def follow_epoch(self, epoch: int) -> None:
        """Obey another generation of the brain; its references start anew.

        Those that a predecessor of this process has taken of it are used already.
        """
        if epoch != self.epoch:
            self.words[EPOCH] = epoch
            gate = self.gate
            forget_order_refs(gate.words, gate.refs)
            taken = taken_intents(self._intents)
            recall_order_refs(taken, epoch, gate.rules, gate.words, gate.refs)

    def use_tape_time(self, is_tape: bool) -> None:
        """Count the message rate in the exchange's time (a replayed recording) or in ours."""
        self.words[TAPE_TIME] = int(is_tape)
        # A recording has no mark prices.
        self.gate.words[IS_MARK_NEEDED] = int(not is_tape)

    def take(self, now_ns: int, now_ms: int, limit: int = BATCH_SIZE) -> int:
        """Take a batch of intents; the number of actions, -1 when there was no intent."""
        return int(take_batch(self.directory, limit, now_ns, now_ms))

    def reduces(self, slot: int) -> bool:
        """Whether an order can only bring the position nearer to zero, as the gate judges it.

        All open orders of its side count, itself among them.
        """
        return bool(self.tables.rows[slot]["flags"] & REDUCE_ONLY) or self.reduces_by_books(slot)

    def must_not_rest(self, slot: int) -> bool:
        """Whether an order adds to the position although the latch lets nothing but ways out."""
        return self.gate.latch.state is not LatchState.ACTIVE and not self.reduces(slot)

    def reduces_by_books(self, slot: int) -> bool:
        """The same by our own books alone, whatever the exchange holds the order to."""
        row = self.tables.rows[slot]
        held = self.gate.exposure[int(row["instrument"])]
        side, position = int(row["side"]), int(held["position_lots"])
        same_side = int(held["open_buy_lots"] if side > 0 else held["open_sell_lots"])
        return is_reducing(side, 0, position, same_side)

    def cancel_all(self, now_ns: int, now_ms: int) -> int:
        """Write a cancel for every order that may rest; the number of actions, 0 when done."""
        return int(write_cancel_all(self.directory, now_ns, now_ms))

    def cancel_one(self, slot: int, now_ns: int, now_ms: int) -> int:
        """Write the cancel of one order; the number of actions, 1."""
        return int(write_cancel_one(self.directory, slot, now_ns, now_ms))

    def actions(self, count: int) -> list[list[int]]:
        """The first `count` actions of the last batch, as plain lists (see `layouts.ACTION`)."""
        found: list[list[int]] = self.tables.action_words[:count].tolist()
        return found

    def judge_held(self, slot: int, valid_until_ns: int, now_ns: int) -> bool:
        """Whether a placement that had to wait may still be sent, asked of the gate."""
        return int(judge_held(self.directory, slot, valid_until_ns, now_ns)) == Control.PASS

    def held_amend_leaves(self, slot: int, now_ns: int) -> None:
        """Record that an amend that had to wait has left."""
        held_amend_leaves(self.directory, slot, now_ns)

    def held_may_leave(self, now_ns: int) -> bool:
        """Whether the message rate has room for a placement that had to wait."""
        return bool(held_may_leave(self.directory, now_ns))

    def held_leaves(self, slot: int, now_ns: int) -> None:
        """Record that a placement that had to wait has left."""
        held_leaves(self.directory, slot, now_ns)

    def settle(self, count: int) -> None:
        """Record what has left; `tables.done_ns` says when (0: it did not)."""
        settle_batch(self.directory, count)

    # Positions

    def revalue(self, now_ns: int) -> int:
        """Value what is held and judge the losses; the control that tripped the latch, or 0."""
        return int(revalue(self.directory, now_ns))

    def positions_differ(self) -> list[int]:
        """Instruments whose position is not what the exchange last said."""
        return [
            place
            for place, lots in enumerate(self.reported_lots)
            if lots is not None and lots != int(self.gate.exposure[place]["position_lots"])
        ]

    def accept_position(self, instrument: int, lots: int, cost_e8: int, now_ns: int = 0) -> None:
        """Take the exchange's position over (at a start)."""
        accept_position(self.directory, instrument, lots, cost_e8, now_ns)
        self.reported_lots[instrument] = lots

    # Outcomes

    def tell_positions(self, intent_id: int, now_ns: int) -> None:
        """Stage the POSITION of every instrument for the living epoch (0: our own start).

        A brain that has just begun takes the latch for ACTIVE: one that is not is told before.
        """
        if self.gate.latch.state is not LatchState.ACTIVE:
            self._tell_latch(now_ns)
        for instrument in range(len(self.instruments)):
            tell_position(self.directory, instrument, self.epoch, intent_id, now_ns)

    def publish(self, now_ns: int) -> int:
        """Offer the staged outcomes to the brain; returns how many went out.

        Tells of a moved latch first, and refuses new intents while the lane is full.
        """
        if self.gate.words[LATCH_STATE] != self._told_state:
            self._tell_latch(now_ns)
        if self.words[STAGE_COUNT] == 0:
            return 0
        taken = int(flush_stage(self.directory))
        self.outcomes_published += taken
        if self.words[STAGE_COUNT] > BACKLOG_LIMIT:
            self.gate.block(BLOCK_OUTCOME_LANE)
        elif self.gate.blocks & BLOCK_OUTCOME_LANE:
            self.gate.clear(BLOCK_OUTCOME_LANE)
        if self.words[STAGE_LOST]:
            self.gate.latch.trip(LatchState.HALTED, Control.OUTCOME_LANE, now_ns)
        return taken

    def _tell_latch(self, now_ns: int) -> None:
        latch = self.gate.latch
        self._told_state = int(latch.state)
        tell_state(self.directory, self._told_state, latch.reason, self.epoch, now_ns)

    # The cold side's view of the table

    def open_orders(self, wanted: Iterable[int] | None = None) -> list[OpenOrder]:
        """The rows in one of the `wanted` states (default: every one that is not final)."""
        state = self.tables.rows["state"]
        if wanted is None:
            found = np.flatnonzero((state != states.FREE) & (state < states.TERMINAL))
        else:
            found = np.flatnonzero(np.isin(state, list(wanted)))
        return [self.view(int(slot)) for slot in found]

    def view(self, slot: int) -> OpenOrder:
        """One row."""
        row = dict(zip(ORDER.names or (), self.tables.rows[slot].item(), strict=True))
        name = OrderName(self.ids.run, row["epoch"], row["order_ref"])
        carried = self.carried.get(name.order_ref) if name.epoch == CARRIED_EPOCH else None
        return OpenOrder(
            slot=slot,
            symbol=self.instruments[row["instrument"]].symbol,
            client_id=self.ids.text_of(carried)
            if carried is not None
            else self.ids.text(name.epoch, name.order_ref),
            name=name,
            state=row["state"],
            acknowledged=bool(row["acknowledged"]),
            cancel_wanted=bool(row["cancel_wanted"]),
            exchange_order_id=row["exchange_order_id"],
            sent_ns=row["sent_ns"],
            sent_ms=row["sent_ms"],
            cancel_sent_ns=row["cancel_sent_ns"],
            changed_ns=row["changed_ns"],
            tries=row["tries"],
            amend_sent_ns=int(self.tables.terms[slot]["sent_ns"])
            if row["amends"] & AMENDING
            else 0,
        )

    def is_same(self, order: OpenOrder) -> bool:
        """Whether a row still holds the order that was looked at (an answer may come late)."""
        row = self.tables.rows[order.slot]
        return (int(row["epoch"]), int(row["order_ref"])) == order.name[1:3]

    def state_of(self, slot: int) -> int:
        """The state of a row."""
        return int(self.tables.rows[slot]["state"])

    def has_missing_fills(self, slot: int) -> bool:
        """Whether the exchange has counted more of an order as filled than has been booked."""
        row = self.tables.rows[slot]
        return bool(row["reported_lots"] > row["filled_lots"] and row["exchange_order_id"] > 0)

    def line_cut(self, now_ns: int, elsewhere: Iterable[int] = ()) -> int:
        """The order connection is lost: what it had under way is UNKNOWN. Returns how many.

        `elsewhere` are the requests that it never had: they wait, or are on the other line.
        """
        spared = set()
        for request_id in elsewhere:
            noted = self.tables.requests[request_id % self.tables.requests.size]
            if noted["request_id"] == request_id:
                spared.add((int(noted["slot"]), int(noted["kind"])))
        count = 0
        under_way = (states.PENDING_NEW, states.PENDING_CANCEL, states.PENDING_AMEND)
        for order in self.open_orders(under_way):
            asked = set() if order.acknowledged else {(order.slot, REQUEST_PLACE)}
            if order.state == states.PENDING_AMEND:
                asked.add((order.slot, REQUEST_AMEND))
            if order.state == states.PENDING_CANCEL:
                asked.add((order.slot, REQUEST_CANCEL))
            if asked <= spared:
                continue
            if order.state == states.PENDING_CANCEL and order.acknowledged:
                event = states.CANCEL_AMBIGUOUS
            elif order.state == states.PENDING_AMEND:
                event = states.AMEND_AMBIGUOUS
            else:
                event = states.AMBIGUOUS
            count += self.apply(order.slot, event, now_ns) > 0
        return count

    @property
    def funding_e8(self) -> int:
        """Funding received less paid since the books were begun, 1e-8 quote."""
        return int(self.words[FUNDING_E8])

    def snapshot(self) -> dict[str, Any]:
        """The instance-wide sums, for counters and tests."""
        exposure = self.gate.exposure
        return {
            "position_lots": int(exposure[0]["position_lots"]),
            "realized_pnl_e8": int(exposure["realized_e8"].sum()),
            "fees_e8": int(exposure["fees_e8"].sum()),
        }

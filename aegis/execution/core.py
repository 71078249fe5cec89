"""The sans-I/O core: intents, answers, stream events and queries in; bytes and outcomes out.

`process` feeds it from sockets and rings, the tests (and a simulator) from lists. It owns the
tables and the gate and turns every message of the exchange into evidence for the order table. It
reads no clock and knows no socket: times are arguments, and what must happen outside (send these
bytes, query that order, halt) it leaves as return values, marks in rows, or the latch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from aegis.execution import order_states as states
from aegis.execution.batch import (
    answer_request,
    settle_batch,
    take_batch,
    write_cancel_all,
    write_cancel_one,
)
from aegis.execution.client_id import ClientIds, OrderName
from aegis.execution.decimal_text import text_to_e8, text_to_scaled
from aegis.execution.layouts import ORDER, REQUEST_PLACE
from aegis.execution.order_messages import OrderMessages
from aegis.execution.order_table import apply_event, apply_fill, find_order
from aegis.execution.outbox import BACKLOG_LIMIT
from aegis.execution.positions import (
    accept_position,
    apply_stray_fill,
    flush_stage,
    note_trade,
    tell_position,
    tell_state,
)
from aegis.execution.replies import Answer, OrderBody, Verdict, verdict_of
from aegis.execution.tables import BATCH_SIZE, Tables
from aegis.execution.user_events import AccountUpdate, OrderUpdate
from aegis.execution.words import EPOCH, RECONCILE_WANTED, STAGE_COUNT, STAGE_LOST, TAPE_TIME
from aegis.risk.controls import Control
from aegis.risk.gate import forget_order_refs
from aegis.risk.gate_state import BLOCK_OUTCOME_LANE, Gate
from aegis.risk.latch import LatchState
from aegis.risk.limits import InstrumentRules
from aegis.shm.instance import InstanceMemory
from aegis.shm.outcome import MAKER

__all__ = ["Action", "ExecutionCore", "OpenOrder"]

_NS_PER_MS = 1_000_000
_ORDER_EVENTS = {
    "NEW": states.ACCEPT,
    "CANCELED": states.CANCEL,
    "EXPIRED": states.EXPIRE,
    "REJECTED": states.REJECT,
}
_STATUS_EVENTS = {
    "NEW": states.ACCEPT,
    "PARTIALLY_FILLED": states.ACCEPT,
    "FILLED": states.COMPLETE,
    "CANCELED": states.CANCEL,
    "EXPIRED": states.EXPIRE,
    "EXPIRED_IN_MATCH": states.EXPIRE,
    "REJECTED": states.REJECT,
}
_UNKNOWN_ORDER = -2011
_LATCHING = {
    Verdict.CREDENTIALS: Control.CREDENTIALS,
    Verdict.BANNED: Control.BANNED,
}


class Action(NamedTuple):
    """One thing to do for a batch, in the order of `layouts.ACTION`."""

    kind: int
    slot: int
    start: int
    end: int
    request_id: int
    intent: int
    done_ns: int
    number: int


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


class ExecutionCore:
    """One instance's orders, positions and gate."""

    def __init__(
        self,
        memory: InstanceMemory,
        gate: Gate,
        ids: ClientIds,
        instruments: Sequence[InstrumentRules],
        recv_window_ms: int,
    ) -> None:
        self.gate = gate
        self.ids = ids
        self.instruments = list(instruments)
        self.messages = OrderMessages(ids, instruments, recv_window_ms)
        self.tables = Tables(memory, gate, self.messages)
        self.directory = self.tables.directory
        self.words = self.tables.words
        self.index = {rules.symbol: place for place, rules in enumerate(self.instruments)}
        self.credentials_refused = False
        self.clock_skewed = False
        self.foreign_orders = 0
        self.strays = 0
        self.pnl_differences = 0
        self.outcomes_published = 0
        self.wallet_e8 = 0
        # What the exchange last said of each position, and when we heard it (monotonic ns).
        self.reported_lots: list[int | None] = [None] * len(self.instruments)
        self.reported_ns = 0
        # Exchange time up to which the positions taken over at the start hold every trade.
        self.snapshot_ms = 0
        self._told_state = (int(LatchState.ACTIVE), 0)

    # Intents

    @property
    def epoch(self) -> int:
        """The brain's epoch whose intents are obeyed, -1 for none."""
        return int(self.words[EPOCH])

    def follow_epoch(self, epoch: int) -> None:
        """Obey another generation of the brain; its references start anew."""
        if epoch != self.epoch:
            self.words[EPOCH] = epoch
            forget_order_refs(self.gate.words, self.gate.refs)

    def use_tape_time(self, is_tape: bool) -> None:
        """Count the message rate in the exchange's time (a replayed recording) or in ours."""
        self.words[TAPE_TIME] = int(is_tape)

    def take(self, now_ns: int, now_ms: int, limit: int = BATCH_SIZE) -> int:
        """Take a batch of intents; the number of actions, -1 when there was no intent."""
        return int(take_batch(self.directory, limit, now_ns, now_ms))

    def cancel_all(self, now_ns: int, now_ms: int) -> int:
        """Write a cancel for every order that may rest; the number of actions, 0 when done."""
        return int(write_cancel_all(self.directory, now_ns, now_ms))

    def cancel_one(self, slot: int, now_ns: int, now_ms: int) -> int:
        """Write the cancel of one order; the number of actions, 1."""
        return int(write_cancel_one(self.directory, slot, now_ns, now_ms))

    def actions(self, count: int) -> list[tuple[int, ...]]:
        """The first `count` actions of the last batch, as plain tuples (see Action)."""
        found: list[tuple[int, ...]] = self.tables.actions[:count].tolist()
        return found

    def settle(self, done: Iterable[int], count: int) -> None:
        """Tell when each action's bytes had been handed over (monotonic ns, 0: not sent)."""
        self.tables.actions["done_ns"][:count] = list(done)
        settle_batch(self.directory, count)

    # Evidence

    def on_answer(self, answer: Answer, now_ns: int) -> int:
        """One answer of the order connection; the slot it concerned, -1 when it is nobody's."""
        if not isinstance(answer.id, int):
            if answer.error is not None:
                self._note_verdict(
                    verdict_of(answer.status, answer.error.code, answer.error.msg), now_ns
                )
            return -1
        found = int(answer_request(self.directory, answer.id, now_ns))
        if found < 0:
            return -1
        slot, kind = divmod(found, 4)
        if answer.error is None and answer.result is not None and answer.status == 200:
            self.on_order_body(slot, answer.result, now_ns)
            return slot
        code = answer.error.code if answer.error is not None else 0
        text = answer.error.msg if answer.error is not None else ""
        verdict = verdict_of(answer.status, code, text)
        self._note_verdict(verdict, now_ns)
        if kind == REQUEST_PLACE:
            event = states.AMBIGUOUS if verdict is Verdict.UNKNOWN else states.REJECT
        elif code == _UNKNOWN_ORDER:
            event = states.CANCEL_LOST
        elif verdict is Verdict.UNKNOWN:
            event = states.CANCEL_AMBIGUOUS
        else:
            event = states.CANCEL_REFUSED
        self.apply(slot, event, now_ns, code=code)
        return slot

    def _note_verdict(self, verdict: Verdict, now_ns: int) -> None:
        if verdict in _LATCHING:
            self.gate.latch.trip(LatchState.HALTED, _LATCHING[verdict], now_ns)
            self.credentials_refused |= verdict is Verdict.CREDENTIALS
        elif verdict is Verdict.CLOCK:
            self.clock_skewed = True

    def on_order_body(self, slot: int, body: OrderBody, now_ns: int) -> int:
        """An order as an answer or a query describes it."""
        event = _STATUS_EVENTS.get(body.status)
        if event is None:
            return states.IGNORED
        rules = self._rules_of_slot(slot)
        cum_lots = _lots(body.executed_qty, rules)
        return self.apply(
            slot,
            event,
            now_ns,
            cum_lots=cum_lots,
            order_id=body.order_id,
            ts_event_ns=body.update_time * _NS_PER_MS,
        )

    def apply(
        self,
        slot: int,
        event: int,
        now_ns: int,
        *,
        code: int = 0,
        reason: int = 0,
        cum_lots: int = 0,
        order_id: int = 0,
        ts_event_ns: int = 0,
    ) -> int:
        """One piece of evidence about the order in `slot` (fills apart)."""
        return int(
            apply_event(
                self.directory, slot, event, code, reason, cum_lots, order_id, ts_event_ns, now_ns
            )
        )

    def on_order_update(self, update: OrderUpdate, now_ns: int) -> None:
        """One ORDER_TRADE_UPDATE. Raises ValueError for numbers that are none."""
        instrument = self.index.get(update.s)
        if instrument is None:
            return
        name = self.ids.parse(update.c)
        slot = -1
        if name is not None and name.run == self.ids.run:
            slot = int(find_order(self.directory, name.epoch, name.order_ref))
        if slot < 0:
            self._on_stray(update, instrument, name, now_ns)
        elif update.x == "TRADE":
            self._on_fill(update, slot, instrument, now_ns)
        elif update.x in _ORDER_EVENTS:
            rules = self.instruments[instrument]
            self.apply(
                slot,
                _ORDER_EVENTS[update.x],
                now_ns,
                reason=int(update.er) if update.er.isdecimal() else 0,
                cum_lots=_lots(update.z, rules),
                order_id=update.i,
                ts_event_ns=update.T * _NS_PER_MS,
            )

    def _on_fill(self, update: OrderUpdate, slot: int, instrument: int, now_ns: int) -> None:
        rules = self.instruments[instrument]
        before = int(self.gate.exposure[instrument]["realized_e8"])
        moved = apply_fill(
            self.directory,
            slot,
            _ticks(update.L, rules),
            _lots(update.l, rules),
            _lots(update.z, rules),
            update.t,
            _fee_e8(update, rules),
            update.i,
            MAKER if update.m else 0,
            update.T * _NS_PER_MS,
            now_ns,
        )
        if moved != states.IGNORED and moved != -3:
            realized_e8 = int(self.gate.exposure[instrument]["realized_e8"]) - before
            self.pnl_differences += realized_e8 != text_to_e8(update.rp)

    def _on_stray(
        self, update: OrderUpdate, instrument: int, name: OrderName | None, now_ns: int
    ) -> None:
        """News of an order that is not in the table: of an earlier run, or of somebody else."""
        if name is None and update.x in ("NEW", "TRADE", "CALCULATED"):
            self.foreign_orders += 1
            self.gate.latch.trip(LatchState.HALTED, Control.FOREIGN_ORDER, now_ns)
        elif update.x == "NEW" and name is not None and name.run == self.ids.run:
            self.words[RECONCILE_WANTED] += 1
        if update.x not in ("TRADE", "CALCULATED"):
            return
        rules = self.instruments[instrument]
        if self.snapshot_ms >= update.T:
            note_trade(self.directory, instrument, update.t)
            return
        self.strays += 1
        apply_stray_fill(
            self.directory,
            instrument,
            1 if update.S == "BUY" else -1,
            _ticks(update.L, rules),
            _lots(update.l, rules),
            update.t,
            _fee_e8(update, rules),
            update.i,
            MAKER if update.m else 0,
            update.T * _NS_PER_MS,
            now_ns,
        )

    def on_trade_row(
        self, slot: int, trade_id: int, price: str, qty: str, fee: str, maker: bool, now_ns: int
    ) -> None:
        """A trade of an order as a query tells it (the same trade may come by the stream, too)."""
        rules = self._rules_of_slot(slot)
        apply_fill(
            self.directory,
            slot,
            _ticks(price, rules),
            _lots(qty, rules),
            0,
            trade_id,
            text_to_e8(fee),
            0,
            MAKER if maker else 0,
            0,
            now_ns,
        )

    def on_account_update(self, update: AccountUpdate, now_ns: int) -> None:
        """Remember what the exchange says of wallet and positions, to be compared when quiet."""
        for balance in update.B:
            if balance.a == "USDT":
                self.wallet_e8 = text_to_e8(balance.wb)
        for row in update.P:
            instrument = self.index.get(row.s)
            if instrument is not None and row.ps == "BOTH":
                self.reported_lots[instrument] = _lots(row.pa, self.instruments[instrument])
                self.reported_ns = now_ns

    def positions_differ(self) -> list[int]:
        """Instruments whose position is not what the exchange last said."""
        return [
            place
            for place, lots in enumerate(self.reported_lots)
            if lots is not None and lots != int(self.gate.exposure[place]["position_lots"])
        ]

    def accept_position(self, instrument: int, lots: int, cost_e8: int) -> None:
        """Take the exchange's position over (at a start)."""
        accept_position(self.directory, instrument, lots, cost_e8)
        self.reported_lots[instrument] = lots

    # Outcomes

    def tell_positions(self, intent_id: int, now_ns: int) -> None:
        """Stage the POSITION of every instrument for the living epoch (0: our own start)."""
        for instrument in range(len(self.instruments)):
            tell_position(self.directory, instrument, self.epoch, intent_id, now_ns)

    def publish(self, now_ns: int) -> int:
        """Offer the staged outcomes to the brain; returns how many went out.

        Tells of a moved latch first, and refuses new intents while the lane is full.
        """
        latch = self.gate.latch
        if (int(latch.state), latch.reason) != self._told_state:
            self._told_state = (int(latch.state), latch.reason)
            tell_state(self.directory, *self._told_state, self.epoch, now_ns)
        if self.words[STAGE_COUNT] == 0:
            return 0
        taken = int(flush_stage(self.directory))
        self.outcomes_published += taken
        if self.words[STAGE_COUNT] > BACKLOG_LIMIT:
            self.gate.block(BLOCK_OUTCOME_LANE)
        elif self.gate.blocks & BLOCK_OUTCOME_LANE:
            self.gate.clear(BLOCK_OUTCOME_LANE)
        if self.words[STAGE_LOST]:
            latch.trip(LatchState.HALTED, Control.OUTCOME_LANE, now_ns)
        return taken

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
        return OpenOrder(
            slot=slot,
            symbol=self.instruments[row["instrument"]].symbol,
            client_id=self.ids.text(name.epoch, name.order_ref),
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
        )

    def is_same(self, order: OpenOrder) -> bool:
        """Whether a row still holds the order that was looked at (an answer may come late)."""
        row = self.tables.rows[order.slot]
        return (int(row["epoch"]), int(row["order_ref"])) == order.name[1:]

    def state_of(self, slot: int) -> int:
        """The state of a row."""
        return int(self.tables.rows[slot]["state"])

    def line_cut(self, now_ns: int) -> int:
        """The order connection is lost: what it had under way is UNKNOWN. Returns how many."""
        count = 0
        for order in self.open_orders((states.PENDING_NEW, states.PENDING_CANCEL)):
            if order.state == states.PENDING_CANCEL and order.acknowledged:
                event = states.CANCEL_AMBIGUOUS
            else:
                event = states.AMBIGUOUS
            count += self.apply(order.slot, event, now_ns) > 0
        return count

    def _rules_of_slot(self, slot: int) -> InstrumentRules:
        return self.instruments[int(self.tables.rows[slot]["instrument"])]

    def snapshot(self) -> dict[str, Any]:
        """The instance-wide sums, for counters and tests."""
        exposure = self.gate.exposure
        return {
            "position_lots": int(exposure[0]["position_lots"]),
            "realized_pnl_e8": int(exposure["realized_e8"].sum()),
            "fees_e8": int(exposure["fees_e8"].sum()),
        }


def _lots(text: str, rules: InstrumentRules) -> int:
    return text_to_scaled(text, rules.step_decimals) // rules.step_mantissa


def _ticks(text: str, rules: InstrumentRules) -> int:
    return text_to_scaled(text, rules.tick_decimals) // rules.tick_mantissa


def _fee_e8(update: OrderUpdate, rules: InstrumentRules) -> int:
    """The commission in quote; one paid in another coin (BNB) is not of this account's sums."""
    if update.N is None or not rules.symbol.endswith(update.N):
        return 0
    return text_to_e8(update.n)

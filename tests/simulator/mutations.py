"""Bugs on purpose, each a small patch of execution: what the oracles are tested with.

Every entry of MUTATIONS breaks one promise the way a person could break it. `applied` patches it in
and takes it out again; `test_mutations` requires that some oracle notices within a few seeds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aegis.execution import evidence, resolver, session
from aegis.execution import order_states as states
from aegis.execution.core import ExecutionCore
from aegis.execution.countdown import Countdown, Winding
from aegis.execution.dead_man import DeadMan
from aegis.execution.error_codes import Verdict
from aegis.execution.evidence import EvidenceReader
from aegis.execution.gateway import OrderGateway
from aegis.execution.intake import Intake
from aegis.execution.journal import journal, reader
from aegis.execution.journal.journal import Journal
from aegis.execution.journal.writer import SegmentWriter
from aegis.execution.process import ExecutionProcess
from aegis.execution.reconcile import Reconciler
from aegis.execution.resolver import Resolver
from aegis.execution.rest import RestClient
from aegis.execution.session import TradingSession
from aegis.execution.vitals import Verdict as LifeVerdict
from aegis.execution.vitals import Vitals
from aegis.execution.words import JOURNAL_COUNT, RECONCILE_WANTED
from aegis.risk.controls import Control
from aegis.risk.gate_state import BLOCK_PRIVATE_STREAM, Gate
from aegis.risk.latch import LATCH_REASON, LATCH_STATE, Latch
from tests.simulator.amend_mutations import AMEND_MUTATIONS, Patch
from tests.simulator.money_mutations import MONEY_MUTATIONS

__all__ = ["MUTATIONS", "applied"]

_fresh = itertools.count(1 << 40)


@contextmanager
def applied(patch: Patch) -> Iterator[None]:
    """Put a mutation in, and everything back."""
    saved: list[tuple[Any, str, Any]] = []

    def put(owner: Any, name: str, value: Any) -> None:
        saved.append((owner, name, owner.__dict__[name]))
        setattr(owner, name, value)

    try:
        patch(put)
        yield
    finally:
        for owner, name, value in reversed(saved):
            setattr(owner, name, value)


def _forget_the_journal(put: Any) -> None:
    """Requests leave before anything is written."""
    put(Journal, "flush", lambda self: True)


def _unclear_is_refused(put: Any) -> None:
    """-1007 and its like are taken for a rejection."""
    real = evidence.verdict_of

    def verdict_of(*arguments: Any) -> Verdict:
        found = real(*arguments)
        return Verdict.REFUSED if found is Verdict.UNKNOWN else found

    put(evidence, "verdict_of", verdict_of)


def _no_dedupe(put: Any) -> None:
    """A trade that is told twice is booked twice."""
    real = evidence.apply_fill

    def apply_fill(tables: Any, slot: Any, ticks: Any, lots: Any, cum: Any, *rest: Any) -> Any:
        return real(tables, slot, ticks, lots, cum, next(_fresh), *rest[1:])

    put(evidence, "apply_fill", apply_fill)


def _position_limit(put: Any, more: int) -> None:
    real = session.fill_rules

    def fill_rules(row: Any, *rest: Any) -> None:
        real(row, *rest)
        row["max_position_lots"] += more

    put(session, "fill_rules", fill_rules)


def _gate_off_by_one(put: Any) -> None:
    """The position may be one lot larger than its limit."""
    _position_limit(put, 1)


def _no_position_limit(put: Any) -> None:
    """Nobody looks at the position."""
    _position_limit(put, 10**6)


def _forget_pending_cancel(put: Any) -> None:
    """An order that is being cancelled counts as gone before it is."""
    real = Intake.cancel_one
    real_carry = Intake.carry_out

    def carry_out(self: Any, count: int) -> None:
        core = self._core
        slots = [action[1] for action in core.actions(count) if action[0] == 2]
        real_carry(self, count)
        for slot in slots:
            row = core.tables.rows[slot]
            side = "open_buy_lots" if row["side"] > 0 else "open_sell_lots"
            core.gate.exposure[int(row["instrument"])][side] -= row["qty_lots"] - row["filled_lots"]

    put(Intake, "carry_out", carry_out)
    put(Intake, "cancel_one", real)


def _new_id_on_retry(put: Any) -> None:
    """A placement without an answer is sent again, under another id."""
    real_send, real_receive = OrderGateway.send, OrderGateway.receive
    sent: dict[bytes, bytes] = {}

    def send(self: Any, request: Any) -> None:
        raw = bytes(request)
        if b"order.place" in raw:
            sent[raw[6 : raw.index(b",")]] = raw
        real_send(self, request)

    def receive(self: Any, payload: bytes) -> None:
        real_receive(self, payload)
        if b"-1007" in payload or b"Unknown error" in payload:
            raw = sent.pop(payload[6 : payload.index(b",")], None)
            if raw is not None and self.is_connected:
                real_send(self, raw.replace(b'","quantity', b'z","quantity'))

    put(OrderGateway, "send", send)
    put(OrderGateway, "receive", receive)


def _send_again_instead_of_asking(put: Any) -> None:
    """A placement without an answer is sent again, under the same id, whatever became of it."""
    real_send, real_receive = OrderGateway.send, OrderGateway.receive
    sent: dict[bytes, bytes] = {}

    def send(self: Any, request: Any) -> None:
        raw = bytes(request)
        if b"order.place" in raw:
            sent[raw[6 : raw.index(b",")]] = raw
        real_send(self, request)

    def receive(self: Any, payload: bytes) -> None:
        real_receive(self, payload)
        if b'"error"' in payload:
            raw = sent.pop(payload[6 : payload.index(b",")], None)
            if raw is not None and self.is_connected:
                real_send(self, raw)

    put(OrderGateway, "send", send)
    put(OrderGateway, "receive", receive)


def _absent_at_once(put: Any) -> None:
    """-2013 is believed although the receive window is open."""
    put(resolver, "WINDOW_SLACK_MS", -1_000_000)


def _lost_cancel_is_done(put: Any) -> None:
    """-2011 to a cancel is taken for "cancelled"."""
    real = EvidenceReader.apply

    def apply(self: Any, slot: int, event: int, now_ns: int, **rest: Any) -> int:
        return real(
            self, slot, states.CANCEL if event == states.CANCEL_LOST else event, now_ns, **rest
        )

    put(EvidenceReader, "apply", apply)


def _no_reconcile_after_a_gap(put: Any) -> None:
    """A stream that comes back is trusted as it is."""

    async def reconcile(self: Any) -> None:
        self.core.words[RECONCILE_WANTED] = 0
        self.is_reconciled = True
        self.gate.clear(BLOCK_PRIVATE_STREAM)

    put(TradingSession, "compare", reconcile)


def _queried_trades_twice(put: Any) -> None:
    """A trade that a query tells is booked beside the one that the stream told."""
    real = EvidenceReader.on_trade_row

    def on_trade_row(self: Any, slot: int, trade_id: int, *rest: Any) -> Any:
        return real(self, slot, next(_fresh), *rest)

    put(EvidenceReader, "on_trade_row", on_trade_row)


def _never_halt_on_positions(put: Any) -> None:
    """Positions that differ halt nothing."""
    real = Latch.trip

    def trip(self: Any, state: Any, reason: int, now_ns: int) -> bool:
        return reason != Control.POSITION_MISMATCH and real(self, state, reason, now_ns)

    put(Latch, "trip", trip)


def _trust_a_stream_that_is_gone(put: Any) -> None:
    """The start is done, so everything is well, whatever the stream did meanwhile."""
    real = TradingSession.start

    async def start(self: Any, epoch: int, resync_id: int) -> None:
        await real(self, epoch, resync_id)
        self.is_reconciled = True
        self.gate.clear(BLOCK_PRIVATE_STREAM)

    put(TradingSession, "start", start)
    put(TradingSession, "on_stream_down", lambda self: None)


def _expired_is_good_enough(put: Any) -> None:
    """A decision is carried out five seconds after it was worth anything."""
    real = ExecutionCore.take

    def take(self: Any, now_ns: int, now_ms: int, *rest: Any) -> int:
        return real(self, now_ns - 5_000_000_000, now_ms, *rest)

    put(ExecutionCore, "take", take)


def _drain_without_asking(put: Any) -> None:
    """Nothing rests, says the drain, and cancels nothing."""

    async def nothing(self: Any) -> int:
        return 0

    put(Reconciler, "cancel_remaining", nothing)
    put(Intake, "cancel_all", lambda self: 0)


def _tell_the_secret(put: Any) -> None:
    """A line for people has the key's secret in it."""
    real = ExecutionProcess._say

    def say(self: Any, text: str) -> None:
        real(self, f"{text} ({self._wiring.credentials.hmac_secret})")

    put(ExecutionProcess, "_say", say)


def _wall_clock(put: Any) -> None:
    """The exchange's clock is kept by the wall clock, which may be stepped."""
    real = RestClient.now_ms

    def now_ms(self: Any) -> int:
        from aegis.execution import rest

        return real(self) + (rest.time.time_ns() - rest.time.monotonic_ns()) // 10**6 % 10**7

    put(RestClient, "now_ms", now_ms)


def _unsettled_for_ever(put: Any) -> None:
    """Nobody asks what became of an order that is UNKNOWN."""

    async def settle(self: Any, order: Any) -> bool:
        return False

    put(Resolver, "settle", settle)


def _notes_pile_up(put: Any) -> None:
    """The journal is written now and then, not before the socket."""
    real = Journal.flush

    def flush(self: Any) -> bool:
        core = self._core
        return core is None or int(core.words[JOURNAL_COUNT]) < 8 or real(self)

    put(Journal, "flush", flush)


def _latch_is_not_noted(put: Any) -> None:
    """A latch that has tripped is not in the journal: a replay would be ACTIVE."""

    def note_latch(self: Any) -> None:
        latch = self._core.gate.words
        self._latch_told = (int(latch[LATCH_STATE]), int(latch[LATCH_REASON]))

    put(Journal, "_note_latch", note_latch)


def _snapshot_without_orders(put: Any) -> None:
    """A new segment begins with everything but the open orders."""
    real = journal.order_records
    put(journal, "order_records", lambda rows: real(rows)[:0])


def _confirmed_write_is_lost(put: Any) -> None:
    """The last of many records never gets to the disk, and nobody says so."""
    real = SegmentWriter.append

    def append(self: Any, records: Any) -> None:
        real(self, records[:-1] if 1 < len(records) < 9 else records)

    put(SegmentWriter, "append", append)


def _torn_end_is_the_end(put: Any) -> None:
    """What a failed write has left hides the segment that goes on after it."""
    put(reader, "_end_where_next_begins", lambda *_: None)


def _risk_without_a_countdown(put: Any) -> None:
    """New risk goes on when the exchange's countdown has run out."""
    put(DeadMan, "judge", lambda self, now_ns: None)


def _no_countdown(put: Any) -> None:
    """Nobody ever winds the exchange's countdown up."""
    put(Countdown, "due", lambda *_: [])


def _countdown_of_an_hour(put: Any) -> None:
    """What rests outlives us by an hour."""
    real = Countdown.due

    def due(self: Any, *arguments: Any) -> list[Winding]:
        return [Winding(symbol, 3_600_000) for symbol, _ in real(self, *arguments)]

    put(Countdown, "due", due)


def _nobody_looks(put: Any) -> None:
    """Feed, brain and supervisor are taken for alive."""
    put(Vitals, "look", lambda self, signs: LifeVerdict(0, (), calm=True))


def _block_and_leave_it_resting(put: Any) -> None:
    """A silence stops new risk, and what rests is left to rest."""
    real = Vitals.look

    def look(self: Any, signs: Any) -> LifeVerdict:
        found = real(self, signs)
        return LifeVerdict(found.blocks, (), calm=found.calm)

    put(Vitals, "look", look)


def _no_sign_of_progress(put: Any) -> None:
    """Execution runs, and its loop counter stands still."""
    real = ExecutionProcess._turn

    def turn(self: Any, now_ns: int) -> None:
        real(self, now_ns)
        self._counters.add(self._loop_seq, -1)

    put(ExecutionProcess, "_turn", turn)


def _twice_the_rate(put: Any) -> None:
    """Orders leave at twice the rate that the limits allow."""
    real = Gate._set_rate
    put(Gate, "_set_rate", lambda self, rate, *rest: real(self, 2 * rate, *rest))


# (name, patch, the seed to begin the search with)
MUTATIONS: tuple[tuple[str, Patch, int], ...] = (
    ("forget the journal", _forget_the_journal, 1),
    ("write the journal later", _notes_pile_up, 1),
    ("retry under a new id", _new_id_on_retry, 2),
    ("send again instead of asking", _send_again_instead_of_asking, 2),
    ("take -1007 for a rejection", _unclear_is_refused, 13),
    ("never ask about UNKNOWN", _unsettled_for_ever, 13),
    ("believe -2013 at once", _absent_at_once, 572),
    ("take -2011 for cancelled", _lost_cancel_is_done, 154),
    ("book a repeated fill again", _no_dedupe, 19),
    ("book a queried fill again", _queried_trades_twice, 44),
    ("gate off by one lot", _gate_off_by_one, 25),
    ("no position limit", _no_position_limit, 7),
    ("forget what is being cancelled", _forget_pending_cancel, 1),
    ("send what has expired", _expired_is_good_enough, 1),
    ("no reconcile after a gap", _no_reconcile_after_a_gap, 572),
    ("trust a stream that is gone", _trust_a_stream_that_is_gone, 88),
    ("never halt on positions", _never_halt_on_positions, 1445),
    ("keep time by the wall clock", _wall_clock, 2),
    ("drain without asking", _drain_without_asking, 1),
    ("tell the secret", _tell_the_secret, 1),
    ("do not note the latch", _latch_is_not_noted, 11),
    ("snapshot without open orders", _snapshot_without_orders, 19),
    ("lose a record on the way", _confirmed_write_is_lost, 2),
    ("take a torn end for the end", _torn_end_is_the_end, 973),
    ("risk without a countdown", _risk_without_a_countdown, 365),
    ("no countdown at all", _no_countdown, 2),
    ("a countdown of an hour", _countdown_of_an_hour, 2),
    ("nobody looks who lives", _nobody_looks, 112),
    ("leave it resting in a silence", _block_and_leave_it_resting, 692),
    ("no sign of progress", _no_sign_of_progress, 1),
    ("twice the rate", _twice_the_rate, 431),
    *AMEND_MUTATIONS,
    *MONEY_MUTATIONS,
)

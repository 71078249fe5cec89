"""Evidence: what the exchange says of our orders, in answers, stream events and queries.

The half of the core that listens. Each message becomes events and fills of the order table,
whatever way and order it comes in; what no single order can settle is left as a mark (the latch, a
wish to reconcile, a clock that is off). No clock, no socket: times are arguments.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aegis.execution import order_states as states
from aegis.execution.amends import hear_terms
from aegis.execution.batch import CARRIED_EPOCH, answer_request
from aegis.execution.client_id import ClientIds, OrderName
from aegis.execution.decimal_text import text_to_e8, text_to_scaled
from aegis.execution.error_codes import Verdict
from aegis.execution.fills import NOT_TOLD, trade_key
from aegis.execution.funding_book import FundingBook
from aegis.execution.latching import LATCHING
from aegis.execution.layouts import AMENDING, REQUEST_AMEND, REQUEST_PLACE
from aegis.execution.order_table import DUPLICATE, apply_event, apply_fill, find_order
from aegis.execution.positions import apply_stray_fill, note_funding, note_trade
from aegis.execution.replies import Answer, OrderBody, verdict_of
from aegis.execution.tables import Tables
from aegis.execution.user_events import AccountUpdate, OrderUpdate
from aegis.execution.words import DUPLICATE_FILLS, PNL_DIFFERENCES, RECONCILE_WANTED
from aegis.risk.controls import Control
from aegis.risk.gate_state import WALLET_E8, Gate
from aegis.risk.latch import LatchState
from aegis.risk.limits import InstrumentRules
from aegis.shm.intent import IOC, MARKET
from aegis.shm.outcome import MAKER

__all__ = ["EvidenceReader"]

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
_OVER = ("FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH")
_UNKNOWN_ORDER = -2011
_NO_OPEN_ORDER = (-2011, -2013)
# The exchange accepts a timestamp up to a second ahead of its clock: the window's slack.
WINDOW_SLACK_MS = 1_000


class EvidenceReader:
    """Tables, gate and names of one instance, and everything that reads the exchange's words."""

    def __init__(
        self,
        gate: Gate,
        ids: ClientIds,
        instruments: Sequence[InstrumentRules],
        tables: Tables,
        recv_window_ms: int,
    ) -> None:
        self.recv_window_ms = recv_window_ms
        self.gate = gate
        self.ids = ids
        self.instruments = list(instruments)
        self.tables = tables
        self.directory = tables.directory
        self.words = tables.words
        self.index = {rules.symbol: place for place, rules in enumerate(self.instruments)}
        self.clock_skewed = False
        self.filters_suspect = False
        self.foreign_orders = 0
        # The policy: somebody else's order on our instruments halts, or is only counted.
        self.foreign_halts = True
        self.strays = 0
        # What the exchange last said of each position.
        self.reported_lots: list[int | None] = [None] * len(self.instruments)
        # Orders of earlier runs that were open at the start, by their reference in the table.
        self.carried: dict[int, OrderName] = {}
        self.carried_refs: dict[OrderName, int] = {}
        # Up to which trade of each instrument the exchange's list and the books agree.
        self.confirmed_trades = [0] * len(self.instruments)
        # Exchange time up to which the positions taken over at the start hold every trade.
        self.snapshot_ms = 0
        # Which funding payments are booked already.
        self.funding = FundingBook()

    @property
    def pnl_differences(self) -> int:
        """Trades of which the exchange says another profit than we had worked out."""
        return int(self.words[PNL_DIFFERENCES])

    @property
    def wallet_e8(self) -> int:
        """What the exchange last said that the account holds, 1e-8 quote; the gate's equity."""
        return int(self.gate.words[WALLET_E8])

    @wallet_e8.setter
    def wallet_e8(self, value: int) -> None:
        self.gate.set_wallet(value)

    def is_first_answer(self, answer: Answer) -> bool:
        """Whether its request had none before: one that comes again tells nothing of now.

        A 429 that is repeated would pass for a second one, which stops even cancels.
        """
        if not isinstance(answer.id, int):
            return True
        requests = self.tables.requests
        noted = requests[answer.id % len(requests)]
        return bool(noted["request_id"] == answer.id and not noted["answered"])

    def on_answer(self, answer: Answer, now_ns: int) -> int:
        """One answer of the order connection; the slot it concerned, -1 when it is nobody's."""
        if not isinstance(answer.id, int):
            if answer.error is not None:
                self._note_verdict(
                    verdict_of(answer.status, answer.error.code, answer.error.msg), now_ns
                )
            return -1
        if self._is_of_another(answer.id, answer):
            return -1
        found = int(answer_request(self.directory, answer.id, now_ns))
        if found < 0:
            return -1
        slot, kind = divmod(found, 4)
        is_current = kind == REQUEST_AMEND and self._is_amend_of(slot, answer.id)
        if answer.error is None and answer.result is not None and answer.status == 200:
            # Without a time it tells too little: the order is asked about.
            is_final = is_current and answer.result.update_time > 0
            self.on_order_body(slot, answer.result, now_ns, is_final=is_final)
            return slot
        code = answer.error.code if answer.error is not None else 0
        text = answer.error.msg if answer.error is not None else ""
        verdict = verdict_of(answer.status, code, text)
        self._note_verdict(verdict, now_ns)
        # A success that says nothing proves nothing either.
        unclear = verdict in (Verdict.UNKNOWN, Verdict.DONE)
        if kind == REQUEST_AMEND:
            if is_current:
                # Nothing to change (-5027) is news as well: then the terms are not what we think.
                unclear = unclear or verdict is Verdict.ALREADY
                self.apply(slot, _amend_event(code, unclear), now_ns, code=code)
            return slot
        if kind == REQUEST_PLACE:
            event = states.AMBIGUOUS if unclear else states.REJECT
        elif code == _UNKNOWN_ORDER:
            event = states.CANCEL_LOST
        elif unclear:
            event = states.CANCEL_AMBIGUOUS
        else:
            event = states.CANCEL_REFUSED
        self.apply(slot, event, now_ns, code=code)
        return slot

    def _is_of_another(self, request_id: int, answer: Answer) -> bool:
        """Whether the answer names another order of ours than the one that was asked for.

        Whatever it is an answer to, it proves nothing of the order that was asked for.
        """
        name = self.ids.parse(answer.result.client_order_id) if answer.result is not None else None
        if name is None:
            return False
        noted = self.tables.requests[request_id % len(self.tables.requests)]
        asked = (int(noted["epoch"]), int(noted["order_ref"]))
        if name.run == self.ids.run:
            return asked != (name.epoch, name.order_ref)
        return asked != (CARRIED_EPOCH, self.carried_refs.get(name))

    def _is_amend_of(self, slot: int, request_id: int) -> bool:
        """Whether a request is the amend that an order waits for."""
        if not self.tables.rows[slot]["amends"] & AMENDING:
            return False
        return int(self.tables.terms[slot]["request_id"]) == request_id

    def _note_verdict(self, verdict: Verdict, now_ns: int) -> None:
        if verdict in LATCHING:
            state, control = LATCHING[verdict]
            self.gate.latch.trip(state, control, now_ns)
        elif verdict is Verdict.CLOCK:
            self.clock_skewed = True
        elif verdict is Verdict.MISMATCH:
            self.words[RECONCILE_WANTED] += 1
        elif verdict is Verdict.FILTERS:
            self.filters_suspect = True

    def on_order_body(
        self, slot: int, body: OrderBody, now_ns: int, *, asked_ms: int = 0, is_final: bool = False
    ) -> int:
        """An order as an answer or a query describes it.

        `asked_ms` is when it was asked for, 0 for an answer to something else; `is_final`: it is
        the answer to the amend that is under way.
        """
        event = _STATUS_EVENTS.get(body.status)
        if event is None:
            return states.IGNORED
        is_amending = bool(self.tables.rows[slot]["amends"] & AMENDING)
        if event != states.REJECT and (asked_ms or is_amending):
            is_final = is_final or event != states.ACCEPT or self._has_amend_ended(slot, asked_ms)
            self._hear_terms(slot, body.price, body.orig_qty, body.update_time, is_final, now_ns)
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

    def _has_amend_ended(self, slot: int, asked_ms: int) -> bool:
        """Whether the amend under way could not be carried out any more when a query was asked."""
        terms = self.tables.terms[slot]
        return asked_ms > int(terms["sent_ms"]) + self.recv_window_ms + WINDOW_SLACK_MS

    def _hear_terms(
        self, slot: int, price: str, qty: str, told_ms: int, is_final: bool, now_ns: int
    ) -> None:
        """Price and total quantity of an order as a message tells them; of a limit order only."""
        row = self.tables.rows[slot]
        rules = self._rules_of_slot(slot)
        ticks, lots = _ticks(price, rules), _lots(qty, rules)
        if ticks <= 0 or lots <= 0 or int(row["flags"]) & (IOC | MARKET):
            return
        hear_terms(self.directory, slot, ticks, lots, told_ms, is_final, now_ns)

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
        elif name is not None and name in self.carried_refs:
            slot = int(find_order(self.directory, CARRIED_EPOCH, self.carried_refs[name]))
        if slot < 0:
            self._on_stray(update, instrument, name, now_ns)
            return
        if update.x == "AMENDMENT" or self.tables.rows[slot]["amends"] & AMENDING:
            is_over = update.X in _OVER
            self._hear_terms(slot, update.p, update.q, update.T, is_over, now_ns)
        if update.x == "TRADE":
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

    def _is_settled(self, instrument: int, trade_id: int) -> bool:
        """Whether a look at all trades up to this one has booked what of it was ours.

        A restart remembers only trades after that, so the list of one order's trades, or a late
        event, may tell of others that the books hold already.
        """
        return 0 < trade_id <= self.confirmed_trades[instrument]

    def _on_fill(self, update: OrderUpdate, slot: int, instrument: int, now_ns: int) -> None:
        rules = self.instruments[instrument]
        if self._is_settled(instrument, update.t):
            self.words[DUPLICATE_FILLS] += 1
        else:
            apply_fill(
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
                _told_e8(update.rp),
            )
        if update.X == "FILLED" and _lots(update.q, rules) < self.tables.rows[slot]["qty_lots"]:
            # The exchange had made it smaller than it was sent.
            self.apply(slot, states.COMPLETE, now_ns, cum_lots=_lots(update.z, rules))

    def _on_stray(
        self, update: OrderUpdate, instrument: int, name: OrderName | None, now_ns: int
    ) -> None:
        """News of an order that is not in the table: of an earlier run, or of somebody else."""
        if name is None and update.x in ("NEW", "TRADE", "CALCULATED"):
            self.foreign_orders += 1
            if self.foreign_halts or update.is_forced:
                self.gate.latch.trip(LatchState.HALTED, Control.FOREIGN_ORDER, now_ns)
        elif update.x == "NEW":
            # Also one of an earlier run: it was on its way when that run ended, and nobody else
            # would ever cancel it.
            self.words[RECONCILE_WANTED] += 1
        if update.x not in ("TRADE", "CALCULATED") or update.t <= 0:
            # Without a number it would count once for all such; the list of trades has it.
            return
        rules = self.instruments[instrument]
        if self.snapshot_ms >= update.T or self._is_settled(instrument, update.t):
            note_trade(self.directory, instrument, update.t, now_ns)
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
            _told_e8(update.rp),
        )

    def knows_trade(self, instrument: int, trade_id: int) -> bool:
        """Whether a trade is booked already."""
        return bool((self.tables.array("trades") == trade_key(instrument, trade_id)).any())

    def slot_of_exchange_id(self, instrument: int, order_id: int) -> int:
        """The row of an order by the exchange's own id for it; -1 when there is none."""
        rows = self.tables.rows
        found = np.flatnonzero(
            (rows["exchange_order_id"] == order_id)
            & (rows["instrument"] == instrument)
            & (rows["state"] != states.FREE)
        )
        return int(found[0]) if order_id > 0 and found.size else -1

    def on_stray_row(
        self,
        instrument: int,
        side: int,
        trade_id: int,
        price: str,
        qty: str,
        fee: str,
        maker: bool,
        order_id: int,
        now_ns: int,
        realized: str = "",
    ) -> bool:
        """A trade of no known order as a query tells it; whether it was news."""
        rules = self.instruments[instrument]
        moved = apply_stray_fill(
            self.directory,
            instrument,
            side,
            _ticks(price, rules),
            _lots(qty, rules),
            trade_id,
            text_to_e8(fee),
            order_id,
            MAKER if maker else 0,
            0,
            now_ns,
            _told_e8(realized),
        )
        self.strays += moved != DUPLICATE
        return bool(moved != DUPLICATE)

    def on_trade_row(
        self,
        slot: int,
        trade_id: int,
        price: str,
        qty: str,
        fee: str,
        maker: bool,
        now_ns: int,
        realized: str = "",
    ) -> bool:
        """A trade of an order as a query tells it (the same trade may come by the stream, too).

        `realized` is the profit that the exchange says it made. Returns whether it was news.
        """
        rules = self._rules_of_slot(slot)
        if self._is_settled(int(self.tables.rows[slot]["instrument"]), trade_id):
            self.words[DUPLICATE_FILLS] += 1
            return False
        moved = apply_fill(
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
            _told_e8(realized),
        )
        return bool(moved != DUPLICATE)

    def on_trades_listed(self, slot: int, quantities: Sequence[str], now_ns: int) -> None:
        """All of an order's trades have been shown to `on_trade_row`: each is in the books now.

        What is missing from the order's own count was booked without it (`_is_settled`, strays).
        """
        row, rules = self.tables.rows[slot], self._rules_of_slot(slot)
        listed = sum(_lots(qty, rules) for qty in quantities)
        if listed >= row["reported_lots"] and listed > row["filled_lots"]:
            self.apply(slot, states.SETTLED, now_ns, cum_lots=listed)

    def on_account_update(self, update: AccountUpdate, now_ns: int) -> None:
        """Remember what the exchange says of wallet and positions, to be compared when quiet."""
        for balance in update.B:
            if balance.a == "USDT":
                self.wallet_e8 = text_to_e8(balance.wb)
                if update.m == "FUNDING_FEE":
                    amount_e8 = text_to_e8(balance.bc)
                    if self.funding.hear(update.T, amount_e8, self.wallet_e8):
                        self.on_funding(amount_e8, now_ns, time_ms=update.T)
        for row in update.P:
            instrument = self.index.get(row.s)
            if instrument is not None and row.ps == "BOTH":
                self.reported_lots[instrument] = _lots(row.pa, self.instruments[instrument])

    def on_funding(
        self, amount_e8: int, now_ns: int, *, time_ms: int = 0, tran_id: int = 0
    ) -> None:
        """Book funding received (paid: negative) in 1e-8 quote; see `funding_book`."""
        note_funding(self.directory, amount_e8, tran_id, time_ms * _NS_PER_MS, now_ns)

    def _rules_of_slot(self, slot: int) -> InstrumentRules:
        return self.instruments[int(self.tables.rows[slot]["instrument"])]


def _amend_event(code: int, unclear: bool) -> int:
    """What an error to an amend says of it."""
    if code in _NO_OPEN_ORDER:
        return states.AMEND_LOST
    return states.AMEND_AMBIGUOUS if unclear else states.AMEND_REFUSED


def _lots(text: str, rules: InstrumentRules) -> int:
    return text_to_scaled(text, rules.step_decimals) // rules.step_mantissa


def _ticks(text: str, rules: InstrumentRules) -> int:
    return text_to_scaled(text, rules.tick_decimals) // rules.tick_mantissa


def _told_e8(text: str) -> int:
    """The profit that the exchange says a trade realised, 1e-8 quote; NOT_TOLD for an empty one."""
    return text_to_e8(text) if text else NOT_TOLD


def _fee_e8(update: OrderUpdate, rules: InstrumentRules) -> int:
    """The commission in quote; one paid in another coin (BNB) is not of this account's sums."""
    if update.N is None or not rules.symbol.endswith(update.N):
        return 0
    return text_to_e8(update.n)

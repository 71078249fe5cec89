"""Bugs on purpose in what becomes of an amend: the part of `mutations` that is about terms."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from aegis.execution import evidence
from aegis.execution import order_states as states
from aegis.execution.evidence import EvidenceReader
from aegis.execution.gateway import OrderGateway
from aegis.execution.intake import Intake
from aegis.execution.journal.layout import AMEND
from aegis.execution.journal.writer import SegmentWriter
from aegis.execution.layouts import ACT_AMEND

__all__ = ["AMEND_MUTATIONS", "Patch"]

Patch = Callable[[Callable[[Any, str, Any], None]], None]
_fresh = itertools.count(1 << 40)


def _only_the_new_terms_count(put: Any) -> None:
    """While an amend is under way, what it asks for is counted, and what there is is not."""
    real = Intake.carry_out

    def carry_out(self: Any, count: int) -> None:
        core = self._core
        for kind, slot, *_ in core.actions(count):
            row, asked = core.tables.rows[slot], int(core.tables.terms[slot]["qty_lots"])
            if kind == ACT_AMEND and asked < row["qty_lots"]:
                side = "open_buy_lots" if row["side"] > 0 else "open_sell_lots"
                core.gate.exposure[int(row["instrument"])][side] -= int(row["qty_lots"]) - asked
                row["qty_lots"] = asked
        real(self, count)

    put(Intake, "carry_out", carry_out)


def _only_the_old_terms_count(put: Any) -> None:
    """While an amend is under way, what there is is counted, and what it asks for is not."""
    real = Intake.carry_out

    def carry_out(self: Any, count: int) -> None:
        core = self._core
        for kind, slot, *_ in core.actions(count):
            row, terms = core.tables.rows[slot], core.tables.terms[slot]
            more = int(terms["qty_lots"]) - int(row["qty_lots"])
            if kind == ACT_AMEND and more > 0:
                side = "open_buy_lots" if row["side"] > 0 else "open_sell_lots"
                core.gate.exposure[int(row["instrument"])][side] -= more
                terms["qty_lots"] = row["qty_lots"]
        real(self, count)

    put(Intake, "carry_out", carry_out)


def _unclear_amend_is_refused(put: Any) -> None:
    """An amend without a clear answer is taken for refused."""
    real = evidence._amend_event

    def amend_event(code: int, unclear: bool) -> int:
        return real(code, False)

    put(evidence, "_amend_event", amend_event)


def _silent_amend_is_refused(put: Any) -> None:
    """An amend that nobody has answered for a while is taken for refused."""
    real = EvidenceReader.apply

    def apply(self: Any, slot: int, event: int, now_ns: int, **rest: Any) -> int:
        event = states.AMEND_REFUSED if event == states.AMEND_AMBIGUOUS else event
        return real(self, slot, event, now_ns, **rest)

    put(EvidenceReader, "apply", apply)


def _total_is_what_is_left(put: Any) -> None:
    """The quantity of amended terms is taken for what is left to fill, not for all of it."""
    real = evidence.hear_terms

    def hear_terms(tables: Any, slot: Any, ticks: Any, lots: Any, *rest: Any) -> Any:
        filled = next(
            int(core.tables.rows[slot]["filled_lots"])
            for core in _cores
            if core.directory is tables
        )
        return real(tables, slot, ticks, lots + filled, *rest)

    _cores: list[Any] = []
    real_init = EvidenceReader.__init__

    def init(self: Any, *arguments: Any) -> None:
        real_init(self, *arguments)
        _cores.append(self)

    put(EvidenceReader, "__init__", init)
    put(evidence, "hear_terms", hear_terms)


def _early_query_is_certain(put: Any) -> None:
    """A query settles an amend that may still arrive after it."""
    put(EvidenceReader, "_has_amend_ended", lambda *_: True)


def _old_news_of_terms_is_news(put: Any) -> None:
    """What tells of an order's terms is believed, however old it is."""
    real = evidence.hear_terms

    def hear_terms(tables: Any, slot: Any, ticks: Any, lots: Any, _: Any, *rest: Any) -> Any:
        return real(tables, slot, ticks, lots, next(_fresh), *rest)

    put(evidence, "hear_terms", hear_terms)


def _amend_is_not_noted(put: Any) -> None:
    """What an amend asks for is not in the journal."""
    real = SegmentWriter.append
    put(SegmentWriter, "append", lambda self, notes: real(self, notes[notes["kind"] != AMEND]))


def _amend_again_instead_of_asking(put: Any) -> None:
    """An amend without a clear answer is sent again."""
    real_send, real_receive = OrderGateway.send, OrderGateway.receive
    sent: dict[bytes, bytes] = {}

    def send(self: Any, request: Any) -> None:
        raw = bytes(request)
        if b"order.modify" in raw:
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


# (name, patch, the seed to begin the search with)
AMEND_MUTATIONS: tuple[tuple[str, Patch, int], ...] = (
    ("count only the new terms", _only_the_new_terms_count, 1),
    ("count only the old terms", _only_the_old_terms_count, 1),
    ("take an unclear amend for refused", _unclear_amend_is_refused, 299),
    ("take a silent amend for refused", _silent_amend_is_refused, 130),
    ("take the total for what is left", _total_is_what_is_left, 1),
    ("settle an amend by an early query", _early_query_is_certain, 145),
    ("believe old news of terms", _old_news_of_terms_is_news, 365),
    ("do not note an amend", _amend_is_not_noted, 1),
    ("amend again instead of asking", _amend_again_instead_of_asking, 1),
)

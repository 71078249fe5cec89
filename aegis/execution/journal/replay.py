"""Replay: records through the kernels that made them, to the state that they left.

Used by the recovery at a start and by `aegis journal verify`. It needs nothing but the records: a
snapshot names the instruments and their grids. Where the live process wrote its hash down, the
replay compares; a difference is counted and told, and never mended here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from aegis.execution.client_id import OrderName
from aegis.execution.funding_book import Change, FundingBook
from aegis.execution.journal.layout import (
    CARRIED,
    CHECKPOINT,
    CONFIRMED,
    END,
    FUNDED,
    FUNDING,
    INSTRUMENT,
    RUN,
    SNAPSHOT,
    SUMS,
    VERDICT,
)
from aegis.execution.journal.state import apply_records, state_hash
from aegis.execution.tables import Tables
from aegis.risk.gate_state import EXECUTION_LIMIT, GATE_LIMITS, Gate
from aegis.risk.limits import InstrumentRules

__all__ = ["Replay", "rules_of_record"]

# Nothing is judged here; a gate wants every limit all the same.
_LIMITS = dict.fromkeys((*GATE_LIMITS, "pilot_hours"), 1.0)
_WORD = (1 << 64) - 1
_NS_PER_MS = 1_000_000


def rules_of_record(note: Any) -> InstrumentRules:
    """An INSTRUMENT record: symbol and grid (bounds are not the journal's business)."""
    symbol = note.tobytes()[64:88].rstrip(b"\0").decode("ascii", "replace")
    code = int(note["code"])
    return InstrumentRules(
        symbol=symbol,
        is_trading=False,
        tick_mantissa=int(note["trade_id"]),
        tick_decimals=code >> 8,
        step_mantissa=int(note["amount_e8"]),
        step_decimals=code & 0xFF,
        min_price_ticks=1,
        max_price_ticks=1,
        min_qty_lots=1,
        max_qty_lots=1,
        max_market_qty_lots=1,
        min_notional_e8=0,
    )


def _change_of(note: Any) -> Change:
    """A FUNDED record."""
    return Change(
        code=int(note["code"]),
        sign=int(note["side"]),
        number=int(note["trade_id"]),
        time_ms=int(note["event_ns"]) // _NS_PER_MS,
        amount_e8=int(note["amount_e8"]),
    )


@dataclass(slots=True)
class Replay:
    """The state after every record fed so far. `hash_errors` tells where it was not as written."""

    run: int = 0
    tag: int = 0
    run_record: Any = None
    instruments: list[InstrumentRules] = field(default_factory=list)
    tables: Tables | None = None
    gate: Gate | None = None
    confirmed: list[int] = field(default_factory=list)
    begun_ms: dict[int, int] = field(default_factory=dict)
    carried: dict[int, OrderName] = field(default_factory=dict)
    funding: FundingBook = field(default_factory=FundingBook)
    day: int = 0
    records: int = 0
    hashes: int = 0
    hash_errors: list[str] = field(default_factory=list)
    verdicts: int = 0
    _snapshot_run: int = -1
    _skipping: bool = False

    def feed(self, records: npt.NDArray[Any]) -> None:
        """Apply records, the next ones after those fed before."""
        at = 0
        while at < len(records):
            if self.tables is not None and not self._skipping:
                stop = int(apply_records(self.tables.directory, records, at, len(records)))
                self._note_sums(records[at:stop])
                self._note_funding(records[at:stop])
                at = stop
                if at == len(records):
                    break
            self._one(records[at])
            at += 1
        self.records += len(records)

    def _note_sums(self, records: npt.NDArray[Any]) -> None:
        sums = records["number"][records["kind"] == SUMS]
        if len(sums):
            self.day = int(sums[-1])

    def _note_funding(self, records: npt.NDArray[Any]) -> None:
        for note in records[records["kind"] == FUNDING]:
            time_ms = int(note["event_ns"]) // _NS_PER_MS
            self.funding.take_booking(int(note["trade_id"]), time_ms, int(note["amount_e8"]))

    def _one(self, note: Any) -> None:
        """A record that is not for a kernel, or any record of a snapshot that is passed over."""
        kind = int(note["kind"])
        if kind == RUN:
            self.run = int(note["ident"])
            self.tag = int(note["trade_id"])
            self.run_record = note.copy()
            self.instruments = []
        elif kind == INSTRUMENT:
            self.instruments.append(rules_of_record(note))
        elif kind == SNAPSHOT:
            self._begin_snapshot(note)
        elif kind == CHECKPOINT:
            self._skipping = False
            self._compare(note, "checkpoint")
        elif kind == CARRIED:
            name = (int(note["ident"]), int(note["number"]), int(note["trade_id"]))
            self.carried[int(note["order_ref"])] = OrderName(*name, int(note["amount_e8"]))
        elif kind == CONFIRMED and int(note["instrument"]) < len(self.confirmed):
            place = int(note["instrument"])
            self.confirmed[place] = int(note["trade_id"])
            if note["event_ns"]:
                self.begun_ms[place] = int(note["event_ns"]) // _NS_PER_MS
        elif kind == FUNDED and not self._skipping:
            self.funding.take(_change_of(note))
        elif kind == VERDICT:
            self.verdicts += 1
        elif kind == END:
            raise ValueError("a record of kind 0 is none")

    def _begin_snapshot(self, note: Any) -> None:
        """Take the state from the snapshot; inside one run, see that it is what we have."""
        if self.tables is not None and self._snapshot_run == self.run:
            self._compare(note, "snapshot")
            self._skipping = True
            return
        self._snapshot_run = self.run
        self.gate = Gate(max(len(self.instruments), 1), _LIMITS, 0)
        # What tripped the latch is in the journal; no fill trips it a second time.
        self.gate.words[EXECUTION_LIMIT] = 0
        for row, rules in zip(self.gate.rules, self.instruments, strict=False):
            row["unit_e8"] = rules.unit_e8
            row["tick_size"] = rules.tick_size
        self.tables = Tables.detached(self.gate)
        self.confirmed = [0] * len(self.instruments)
        self.begun_ms = {}
        self.carried = {}
        self.funding = FundingBook()

    def _compare(self, note: Any, what: str) -> None:
        if self.tables is None:
            return
        self.hashes += 1
        written = int(note["ident"]) & _WORD
        found = self.hash
        if written != found:
            self.hash_errors.append(
                f"{what} at sequence {int(note['sequence'])}: the state hashes to {found:016x}, "
                f"the journal says {written:016x}"
            )

    @property
    def hash(self) -> int:
        """The hash of the state now; 0 before there is one."""
        return int(state_hash(self.tables.directory)) if self.tables is not None else 0

    @property
    def open_rows(self) -> npt.NDArray[Any]:
        """The rows of the order table."""
        assert self.tables is not None
        return self.tables.rows

    def symbol_rows(self) -> dict[str, Any]:
        """Exposure by symbol."""
        if self.gate is None:
            return {}
        exposure = self.gate.exposure
        return {rules.symbol: exposure[n] for n, rules in enumerate(self.instruments)}

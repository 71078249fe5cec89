"""Journals of before there were amends: their numbers mean what they meant then."""

from __future__ import annotations

import numpy as np
import pytest

from aegis.execution import order_states as states
from aegis.execution.journal.layout import ORDER, RECORD
from aegis.execution.journal.state import amend_records, apply_records, order_records
from aegis.execution.tables import Tables
from aegis.risk.gate_state import Gate
from tests.execution.harness import LIMITS

_CLOSING, _ACKNOWLEDGED = 5, 256


def closing_order(was_closing_as: int) -> np.ndarray:
    """A snapshot's record of an order of 10 lots, 4 booked of the 6 that the exchange counts."""
    notes = np.zeros(1, RECORD)
    notes["kind"], notes["order_ref"], notes["epoch"], notes["side"] = ORDER, 1, 1, 1
    notes["price_ticks"], notes["qty_lots"] = 599_900, 10
    notes["cum_lots"], notes["trade_id"], notes["ident"] = 4, 6, 10_001
    notes["code"] = _CLOSING | was_closing_as << 4 | _ACKNOWLEDGED
    return notes


@pytest.mark.parametrize(
    ("was", "is_now"), [(6, states.FILLED), (7, states.CANCELED), (8, states.EXPIRED)]
)
def test_an_order_that_was_closing_ends_as_it_would_have(was: int, is_now: int) -> None:
    notes = closing_order(was)
    tables = Tables.detached(Gate(1, LIMITS, 0))
    assert apply_records(tables.directory, notes, 0, 1) == 1
    (slot,) = np.flatnonzero(tables.rows["state"] != states.FREE)
    row = tables.rows[slot]
    assert (row["state"], row["closing_as"], row["acknowledged"]) == (states.CLOSING, is_now, 1)
    assert (row["filled_lots"], row["reported_lots"], row["amends"]) == (4, 6, 0)
    assert order_records(tables.rows)["code"].tolist() == notes["code"].tolist()
    assert len(amend_records(tables.rows, tables.terms)) == 0


def test_the_numbers_of_states_and_events_stay() -> None:
    assert states.STATES[:6] == (
        "FREE",
        "PENDING_NEW",
        "LIVE",
        "PENDING_CANCEL",
        "UNKNOWN",
        "CLOSING",
    )
    assert states.EVENTS[:12] == (
        "ACCEPT",
        "REJECT",
        "AMBIGUOUS",
        "CANCEL_SENT",
        "CANCEL_REFUSED",
        "CANCEL_LOST",
        "CANCEL_AMBIGUOUS",
        "CANCEL",
        "EXPIRE",
        "COMPLETE",
        "NOT_PLACED",
        "FILL",
    )

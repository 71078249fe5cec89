"""Amends of somebody else's doing, told of while one of ours is under way."""

from __future__ import annotations

import numpy as np

from aegis.execution import order_states as states
from aegis.execution.journal.state import amend_records, order_records, state_hash
from aegis.execution.words import JOURNAL_COUNT, JOURNAL_ON
from aegis.shm.outcome import AMEND_REFUSED, AMENDED
from tests.execution.amend_desk import AmendDesk
from tests.execution.harness import NOW_MS, Desk
from tests.execution.test_amends import PLACED, replayed


def test_terms_of_somebody_else_while_an_amend_is_under_way(desk: Desk) -> None:
    """Their 30 lots count at once, ours are still to come; -5043 says no more than that."""
    resting = AmendDesk(desk)
    request_id = resting.amend(599_800, 14)
    resting.event("AMENDMENT", "59970.0", "0.030", NOW_MS + 5)
    assert resting.state == states.PENDING_AMEND
    assert resting.reserved == 30 and resting.terms == (599_700, 30)
    assert resting.told() == [(AMENDED, 0)]
    resting.refuse(request_id, -5043)
    assert resting.state == states.LIVE
    assert resting.reserved == 30 and resting.terms == (599_700, 30)
    assert resting.told() == [(AMEND_REFUSED, 77)]


def test_theirs_first_and_ours_after_it(desk: Desk) -> None:
    resting = AmendDesk(desk)
    request_id = resting.amend(599_800, 14)
    resting.event("AMENDMENT", "59970.0", "0.012", NOW_MS + 5)
    assert resting.reserved == 14, "ours may still come"
    resting.accept(request_id, "59980.00", "0.014", time_ms=NOW_MS + 6)
    assert resting.terms == (599_800, 14) and resting.state == states.LIVE
    assert resting.told() == [(AMENDED, 0), (AMENDED, 77)]


def test_what_was_true_once_is_nobody_elses_amend(desk: Desk) -> None:
    resting = AmendDesk(desk)
    resting.accept(resting.amend(599_800), "59980.00", "0.010", time_ms=NOW_MS + 10)
    resting.accept(resting.amend(599_700), "59970.00", "0.010", time_ms=NOW_MS + 20)
    desk.outcomes()
    resting.amend(599_600)
    resting.event("AMENDMENT", "59980.00", "0.010", NOW_MS + 10)
    resting.event("AMENDMENT", "59970.00", "0.004", NOW_MS + 30)
    resting.event("AMENDMENT", "59960.00", "0.004", NOW_MS + 31)
    assert resting.terms == (599_700, 10), "late, or made smaller by the exchange"
    assert resting.reserved == PLACED[1] and resting.told() == []


def test_the_journal_leads_to_theirs_as_well(desk: Desk) -> None:
    desk.core.words[JOURNAL_ON] = 1
    resting = AmendDesk(desk)
    resting.amend(599_800, 14)
    resting.event("AMENDMENT", "59970.0", "0.030", NOW_MS + 5)
    notes = desk.core.tables.journal[: int(desk.core.words[JOURNAL_COUNT])]
    now = int(state_hash(desk.core.directory))
    assert replayed(desk, notes) == now
    rows, terms = desk.core.tables.rows, desk.core.tables.terms
    assert amend_records(rows, terms)["event_ns"].tolist() == [NOW_MS + 5]
    whole = np.concatenate([order_records(rows), amend_records(rows, terms)])
    assert replayed(desk, whole) == now

"""The transition table: whole, one-way, and true to its rules."""

from __future__ import annotations

import pytest

from aegis.execution import order_states as s

LIVING = range(s.PENDING_NEW, s.TERMINAL)
FINAL = range(s.TERMINAL, len(s.STATES))


def test_it_is_whole() -> None:
    assert s.NEXT.shape == (len(s.STATES), len(s.EVENTS))
    assert s.NEXT.min() >= s.ANOMALY and s.NEXT.max() < len(s.STATES)
    assert s.FREE not in s.NEXT, "no event frees a row by itself"
    assert s.PENDING_NEW not in s.NEXT, "nothing becomes new again"


def test_a_final_state_is_final() -> None:
    for state in FINAL:
        assert set(s.NEXT[state]) <= {s.IGNORED, s.ANOMALY}


def test_only_the_exchanges_word_or_proof_ends_an_order() -> None:
    ends = {s.REJECT, s.CANCEL, s.EXPIRE, s.COMPLETE, s.NOT_PLACED}
    for state in LIVING:
        for event in range(len(s.EVENTS)):
            if s.NEXT[state, event] >= s.TERMINAL:
                assert event in ends, (s.STATES[state], s.EVENTS[event])


@pytest.mark.parametrize(
    "event", [s.AMBIGUOUS, s.CANCEL_AMBIGUOUS, s.CANCEL_LOST, s.AMEND_AMBIGUOUS]
)
def test_doubt_never_ends_an_order(event: int) -> None:
    for state in LIVING:
        assert s.NEXT[state, event] in (s.UNKNOWN, s.IGNORED)


def test_what_is_known_to_live_is_not_put_in_doubt_by_a_late_answer() -> None:
    assert s.NEXT[s.LIVE, s.AMBIGUOUS] == s.IGNORED


def test_absence_is_believed_of_unknown_orders_only() -> None:
    for state in LIVING:
        expected = s.REJECTED if state == s.UNKNOWN else s.ANOMALY
        assert s.NEXT[state, s.NOT_PLACED] == expected


def test_a_fill_of_a_finished_order_is_told() -> None:
    assert all(s.NEXT[state, s.FILL] == s.ANOMALY for state in FINAL)


AMENDS = (s.AMEND_SENT, s.AMENDED, s.AMEND_REFUSED, s.AMEND_LOST, s.AMEND_AMBIGUOUS)


def test_an_amend_ends_no_order() -> None:
    for state in LIVING:
        assert all(s.NEXT[state, event] < s.TERMINAL for event in AMENDS), s.STATES[state]


def test_only_an_order_that_rests_undisturbed_is_amended() -> None:
    for state in range(len(s.STATES)):
        expected = s.PENDING_AMEND if state == s.LIVE else s.ANOMALY
        assert s.NEXT[state, s.AMEND_SENT] == expected, s.STATES[state]


def test_an_amend_takes_no_cancel_back() -> None:
    for event in AMENDS[1:]:
        assert s.NEXT[s.PENDING_CANCEL, event] in (s.PENDING_CANCEL, s.IGNORED)
    assert s.NEXT[s.PENDING_AMEND, s.CANCEL_SENT] == s.PENDING_CANCEL

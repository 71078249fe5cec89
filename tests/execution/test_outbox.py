"""Outcomes wait for room in order; a full lane refuses intents and loses nothing."""

from __future__ import annotations

from aegis.execution.outbox import BACKLOG_LIMIT, STAGE_SIZE
from aegis.execution.words import STAGE_COUNT, STAGE_LOST
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from aegis.shm.outcome import DENIED, STATE
from tests.execution.harness import Desk


def stuff(desk: Desk, count: int) -> None:
    """Let so many outcomes be made (denials of orders that have expired)."""
    done = 0
    while done < count:
        some = min(64, count - done)
        desk.send(*(desk.intent(valid_until_ns=1) for _ in range(some)))
        done += some


def test_full_lane_refuses_new_intents(desk: Desk) -> None:
    lane = desk.memory.outcomes.capacity
    stuff(desk, lane + BACKLOG_LIMIT + 1)
    desk.core.publish(desk.now_ns)
    assert desk.memory.outcomes.pending_count() == lane
    assert desk.core.words[STAGE_COUNT] == BACKLOG_LIMIT + 1
    assert desk.send(desk.intent()) == [], "not sent: nobody could be told what became of it"
    told = desk.outcomes()
    assert len(told) == lane + BACKLOG_LIMIT + 2
    assert told["reason"][-1] == Control.OUTCOME_LANE
    assert set(told["kind"].tolist()) == {DENIED}
    refs = told["order_ref"].tolist()
    assert refs == sorted(refs), "in order, none lost"
    assert len(desk.send(desk.intent())) == 1, "there is room again"


def test_a_cancel_goes_out_even_then(desk: Desk) -> None:
    slot = desk.place()
    stuff(desk, desk.memory.outcomes.capacity + BACKLOG_LIMIT + 1)
    desk.core.publish(desk.now_ns)
    assert [action[1] for action in desk.cancel(1)] == [slot]


def test_what_no_room_can_hold_halts(desk: Desk) -> None:
    stuff(desk, STAGE_SIZE + 1)
    assert desk.core.words[STAGE_LOST] == 1
    desk.core.publish(desk.now_ns)
    assert desk.gate.latch.state is LatchState.HALTED
    assert desk.gate.latch.reason == Control.OUTCOME_LANE


def test_a_moved_latch_is_told(desk: Desk) -> None:
    desk.gate.latch.trip(LatchState.REDUCING, Control.DAILY_LOSS, desk.now_ns)
    (told,) = desk.outcomes()
    assert (told["kind"], told["reason"], told["code"]) == (STATE, 2, Control.DAILY_LOSS)
    assert len(desk.outcomes()) == 0, "once"

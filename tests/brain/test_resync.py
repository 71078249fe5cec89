"""Who rests what: the RESYNC at the start, its answers, and orders placed in between."""

from __future__ import annotations

from collections.abc import Callable

from aegis.brain.layout import EMPTY, LIVE, PENDING
from aegis.shm.intent import CANCEL, PLACE, RESYNC
from aegis.shm.outcome import ACCEPTED, POSITION
from tests.brain.harness import EPOCH, Harness, answer, of_kind, outcome, quote

BID = 600_000


def test_a_brain_begins_with_one_resync_and_waits(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness(synced=False)
    assert [(int(i["kind"]), int(i["epoch"])) for i in harness.intents] == [(RESYNC, EPOCH)]
    assert harness.feed(*[quote(BID, 20 * step) for step in range(20)]) == []
    harness.sync()
    assert len(of_kind(harness.feed(quote(BID, 500)), PLACE)) == 2
    assert harness.core["resyncs"] == 1


def test_an_answer_to_an_older_brain_is_ignored(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness(synced=False)
    harness.tell(outcome(POSITION, 0, epoch=EPOCH - 1, position_lots=9))
    assert not harness.desk.lanes["synced"].any()
    assert harness.desk.positions["lots"][0] == 0
    harness.sync(position_lots=4, entry_price=59_000.0)
    assert harness.desk.positions["lots"][0] == 4
    assert harness.desk.positions["entry_price"][0] == 59_000.0


def test_each_instrument_waits_for_its_own_answer(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness(instruments=2, synced=False)
    quotes = [quote(BID, 20 * step, instrument=step % 2) for step in range(8)]
    assert harness.feed(*quotes) == []
    harness.tell(outcome(POSITION, 0, instrument=1))
    placed = harness.feed(quote(BID, 200, instrument=0), quote(BID, 201, instrument=1))
    assert {int(intent["instrument"]) for intent in placed} == {1}


def test_an_execution_that_restarts_frees_every_slot(harness: Harness) -> None:
    placed = [*harness.feed(quote(BID, 0)), *harness.feed(quote(BID, 20))]
    harness.accept(placed[:1])
    harness.tell(outcome(POSITION, 0, position_lots=-3))
    assert harness.desk.slots["state"].max() == EMPTY
    assert harness.desk.positions["lots"][0] == -3
    # An intent that crossed the restart turns out to rest after all.
    sent = harness.tell(answer(ACCEPTED, placed[1]))
    assert [int(intent["kind"]) for intent in sent] == [CANCEL]


def test_an_answer_spares_what_was_placed_after_the_question(harness: Harness) -> None:
    harness.accept([*harness.feed(quote(BID, 0)), *harness.feed(quote(BID, 20))])
    harness.core["resync_due"] = 1
    harness.turn()
    question = int(harness.core["resync_intent_id"])
    harness.tell(outcome(POSITION, 0, intent_id=question))
    assert harness.desk.slots["state"][:2].tolist() == [EMPTY, EMPTY]
    placed = harness.feed(quote(BID, 500))
    assert len(placed) == 2
    # The same answer once more, or one to an older question, takes nothing away.
    harness.tell(outcome(POSITION, 0, intent_id=question))
    assert harness.desk.slots["state"][:2].tolist() == [PENDING, PENDING]
    harness.accept(placed)
    assert harness.desk.slots["state"][:2].tolist() == [LIVE, LIVE]

"""The counters' language: what must have been seen before the next slice may begin."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest

from aegis.venue.pace import CounterPace


class Box:
    """Counters and lanes that a test sets as it likes."""

    def __init__(self) -> None:
        self.counters: dict[str, dict[str, int]] = {
            name: defaultdict(int) for name in ("feed", "brain", "execution")
        }
        self.ticks = SimpleNamespace(published=0)
        self.intents = SimpleNamespace(published=0)
        self.outcomes = SimpleNamespace(published=0)
        self.leaving: set[str] = set()
        self.control = SimpleNamespace(must_stop=lambda process: process in self.leaving)
        self.hub = SimpleNamespace(sent_tracked=0)
        self.feed = SimpleNamespace(sent=0)
        self.core = SimpleNamespace(tally=SimpleNamespace(ws_requests=0, ws_answers=0))

    def pace(self) -> Any:
        return CounterPace(self, self.core, self.hub, self.feed)  # type: ignore[arg-type]


def twice(question: Any) -> bool:
    """The answer after nothing has moved in between."""
    question()
    return question()


@pytest.fixture
def box() -> Box:
    return Box()


def test_market_messages_ticks_intents_and_requests_all_count(box: Box) -> None:
    pace = box.pace()
    assert twice(pace.market_digested)
    feed, brain, execution = (box.counters[name] for name in ("feed", "brain", "execution"))
    steps = [
        (lambda: setattr(box.hub, "sent_tracked", 5), lambda: feed.update(messages=5)),
        (lambda: setattr(box.ticks, "published", 9), lambda: brain.update(ticks_consumed=9)),
        (
            lambda: setattr(box.intents, "published", 2),
            lambda: execution.update(intents_consumed=2),
        ),
        (
            lambda: execution.update(orders_sent=1, cancels_sent=1, amends_sent=1),
            lambda: setattr(box.core.tally, "ws_requests", 3),
        ),
    ]
    for begin, end in steps:
        begin()
        assert not twice(pace.market_digested)
        end()
        assert twice(pace.market_digested)


def test_answers_events_and_outcomes_count_for_the_private_side(box: Box) -> None:
    pace = box.pace()
    brain, execution = box.counters["brain"], box.counters["execution"]
    steps = [
        (lambda: setattr(box.core.tally, "ws_answers", 1), lambda: execution.update(responses=1)),
        (lambda: setattr(box.feed, "sent", 3), lambda: execution.update(user_events=3)),
        (lambda: setattr(box.outcomes, "published", 4), lambda: brain.update(outcomes_consumed=4)),
    ]
    for begin, end in steps:
        begin()
        assert twice(pace.market_digested)
        assert not twice(pace.private_digested)
        end()
        assert twice(pace.private_digested)


def test_one_look_is_not_enough_while_things_move(box: Box) -> None:
    pace = box.pace()
    assert not pace.market_digested()
    box.ticks.published = box.counters["brain"]["ticks_consumed"] = 1
    assert not pace.market_digested()
    assert pace.market_digested()


def test_after_a_lost_message_the_counts_agree_again_from_where_they_are(box: Box) -> None:
    pace = box.pace()
    box.hub.sent_tracked = 3
    box.counters["feed"]["messages"] = 1
    assert not twice(pace.market_digested)
    pace.rebase()
    assert twice(pace.market_digested)


def test_readiness_books_and_leaving(box: Box) -> None:
    pace = box.pace()
    assert not pace.trader_ready()
    box.counters["execution"].update(ready=1, private_connected=1)
    box.counters["brain"]["synced"] = 1
    assert pace.trader_ready()
    assert not pace.books_joined(1)
    box.counters["feed"].update(books_total=2, books_valid=1)
    assert not pace.books_joined(2)
    box.counters["feed"]["books_valid"] = 2
    assert pace.books_joined(1)
    assert not pace.released()
    box.leaving.add("execution")
    assert pace.released()

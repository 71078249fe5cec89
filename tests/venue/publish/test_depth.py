"""Depth streams as a client uses them: chains that never break, and books that come out right."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.venue.publish.tables import CHANGES
from tests.venue.publish.world import SPECS, START_MS, Stage, Step, steps

LATER_MS = 10_000
DIFFS = ["depth@0ms", "depth@100ms", "depth", "depth@500ms", "rpiDepth@500ms"]
NUMBER = 0
NAME = SPECS[NUMBER].symbol.lower()


class Follower:
    """Somebody who takes a snapshot, listens from then on, and applies what he hears."""

    def __init__(self, stage: Stage, stream: str) -> None:
        self.stage = stage
        self.stream = stream
        self.book = {"b": self.side(1), "a": self.side(-1)}
        self.snapshot_id = stage.writer.update_id
        self.last: dict[str, Any] | None = None
        # Nobody looks at subscriptions before the next step: it must be heard all the same.
        stage.hub.subscribe(stream, stage.ear, True)

    def side(self, side: int) -> dict[str, str]:
        spec, levels = SPECS[NUMBER], self.stage.writer.levels[NUMBER][side]
        return {spec.price_text(ticks): spec.qty_text(lots) for ticks, lots in levels.items()}

    def hear(self, message: dict[str, Any]) -> None:
        assert message["e"] == "depthUpdate"
        assert message["U"] <= message["u"]
        assert message["T"] <= message["E"]
        if self.last is None:
            # Nothing before the subscription pretends to be in it.
            assert message["U"] > self.snapshot_id >= message["pu"]
        else:
            assert message["pu"] == self.last["u"] < message["U"]
            assert message["E"] >= self.last["E"]
        self.last = message
        for side in ("b", "a"):
            prices = [float(price) for price, _ in message[side]]
            assert prices == sorted(set(prices))
            for price, qty in message[side]:
                if float(qty) == 0.0:
                    self.book[side].pop(price, None)
                else:
                    self.book[side][price] = qty

    def is_right(self) -> bool:
        return self.book == {"b": self.side(1), "a": self.side(-1)}


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, min_size=1, max_size=6), st.lists(st.integers(0, 5), min_size=5, max_size=5))
def test_who_comes_in_the_middle_of_a_window_still_gets_the_book(
    turns: list[list[Step]], comings: list[int]
) -> None:
    stage = Stage()
    followers: dict[str, Follower] = {}
    stage.tick(START_MS)
    for number, turn in enumerate(turns):
        for name, coming in zip(DIFFS, comings, strict=True):
            if coming % len(turns) == number:
                stream = f"{NAME}@{name}"
                followers[stream] = Follower(stage, stream)
        stage.play([*turn, Step(0, NUMBER, [], [(1, 3, number + 1)])])
        for raw in stage.hear():
            message = json.loads(raw)
            followers[message["stream"]].hear(message["data"])
    stage.tick(stage.writer.now_ms + LATER_MS)
    for raw in stage.hear():
        message = json.loads(raw)
        followers[message["stream"]].hear(message["data"])
    assert len(followers) == len(DIFFS)
    for follower in followers.values():
        assert follower.is_right(), follower.stream
        assert follower.last is not None


@pytest.mark.parametrize("name", DIFFS)
def test_a_window_with_too_many_changes_is_sent_in_parts(name: str) -> None:
    """More different prices than a chain holds: several events, one chain, the same book."""
    stage = Stage(text_bytes=400_000)
    follower = Follower(stage, f"{NAME}@{name}")
    stage.tick(START_MS)
    prices = list(range(1, 3 * CHANGES))
    random.Random(5).shuffle(prices)
    levels = [(side, price, price) for price in prices for side in (1, -1)]
    stage.play([Step(1, NUMBER, [], levels[:4_000]), Step(1, NUMBER, [], levels[4_000:])])
    stage.tick(stage.writer.now_ms + LATER_MS)
    heard = [json.loads(raw)["data"] for raw in stage.hear()]
    assert len(heard) >= 3
    for message in heard:
        assert len(message["b"]) <= CHANGES
        follower.hear(message)
    assert follower.is_right()


def test_a_stream_that_nobody_wanted_for_a_while_begins_anew() -> None:
    stage = Stage()
    stream = f"{NAME}@depth@100ms"
    stage.tick(START_MS)
    follower = Follower(stage, stream)
    stage.play([Step(10, NUMBER, [], [(1, 1, 5)])])
    stage.hub.unsubscribe(stream, stage.ear)
    stage.play([Step(10, NUMBER, [], [(1, 2, 6)]), Step(300, NUMBER, [], [(1, 1, 7)])])
    assert stage.hear() == []
    follower = Follower(stage, stream)
    stage.play([Step(1, NUMBER, [], [(-1, 4, 8)])])
    stage.tick(stage.writer.now_ms + LATER_MS)
    (message,) = (json.loads(raw)["data"] for raw in stage.hear())
    assert (message["b"], len(message["a"])) == ([], 1)
    follower.hear(message)
    assert follower.is_right()


@settings(max_examples=40, deadline=None)
@given(st.lists(steps, min_size=2, max_size=5))
def test_partial_depth_shows_the_best_of_a_book_that_was_there_before(
    turns: list[list[Step]],
) -> None:
    """Nobody listens at first; then the whole book is taken over, and followed."""
    stage = Stage()
    stage.tick(START_MS)
    stage.play(turns[0])
    streams = [f"{NAME}@depth{levels}@100ms" for levels in (5, 10, 20)]
    stage.listen(streams, combined=True)
    for turn in turns[1:]:
        stage.play(turn)
        stage.play([Step(0, NUMBER, [], [(1, 2, 9)])])
        # The window of the last step ends at its multiple: what is shown is the book of then.
        shown = {side: stage.writer.depth(NUMBER, side, 20) for side in (1, -1)}
        stage.tick(stage.writer.now_ms + 200)
        stage.writer.now_ms += 200
        newest = {}
        for raw in stage.hear():
            message = json.loads(raw)
            newest[message["stream"]] = message["data"]
        spec = SPECS[NUMBER]
        for stream, levels in zip(streams, (5, 10, 20), strict=True):
            for side, name in ((1, "b"), (-1, "a")):
                assert newest[stream][name] == [
                    [spec.price_text(ticks), spec.qty_text(lots)]
                    for ticks, lots in shown[side][:levels]
                ]


def test_all_book_tickers_every_five_seconds_where_the_top_has_moved() -> None:
    stage = Stage(modern=False)
    stage.listen(["!bookTicker"])
    stage.tick(START_MS)
    stage.play([Step(1, number, [], [(1, 1, 5), (-1, 1, 6)]) for number in range(len(SPECS))])
    stage.play([Step(6_000, 1, [], [(1, 1, 7)]), Step(100, 1, [], [(1, 1, 8)])])
    stage.tick(stage.writer.now_ms + 5_000)
    heard = [json.loads(raw) for raw in stage.hear()]
    assert [(one["s"], one["E"] % 5_000) for one in heard] == [
        (spec.symbol, 0) for spec in (*SPECS, SPECS[1])
    ]
    assert heard[-1]["B"] == "8"
    assert "ps" not in heard[-1]

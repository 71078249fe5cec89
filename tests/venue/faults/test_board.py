"""When faults strike: windows, counts, chances and moments, all from the schedule and its seed."""

from __future__ import annotations

from typing import Any

import pytest

from aegis.venue.codes import reject
from aegis.venue.errors import VenueError
from aegis.venue.faults.armed import ENDLESS_MS, Armed, matches
from aegis.venue.faults.board import MAX_ARMED, Action, FaultBoard
from aegis.venue.faults.menu import Room
from aegis.venue.faults.schema import Fault

START_MS = 1_800_000_000_000


def board_with(*faults: Fault, seed: int = 5) -> FaultBoard:
    board = FaultBoard(seed)
    board.open(START_MS)
    log: list[str] = []
    for kind in ("day_close", "maintenance", "price_spike"):
        board.actions[kind] = Action(
            lambda armed: log.append(f"+{armed.fault.kind}"),
            lambda armed: log.append(f"-{armed.fault.kind}"),
        )
    board.log = log  # type: ignore[attr-defined]
    board.add(faults)
    return board


def struck(armed: Armed, times: int, now_ms: int = START_MS) -> list[int]:
    return [n for n in range(times) if armed.strikes(now_ms)]


def test_after_times_and_window() -> None:
    armed = Armed(1, Fault("drop", after=3, times=2), START_MS, 0)
    assert struck(armed, 10) == [3, 4]
    assert armed.is_spent
    late = Armed(2, Fault("drop", at_ms=100, for_ms=50), START_MS, 0)
    for offset, live in ((0, False), (99, False), (100, True), (149, True), (150, False)):
        assert late.strikes(START_MS + offset) is live
    assert late.struck == 2


def test_without_times_length_or_chance_it_strikes_once() -> None:
    assert struck(Armed(1, Fault("drop"), START_MS, 0), 5) == [0]
    assert struck(Armed(1, Fault("silent"), START_MS, 0), 3) == [0, 1, 2]
    assert len(struck(Armed(1, Fault("drop", probability=0.5), START_MS, 0), 1000)) > 400


def test_chances_follow_from_the_seed_and_the_number_alone() -> None:
    def pattern(seed: int, number: int) -> list[int]:
        return struck(Armed(number, Fault("drop", probability=0.3), START_MS, seed), 200)

    assert pattern(1, 1) == pattern(1, 1)
    assert len({tuple(pattern(seed, number)) for seed in (1, 2) for number in (1, 2)}) == 4


def test_spent_and_ended_faults_move_to_the_past_with_their_counts() -> None:
    board = board_with(Fault("drop", name="one"), Fault("delay", delay_ms=1, for_ms=10))
    first, second = board.live(Room.STREAM)
    assert first.strikes(board.now_ms)
    assert board.live(Room.STREAM) == [second]
    board.advance(START_MS + 10)
    assert not board.has(Room.STREAM)
    report = board.report()
    assert report["active"] == []
    assert [(row["kind"], row["seen"], row["struck"]) for row in report["past"]] == [
        ("drop", 1, 1), ("delay", 0, 0),
    ]  # fmt: skip
    assert (report["past"][0]["name"], report["past"][1]["end_ms"]) == ("one", 10)


def test_the_edges_at_which_the_market_has_to_stop() -> None:
    board = board_with(
        Fault("maintenance", at_ms=20, for_ms=30),
        Fault("price_spike", at_ms=5, every_ms=10, times=3, bps=1.0),
        Fault("drop", at_ms=40, times=9),
    )
    log: list[str] = board.log  # type: ignore[attr-defined]
    edges = []
    while (edge := board.next_edge_ms()) < ENDLESS_MS:
        edges.append(edge - START_MS)
        board.advance(edge)
    assert edges == [5, 15, 20, 25, 40, 50]
    assert log == ["+price_spike", "+price_spike", "+maintenance", "+price_spike", "-maintenance"]
    assert board.acts == 5


def test_moments_that_were_missed_are_made_up_for_in_order() -> None:
    board = board_with(Fault("day_close", at_ms=5, every_ms=10, for_ms=36))
    log: list[str] = board.log  # type: ignore[attr-defined]
    board.advance(START_MS + 1000)
    assert log == ["+day_close"] * 4
    assert not board.armed


def test_a_fault_that_is_removed_is_undone_and_one_that_never_began_is_not() -> None:
    board = board_with(Fault("maintenance"), Fault("maintenance", at_ms=50))
    log: list[str] = board.log  # type: ignore[attr-defined]
    assert log == ["+maintenance"]
    board.remove(list(board.armed.values()))
    assert log == ["+maintenance", "-maintenance"]
    assert [row["struck"] for row in board.report()["past"]] == [1, 0]


def test_what_the_exchange_refuses_is_noted() -> None:
    board = board_with()

    def refuse(armed: Armed) -> None:
        raise reject(-2019)

    board.actions["price_spike"] = Action(refuse)
    board.add([Fault("price_spike", bps=1.0)])
    assert "-2019" in board.report()["past"][0]["note"]


def test_there_is_an_end_to_how_many_can_be_armed() -> None:
    board = board_with(*[Fault("silent")] * MAX_ARMED)
    with pytest.raises(VenueError, match="1000 faults are armed at most"):
        board.add([Fault("silent")])
    board.remove(list(board.armed.values()))
    assert len(board.past) == 500


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "anything", True),
        ("btcusdt@depth*", "btcusdt@depth@100ms", True),
        ("btcusdt@depth*", "BTCUSDT@depth", False),
        ("public/?", "public/7", True),
        ("POST *order", "POST /fapi/v1/order", True),
    ],
)
def test_globs(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


def test_times_count_from_the_moment_of_arming() -> None:
    board = board_with()
    board.advance(START_MS + 500)
    (armed,) = board.add([Fault("drop", at_ms=100)])
    row: dict[str, Any] = armed.report(board.origin_ms)
    assert row["begin_ms"] == 600

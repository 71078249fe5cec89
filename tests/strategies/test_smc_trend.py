"""Trading by structure with the trend of longer candles: it allows, forbids, may be in doubt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aegis.shm.tick import CORRECTED, HISTORY, INCOMPLETE
from aegis.strategies.contract import NO_OPINION
from aegis.strategies.errors import StrategyError, UnusableInstrumentError
from aegis.strategies.registry import read_parameters
from aegis.strategies.smc.strategy import STRATEGY, pack
from tests.strategies.test_smc import GIVEN, Desk, instrument, klines, trade

FIRST = 1_000_005  # a minute that begins a quarter of an hour
LONG = 15


def joined(rows: list[list[float]]) -> list[float]:
    """The candle that these make."""
    inner = [price for row in rows for price in row]
    return [rows[0][0], max(inner), min(inner), rows[-1][-1]]


def trade_both(desk: Desk, rows: list[list[float]]) -> list[tuple[int, int]]:
    """Minutes and quarters of an hour, the longer one first; side and time of each plan."""
    plans = []
    for number, prices in enumerate(rows):
        known = len(desk.plans)
        if number % LONG == LONG - 1:
            at = (FIRST + number) // LONG
            whole = joined(rows[number - LONG + 1 : number + 1])
            assert desk.tell(at, whole, length_s=900) == NO_OPINION
        desk.candle(FIRST + number, prices)
        plans += [(int(plan["side"]), number) for plan in desk.plans[known:]]
    return plans


def trends(rows: list[list[float]]) -> list[int]:
    """The trend of the quarters of an hour after each of them, by an engine that hears no other."""
    alone, found = Desk(interval_s=900), []
    for place in range(len(rows) // LONG):
        alone.tell(FIRST // LONG + place, joined(rows[place * LONG :][:LONG]), length_s=900)
        found.append(int(alone.state[0]["engine"]["trend"]))
    return found


def test_a_setup_follows_the_trend_of_the_longer_candles(shared_data: Path) -> None:
    rows = klines(shared_data, 4_000)
    desk = Desk(trend_interval_s=900)
    plans, known = trade_both(desk, rows), trends(rows)
    assert plans
    for side, number in plans:
        assert side == known[(number + 1) // LONG - 1]
    assert {side for side, _ in plans} == {1, -1}
    assert desk.state[0]["against"] > 0
    assert len(plans) < len(trade(Desk(), rows).plans)
    assert desk.state[0]["trend"]["engine"]["trend"] == known[-1]


def test_without_a_longer_candle_nothing_is_traded(shared_data: Path) -> None:
    desk = trade(Desk(trend_interval_s=900), klines(shared_data, 1_200))
    assert not desk.plans
    assert desk.state[0]["against"] > 0


def one_plan(shared_data: Path) -> tuple[Desk, list[list[float]], int]:
    """A desk, its minutes, and the first of them that made a plan."""
    rows = klines(shared_data, 4_000)
    number = trade_both(Desk(trend_interval_s=900), rows)[0][1]
    desk = Desk(trend_interval_s=900)
    trade_both(desk, rows[:number])
    assert not desk.plans
    return desk, rows, number


def plans_at(desk: Desk, rows: list[list[float]], number: int) -> int:
    desk.candle(FIRST + number, rows[number])
    return len(desk.plans)


def tell_long(desk: Desk, rows: list[list[float]], number: int, flags: int) -> None:
    """The newest whole quarter of an hour again, before minute `number`."""
    place = number // LONG - 1
    whole = joined(rows[place * LONG :][:LONG])
    desk.tell(FIRST // LONG + place, whole, flags, length_s=900)


def test_a_longer_candle_in_doubt_forbids_both_sides(shared_data: Path) -> None:
    desk, rows, number = one_plan(shared_data)
    tell_long(desk, rows, number, INCOMPLETE)
    assert desk.state[0]["trend"]["doubt_at"] >= 0
    assert plans_at(desk, rows, number) == 0


def test_a_doubt_that_is_cleared_allows_again(shared_data: Path) -> None:
    desk, rows, number = one_plan(shared_data)
    tell_long(desk, rows, number, INCOMPLETE)
    tell_long(desk, rows, number, CORRECTED)
    assert plans_at(desk, rows, number) == 1


def test_a_reload_with_another_trend_waits_for_its_candles(shared_data: Path) -> None:
    desk, rows, number = one_plan(shared_data)
    other = pack(read_parameters(STRATEGY.name, {**GIVEN, "trend_interval_s": 3_600}), instrument())
    desk.params[0] = other
    assert plans_at(desk, rows, number) == 0


def test_a_trend_of_long_ago_is_none(shared_data: Path) -> None:
    """Longer candles that closed before this minute were never told."""
    desk, rows, number = one_plan(shared_data)
    desk.state["trend"]["engine"]["ts_ns"] -= 2 * 900 * 1_000_000_000
    assert plans_at(desk, rows, number) == 0
    assert desk.state[0]["against"] > 0


def test_a_reload_with_other_swings_waits_for_a_trend_of_them(shared_data: Path) -> None:
    desk, rows, number = one_plan(shared_data)
    desk.params[0]["trend"]["engine"]["length"] += 1
    assert plans_at(desk, rows, number) == 0


def test_a_longer_candle_may_be_told_after_the_minute_that_it_closes_with(
    shared_data: Path,
) -> None:
    """As the feed tells them when its file names the shorter one first."""
    rows = klines(shared_data, 4_000)
    desk = Desk(trend_interval_s=900)
    known = trends(rows)
    for number, prices in enumerate(rows):
        before = len(desk.plans)
        desk.candle(FIRST + number, prices)
        for plan in desk.plans[before:]:
            assert plan["side"] == known[number // LONG - 1]
        if number % LONG == LONG - 1:
            place = number // LONG
            whole = joined(rows[place * LONG : number + 1])
            desk.tell((FIRST + number) // LONG, whole, length_s=900)
    assert desk.plans


def test_the_history_of_both_is_learned(shared_data: Path) -> None:
    rows = klines(shared_data, 1_200)
    live, taught = Desk(trend_interval_s=900), Desk(trend_interval_s=900)
    trade_both(live, rows)
    for place in range(len(rows) // LONG):
        whole = joined(rows[place * LONG :][:LONG])
        taught.tell(FIRST // LONG + place, whole, HISTORY, length_s=900)
    for number, prices in enumerate(rows):
        taught.tell(FIRST + number, prices, HISTORY)
    for of in (lambda state: state["engine"], lambda state: state["trend"]["engine"]):
        assert of(taught.state[0]).tobytes() == of(live.state[0]).tobytes()
    assert not taught.plans


@pytest.mark.parametrize("trend_s", [60, 5])
def test_the_trend_is_that_of_longer_candles(trend_s: int) -> None:
    with pytest.raises(StrategyError, match=r"trend_interval_s must be longer than interval_s"):
        read_parameters(STRATEGY.name, {**GIVEN, "trend_interval_s": trend_s})


def test_an_interval_that_no_feed_builds_is_refused() -> None:
    model: Any = read_parameters(STRATEGY.name, {**GIVEN, "trend_interval_s": 10_000})
    with pytest.raises(UnusableInstrumentError, match="trend_interval_s 10000 does not divide"):
        pack(model, instrument())

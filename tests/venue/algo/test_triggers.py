"""The trigger rules, one by one, and against a plain reading of them over random prices."""

from __future__ import annotations

from copy import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.venue.algo.triggers import (
    NO_HIGH,
    NO_LOW,
    Prices,
    follow,
    is_beyond,
    is_held_back,
    is_reached,
    watch_band,
)
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.orders import (
    STOP,
    STOP_MARKET,
    TAKE_PROFIT,
    TAKE_PROFIT_MARKET,
    TRAILING,
    Condition,
)

TICK_E8 = 10_000_000
E6 = 1_000_000

walks = st.lists(st.integers(900, 1_100), min_size=1, max_size=40)
sides = st.sampled_from((BUY, SELL))


def one_print(ticks: int) -> Prices:
    price = ticks * TICK_E8
    return Prices(price, price, price)


@pytest.mark.parametrize(
    ("kind", "side", "not_yet", "reached"),
    [
        (STOP, BUY, 999, 1_000),
        (STOP_MARKET, BUY, 999, 1_000),
        (STOP, SELL, 1_001, 1_000),
        (STOP_MARKET, SELL, 1_001, 1_000),
        (TAKE_PROFIT, BUY, 1_001, 1_000),
        (TAKE_PROFIT_MARKET, BUY, 1_001, 1_000),
        (TAKE_PROFIT, SELL, 999, 1_000),
        (TAKE_PROFIT_MARKET, SELL, 999, 1_000),
    ],
)
def test_the_trigger_price_itself_triggers(
    kind: str, side: int, not_yet: int, reached: int
) -> None:
    condition = Condition(kind, trigger_ticks=1_000)
    assert not is_reached(condition, side, one_print(not_yet), TICK_E8)
    assert is_reached(condition, side, one_print(reached), TICK_E8)
    assert is_beyond(condition, side, reached * TICK_E8, TICK_E8)


def test_a_price_that_was_only_touched_triggers_too() -> None:
    condition = Condition(STOP, trigger_ticks=1_000)
    touched = Prices(950 * TICK_E8, 1_000 * TICK_E8, 960 * TICK_E8)
    assert is_reached(condition, BUY, touched, TICK_E8)
    assert not is_reached(Condition(STOP, trigger_ticks=949), SELL, touched, TICK_E8)


@given(walk=walks, trigger=st.integers(900, 1_100), side=sides,
       kind=st.sampled_from((STOP, TAKE_PROFIT)))  # fmt: skip
def test_nothing_inside_the_band_triggers_and_everything_outside_does(
    walk: list[int], trigger: int, side: int, kind: str
) -> None:
    condition = Condition(kind, trigger_ticks=trigger)
    low, high = watch_band(condition, side, TICK_E8)
    for ticks in walk:
        assert (low <= ticks <= high) != is_reached(condition, side, one_print(ticks), TICK_E8)


@given(walk=walks, side=sides, callback_e6=st.integers(1_000, 200_000),
       start=st.integers(950, 1_050), ahead=st.integers(0, 60))  # fmt: skip
def test_a_trailing_stop_by_the_words_of_the_documents(
    walk: list[int], side: int, callback_e6: int, start: int, ahead: int
) -> None:
    """BUY: the lowest price after the order was placed <= activationPrice, and the latest price >=
    the lowest price * (1 + callbackRate). SELL: the highest, >=, <=, (1 - callbackRate)."""
    activation = start - side * ahead
    condition = Condition(
        TRAILING, activation_ticks=activation, callback_e6=callback_e6,
        extreme_e8=start * TICK_E8, activated=ahead == 0,
    )  # fmt: skip
    seen = [start]
    for ticks in walk:
        band = watch_band(condition, side, TICK_E8)
        before = copy(condition)
        prices = one_print(ticks)
        changed = follow(condition, side, prices, TICK_E8)
        seen.append(ticks)
        best = min(seen) if side == BUY else max(seen)
        activated = (activation - best) * side >= 0
        turned = (ticks * E6 - best * (E6 + side * callback_e6)) * side >= 0
        reached = is_reached(condition, side, prices, TICK_E8)
        assert condition.activated == activated
        assert reached == (activated and turned)
        if band[0] <= ticks <= band[1]:
            assert not changed and not reached, "a print inside the band is one nobody waits for"
            assert condition.activated == before.activated
        if reached:
            return


def test_between_two_looks_only_the_newest_price_can_turn_a_trailing_stop() -> None:
    condition = Condition(
        TRAILING, activation_ticks=1_000, callback_e6=10_000, extreme_e8=1_000 * TICK_E8,
        activated=True,
    )  # fmt: skip
    # It fell to 980 and rose to 1,050 since somebody last looked; which came first is not known.
    moved = Prices(980 * TICK_E8, 1_050 * TICK_E8, 1_045 * TICK_E8)
    assert follow(condition, SELL, moved, TICK_E8)
    assert condition.extreme_e8 == 1_050 * TICK_E8
    assert not is_reached(condition, SELL, moved, TICK_E8)
    assert is_reached(condition, SELL, one_print(1_039), TICK_E8)


def test_price_protection_holds_back_by_the_difference_of_mark_and_contract_price() -> None:
    guarded = Condition(STOP_MARKET, trigger_ticks=1_000, protected=True)
    open_to_all = Condition(STOP_MARKET, trigger_ticks=1_000)
    for last, held in ((1_050, False), (1_051, True), (950, False), (949, True)):
        assert is_held_back(guarded, last * TICK_E8, 1_000 * TICK_E8, 500) == held
        assert not is_held_back(open_to_all, last * TICK_E8, 1_000 * TICK_E8, 500)


def test_a_trailing_stop_that_is_not_activated_waits_for_that_alone() -> None:
    condition = Condition(TRAILING, activation_ticks=980, callback_e6=10_000, extreme_e8=10**11)
    assert watch_band(condition, BUY, TICK_E8) == (981, NO_HIGH)
    condition = Condition(TRAILING, activation_ticks=1_020, callback_e6=10_000, extreme_e8=1)
    assert watch_band(condition, SELL, TICK_E8) == (NO_LOW, 1_019)

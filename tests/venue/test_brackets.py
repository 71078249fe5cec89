"""Leverage brackets: what makes a schedule one, and that every class of symbols has a sound one."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.config.models import VenueConfig
from aegis.venue.brackets import (
    E4,
    LADDER,
    LARGE,
    MAJOR,
    MIDDLE,
    SCHEDULES,
    SMALL,
    THIN,
    Schedule,
    make_schedule,
    schedule_of,
)
from aegis.venue.decimals import E8
from aegis.venue.ledger import DEFAULT_LEVERAGE
from aegis.venue.symbols import make_symbol

BTC = make_symbol("BTCUSDT", VenueConfig().symbols["BTCUSDT"])
SCHEDULE = st.builds(
    make_schedule,
    st.sampled_from([rung for rung in LADDER if rung >= 2]),
    st.integers(1_000, 1_000_000),
    st.integers(10_000_000, 2_000_000_000),
)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_class_of_symbols_has_a_sound_schedule(schedule: Schedule) -> None:
    _assert_sound(schedule)
    # Accounts start at this leverage in every symbol.
    assert schedule.max_leverage >= DEFAULT_LEVERAGE


@given(SCHEDULE)
def test_any_parameters_give_a_sound_schedule(schedule: Schedule) -> None:
    _assert_sound(schedule)


def _assert_sound(schedule: Schedule) -> None:
    brackets = schedule.brackets
    assert brackets[0].floor_e8 == 0 and brackets[0].cum_e8 == 0
    assert [bracket.number for bracket in brackets] == list(range(1, len(brackets) + 1))
    for lower, upper in itertools.pairwise(brackets):
        assert upper.floor_e8 == lower.cap_e8 < upper.cap_e8
        assert upper.leverage < lower.leverage
        assert upper.ratio_e4 > lower.ratio_e4
        # Continuous: at the edge both say the same, to the last unit.
        edge = lower.cap_e8
        assert edge * lower.ratio_e4 % E4 == 0
        assert (
            edge * lower.ratio_e4 // E4 - lower.cum_e8 == edge * upper.ratio_e4 // E4 - upper.cum_e8
        )
    for bracket in brackets:
        # Half of the initial margin at most, or a fresh position would be liquidated at once.
        assert bracket.ratio_e4 * bracket.leverage * 2 <= E4 + bracket.leverage
        assert bracket.cap_e8 % E8 == 0


@given(SCHEDULE, st.integers(0, 10**18), st.integers(0, 10**18))
def test_maintenance_grows_with_the_notional(schedule: Schedule, one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert 0 <= schedule.maintenance_e8(small) <= schedule.maintenance_e8(large) <= large
    bracket = schedule.bracket(large)
    inside = bracket.floor_e8 < large <= bracket.cap_e8
    assert inside or large == 0 or (bracket == schedule.brackets[-1] and large > bracket.cap_e8)


def test_a_cap_is_the_largest_notional_at_a_leverage() -> None:
    assert MAJOR.max_leverage == 125
    first = MAJOR.brackets[0]
    assert MAJOR.cap_e8(125) == MAJOR.cap_e8(101) == first.cap_e8
    assert MAJOR.cap_e8(100) == MAJOR.brackets[1].cap_e8
    assert MAJOR.cap_e8(1) == MAJOR.brackets[-1].cap_e8
    assert THIN.cap_e8(26) == 0
    # The classes allow less and less.
    for leverage in (20, 10, 1):
        caps = [schedule.cap_e8(leverage) for schedule in (MAJOR, LARGE, MIDDLE, SMALL, THIN)]
        assert caps == sorted(caps, reverse=True)


def test_a_symbol_is_classed_by_its_base_or_by_its_largest_order() -> None:
    assert schedule_of(BTC) is MAJOR
    assert schedule_of(replace(BTC, base="SOL")) is LARGE
    unknown = replace(BTC, base="NEW")
    assert schedule_of(unknown) is MIDDLE  # 1,000 at 60,000 USDT an order
    assert schedule_of(replace(unknown, max_qty_lots=BTC.max_qty_lots // 100)) is SMALL
    assert schedule_of(replace(unknown, max_qty_lots=BTC.max_qty_lots // 1_000)) is THIN

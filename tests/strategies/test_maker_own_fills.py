"""The market maker learns from what becomes of its own fills: by hand, and what must not count."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aegis.quant.glft import glft_coefficients
from aegis.shm.tick import TICK
from aegis.strategies.avellaneda_stoikov.strategy import step
from aegis.strategies.contract import EVENT_FILL, NO_OPINION
from tests.strategies.desk import SECOND, START_NS, Desk, prices

BID = 600_000
# As many fills weigh as much as what the market's orders have told.
MARKET_FILLS = 10.0
HALFLIFE_S = 300.0


def learner(**changes: float | str) -> Desk:
    live = {"intensity": "live", "adverse_selection_s": 1.0, "intensity_min_orders": 1e6}
    return Desk(**{**live, "intensity_halflife_s": HALFLIFE_S, **changes}).warm()


def fill(desk: Desk, side: int, price: int, at_s: float) -> None:
    event = np.zeros(1, TICK)
    event["kind"], event["ts_event_ns"] = EVENT_FILL, START_NS + round(at_s * SECOND)
    event["a"], event["b"], event["c"] = price, 10, side
    done = step(event[0], desk.market[0], desk.position[0], desk.params[0], desk.state[0],
                desk.wishes)  # fmt: skip
    assert done == NO_OPINION


def filled_then(desk: Desk, side: int, moved: int, at_s: float) -> float:
    """Quote, be filled at the quote, see the mid `moved` ticks off after a second; the half."""
    wishes = desk.quote(BID, at_s)
    price = prices(wishes, side)[0]
    fill(desk, side, price, at_s + 0.1)
    desk.quote(BID + moved, at_s + 1.2)
    desk.quote(BID, at_s + 1.3)
    return side * (BID + 0.5 - price)


def width_of(desk: Desk, at_s: float) -> int:
    desk.warm(40.0, BID)
    wishes = desk.quote(BID, at_s)
    return prices(wishes, -1)[0] - prices(wishes, 1)[0]


@pytest.mark.parametrize("side", [1, -1])
def test_a_fill_costs_what_the_mid_went_against_it(side: int) -> None:
    desk = learner()
    filled_then(desk, side, -side * 70, 1.0)
    state = desk.state[0]
    assert state["own_weights"] == 1.0
    assert state["own_costs"] == pytest.approx(70.0)


def test_fills_that_lose_move_both_quotes_away_by_what_they_lose() -> None:
    plain = width_of(learner(), 100.0)
    desk = learner()
    for number in range(30):
        side = 1 if number % 2 == 0 else -1
        filled_then(desk, side, -side * 80, 1.0 + 3.0 * number)
    at_s = 100.0
    state = desk.state[0]
    weight = state["own_weights"] * 2.0 ** (
        -(START_NS + at_s * SECOND - state["own_ts_ns"]) / SECOND / HALFLIFE_S
    )
    # The market has told nothing: zero, with the weight of ten fills.
    cost = 80.0 * weight / (MARKET_FILLS + weight)
    assert 40.0 < cost < 80.0
    # As a fee does, it makes the position weigh more too.
    c2 = glft_coefficients(0.002, 1.3, 0.025, 1.0, 0.002)[1]
    further = cost + 20.0 * c2 * math.expm1(0.5 * 0.025 * cost)
    assert width_of(desk, at_s) - plain == pytest.approx(2.0 * further, abs=2.5)


def test_fills_that_earn_more_than_meant_never_bring_the_quotes_nearer() -> None:
    desk = learner()
    plain = width_of(learner(), 100.0)
    for number in range(30):
        side = 1 if number % 2 == 0 else -1
        filled_then(desk, side, side * 80, 1.0 + 3.0 * number)
    assert desk.state[0]["own_costs"] < 0.0
    assert width_of(desk, 100.0) == plain


def test_what_was_learned_fades_without_fills() -> None:
    plain = width_of(learner(), 100.0)
    desk = learner()
    for number in range(30):
        filled_then(desk, 1, -80, 1.0 + 3.0 * number)
    widths = [width_of(desk, at_s) for at_s in (100.0, 1_000.0, 9_000.0)]
    assert widths[0] > widths[1] > plain + 1
    assert widths[2] == pytest.approx(plain, abs=2.0)


def test_a_top_from_before_the_fill_is_not_its_end() -> None:
    desk = learner()
    price = prices(desk.quote(BID, 5.0), 1)[0]
    fill(desk, 1, price, 5.5)
    # Told by another socket, later, of an earlier time.
    desk.quote(BID - 500, 5.2)
    desk.quote(BID - 400, 5.9)
    assert desk.state[0]["own_weights"] == 0.0
    desk.quote(BID - 40, 6.6)
    assert desk.state[0]["own_costs"] == pytest.approx(40.0)


def test_a_silence_after_the_fill_tells_nothing() -> None:
    desk = learner()
    price = prices(desk.quote(BID, 5.0), 1)[0]
    fill(desk, 1, price, 5.1)
    desk.quote(BID - 900, 7.2)
    assert desk.state[0]["own_weights"] == 0.0
    # And the next one is watched again.
    filled_then(desk, 1, -30, 10.0)
    assert desk.state[0]["own_weights"] == 1.0


def test_an_order_of_a_further_level_was_to_earn_more() -> None:
    desk = learner(order_levels=2, level_spacing_ticks=25)
    near, far = prices(desk.quote(BID, 5.0), 1)
    assert near - far == 25
    fill(desk, 1, far, 5.1)
    desk.quote(BID - 60, 6.2)
    assert desk.state[0]["own_costs"] == pytest.approx(60.0)


def test_without_the_parameter_nothing_is_learned() -> None:
    desk = learner(adverse_selection_s=0.0)
    filled_then(desk, 1, -80, 1.0)
    assert desk.state[0]["own_weights"] == 0.0
    assert desk.state[0]["own_watched_ts_ns"] == 0


@pytest.mark.parametrize("changes", [{"adverse_selection_s": 0.0}, {"intensity": "fixed"}])
def test_a_reload_that_switches_it_off_counts_it_no_more(changes: dict[str, float | str]) -> None:
    plain = width_of(learner(**changes), 100.0)
    desk = learner()
    for number in range(30):
        side = 1 if number % 2 == 0 else -1
        filled_then(desk, side, -side * 80, 1.0 + 3.0 * number)
    # What the market's orders have told, and a fit of theirs.
    desk.state["markouts"], desk.state["markout_weights"] = 50.0, 1.0
    if changes.get("intensity") == "fixed":
        desk.state["live_k"], desk.state["live_c1"], desk.state["live_c2"] = 0.01, 90.0, 2.0
    assert width_of(desk, 100.0) != plain
    desk.params[0] = learner(**changes).params[0]
    assert width_of(desk, 100.0) == plain

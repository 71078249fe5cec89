"""What the maker's quotes stand around: the choices by hand, and the micro-price it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aegis.quant.micro_price import fit_micro_price
from aegis.strategies.avellaneda_stoikov.strategy import STRATEGY
from aegis.strategies.errors import StrategyError
from aegis.strategies.registry import read_parameters
from tests.strategies.desk import GIVEN, Desk, prices


@pytest.mark.parametrize(
    ("fair_price", "expected"),
    [
        ("mid", 600_001.0),
        ("weighted_mid", 600_001.5),
        ("vamp", 600_001.5),
        ("micro_price", 600_001.3),
    ],
)
def test_quotes_stand_around_the_fair_price_of_the_choice(fair_price: str, expected: float) -> None:
    """3 lots bid at 600,000 and 1 asked at 600,002: a share of 3/4, and a lean of 0.3 ticks."""
    narrow = {"intensity_k": 50.0, "risk_aversion": 0.0, "min_half_spread_ticks": 10.2}
    desk = Desk(fair_price=fair_price, **narrow).warm(1.0)
    desk.state["micro_known"] = 1
    desk.state["micro_table"][0, 1, 7] = 0.3
    wishes = desk.quote(600_000, 0.01, ask=600_002, quantities=(3.0, 1.0))
    assert [wish["fair_price"] for wish in wishes] == [pytest.approx(expected * 0.1)] * 2
    assert prices(wishes, 1) == [math.floor(expected - 10.2)]
    assert prices(wishes, -1) == [math.ceil(expected + 10.2)]


def test_a_fair_price_that_is_none_is_refused_by_its_key() -> None:
    with pytest.raises(StrategyError, match=r"fair_price.*'last'.*micro_price"):
        read_parameters(STRATEGY.name, {**GIVEN, "fair_price": "last"})


def touches(size: int, seed: int) -> tuple[list[int], list[int], list[tuple[float, float]]]:
    """Bids, asks and quantities: spreads of one to three ticks, and a mid that follows weight."""
    source = np.random.default_rng(seed)
    bids, asks, quantities, bid = [], [], [], 600_000
    for _ in range(size):
        share = source.random()
        bids.append(bid)
        asks.append(bid + int(source.choice([1, 1, 1, 2, 3])))
        quantities.append((10.0 * share, 10.0 * (1.0 - share)))
        if source.random() < 0.3:
            bid += 1 if source.random() < share else -1
    return bids, asks, quantities


def test_the_learned_micro_price_is_the_one_that_is_fitted_to_a_recording() -> None:
    bids, asks, quantities = touches(3_000, 5)
    desk = Desk(fair_price="micro_price", micro_price_refresh_s=3_000.0)
    for number, (bid, ask, both) in enumerate(zip(bids, asks, quantities, strict=True)):
        desk.quote(bid, 0.1 * number, ask=ask, quantities=both)
    assert desk.state[0]["micro_known"] == 0
    # Far beyond a break in the data: it solves, and counts no step to here.
    bid, bid_qty, ask, ask_qty = 600_000, 9.5, 600_001, 0.5
    wishes = desk.quote(bid, 3_500.0, ask=ask, quantities=(bid_qty, ask_qty))
    sizes = np.array(quantities)
    fitted = fit_micro_price(bids, sizes[:, 0], asks, sizes[:, 1], 1.0)
    assert desk.state[0]["micro_known"] == 1
    np.testing.assert_allclose(desk.state[0]["micro_table"], fitted, rtol=0.0, atol=1e-12)
    assert fitted[0, 9] > 0.1, "a heavy bid pushes the price up"
    assert wishes[0]["fair_price"] == pytest.approx(0.1 * (600_000.5 + fitted[0, 9]), abs=1e-9)


def test_the_micro_price_waits_for_enough_moves_and_forgets() -> None:
    bids, asks, quantities = touches(600, 6)
    desk = Desk(
        fair_price="micro_price", micro_price_refresh_s=1.0, micro_price_halflife_s=30.0,
        micro_price_min_moves=60.0,
    ).warm()  # fmt: skip
    learned = []
    for number, (bid, ask, both) in enumerate(zip(bids, asks, quantities, strict=True)):
        wishes = desk.quote(bid, 0.1 * (number + 1), ask=ask, quantities=both)
        learned.append(int(desk.state[0]["micro_known"]))
        if learned[-1] == 0:
            share = both[0] / sum(both)
            assert wishes[0]["fair_price"] == pytest.approx(0.1 * (bid + (ask - bid) * share))
    assert learned[100] == 0 and learned[-1] == 1
    moves, table = float(desk.state[0]["micro_moves"]), desk.state[0]["micro_table"].copy()
    desk.quote(bids[-1], 61.0 + 30.0, ask=asks[-1], quantities=quantities[-1])
    assert desk.state[0]["micro_moves"] == pytest.approx(moves * 0.5, rel=0.05)
    assert desk.state[0]["micro_counts"][:, 20:40].sum() == pytest.approx(
        2.0 * desk.state[0]["micro_moves"], rel=0.3
    ), "a move and its mirror, of states that the table has"
    for hour in range(1, 4):
        desk.quote(bids[-1], 3_600.0 * hour, ask=asks[-1], quantities=quantities[-1])
    assert desk.state[0]["micro_moves"] < 1.0
    assert desk.state[0]["micro_known"] == 1, "too little to learn from: the table stays"
    assert np.abs(table).max() > 0.0

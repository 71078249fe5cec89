"""The synthetic market against its acceptance bands: an hour always, five days by --long."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from aegis.config.models import FlowConfig, VenueConfig
from aegis.venue.errors import OptionsError
from aegis.venue.stats.bands import BANDS, FACTS, Band, mean_of, measure
from aegis.venue.stats.observe import DAY_S, Market, Observation

SEEDS = range(42, 47)
# What an hour is too short for.
OF_A_DAY = {
    "vr_60",
    "kurtosis_1m",
    "hill_1m",
    "size_acf_1",
    "size_acf_20",
    "size_decay",
    "fano_60s",
}


@pytest.fixture(scope="module")
def hour() -> Observation:
    return Market(VenueConfig(), "BTCUSDT", 42).watch(3_600.0)


@pytest.mark.parametrize("band", [band for band in BANDS if band.key not in OF_A_DAY])
def test_an_hour_of_bitcoin_lies_in_its_bands(hour: Observation, band: Band) -> None:
    value = measure(hour)[band.key]
    assert band.holds(value), f"{band.text}: {value}, wanted {band.interval()}"


def test_an_hour_has_no_answer_for_a_day(hour: Observation) -> None:
    found = measure(hour)
    for key in ("kurtosis_1m", "hill_1m", "size_acf_1", "size_acf_20", "size_decay"):
        assert math.isnan(found[key])
    assert set(found) == {band.key for band in (*BANDS, *FACTS)}


def test_the_bands_bite() -> None:
    """A market without its regularities is told apart from one that has them."""
    flow = FlowConfig(
        metaorders=16, metaorder_tail=10.0, self_excitation=0.0, informed_share=0.0,
        trade_impact=0.0, volatility_regimes=0.0, session_swing=0.0, jumps_per_hour=0.0,
        spread_ticks=3, maker_patience=0.05,
    )  # fmt: skip
    found = measure(Market(VenueConfig(flow=flow), "BTCUSDT", 1).watch(3_600.0))
    missed = {band.key for band in BANDS if not band.holds(found[band.key])}
    assert missed >= {
        "spread_mode", "one_tick", "kurtosis_1s", "sign_acf_1", "fano_60s", "impact",
    }  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_of_bitcoin_lies_in_all_bands(seed: int) -> None:
    found = measure(Market(VenueConfig(), "BTCUSDT", seed).watch(DAY_S))
    outside = {b.key: found[b.key] for b in BANDS if not b.holds(found[b.key])}
    assert outside == {}, f"seed {seed}"


def test_watching_in_parts_sees_what_watching_at_once_sees() -> None:
    whole = Market(VenueConfig(), "BTCUSDT", 3).watch(60.0)
    market = Market(VenueConfig(), "BTCUSDT", 3)
    parts = [market.watch(20.0) for _ in range(3)]
    assert sum(part.records for part in parts) == whole.records
    assert sum(part.prints for part in parts) == whole.prints
    lots = [lots for part in parts for lots in part.takings.lots.tolist()]
    assert sum(lots) == whole.takings.lots.sum()
    assert parts[-1].tops.time_ms[-1] == whole.tops.time_ms[-1]


def test_what_is_seen_is_what_happened() -> None:
    seen = Market(VenueConfig(), "ETHUSDT", 5).watch(30.0)
    assert (seen.tops.bid_ticks < seen.tops.ask_ticks).all()
    assert (seen.tops.time_ms[1:] >= seen.tops.time_ms[:-1]).all()
    assert seen.takings.lots.min() >= 1 and set(seen.takings.side.tolist()) == {-1, 1}
    assert seen.steps > 100 and seen.records > seen.steps
    # Equal tops in a row would count the same state twice.
    rows = list(zip(*(column.tolist() for column in seen.tops[1:]), strict=True))
    assert all(one != other for one, other in pairwise(rows))


def test_a_symbol_that_is_not_listed_is_refused() -> None:
    with pytest.raises(OptionsError, match=r"does not list DOGEUSD; add \[venue.symbols.DOGEUSD\]"):
        Market(VenueConfig(), "DOGEUSD", 1)


def test_bands_and_means() -> None:
    assert Band("a", "", 0.1, 0.4).interval() == "0.1 .. 0.4"
    assert Band("a", "", 3.0, math.inf).interval() == "> 3"
    assert Band("a", "", 1.0, 1.0).interval() == "1"
    band = Band("a", "", 0.1, 0.4)
    assert band.holds(0.1) and band.holds(0.4)
    assert not band.holds(0.41) and not band.holds(math.nan)
    assert mean_of([{"a": 1.0}, {"a": 3.0}]) == {"a": 2.0}

"""The population: what the configuration and the listings make of each market; and determinism."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aegis.config.models import FlowConfig, VenueConfig
from aegis.venue.flow import layout
from aegis.venue.flow.population import make_agents, spread_ticks
from tests.venue.flow.ground import Ground, specs_of


def traits(name: str, **changes: float) -> np.ndarray:
    (spec,) = specs_of([name])
    return make_agents([spec], FlowConfig(**changes), 1).traits[0]


def test_the_configuration_is_bitcoins() -> None:
    found = traits("BTCUSDT")
    assert found[layout.SIGMA] == pytest.approx(0.7e-4)
    assert found[layout.TICKS_OF_SIGMA] == pytest.approx(42.0)
    assert found[layout.SPREAD_TICKS] == 1
    assert found[layout.REACH_TICKS] == pytest.approx(40.0)
    assert found[layout.TRADE_LOTS] == pytest.approx(50.0)
    assert found[layout.TOUCH_LOTS] == pytest.approx(1_000.0)
    assert found[layout.BOOKS_PER_S] == 20.0
    assert found[layout.FAST_BRANCHING] + found[layout.SLOW_BRANCHING] == pytest.approx(0.8)


def test_smaller_coins_trade_less_smaller_wider_and_wilder() -> None:
    big, small = traits("BTCUSDT"), traits("MORUNUSDT")
    lot = specs_of(["MORUNUSDT"])[0]
    notional = lot.notional_e8(lot.start_price_ticks, 1) / 1e8
    assert small[layout.TRADES_PER_S] < 0.5 * big[layout.TRADES_PER_S]
    assert small[layout.BOOKS_PER_S] < big[layout.BOOKS_PER_S]
    assert small[layout.TRADE_LOTS] * notional < 0.5 * 3_000.0
    assert small[layout.SPREAD_TICKS] > big[layout.SPREAD_TICKS]
    assert small[layout.SIGMA] > big[layout.SIGMA]


def test_majors_have_one_tick_books_and_the_rest_of_a_universe_is_sane() -> None:
    config = VenueConfig(universe=300)
    specs = specs_of(list(config.symbols), universe=300)
    spreads = {
        spec.symbol: spread_ticks(spec, config.flow, spec.start_price_ticks) for spec in specs
    }
    assert [spreads[name] for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")] == [1] * 4
    assert all(1 <= ticks <= 200 for ticks in spreads.values())
    assert sum(ticks > 1 for ticks in spreads.values()) > 30
    agents = make_agents(specs, config.flow, 1)
    assert np.isfinite(agents.traits).all() and np.isfinite(agents.band_lots).all()
    assert (agents.band_lots >= 1.0).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"volatility_bps_per_sqrt_s": 0.0},
        {"trade_impact": 0.0, "informed_share": 0.0, "deep_trade_share": 0.0},
        {"informed_share": 1.0, "deep_trade_share": 1.0},
        {"self_excitation": 0.95, "volatility_regimes": 1.5, "jumps_per_hour": 3_600.0},
        {"self_excitation": 0.0, "maker_patience": 0.05, "metaorders": 16},
        {"volatility_bps_per_sqrt_s": 100.0, "jump_bps": 500.0},
        {"spread_ticks": 40, "depth_levels": 5},
        {"depth_levels": 300, "mean_level_notional": 1.0},
        {"trades_per_s": 0.001, "book_updates_per_s": 0.01},
    ],
)
def test_every_allowed_configuration_makes_a_market(changes: dict[str, float]) -> None:
    ground = Ground(["BTCUSDT", "DOTUSDT"], seed=11, **changes)
    ground.run(120.0)
    for number in range(2):
        bid, ask = ground.top(number)
        assert (bid == 0 or ask == 0 or bid < ask) and (bid or ask)
    assert np.isfinite(ground.agents.fair_ticks).all()


def test_a_market_without_activity_is_quiet_and_not_broken() -> None:
    (spec,) = specs_of(["BTCUSDT"])
    agents = make_agents([spec], FlowConfig(), 1)
    quiet = make_agents([replace(spec, activity=0.0)], FlowConfig(), 1)
    assert 0.0 < quiet.traits[0, layout.TRADES_PER_S] < agents.traits[0, layout.TRADES_PER_S] / 50


def test_a_restarted_market_begins_where_it_ended() -> None:
    ground = Ground(["BTCUSDT", "ETHUSDT"], start_ticks={"BTCUSDT": 612_345})
    assert ground.agents.fair_ticks.tolist() == [612_345.0, 260_000.0]
    assert abs(sum(ground.top()) / 2 - 612_345) <= 1.0


def test_symbols_must_come_in_the_order_of_their_numbers() -> None:
    specs = specs_of(["BTCUSDT", "ETHUSDT"])
    with pytest.raises(AssertionError, match="out of order"):
        make_agents(specs[::-1], FlowConfig(), 1)


def test_the_same_seed_gives_the_same_tape_and_another_gives_another() -> None:
    digests = []
    for seed in (7, 7, 8):
        ground = Ground(seed=seed)
        ground.run(300.0)
        digests.append(ground.digest.hexdigest())
    assert digests[0] == digests[1] != digests[2]


def test_the_size_of_the_chunks_changes_nothing() -> None:
    digests = []
    for chunks in (1, 7, 600):
        ground = Ground(seed=9)
        for chunk in range(1, chunks + 1):
            ground.run(120.0 * chunk / chunks)
        digests.append(ground.digest.hexdigest())
    assert len(set(digests)) == 1


def test_a_symbol_does_not_depend_on_the_symbols_behind_it() -> None:
    alone, among = Ground(["BTCUSDT"], seed=4), Ground(["BTCUSDT", "ETHUSDT", "SOLUSDT"], seed=4)
    for ground in (alone, among):
        ground.run(120.0)
    assert alone.agents.fair_ticks[0] == among.agents.fair_ticks[0]
    assert alone.agents.counts[0].tolist() == among.agents.counts[0].tolist()

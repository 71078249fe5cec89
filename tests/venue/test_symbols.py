"""A contract's integer scales: exact units, padded texts, and refusals that name the key."""

from __future__ import annotations

import pytest

from aegis.config.catalogue import MAX_UNIVERSE
from aegis.config.models import VenueConfig, VenueSymbolConfig
from aegis.venue.errors import OptionsError
from aegis.venue.matching.layout import MAX_TURNOVER
from aegis.venue.symbols import make_symbol


def test_default_contracts() -> None:
    config = VenueConfig()
    btc = make_symbol("BTCUSDT", config.symbols["BTCUSDT"])
    eth = make_symbol("ETHUSDT", config.symbols["ETHUSDT"])
    assert (btc.base, btc.quote, btc.tick_points, btc.step_points) == ("BTC", "USDT", 10, 1)
    assert btc.notional_e8(618_002, 2_507) == 15493310140000  # 61800.20 * 2.507 in 1e-8 USDT
    assert btc.price_text(618_002) == "61800.20"
    assert btc.qty_text(2_507) == "2.507"
    assert eth.price_text(1) == "0.01"
    assert eth.unit_e8 == 1_000


def test_the_whole_catalogue_has_an_integer_form() -> None:
    """No unit below 1e-8, and the largest possible trade of each fits the books' sums."""
    config = VenueConfig(universe=MAX_UNIVERSE)
    for number, (symbol, row) in enumerate(config.symbols.items()):
        spec = make_symbol(symbol, row, number)
        assert (spec.number, spec.quote) == (number, "USDT")
        assert spec.unit_e8 >= 1
        assert spec.start_price_ticks * spec.tick_e8 == round(row.price * 1e8), symbol
        assert spec.max_price_ticks * spec.max_qty_lots < MAX_TURNOVER, symbol
        assert 0 < spec.min_qty_lots <= spec.market_max_lots, symbol
        assert 100 <= spec.market_take_bound_e4 <= 5_000, symbol


@pytest.mark.parametrize("text", ["61800.20", "0.10", "4529764.00"])
def test_recorded_texts_read_fast_and_slow_alike(text: str) -> None:
    spec = make_symbol("BTCUSDT", VenueConfig().symbols["BTCUSDT"])
    assert spec.price_text(spec.read_price(text)) == text
    assert spec.read_price(text.rstrip("0").rstrip(".")) == spec.read_price(text)


def test_average_price_is_the_exact_quotient_rounded_down() -> None:
    spec = make_symbol("BTCUSDT", VenueConfig().symbols["BTCUSDT"])
    cost = spec.notional_e8(600_000, 1) + spec.notional_e8(600_001, 2)
    assert spec.price_e8(cost, 3) == 6_000_006_666_666
    assert spec.price_e8(cost, -3) == 6_000_006_666_666
    assert spec.price_e8(0, 0) == 0


def test_a_unit_below_1e8_is_refused_by_name() -> None:
    config = VenueSymbolConfig(
        price=1.0, tick=1e-8, step=0.1, min_qty=0.1, price_precision=8, quantity_precision=1,
        min_price=1e-8,
    )  # fmt: skip
    with pytest.raises(OptionsError, match=r"XUSDT: tick 1e-08 times step 0.1"):
        make_symbol("XUSDT", config)

"""The contracts the exchange knows without being told: valid, exact, and like the real listing."""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from aegis.config import catalogue
from aegis.config.models import VenueConfig, VenueSymbolConfig

ALL = catalogue.listed(catalogue.MAX_UNIVERSE)


def exact(value: float) -> Decimal:
    return Decimal(repr(float(value)))


def test_every_contract_is_a_valid_one() -> None:
    for symbol, values in ALL.items():
        row = VenueSymbolConfig(**values)
        assert exact(row.price) % exact(row.tick) == 0, f"{symbol}: opens off its ticks"
        assert exact(row.min_qty) % exact(row.step) == 0, symbol
        unit = exact(row.tick) * exact(row.step)
        assert unit >= Decimal("1e-8"), f"{symbol}: sums would not be exact"
        assert unit % Decimal("1e-8") == 0, f"{symbol}: sums would not be exact"
        # Somebody with the default balance can trade it, and its largest order is a large one.
        assert row.min_qty * row.price < 1_000, symbol
        assert row.max_qty * row.price > 50_000, symbol
        assert row.min_price <= row.price / 2, symbol
        assert row.max_price >= row.price * 2, symbol


def test_a_larger_universe_begins_with_the_smaller_one() -> None:
    for count in (1, 2, 20, 21, 300):
        assert list(catalogue.listed(count).items()) == list(ALL.items())[:count]
    assert list(ALL)[:2] == ["BTCUSDT", "ETHUSDT"]
    assert len(catalogue.listed(20)) == 20


def test_names_are_exchange_symbols() -> None:
    config = VenueConfig(universe=catalogue.MAX_UNIVERSE)
    assert len(config.symbols) == len(ALL) == catalogue.MAX_UNIVERSE
    assert all(name.endswith("USDT") for name in config.symbols)
    assert sum(name.startswith("1000") for name in config.symbols) >= 5


def test_activity_falls_along_the_list() -> None:
    activity = [float(row["activity"]) for row in ALL.values()]
    thirds = [sum(activity[start : start + 160]) for start in (0, 160, 320)]
    assert thirds[0] > 5 * thirds[1] > 5 * thirds[2] / 2
    assert max(activity) == activity[0] == 1.0
    assert 2.0 < sum(activity) < 10.0, "the whole universe is a few times the busiest contract"


def test_the_file_changes_any_row_and_adds_others() -> None:
    own = {"price": 7.0, "tick": 0.01, "step": 1.0, "min_qty": 1.0}
    config = VenueConfig(
        universe=3,
        symbols={"ETHUSDT": {"price": 3_000.0}, "DOTUSDT": {"tick": 0.01}, "MYUSDT": own},
    )
    assert list(config.symbols) == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "DOTUSDT", "MYUSDT"]
    assert config.symbols["ETHUSDT"].price == 3_000.0
    assert config.symbols["ETHUSDT"].max_price == ALL["ETHUSDT"]["max_price"]
    assert config.symbols["DOTUSDT"].tick == 0.01
    assert config.symbols["DOTUSDT"].step == ALL["DOTUSDT"]["step"]
    assert config.symbols["MYUSDT"].price == 7.0


def test_the_files_own_contracts_can_be_told_from_the_catalogues() -> None:
    config = VenueConfig(universe=3, symbols={"ETHUSDT": {"price": 3_000.0}, "BTCUSDT": {}})
    assert list(config.own_symbols()) == ["ETHUSDT"]
    smaller = VenueConfig(universe=1, symbols=config.own_symbols())
    assert list(smaller.symbols) == ["BTCUSDT", "ETHUSDT"]
    assert smaller.symbols["ETHUSDT"].price == 3_000.0


def test_a_contract_the_catalogue_does_not_know_must_be_complete() -> None:
    with pytest.raises(ValidationError, match="tick"):
        VenueConfig(symbols={"MYUSDT": {"price": 7.0}})


@pytest.mark.parametrize("universe", [0, catalogue.MAX_UNIVERSE + 1])
def test_the_universe_is_bounded(universe: int) -> None:
    with pytest.raises(ValidationError):
        VenueConfig(universe=universe)


# --- against the real listing ---


@pytest.fixture(scope="module")
def real(shared_data: Path) -> list[dict[str, Any]]:
    """The tradable USDT perpetuals of the recorded exchangeInfo, filters by their names."""
    with gzip.open(shared_data / "usdm" / "exchangeInfo_20260331.json.gz") as file:
        body = json.load(file)
    rows = []
    for row in body["symbols"]:
        filters = {one["filterType"]: one for one in row["filters"]}
        tradable = row["contractType"] == "PERPETUAL" and row["status"] == "TRADING"
        if tradable and row["quoteAsset"] == "USDT" and float(filters["PRICE_FILTER"]["tickSize"]):
            rows.append({**row, "filters": filters})
    assert len(rows) > 400
    return rows


def shares(values: Iterable[Any]) -> dict[Any, float]:
    counts = Counter(values)
    return {value: count / counts.total() for value, count in counts.items()}


def distance(one: dict[Any, float], other: dict[Any, float]) -> float:
    """Total variation: the share of rows that would have to change."""
    return sum(abs(one.get(key, 0) - other.get(key, 0)) for key in {*one, *other}) / 2


def decimals(text: str) -> int:
    return -round(math.log10(float(text)))


@pytest.mark.parametrize(
    ("what", "ours", "theirs", "allowed"),
    [
        (
            "tick",
            lambda row: decimals(str(row["tick"])),
            lambda row: decimals(row["filters"]["PRICE_FILTER"]["tickSize"]),
            0.25,
        ),
        (
            "step",
            lambda row: decimals(str(row["step"])),
            lambda row: decimals(row["filters"]["LOT_SIZE"]["stepSize"]),
            0.25,
        ),
        (
            "precision beyond the tick",
            lambda row: row["price_precision"] - decimals(str(row["tick"])),
            lambda row: (
                row["pricePrecision"] - decimals(row["filters"]["PRICE_FILTER"]["tickSize"])
            ),
            0.35,
        ),
        (
            "price band",
            lambda row: row.get("multiplier_up", 1.05),
            lambda row: float(row["filters"]["PERCENT_PRICE"]["multiplierUp"]),
            0.15,
        ),
        (
            "least notional",
            lambda row: float(row["min_notional"]),
            lambda row: float(row["filters"]["MIN_NOTIONAL"]["notional"]),
            0.05,
        ),
        (
            "market order's share of the largest order",
            lambda row: round(row["market_max_qty"] / row["max_qty"] - 0.3),
            lambda row: round(
                min(
                    1.0,
                    float(row["filters"]["MARKET_LOT_SIZE"]["maxQty"])
                    / float(row["filters"]["LOT_SIZE"]["maxQty"]),
                )
                - 0.3
            ),
            0.2,
        ),
    ],
)
def test_filters_are_spread_as_in_the_real_listing(
    real: list[dict[str, Any]], what: str, ours: Any, theirs: Any, allowed: float
) -> None:
    apart = distance(shares(map(ours, ALL.values())), shares(map(theirs, real)))
    assert apart <= allowed, f"{what}: {apart:.2f} of the rows are unlike the real ones"


def test_the_best_known_contracts_have_their_real_filters(real: list[dict[str, Any]]) -> None:
    """Ticks and steps, where production's do not differ from this file of the test network."""
    differ = {"BTCUSDT"}  # steps of 0.0001 there, of 0.001 in production
    listed = {row["symbol"]: row["filters"] for row in real}
    checked = 0
    for symbol in list(ALL)[:20]:
        if symbol in differ or symbol not in listed:
            continue
        assert float(listed[symbol]["PRICE_FILTER"]["tickSize"]) == ALL[symbol]["tick"], symbol
        assert float(listed[symbol]["LOT_SIZE"]["stepSize"]) == ALL[symbol]["step"], symbol
        assert float(listed[symbol]["LOT_SIZE"]["minQty"]) == ALL[symbol]["min_qty"], symbol
        checked += 1
    assert checked >= 18

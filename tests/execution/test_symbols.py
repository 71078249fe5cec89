"""exchangeInfo to whole ticks and lots."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from aegis.execution.errors import UnusableSetupError
from aegis.execution.symbols import rules_of_symbols
from aegis.risk.limits import LimitsError

INFO: dict[str, Any] = {
    "rateLimits": [
        {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": 2_400,
        },
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1_200},
    ],
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "pricePrecision": 2,
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": "556.80",
                    "maxPrice": "4529764",
                    "tickSize": "0.10",
                },
                {
                    "filterType": "LOT_SIZE",
                    "minQty": "0.001",
                    "maxQty": "1000",
                    "stepSize": "0.001",
                },
                {
                    "filterType": "MARKET_LOT_SIZE",
                    "minQty": "0.001",
                    "maxQty": "120",
                    "stepSize": "0.001",
                },
                {"filterType": "MIN_NOTIONAL", "notional": "50"},
            ],
        }
    ],
}


def test_a_symbols_rules() -> None:
    (rules,) = rules_of_symbols(INFO, ["BTCUSDT"])
    assert (rules.tick_mantissa, rules.tick_decimals) == (1, 1)
    assert (rules.min_price_ticks, rules.max_price_ticks) == (5_568, 45_297_640)
    assert (rules.min_qty_lots, rules.max_qty_lots) == (1, 1_000_000)
    assert rules.max_market_qty_lots == 120_000
    assert rules.min_notional_e8 == 50 * 10**8
    assert rules.is_trading and rules.unit_e8 == 10_000


def test_what_is_absent_or_broken_is_named() -> None:
    with pytest.raises(UnusableSetupError, match="does not list XRPUSDT"):
        rules_of_symbols(INFO, ["XRPUSDT"])
    broken = copy.deepcopy(INFO)
    broken["symbols"][0]["filters"][0]["tickSize"] = "NaN"
    with pytest.raises(UnusableSetupError, match="filters of BTCUSDT"):
        rules_of_symbols(broken, ["BTCUSDT"])


def test_every_symbol_of_a_real_exchange(shared_data: Path) -> None:
    with gzip.open(shared_data / "usdm" / "exchangeInfo_20260331.json.gz") as file:
        info = json.load(file)
    names = [row["symbol"] for row in info["symbols"]]
    unusable = []
    for name in names:
        try:
            (rules,) = rules_of_symbols(info, [name])
            assert rules.min_price_ticks <= rules.max_price_ticks
            assert rules.min_qty_lots <= rules.max_qty_lots
        except (UnusableSetupError, LimitsError):
            unusable.append(name)
    # One symbol of 705 lists a tick size of 0.
    assert len(names) == 705 and unusable == ["ELSAUSDT"]


def test_symbols_that_the_feed_chose_may_be_untradable() -> None:
    odd = copy.deepcopy(INFO["symbols"][0])
    odd["symbol"] = "ODDUSDT"
    odd["filters"][0]["tickSize"] = "0.00000001"
    odd["filters"][1]["stepSize"] = "0.001"
    info = {"symbols": [*INFO["symbols"], odd]}
    for symbol in ("NONEUSDT", "ODDUSDT"):
        with pytest.raises(UnusableSetupError, match=symbol):
            rules_of_symbols(info, ["BTCUSDT", symbol])
        good, closed = rules_of_symbols(info, ["BTCUSDT", symbol], may_miss=True)
        assert good == rules_of_symbols(info, ["BTCUSDT"])[0]
        assert (closed.symbol, closed.is_trading) == (symbol, False)
        assert closed.unit_e8 > 0, "a row of the gate can be filled with it"

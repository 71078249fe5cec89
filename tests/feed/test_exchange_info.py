"""Instrument rows from exchangeInfo."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from aegis.feed.errors import WireError
from aegis.feed.exchange_info import STATUS_OTHER, read_listing
from aegis.shm.instruments import TRADING


def exchange_info(**changes: Any) -> bytes:
    row: dict[str, Any] = {
        "symbol": "BTCUSDT", "status": "TRADING", "pricePrecision": 2, "quantityPrecision": 3,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764",
             "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "100"},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95",
             "multiplierDecimal": "4"},
            {"filterType": "SOMETHING_NEW", "tickSize": None, "deep": {"a": [1]}},
        ],
    }  # fmt: skip
    return json.dumps({"serverTime": 1, "symbols": [{**row, **changes}]}).encode()


def test_rows_hold_the_filters() -> None:
    fields = read_listing(exchange_info()).fields("BTCUSDT")
    assert fields == {
        "symbol": b"BTCUSDT", "status": TRADING, "price_precision": 2, "quantity_precision": 3,
        "tick_size": 0.1, "min_price": 556.8, "max_price": 4529764.0, "step_size": 0.001,
        "min_qty": 0.001, "max_qty": 1000.0, "min_notional": 100.0,
        "multiplier_up": 1.05, "multiplier_down": 0.95,
    }  # fmt: skip


def test_the_real_table_of_705_symbols_is_read(shared_data: Path) -> None:
    body = gzip.decompress((shared_data / "usdm/exchangeInfo_20260331.json.gz").read_bytes())
    listed = [row["symbol"] for row in json.loads(body)["symbols"] if row["status"] == "TRADING"]
    listing = read_listing(body)
    rows = [listing.fields(symbol) for symbol in listed]
    assert len(rows) == len(listed) == 590
    assert all(row["status"] == TRADING and row["tick_size"] > 0 for row in rows)
    assert listing.fields("BTCUSDT")["min_notional"] == 100.0
    assert listing.weight_per_minute == 6_000
    assert 500 < sum(map(listing.is_trading, listing.perpetuals)) < 590


def test_other_states_are_not_trading() -> None:
    codes = [
        read_listing(exchange_info(status=status)).fields("BTCUSDT")["status"]
        for status in ("SETTLING", "PENDING_TRADING", "CLOSE", "BRAND_NEW_STATE")
    ]
    assert TRADING not in codes
    assert codes[-1] == STATUS_OTHER


@pytest.mark.parametrize("tick", ["nan", "inf", "-1", "0", "", None, "1e999"])
def test_filters_must_be_finite(tick: Any) -> None:
    filters = json.loads(exchange_info())["symbols"][0]["filters"]
    filters[0]["tickSize"] = tick
    with pytest.raises(WireError, match="exchangeInfo"):
        read_listing(exchange_info(filters=filters)).fields("BTCUSDT")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"\xff", b'{"symbols":[1]}'])
def test_other_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(WireError, match="exchangeInfo"):
        read_listing(body)
